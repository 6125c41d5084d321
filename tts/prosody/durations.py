"""Duration model: frames per phone from text and voice."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.modules.phone_encoder import PhoneEncoder
from tts.modules.voice_prompt import VoicePrompt
from tts.text.symbols import SIL
from tts.text.tokens import TokenBatch
from tts_codecs.nn.convnext import ConvNeXt

#: frames of silence before and after a sentence
EDGE_FRAMES = (5, 6)


class DurationModel(nn.Module):
    """Duration model: a distribution over frames for each phone, from text and voice.

    It classifies into 1 to `classes` frames (as in FlexSpeech, 2025). The mean of the distribution
    is not biased towards short phones, as regression of log durations is. The voice is given by the
    speaker embedding and by a style vector, pooled from the prompt, which has the speaking rate.

    Args:
        dim, blocks: width and number of blocks of the phone encoder.
        classes: largest duration of a phone in frames.
        channels: of the features of the prompt; style: size of the style vector.
        shortest: smallest duration in frames that `predict` gives at speed 1. Aligners give a frame
            to phones that speakers drop; generators that were trained on a few hours cannot say a
            phone in a frame, and would lose words.
    """

    def __init__(
        self,
        dim: int = 192,
        blocks: int = 4,
        classes: int = 60,
        channels: int = 82,
        style: int = 128,
        speaker_dim: int = 256,
        dropout: float = 0.1,
        shortest: float = 1.0,
    ):
        super().__init__()
        self.classes = classes
        self.shortest = shortest
        self.style_in = nn.Linear(channels, style)
        self.style = nn.ModuleList(ConvNeXt(style, 2 * style, 7) for _ in range(3))
        self.cond = nn.Sequential(
            nn.Linear(style + speaker_dim, 128), nn.GELU(), nn.Dropout(dropout)
        )
        self.encoder = PhoneEncoder(dim, blocks, 5, cond=128, dropout=dropout)
        self.head = nn.Linear(dim, classes)

    def forward(self, tokens: TokenBatch, prompt: VoicePrompt) -> Tensor:
        """Compute logits [B, S, classes]; class c stands for c + 1 frames."""
        index = torch.arange(prompt.features.shape[1], device=prompt.features.device)
        mask = (index < prompt.lengths.unsqueeze(1)).unsqueeze(-1).float()
        x = self.style_in(prompt.features)
        for block in self.style:
            x = block(x, mask)
        pooled = (x * mask).sum(1) / mask.sum(1).clamp_min(1)
        cond = self.cond(torch.cat([pooled, prompt.speaker * 8], -1))
        return self.head(self.encoder(tokens, cond))

    def loss(self, tokens: TokenBatch, prompt: VoicePrompt, durations: Tensor) -> Tensor:
        """Compute cross entropy plus 0.1 times the absolute error of the expected duration.

        Args:
            durations: [B, S] in frames.
        """
        logits = self(tokens, prompt)
        mask = tokens.mask[..., 0] > 0
        target = (durations - 1).clamp(0, self.classes - 1)
        entropy = F.cross_entropy(logits[mask], target[mask])
        expected = self.expected(logits)[mask]
        return entropy + 0.1 * (expected - durations[mask].clamp(1, self.classes)).abs().mean()

    def expected(self, logits: Tensor) -> Tensor:
        """Compute the expected frames [B, S] from logits [B, S, classes]."""
        frames = torch.arange(1, self.classes + 1, device=logits.device)
        return (torch.softmax(logits, -1) * frames).sum(-1)

    @torch.inference_mode()
    def predict(
        self, tokens: TokenBatch, prompt: VoicePrompt, speed: float | Tensor = 1.0
    ) -> Tensor:
        """Predict the frames of each token [B, S], at least 1, and 0 for padding.

        Rounding errors, also those of one frame at least in fast speech, are carried over to the
        next tokens, so that the total length is right.

        Args:
            speed: factor, above 1 for faster speech; [B] for sentences or [B, S] for tokens.
        """
        expected = self.expected(self(tokens, prompt)).clamp_min(self.shortest)
        rate = torch.as_tensor(speed, device=expected.device, dtype=expected.dtype)
        expected = expected / (rate.unsqueeze(-1) if rate.dim() == 1 else rate)
        valid = tokens.mask[..., 0].long()
        return frames_until((expected * valid).cumsum(1), valid)


def frames_until(ends: Tensor, valid: Tensor) -> Tensor:
    """Compute durations in whole frames [B, S] of tokens that end at `ends`.

    Args:
        ends: [B, S] times in frames, not rounded.
        valid: [B, S] bool; valid tokens get at least one frame, others none.
    """
    valid = valid.long()
    ends = ends.round().long()
    # The earliest possible ends, with one frame for each token.
    earliest = valid.cumsum(1)
    ends = earliest + (ends - earliest).clamp_min(0).cummax(1).values
    return torch.diff(ends, dim=1, prepend=torch.zeros_like(ends[:, :1])) * valid


def with_edges(durations: Tensor, tokens: TokenBatch, patch: int) -> Tensor:
    """Set the silence at both ends of sentences to EDGE_FRAMES in durations [B, S].

    The silence at the end is extended to a whole number of latents of `patch` frames.
    """
    durations = durations.clone()
    rows = torch.arange(len(durations), device=durations.device)
    last = tokens.lengths - 1
    opens, closes = tokens.ids[:, 0] == SIL, tokens.ids[rows, last] == SIL
    durations[opens, 0] = EDGE_FRAMES[0]
    durations[rows[closes], last[closes]] = EDGE_FRAMES[1]
    rest = -durations.sum(1) % patch
    durations[rows[closes], last[closes]] += rest[closes]
    return durations

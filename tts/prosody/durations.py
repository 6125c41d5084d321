"""Phone durations from text and voice."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.modules.phone_encoder import PhoneEncoder
from tts.modules.voice_prompt import VoicePrompt
from tts.text.symbols import SIL
from tts.text.tokens import TokenBatch
from tts_codecs.nn.convnext import ConvNeXt

EDGE_FRAMES = (5, 6)  # silence before and after a sentence


class DurationModel(nn.Module):
    """Distribution over frames per phone.

    A classifier over 1..`classes` frames (as FlexSpeech, 2025): its mean is not biased short as
    that of log-domain regression is. The voice enters as speaker embedding and a style vector
    pooled from the prompt, which carries the speaking rate, so no transcript is needed for it.

    Args:
        shortest: frames that `predict` gives every phone at least, at speed 1. Speakers swallow
            phones, of which an aligner still has to give each a frame; generators that learned
            from a few hours cannot say one in so little, and words are lost.
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
        """Logits [B, S, classes]; class c means c + 1 frames."""
        index = torch.arange(prompt.features.shape[1], device=prompt.features.device)
        mask = (index < prompt.lengths.unsqueeze(1)).unsqueeze(-1).float()
        x = self.style_in(prompt.features)
        for block in self.style:
            x = block(x, mask)
        pooled = (x * mask).sum(1) / mask.sum(1).clamp_min(1)
        cond = self.cond(torch.cat([pooled, prompt.speaker * 8], -1))
        return self.head(self.encoder(tokens, cond))

    def loss(self, tokens: TokenBatch, prompt: VoicePrompt, durations: Tensor) -> Tensor:
        """Cross entropy plus the error of the expected duration; durations [B, S] frames."""
        logits = self(tokens, prompt)
        mask = tokens.mask[..., 0] > 0
        target = (durations - 1).clamp(0, self.classes - 1)
        entropy = F.cross_entropy(logits[mask], target[mask])
        expected = self.expected(logits)[mask]
        return entropy + 0.1 * (expected - durations[mask].clamp(1, self.classes)).abs().mean()

    def expected(self, logits: Tensor) -> Tensor:
        """Mean frames, [B, S] float."""
        frames = torch.arange(1, self.classes + 1, device=logits.device)
        return (torch.softmax(logits, -1) * frames).sum(-1)

    @torch.inference_mode()
    def predict(
        self, tokens: TokenBatch, prompt: VoicePrompt, speed: float | Tensor = 1.0
    ) -> Tensor:
        """Integer frames per token, at least 1, 0 where padded.

        Rounding carries its error along the sentence, also that of raising short phones to one
        frame where speech is fast, so the total length is right.

        Args:
            speed: above 1 is faster; a number, [B], or [B, S] of each token.
        """
        expected = self.expected(self(tokens, prompt)).clamp_min(self.shortest)
        rate = torch.as_tensor(speed, device=expected.device, dtype=expected.dtype)
        expected = expected / (rate.unsqueeze(-1) if rate.dim() == 1 else rate)
        valid = tokens.mask[..., 0].long()
        return frames_until((expected * valid).cumsum(1), valid)


def frames_until(ends: Tensor, valid: Tensor) -> Tensor:
    """Durations [B, S] in whole frames of tokens that end at `ends` [B, S], at least one of each
    that is `valid` [B, S], 0 of others."""
    valid = valid.long()
    ends = ends.round().long()
    # The earliest ends that leave every token a frame: frames beyond that never shrink.
    least = valid.cumsum(1)
    ends = least + (ends - least).clamp_min(0).cummax(1).values
    return torch.diff(ends, dim=1, prepend=torch.zeros_like(ends[:, :1])) * valid


def with_edges(durations: Tensor, tokens: TokenBatch, patch: int) -> Tensor:
    """Durations [B, S] of sentences that begin and end in silence with EDGE_FRAMES of it; what is
    said then fills a whole number of latents of `patch` frames, so that nothing is cut."""
    durations = durations.clone()
    rows = torch.arange(len(durations), device=durations.device)
    last = tokens.lengths - 1
    opens, closes = tokens.ids[:, 0] == SIL, tokens.ids[rows, last] == SIL
    durations[opens, 0] = EDGE_FRAMES[0]
    durations[rows[closes], last[closes]] = EDGE_FRAMES[1]
    rest = -durations.sum(1) % patch
    durations[rows[closes], last[closes]] += rest[closes]
    return durations

"""Aligner: learns the alignment of phones and audio from the data, without labels.

It has a Gaussian for each phone token, whose mean is predicted from the neighboring phones and the
voice. Monotonic search finds the best path, which trains the means (Glow-TTS, Kim et al. 2020).
Pauses between words are optional tokens, so that transcripts need no punctuation.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.align.mas import monotonic_alignment
from tts.modules.phone_encoder import PhoneEncoder
from tts.text.symbols import SIL
from tts.text.tokens import TokenBatch, expand


def with_optional_pauses(
    ids: list[int], mods: list[int], starts: list[int]
) -> tuple[list[int], list[int], list[bool]]:
    """Insert an optional `<sil>` before each word but the first.

    Args:
        ids, mods: phone tokens with `<sil>` at both edges.
        starts: index of the first token of each word.

    Returns:
        ids, mods, and which tokens may be skipped (all pauses).
    """
    out_ids: list[int] = []
    out_mods: list[int] = []
    cuts = set(starts[1:])
    for at, (i, m) in enumerate(zip(ids, mods, strict=True)):
        if at in cuts:
            out_ids.append(SIL)
            out_mods.append(0)
        out_ids.append(i)
        out_mods.append(m)
    return out_ids, out_mods, [i == SIL for i in out_ids]


class Aligner(nn.Module):
    """Network that predicts the mean [mel, mel slope] of the frames of each phone token.

    Args:
        n_mels: bands of the normalized log-mel spectrum.
        dim, blocks: width and number of blocks of the phone encoder.
        speaker_dim: size of the speaker embedding.
    """

    def __init__(self, n_mels: int = 80, dim: int = 192, blocks: int = 3, speaker_dim: int = 256):
        super().__init__()
        self.voice = nn.Sequential(nn.Linear(speaker_dim, 64), nn.GELU())
        self.encoder = PhoneEncoder(dim, blocks, 3, cond=64)
        self.mean = nn.Linear(dim, 2 * n_mels)

    @staticmethod
    def features(mel: Tensor) -> Tensor:
        """Append the slope over the frames before and after: [B, T, n_mels] to [B, T, 2 n_mels]."""
        padded = F.pad(mel.transpose(1, 2), (1, 1), mode="replicate").transpose(1, 2)
        slope = (padded[:, 2:] - padded[:, :-2]) * 0.7
        return torch.cat([mel, slope], -1)

    def means(self, tokens: TokenBatch, speaker: Tensor) -> Tensor:
        """Predict the means [B, S, 2 n_mels] of tokens for speaker embeddings [B, speaker_dim]."""
        return self.mean(self.encoder(tokens, self.voice(speaker)))

    def scores(self, means: Tensor, features: Tensor) -> Tensor:
        """Compute log-likelihoods [B, S, T] of frames [B, T, F] under means [B, S, F], up to
        constants that depend on the frame alone."""
        cross = torch.bmm(means, features.transpose(1, 2))
        return cross - 0.5 * means.square().sum(-1, keepdim=True)

    def align(
        self,
        tokens: TokenBatch,
        speaker: Tensor,
        mel: Tensor,
        frames: Tensor,
        optional: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Find the best alignment.

        Args:
            speaker: [B, speaker_dim]; mel: [B, T, n_mels]; frames: [B]; optional: [B, S] bool.

        Returns:
            durations [B, S] int64, means [B, S, F], features [B, T, F].
        """
        features = self.features(mel)
        means = self.means(tokens, speaker)
        with torch.no_grad():
            # NumPy has no bfloat16, which they may be in mixed precision.
            scores = self.scores(means, features).float().cpu().numpy()
        path = monotonic_alignment(
            scores, tokens.lengths.cpu().numpy(), frames.cpu().numpy(), optional.cpu().numpy()
        )
        return torch.from_numpy(path).to(mel.device), means, features

    def loss(
        self, tokens: TokenBatch, speaker: Tensor, mel: Tensor, frames: Tensor, optional: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Align, and compute the mean squared error between frames and the means of their tokens.

        Arguments are those of `align`.

        Returns:
            the loss, a scalar, and durations [B, S].
        """
        durations, means, features = self.align(tokens, speaker, mel, frames, optional)
        expanded = expand(means, durations, mel.shape[1])
        index = torch.arange(mel.shape[1], device=mel.device)
        mask = (index < frames.unsqueeze(1)).unsqueeze(-1)
        error = (expanded - features).square() * mask
        return error.sum() / (mask.sum() * features.shape[-1]), durations

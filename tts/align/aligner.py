"""Alignment of phones and audio learned from the data, and the durations that follow from it.

The aligner is a Gaussian per phone token, its mean predicted from the phones around it and the
voice; monotonic search finds the best path, the path trains the means (Glow-TTS, Kim et al. 2020).
Pauses between words are optional tokens, so transcripts need no punctuation.
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
    """Gaussian mean per token over [mel, mel slope] of a frame.

    Args:
        n_mels: bands of the (normalised) log-mel.
        speaker_dim: size of the voice vector.
    """

    def __init__(self, n_mels: int = 80, dim: int = 192, blocks: int = 3, speaker_dim: int = 256):
        super().__init__()
        self.voice = nn.Sequential(nn.Linear(speaker_dim, 64), nn.GELU())
        self.encoder = PhoneEncoder(dim, blocks, 3, cond=64)
        self.mean = nn.Linear(dim, 2 * n_mels)

    @staticmethod
    def features(mel: Tensor) -> Tensor:
        """[B, T, n_mels] to [B, T, 2 n_mels]: the frame and its slope over +-1 frame."""
        padded = F.pad(mel.transpose(1, 2), (1, 1), mode="replicate").transpose(1, 2)
        slope = (padded[:, 2:] - padded[:, :-2]) * 0.7
        return torch.cat([mel, slope], -1)

    def means(self, tokens: TokenBatch, speaker: Tensor) -> Tensor:
        """[B, S, 2 n_mels]."""
        return self.mean(self.encoder(tokens, self.voice(speaker)))

    def scores(self, means: Tensor, features: Tensor) -> Tensor:
        """Log-likelihood up to a constant, [B, S, T]."""
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
        """Best path.

        Args:
            speaker: [B, speaker_dim]; mel: [B, T, n_mels]; frames: [B]; optional: [B, S] bool.

        Returns:
            durations [B, S] int64, means [B, S, F], features [B, T, F].
        """
        features = self.features(mel)
        means = self.means(tokens, speaker)
        with torch.no_grad():
            # In mixed precision they may be bfloat16, which NumPy does not have.
            scores = self.scores(means, features).float().cpu().numpy()
        path = monotonic_alignment(
            scores, tokens.lengths.cpu().numpy(), frames.cpu().numpy(), optional.cpu().numpy()
        )
        return torch.from_numpy(path).to(mel.device), means, features

    def loss(
        self, tokens: TokenBatch, speaker: Tensor, mel: Tensor, frames: Tensor, optional: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean squared error of the frames to their token's mean, and the durations [B, S]."""
        durations, means, features = self.align(tokens, speaker, mel, frames, optional)
        expanded = expand(means, durations, mel.shape[1])
        index = torch.arange(mel.shape[1], device=mel.device)
        mask = (index < frames.unsqueeze(1)).unsqueeze(-1)
        error = (expanded - features).square() * mask
        return error.sum() / (mask.sum() * features.shape[-1]), durations

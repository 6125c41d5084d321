"""Phone probe: a frame-wise phone classifier on source-filter features.

As a loss it rewards clear articulation, like the CTC loss of DMOSpeech (Li et al. 2024); since
durations are known, cross entropy per frame takes the place of CTC. It also gives the phone
posteriors of recordings (tts.voice).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.text.pauses import COMMA, PERIOD
from tts.text.symbols import N_MODS, N_SYMBOLS, SIL
from tts.text.tokens import TokenBatch, token_index
from tts_codecs.nn.convnext import ConvNeXt


class PhoneProbe(nn.Module):
    """Features [B, T, C] to logits of the phone in each frame.

    For a loss its context is short, as it could otherwise guess a phone that is not articulated.
    A recognizer of recordings should use context: it has wide kernels, and also predicts the
    modifier of each phone (stress and length).

    Args:
        channels: C; dim, blocks, kernel: sizes; dropout: in training.
        modifiers: whether it predicts modifiers.
    """

    def __init__(
        self,
        channels: int = 82,
        dim: int = 128,
        blocks: int = 4,
        kernel: int = 3,
        dropout: float = 0.1,
        modifiers: bool = False,
    ):
        super().__init__()
        self.entry = nn.Linear(channels, dim)
        self.blocks = nn.ModuleList(
            ConvNeXt(dim, 2 * dim, kernel, dropout=dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, N_SYMBOLS)
        self.modifiers = nn.Linear(dim, N_MODS) if modifiers else None

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Logits [B, T, N_SYMBOLS] of features [B, T, C] with mask [B, T, 1]."""
        return self.head(self.hidden(features, mask))

    def hidden(self, features: Tensor, mask: Tensor) -> Tensor:
        """Hidden states [B, T, dim], from which the logits are computed."""
        return self.norm(self.states(features, mask)[-1])

    def states(self, features: Tensor, mask: Tensor) -> list[Tensor]:
        """The output [B, T, dim] of each block, from the first to the last."""
        x, states = self.entry(features), []
        for block in self.blocks:
            x = block(x, mask)
            states.append(x)
        return states

    def distance(self, made: Tensor, real: Tensor, mask: Tensor) -> Tensor:
        """The deep feature loss: how far the states of `made` [B, T, C] are from those of `real`
        (perceptual loss, Johnson et al. 2016), a scalar; gradients go to `made` alone.

        It is the mean over blocks of the L1 distance, in terms of the mean size of a block's states
        of `real`.
        """
        with torch.no_grad():
            wanted = self.states(real, mask)
        apart = [
            ((mine - theirs) * mask).abs().mean() / (theirs * mask).abs().mean().clamp_min(1e-6)
            for mine, theirs in zip(self.states(made, mask), wanted, strict=True)
        ]
        return torch.stack(apart).mean()

    def errors(
        self, features: Tensor, mask: Tensor, tokens: TokenBatch, durations: Tensor
    ) -> Tensor:
        """Cross entropy of the target phones, mean over the frames of each row, [B].

        Args:
            features: [B, T, C]; mask: [B, T, 1] float.
            tokens: [B, S] phones; durations: [B, S] frames of each.
        """
        return self.both_errors(features, mask, tokens, durations)[0]

    def both_errors(
        self, features: Tensor, mask: Tensor, tokens: TokenBatch, durations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`errors`, and the cross entropy of the modifiers, [B] each; 0 without modifiers."""
        owner = token_index(durations, features.shape[1])
        labels = tokens.ids.gather(1, owner)
        # Kinds of pauses differ in their length only.
        labels = torch.where((labels == COMMA) | (labels == PERIOD), SIL, labels)
        hidden = self.hidden(features, mask)
        # The last latent may reach past the last phone; these frames have no target.
        index = torch.arange(features.shape[1], device=features.device)
        counted = mask[..., 0] * (index < durations.sum(1, keepdim=True))
        spoken = counted * (labels != SIL)

        def mean(head: nn.Module, labels: Tensor, weight: Tensor) -> Tensor:
            logits = head(hidden).transpose(1, 2)
            error = F.cross_entropy(logits, labels, reduction="none") * weight
            return error.sum(1) / weight.sum(1).clamp_min(1)

        phones = mean(self.head, labels, counted)
        if self.modifiers is None:
            return phones, torch.zeros_like(phones)
        return phones, mean(self.modifiers, tokens.mods.gather(1, owner), spoken)

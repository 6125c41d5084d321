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
        channels: C; dim: width of the network; blocks: their number; kernel: frames of their
            convolutions.
        modifiers: whether it also predicts modifiers.
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

    def distance(
        self, fake: Tensor, real: Tensor, mask: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """Compute the deep feature loss between generated and real features (perceptual loss,
        Johnson et al. 2016).

        It is the L1 distance of the states of each block, divided by the mean absolute state for
        the real features, and averaged over blocks. Gradients flow to `fake` alone.

        Args:
            fake, real: [B, T, C] features; mask: [B, T, 1].
            weight: [B] of each row; None for equal ones.

        Returns:
            a scalar.
        """
        with torch.no_grad():
            targets = self.states(real, mask)
        counted = mask if weight is None else mask * weight[:, None, None]
        distances = [
            ((state - target) * counted).abs().mean()
            / (target * counted).abs().mean().clamp_min(1e-6)
            for state, target in zip(self.states(fake, mask), targets, strict=True)
        ]
        return torch.stack(distances).mean()

    def errors(
        self, features: Tensor, mask: Tensor, tokens: TokenBatch, durations: Tensor
    ) -> Tensor:
        """Compute the cross entropy of the phones, a mean over the frames of each row, [B].

        Args:
            features: [B, T, C]; mask: [B, T, 1] float.
            tokens: [B, S] phones; durations: [B, S] frames of each.
        """
        return self.both_errors(features, mask, tokens, durations)[0]

    def both_errors(
        self, features: Tensor, mask: Tensor, tokens: TokenBatch, durations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute the cross entropy of phones as in `errors`, and that of modifiers, [B] each.

        The second is 0 for a probe without modifiers.
        """
        phone_index = token_index(durations, features.shape[1])
        labels = tokens.ids.gather(1, phone_index)
        # Pauses of different lengths have one label, as they sound alike.
        labels = torch.where((labels == COMMA) | (labels == PERIOD), SIL, labels)
        hidden = self.hidden(features, mask)
        # The last latent may reach past the last phone; these frames have no target.
        index = torch.arange(features.shape[1], device=features.device)
        valid = mask[..., 0] * (index < durations.sum(1, keepdim=True))
        spoken = valid * (labels != SIL)

        def mean(head: nn.Module, labels: Tensor, weight: Tensor) -> Tensor:
            logits = head(hidden).transpose(1, 2)
            error = F.cross_entropy(logits, labels, reduction="none") * weight
            return error.sum(1) / weight.sum(1).clamp_min(1)

        phones = mean(self.head, labels, valid)
        if self.modifiers is None:
            return phones, torch.zeros_like(phones)
        return phones, mean(self.modifiers, tokens.mods.gather(1, phone_index), spoken)

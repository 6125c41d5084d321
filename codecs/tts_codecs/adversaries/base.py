"""What discriminators of waveforms share: their losses, and several of them as one."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError

#: scores of a part, of any shape, and the feature maps of its layers
Judgement: TypeAlias = tuple[Tensor, list[Tensor]]
MOST_WINDOW = 1 << 16
Objective: TypeAlias = Literal["hinge", "squares"]


def check_windows(n_ffts: Sequence[int]) -> None:
    """CodecError for a length of a window whose hop would be nothing, or that no sound fills."""
    for n_fft in n_ffts:
        if not 4 <= n_fft <= MOST_WINDOW:
            raise CodecError(f"n_ffts are 4 to {MOST_WINDOW} samples each, not {n_fft}")


class Adversary(nn.Module):
    """Base of discriminators: a waveform [B, N] to one judgement for each of its parts.

    `objective` is "hinge" (Lim and Ye 2017) or "squares" (least squares, Mao et al. 2017).
    """

    objective: Objective = "hinge"

    @property
    def least_samples(self) -> int:
        """The shortest waveform that can be judged, in samples."""
        return 1

    def forward(self, wav: Tensor) -> list[Judgement]:
        """[B, N] to (scores, feature maps) of every part."""
        raise NotImplementedError

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of the discriminator on real and (detached) generated audio [B, N]."""
        loss = real.new_zeros(())
        judged = list(zip(self(real), self(fake.detach()), strict=True))
        for (r, _), (f, _) in judged:
            if self.objective == "hinge":
                loss = loss + F.relu(1 - r).mean() + F.relu(1 + f).mean()
            else:
                loss = loss + (1 - r).square().mean() + f.square().mean()
        return loss / len(judged)

    def generator_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of the generator and feature matching (relative L1), both means over the parts."""
        adversarial, matching = real.new_zeros(()), real.new_zeros(())
        with torch.no_grad():
            targets = self(real)
        for (_, wanted), (score, got) in zip(targets, self(fake), strict=True):
            fooled = -score if self.objective == "hinge" else (1 - score).square()
            adversarial = adversarial + fooled.mean()
            apart = real.new_zeros(())
            for a, b in zip(wanted, got, strict=True):
                apart = apart + (a - b).abs().mean() / a.abs().mean().clamp_min(1e-3)
            matching = matching + apart / len(wanted)
        count = len(targets)
        return adversarial / count, matching / count


class Adversaries(Adversary):
    """Several discriminators as one.

    Raises:
        CodecError: none at all, or an unknown objective.
    """

    def __init__(self, parts: dict[str, Adversary], objective: Objective = "hinge"):
        super().__init__()
        if not parts:
            raise CodecError("adversaries: name at least one")
        if objective not in ("hinge", "squares"):
            raise CodecError(f"the objective of adversaries is hinge or squares, not {objective!r}")
        self.objective = objective
        self.parts = nn.ModuleDict(parts)

    @property
    def least_samples(self) -> int:
        """What that of its parts needs which needs most."""
        return max(part.least_samples for part in self._judges())

    def forward(self, wav: Tensor) -> list[Judgement]:
        """The judgements of all."""
        return [each for part in self._judges() for each in part(wav)]

    def _judges(self) -> list[Adversary]:
        return [part for part in self.parts.values() if isinstance(part, Adversary)]

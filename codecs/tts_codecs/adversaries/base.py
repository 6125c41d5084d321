"""Base class of waveform discriminators with the adversarial losses, and their combination."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError

#: output of one sub-discriminator: scores of any shape, and the feature maps of its layers
Judgement: TypeAlias = tuple[Tensor, list[Tensor]]
#: longest window in samples
MOST_WINDOW = 1 << 16
Objective: TypeAlias = Literal["hinge", "squares"]


def check_windows(n_ffts: Sequence[int]) -> None:
    """Raise CodecError for window lengths whose hop would be 0 samples, or that are too long."""
    for n_fft in n_ffts:
        if not 4 <= n_fft <= MOST_WINDOW:
            raise CodecError(f"n_ffts are 4 to {MOST_WINDOW} samples each, not {n_fft}")


class Adversary(nn.Module):
    """Base of discriminators, which consist of sub-discriminators such as one per resolution.

    Attributes:
        objective: of the adversarial losses, "hinge" (Lim and Ye 2017) or "squares" (least-squares
            GAN, Mao et al. 2017).
    """

    objective: Objective = "hinge"

    @property
    def least_samples(self) -> int:
        """Length in samples of the shortest waveform that the discriminator accepts."""
        return 1

    def forward(self, wav: Tensor) -> list[Judgement]:
        """Scores and feature maps of every sub-discriminator for a waveform [B, N]."""
        raise NotImplementedError

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Discriminator loss on real and generated audio [B, N], a mean over sub-discriminators.
        The generated audio is detached."""
        loss = real.new_zeros(())
        judged = list(zip(self(real), self(fake.detach()), strict=True))
        for (r, _), (f, _) in judged:
            if self.objective == "hinge":
                loss = loss + F.relu(1 - r).mean() + F.relu(1 + f).mean()
            else:
                loss = loss + (1 - r).square().mean() + f.square().mean()
        return loss / len(judged)

    def generator_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Adversarial loss of the generator and feature-matching loss (relative L1), both means
        over sub-discriminators, on real and generated audio [B, N]."""
        adversarial, matching = real.new_zeros(()), real.new_zeros(())
        with torch.no_grad():
            targets = self(real)
        for (_, wanted), (score, got) in zip(targets, self(fake), strict=True):
            fooled = -score if self.objective == "hinge" else (1 - score).square()
            adversarial = adversarial + fooled.mean()
            distance = real.new_zeros(())
            for a, b in zip(wanted, got, strict=True):
                distance = distance + (a - b).abs().mean() / a.abs().mean().clamp_min(1e-3)
            matching = matching + distance / len(wanted)
        count = len(targets)
        return adversarial / count, matching / count


class Adversaries(Adversary):
    """Several discriminators combined into one.

    Raises:
        CodecError: no discriminator, or an unknown objective.
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
        """The largest `least_samples` of the discriminators."""
        return max(part.least_samples for part in self._judges())

    def forward(self, wav: Tensor) -> list[Judgement]:
        """Scores and feature maps of all discriminators, in order."""
        return [each for part in self._judges() for each in part(wav)]

    def _judges(self) -> list[Adversary]:
        return [part for part in self.parts.values() if isinstance(part, Adversary)]

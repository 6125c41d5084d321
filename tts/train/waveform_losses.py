"""Losses of a waveform beside its recording: spectra, and discriminators from a step on."""

from typing import Any, cast

from torch import Tensor, nn

from tts.errors import CodecError, ConfigError
from tts_codecs.adversaries import Adversaries, Objective, build_adversaries
from tts_codecs.balancer import Balancer
from tts_codecs.vocoder.losses import multi_scale_spectral_loss, phase_loss

_FADE = 500  # steps in which discriminators come in


class WaveformLosses:
    """Multi-scale spectral losses, samples and phases if weighted, and discriminators with feature
    matching from step `adversarial_from` on, which come in over 500 steps.

    Args:
        rate: Hz of the waveforms; samples: how long they are at least.
        weights: of mel and log-magnitude spectra ("mel", "mag"), samples ("l1"), phases ("phase"),
            fooling ("fool") and feature matching ("match"); 0 leaves one out.
        adversaries: discriminators by name (tts_codecs.adversaries.ADVERSARIES), each with its
            arguments; by default thin ones of spectrograms. objective: "hinge" or "squares".
        adversarial_batch: rows that the discriminators hear, the first ones.
        balance: the losses share the waveform's gradient by their weights, however large their own
            gradients are (tts_codecs.balancer).

    Raises:
        ConfigError: unknown discriminators or arguments of them, windows longer than waveforms, or
            nothing to balance.
    """

    def __init__(
        self,
        rate: int,
        samples: int,
        weights: dict[str, float],
        adversaries: dict[str, dict[str, Any]] | None = None,
        objective: str = "hinge",
        adversarial_from: int = 3000,
        adversarial_batch: int = 4,
        balance: bool = False,
    ):
        self.rate, self.weights = rate, {name: w for name, w in weights.items() if w}
        self.adversarial_from, self.adversarial_batch = adversarial_from, adversarial_batch
        try:
            self.discriminator: Adversaries = build_adversaries(
                {"spectra": {}} if adversaries is None else adversaries,
                rate,
                cast(Objective, objective),
            )
        except CodecError as error:
            raise ConfigError(f"adversaries: {error}") from error
        if self.discriminator.least_samples > samples:
            raise ConfigError(
                f"adversaries: n_ffts of {self.discriminator.least_samples} samples are longer "
                f"than what is heard, {samples}"
            )
        try:
            self.balancer = Balancer(self.weights) if balance else None
        except CodecError as error:
            raise ConfigError(f"weights: {error}") from error

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Those that are a part of the state of a run."""
        found: dict[str, nn.Module] = {"discriminator": self.discriminator}
        if self.balancer is not None:
            found["balancer"] = self.balancer
        return found

    def __call__(
        self, fake: Tensor, real: Tensor, step: int, faithful: Tensor | None = None
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """The loss of what was generated, and its parts.

        Args:
            fake, real: [B, N].
            faithful: [B] weights of the rows in the spectral losses, 1 by default.
        """
        fades = self._fades(step)
        if self.balancer is None:
            found = self._parts(fake, real, step, faithful)
            loss = sum(
                (
                    self.weights[name] * fades.get(name, 1.0) * value
                    for name, value in found.items()
                ),
                real.new_zeros(()),
            )
        else:
            leaf = fake.detach().requires_grad_()
            found = self._parts(leaf, real, step, faithful)
            loss = (fake * self.balancer(found, leaf, fades)).sum()
            loss = loss - loss.detach()  # it is there for its gradient
        return loss, {name: value.detach() for name, value in found.items()}

    def spotting(self, fake: Tensor, real: Tensor, step: int) -> Tensor | None:
        """The discriminators' own loss, None before they take part."""
        if step < self.adversarial_from:
            return None
        part = slice(0, self.adversarial_batch)
        return self.discriminator.discriminator_loss(real[part], fake[part])

    def _fades(self, step: int) -> dict[str, float]:
        """Factors on the weights of what discriminators say: they start cold."""
        fade = min(1.0, (step - self.adversarial_from + 1) / _FADE)
        return {"fool": fade, "match": fade}

    def _parts(
        self, fake: Tensor, real: Tensor, step: int, faithful: Tensor | None
    ) -> dict[str, Tensor]:
        mel, magnitude = multi_scale_spectral_loss(fake, real, self.rate, rows=faithful)
        found = {"mel": mel, "mag": magnitude}
        if "l1" in self.weights:
            found["l1"] = (fake - real).abs().mean()
        if "phase" in self.weights:
            found["phase"] = phase_loss(fake, real)
        if step >= self.adversarial_from:
            part = slice(0, self.adversarial_batch)
            self.discriminator.requires_grad_(False)
            fool, match = self.discriminator.generator_loss(real[part], fake[part])
            self.discriminator.requires_grad_(True)
            found |= {"fool": fool, "match": match}
        return {name: loss for name, loss in found.items() if name in self.weights}

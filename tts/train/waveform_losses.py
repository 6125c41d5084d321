"""Losses between generated and real waveforms: spectral, and adversarial from some step on."""

from typing import Any, cast

from torch import Tensor, nn

from tts.errors import CodecError, ConfigError
from tts_codecs.adversaries import Adversaries, Objective, build_adversaries
from tts_codecs.balancer import Balancer
from tts_codecs.vocoder.losses import multi_scale_spectral_loss, phase_loss

#: steps over which the weights of the adversarial losses grow
_FADE_STEPS = 500


class WaveformLosses:
    """Multi-scale spectral losses, and from step `adversarial_from` on adversarial losses with
    feature matching, whose weights grow over 500 steps.

    Args:
        rate: sample rate in Hz; samples: smallest length of the waveforms.
        weights: of mel and log-magnitude spectra ("mel", "mag"), samples ("l1"), phases ("phase"),
            the adversarial loss ("fool") and feature matching ("match"); 0 leaves a loss out.
        adversaries: discriminators by name (tts_codecs.adversaries.ADVERSARIES), each with its
            arguments; by default small ones of spectrograms.
        objective: "hinge" or "squares", the loss of the discriminators.
        adversarial_batch: number of rows that the discriminators see, the first ones.
        balance: whether the share of each loss in the gradient of the waveform is that of its
            weight, however large its own gradient is (tts_codecs.balancer).

    Raises:
        ConfigError: a discriminator or an argument is unknown, a window is longer than the
            waveforms, or there is no loss to balance.
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
        """Modules that are part of the state of a run."""
        modules: dict[str, nn.Module] = {"discriminator": self.discriminator}
        if self.balancer is not None:
            modules["balancer"] = self.balancer
        return modules

    def __call__(
        self, fake: Tensor, real: Tensor, step: int, row_weights: Tensor | None = None
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Compute the loss of generated waveforms.

        Args:
            fake, real: [B, N] generated and real waveforms.
            row_weights: [B] weights of the rows in the spectral losses, 1 by default.

        Returns:
            the weighted sum, a scalar, and the losses by name, without weights.
        """
        fades = self._fades(step)
        if self.balancer is None:
            losses = self._losses(fake, real, step, row_weights)
            loss = sum(
                (
                    self.weights[name] * fades.get(name, 1.0) * value
                    for name, value in losses.items()
                ),
                real.new_zeros(()),
            )
        else:
            leaf = fake.detach().requires_grad_()
            losses = self._losses(leaf, real, step, row_weights)
            loss = (fake * self.balancer(losses, leaf, fades)).sum()
            loss = loss - loss.detach()  # only its gradient has a meaning
        return loss, {name: value.detach() for name, value in losses.items()}

    def discriminator_loss(self, fake: Tensor, real: Tensor, step: int) -> Tensor | None:
        """Compute the loss of the discriminators; None before step `adversarial_from`."""
        if step < self.adversarial_from:
            return None
        rows = slice(0, self.adversarial_batch)
        return self.discriminator.discriminator_loss(real[rows], fake[rows])

    def _fades(self, step: int) -> dict[str, float]:
        """Factors on the weights of the adversarial losses, which grow from step to step."""
        fade = min(1.0, (step - self.adversarial_from + 1) / _FADE_STEPS)
        return {"fool": fade, "match": fade}

    def _losses(
        self, fake: Tensor, real: Tensor, step: int, row_weights: Tensor | None
    ) -> dict[str, Tensor]:
        """Compute the losses that have a weight, by name."""
        mel, magnitude = multi_scale_spectral_loss(fake, real, self.rate, rows=row_weights)
        losses = {"mel": mel, "mag": magnitude}
        if "l1" in self.weights:
            losses["l1"] = (fake - real).abs().mean()
        if "phase" in self.weights:
            losses["phase"] = phase_loss(fake, real)
        if step >= self.adversarial_from:
            rows = slice(0, self.adversarial_batch)
            self.discriminator.requires_grad_(False)
            fool, match = self.discriminator.generator_loss(real[rows], fake[rows])
            self.discriminator.requires_grad_(True)
            losses |= {"fool": fool, "match": match}
        return {name: loss for name, loss in losses.items() if name in self.weights}

"""Training tasks of the codecs of features, without the vocoder, which they share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.data.vtlp import vtlp_features
from tts.errors import CodecError, ConfigError
from tts.generators.voice_encoders import voice_mean
from tts.losses.phone import PhoneProbe
from tts.modules.voice_prompt import VoicePrompt
from tts.train.codebook_usage import CodebookUsage
from tts.train.parts import load_part
from tts.train.sampling import crop_weights
from tts.train.task import Logs
from tts_codecs.autoencoder import FeatureAutoencoder
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import EXTRA, envelope_part, shift_pitch, source_part
from tts_codecs.latent import LatentAutoencoder
from tts_codecs.mel import MelConfig
from tts_codecs.mel_discriminator import MelDiscriminator
from tts_codecs.spectral import SpectralAutoencoder


class SpectralTask:
    """Training of a codec that quantizes features, by absolute and squared error.

    A patch discriminator of the envelope joins from step `adversarial_from` on.

    Args:
        model: arguments of the architecture.
        frames: length of a crop.
        relative: probability with which a row is coded relative to the mean features of its speaker
            (tts.generators.voice_encoders.voice_mean). Generators of codes use such features, so
            that they need not learn the long-term spectrum of unseen voices.
        warped: probability with which a row gets another vocal tract length (tts.data.vtlp), by a
            factor of 0.85 to 1.18, and another pitch, since a corpus has few voices.
        colored: probability with which a row gets another long-term spectrum, as of another
            microphone.
        phone_probe: checkpoint of the phone probe, whose posteriors should be equal for
            reconstructed and real features; phone_loss: weight of that loss.
        recognizer: checkpoint of the phone recognizer, which sees more context than the probe;
            recognizer_loss: weight of the distance of its hidden states.
        commitment: weight of the commitment loss of the quantizer.
        quantize_from: first step that quantizes; at the beginning the encoder is not informative,
            which would leave most of a codebook unused.
        fit_batches: batches from whose vectors codebooks are then initialized by k-means; with a
            frozen encoder this is most of their training.
        held_out: speakers that are left out.

    Raises:
        ConfigError: parts do not fit together.
        CheckpointError: a checkpoint is missing, damaged or of another kind.
        DataError: no utterance is long enough, or none is left by held_out.
        UsageError: held_out names a speaker that the corpus does not have.
    """

    kind = "spectral"
    architecture: type[FeatureAutoencoder] = SpectralAutoencoder

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 16,
        frames: int = 100,
        adversarial_from: int = 1500,
        relative: float = 0.5,
        warped: float = 0.0,
        colored: float = 0.0,
        phone_probe: str | None = None,
        phone_loss: float = 0.5,
        recognizer: str | None = None,
        recognizer_loss: float = 1.0,
        commitment: float = 0.25,
        quantize_from: int = 0,
        fit_batches: int = 0,
        held_out: tuple[str, ...] = (),
    ):
        self.probe = cast(
            "PhoneProbe | None", load_part("options.phone_probe", phone_probe, "phone_probe")
        )
        self.recognizer = cast(
            "PhoneProbe | None", load_part("options.recognizer", recognizer, "phone_probe")
        )
        self.phone_loss, self.recognizer_loss = phone_loss, recognizer_loss
        self.commitment = commitment
        self.quantize_from, self.fit_batches, self.quantizes = quantize_from, fit_batches, True
        self.corpus, self.batch_size, self.frames = corpus, batch_size, frames
        self.adversarial_from, self.relative = adversarial_from, relative
        self.warped, self.colored = warped, colored
        self.arguments = dict(model or {})
        self.autoencoder = self.architecture(**self.arguments)
        if frames % self.autoencoder.patch:
            raise ConfigError(
                f"options.frames is a multiple of model.patch, {self.autoencoder.patch}, not "
                f"{frames}"
            )
        self.modules: dict[str, nn.Module] = {
            "autoencoder": self.autoencoder,
            "discriminator": MelDiscriminator(),
        }
        self.groups = {"autoencoder": ["autoencoder"], "discriminator": ["discriminator"]}
        self.usable, self.weights = crop_weights(corpus, frames, held_out)
        if isinstance(self.autoencoder, SpectralAutoencoder):
            self._usage = CodebookUsage(self.autoencoder.quantizer.codebook_size)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw a batch.

        Returns:
            "features" [B, frames, C], less the "voice_mean" [B, 1, C], which is zero for rows that
            are not relative.
        """
        rows, means = [], []
        for index in rng.choice(self.usable, self.batch_size, p=self.weights):
            start = int(rng.integers(0, self.corpus.frames(int(index)) - self.frames + 1))
            augment = self._draw_augmentation(rng)
            row = augment(self.corpus.features(int(index), start, self.frames))
            # A gain of -6 to 4 dB is a shift of the log-mel spectrum.
            envelope_part(row)[:] += rng.uniform(-6, 4) / 20 * np.log(10) / MelConfig().std
            mean = np.zeros_like(row[:1])
            if rng.random() < self.relative:
                mean = self._voice_mean(int(index), augment, rng)
            rows.append(row - mean)
            means.append(mean)
        return {
            "features": torch.from_numpy(np.stack(rows)),
            "voice_mean": torch.from_numpy(np.stack(means)),
        }

    def _draw_augmentation(self, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """Draw a vocal tract length and a coloration; return the function that applies them to
        features [T, C]."""
        factor, pitch, color = 1.0, 1.0, None
        if self.warped and rng.random() < self.warped:
            factor, pitch = np.exp(rng.uniform(-0.16, 0.16)), np.exp(rng.uniform(-0.12, 0.12))
        if self.colored and rng.random() < self.colored:
            color = np.cumsum(rng.normal(0, 0.05, MelConfig().n_mels)).astype(np.float32)

        def augment(features: np.ndarray) -> np.ndarray:
            if factor != 1:
                features = vtlp_features(features, factor)
                features[:, -EXTRA] = shift_pitch(features[:, -EXTRA], pitch)
            if color is not None:
                envelope_part(features)[:] += color
            return features

        return augment

    def _voice_mean(
        self,
        index: int,
        augment: Callable[[np.ndarray], np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Mean features [1, C] of 75 to 200 frames of the utterance, as of a voice prompt."""
        length = min(int(rng.integers(75, 201)), self.corpus.frames(index))
        start = int(rng.integers(0, self.corpus.frames(index) - length + 1))
        features = torch.from_numpy(augment(self.corpus.features(index, start, length)))[None]
        prompt = VoicePrompt(torch.zeros(1, 256), features, torch.tensor([length]))
        return voice_mean(prompt)[0].numpy()

    def reconstruct(self, real: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Encode and decode features.

        Returns:
            the reconstruction [B, T, C], weighted losses of the latents, and further logs.
        """
        if not self.quantizes:
            return self.autoencoder.reconstruct(self._vectors(real)), {}, {}
        reconstruction, out = self.modules["autoencoder"](real)
        return reconstruction, {"commit": self.commitment * out.loss}, self._usage.add(out.codes)

    def _vectors(self, real: Tensor) -> Tensor:
        """Encode features [B, T, C] to the vectors that are quantized."""
        assert isinstance(self.autoencoder, SpectralAutoencoder)
        return self.autoencoder.vectors(real)

    @torch.no_grad()
    def fit_codebooks(self) -> None:
        """Initialize the codebooks by k-means.

        Raises:
            ConfigError: the quantizer has no learned codebooks.
        """
        autoencoder = self.autoencoder
        assert isinstance(autoencoder, SpectralAutoencoder)
        device = next(autoencoder.parameters()).device
        rng = np.random.default_rng(0)
        batches = (self.batch(rng)["features"] for _ in range(self.fit_batches))
        vectors = [self._vectors(each.to(device)).flatten(0, 1) for each in batches]
        try:
            autoencoder.quantizer.fit(torch.cat(vectors))
        except CodecError as error:
            raise ConfigError(f"options.fit_batches: {error}") from error

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield the loss of the autoencoder, then that of the discriminator."""
        self.quantizes = step >= self.quantize_from
        if step == self.quantize_from and self.fit_batches:
            self.fit_codebooks()
        discriminator = self.modules["discriminator"]
        assert isinstance(discriminator, MelDiscriminator)
        real = batch["features"]
        fake, latent_losses, more_logs = self.reconstruct(real)
        absolute, square = F.l1_loss(fake, real), F.mse_loss(fake, real)
        # Pitch and voicing are only two of the 82 channels.
        pitch = F.l1_loss(source_part(fake), source_part(real))
        loss = 4 * (absolute + square) + pitch
        logs: dict[str, float | Tensor] = {
            "l1": absolute.detach(),
            "pitch": pitch.detach(),
            **more_logs,
        }
        for name, value in latent_losses.items():
            loss = loss + value
            logs[name] = value.detach()
        mean = batch["voice_mean"]
        for name, value in self._phone_losses(fake + mean, real + mean).items():
            loss = loss + value
            logs[name] = value.detach()
        adversarial = step >= self.adversarial_from
        if adversarial:
            discriminator.requires_grad_(False)
            fool, matching = discriminator.generator_loss(envelope_part(real), envelope_part(fake))
            discriminator.requires_grad_(True)
            fade = min(1.0, (step - self.adversarial_from) / 500)
            loss = loss + fade * (0.3 * fool + 2 * matching)
            logs |= {"fool": fool.detach(), "match": matching.detach()}
        yield "autoencoder", loss, logs
        if adversarial:
            loss = discriminator.discriminator_loss(envelope_part(real), envelope_part(fake))
            yield "discriminator", loss, {"spot": loss.detach()}

    def _phone_losses(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Compute the weighted losses of the probe and the recognizer for features [B, T, C]."""
        losses: dict[str, Tensor] = {}
        mask = torch.ones_like(real[..., :1])
        if self.probe is not None:
            probe = self.probe.to(real.device)
            divergence = F.kl_div(
                probe(fake, mask).log_softmax(-1),
                probe(real, mask).log_softmax(-1),
                reduction="none",
                log_target=True,
            )
            losses["phone_loss"] = self.phone_loss * divergence.sum(-1).mean()
        if self.recognizer is not None:
            distance = self.recognizer.to(real.device).distance(fake, real, mask)
            losses["recognizer_loss"] = self.recognizer_loss * distance
        return losses

    def export(self, folder: Path, step: int) -> None:
        """Write the weights of the autoencoder."""
        save_checkpoint(folder, self.autoencoder, self.kind, self.arguments, step=step)

    @torch.no_grad()
    def sample(self, writer: Any, step: int) -> None:
        """Log real and reconstructed features as a picture."""
        device = next(self.autoencoder.parameters()).device
        first, patch = int(self.usable[0]), self.autoencoder.patch
        count = min(300, self.corpus.frames(first)) // patch * patch
        real = torch.from_numpy(self.corpus.features(first, 0, count))[None].to(device)
        self.autoencoder.eval()
        reconstruction = self.reconstruct(real)[0]
        self.autoencoder.train()
        picture = torch.cat([real, reconstruction], 2)[0].T.flip(0)
        low, high = picture.min(), picture.max()
        writer.add_image("features", ((picture - low) / (high - low))[None].cpu(), step)


class LatentTask(SpectralTask):
    """Training of a variational autoencoder of features (Kingma & Welling 2014).

    Arguments and errors are those of SpectralTask, as far as they apply.

    Args:
        kl: weight of the Kullback-Leibler divergence of the latents from N(0, 1), a mean over all
            of them.
    """

    kind = "latent"
    architecture = LatentAutoencoder

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 16,
        frames: int = 100,
        adversarial_from: int = 1500,
        relative: float = 0.5,
        kl: float = 0.05,
        held_out: tuple[str, ...] = (),
    ):
        super().__init__(
            corpus, model, batch_size, frames, adversarial_from, relative, held_out=held_out
        )
        self.kl = kl

    def reconstruct(self, real: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Encode and decode features.

        Returns:
            the reconstruction [B, T, C], weighted losses of the latents, and further logs.
        """
        reconstruction, divergence = self.modules["autoencoder"](real)
        return reconstruction, {"kl": self.kl * divergence.mean()}, {}

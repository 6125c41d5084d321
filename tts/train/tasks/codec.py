"""Training tasks of the codecs of features, wholly in their domain (the vocoder is shared)."""

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
from tts.train.codebooks import RecentCodes
from tts.train.parts import load_part
from tts.train.task import Logs
from tts.train.tasks.vocoder import speaker_weights
from tts_codecs.autoencoder import FeatureAutoencoder
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import EXTRA, envelope_part, shift_pitch, source_part
from tts_codecs.latent import LatentAutoencoder
from tts_codecs.mel import MelConfig
from tts_codecs.mel_discriminator import MelDiscriminator
from tts_codecs.spectral import SpectralAutoencoder


class SpectralTask:
    """L1 and squared error of the features, a patch discriminator from `adversarial_from` on.

    Args:
        relative: share of rows coded relative to the average spectrum and pitch of their speaker
            (tts.generators.voice_encoders.voice_mean). Generators of codes work on such frames: the
            long-term spectrum of a voice never heard then need not be learned.
        warped: share of rows in the voice of another vocal tract (tts.data.vtlp), by a factor of
            0.85 to 1.18, with a pitch of its own: the voices of a corpus are few.
        colored: share of rows with another long-term spectrum, as of another microphone.
        phone_probe: checkpoint of the phone probe, which should read in coded features what it
            reads in the real ones; phone_loss: weight of that loss.
        recognizer: checkpoint of the phone recognizer, which sees a sound among those around it;
            recognizer_loss: weight of the distance of its hidden states.
        commitment: weight of the quantizer's own loss.
        quantize_from: steps before anything is quantized; an encoder that says nothing yet leaves
            most of a codebook unused.
        fit_batches: codebooks then start from k-means of the vectors of so many batches; on a
            frozen encoder that is most of their training.
        held_out: speakers that are left out.

    Raises:
        ConfigError: parts that do not fit. DataError: no utterance is long enough, or none is left
            by held_out. UsageError: held_out names nobody.
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
        self.usable, self.weights = speaker_weights(corpus, frames, held_out)
        if isinstance(self.autoencoder, SpectralAutoencoder):
            self._recent = RecentCodes(self.autoencoder.quantizer.codebook_size)

    def batch(self, rng: np.random.Generator) -> Batch:
        """features [B, frames, C] as they are coded, average [B, 1, C] they are relative to."""
        rows, averages = [], []
        for index in rng.choice(self.usable, self.batch_size, p=self.weights):
            start = int(rng.integers(0, self.corpus.frames(int(index)) - self.frames + 1))
            voice = self._draw_voice(rng)
            row = voice(self.corpus.features(int(index), start, self.frames))
            # A change of level is a shift of the log-mel.
            envelope_part(row)[:] += rng.uniform(-6, 4) / 20 * np.log(10) / MelConfig().std
            average = np.zeros_like(row[:1])
            if rng.random() < self.relative:
                average = self._voice_mean(int(index), voice, rng)
            rows.append(row - average)
            averages.append(average)
        return {
            "features": torch.from_numpy(np.stack(rows)),
            "voice_mean": torch.from_numpy(np.stack(averages)),
        }

    def _draw_voice(self, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """A function that gives features [T, C] the voice and the microphone that are drawn."""
        factor, pitch, color = 1.0, 1.0, None
        if self.warped and rng.random() < self.warped:
            factor, pitch = np.exp(rng.uniform(-0.16, 0.16)), np.exp(rng.uniform(-0.12, 0.12))
        if self.colored and rng.random() < self.colored:
            color = np.cumsum(rng.normal(0, 0.05, MelConfig().n_mels)).astype(np.float32)

        def voice(features: np.ndarray) -> np.ndarray:
            if factor != 1:
                features = vtlp_features(features, factor)
                features[:, -EXTRA] = shift_pitch(features[:, -EXTRA], pitch)
            if color is not None:
                envelope_part(features)[:] += color
            return features

        return voice

    def _voice_mean(
        self,
        index: int,
        voice: Callable[[np.ndarray], np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Anchor [1, C] of some other seconds of the utterance, as a prompt would give it."""
        length = min(int(rng.integers(75, 201)), self.corpus.frames(index))
        start = int(rng.integers(0, self.corpus.frames(index) - length + 1))
        features = torch.from_numpy(voice(self.corpus.features(index, start, length)))[None]
        prompt = VoicePrompt(torch.zeros(1, 256), features, torch.tensor([length]))
        return voice_mean(prompt)[0].numpy()

    def code(self, real: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, float]]:
        """Features coded and decoded, losses of the code alone, and what else is logged of it."""
        if not self.quantizes:
            return self.autoencoder.reconstruct(self._vectors(real)), {}, {}
        made, out = self.modules["autoencoder"](real)
        return made, {"commit": self.commitment * out.loss}, self._recent.add(out.codes)

    def _vectors(self, real: Tensor) -> Tensor:
        """Input of the quantizer for features [B, T, C]."""
        assert isinstance(self.autoencoder, SpectralAutoencoder)
        return self.autoencoder.vectors(real)

    @torch.no_grad()
    def fit(self) -> None:
        """Codebooks from k-means; ConfigError for a quantizer without."""
        auto = self.autoencoder
        assert isinstance(auto, SpectralAutoencoder)
        device = next(auto.parameters()).device
        rng = np.random.default_rng(0)
        drawn = (self.batch(rng)["features"] for _ in range(self.fit_batches))
        vectors = [self._vectors(each.to(device)).flatten(0, 1) for each in drawn]
        try:
            auto.quantizer.fit(torch.cat(vectors))
        except CodecError as error:
            raise ConfigError(f"options.fit_batches: {error}") from error

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Autoencoder losses, then the discriminator's."""
        self.quantizes = step >= self.quantize_from
        if step == self.quantize_from and self.fit_batches:
            self.fit()
        discriminator = self.modules["discriminator"]
        assert isinstance(discriminator, MelDiscriminator)
        real = batch["features"]
        fake, extra, told = self.code(real)
        absolute, square = F.l1_loss(fake, real), F.mse_loss(fake, real)
        # Two channels of 82 carry pitch and voicing.
        pitch = F.l1_loss(source_part(fake), source_part(real))
        loss = 4 * (absolute + square) + pitch
        logs: dict[str, float | Tensor] = {
            "l1": absolute.detach(),
            "pitch": pitch.detach(),
            **told,
        }
        for name, value in extra.items():
            loss = loss + value
            logs[name] = value.detach()
        for name, value in self._read(
            fake + batch["voice_mean"], real + batch["voice_mean"]
        ).items():
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
            spot = discriminator.discriminator_loss(envelope_part(real), envelope_part(fake))
            yield "discriminator", spot, {"spot": spot.detach()}

    def _read(self, made: Tensor, real: Tensor) -> dict[str, Tensor]:
        """The weighted losses of what the probe and the recognizer read in made features
        [B, T, C]."""
        losses: dict[str, Tensor] = {}
        mask = torch.ones_like(real[..., :1])
        if self.probe is not None:
            probe = self.probe.to(real.device)
            apart = F.kl_div(
                probe(made, mask).log_softmax(-1),
                probe(real, mask).log_softmax(-1),
                reduction="none",
                log_target=True,
            )
            losses["phone_loss"] = self.phone_loss * apart.sum(-1).mean()
        if self.recognizer is not None:
            distance = self.recognizer.to(real.device).distance(made, real, mask)
            losses["recognizer_loss"] = self.recognizer_loss * distance
        return losses

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights of the autoencoder; the vocoder has its own checkpoint."""
        save_checkpoint(folder, self.autoencoder, self.kind, self.arguments, step=step)

    @torch.no_grad()
    def sample(self, writer: Any, step: int) -> None:
        """Real and coded features as a picture."""
        device = next(self.autoencoder.parameters()).device
        first, patch = int(self.usable[0]), self.autoencoder.patch
        count = min(300, self.corpus.frames(first)) // patch * patch
        real = torch.from_numpy(self.corpus.features(first, 0, count))[None].to(device)
        self.autoencoder.eval()
        coded = self.code(real)[0]
        self.autoencoder.train()
        picture = torch.cat([real, coded], 2)[0].T.flip(0)
        low, high = picture.min(), picture.max()
        writer.add_image("features", ((picture - low) / (high - low))[None].cpu(), step)


class LatentTask(SpectralTask):
    """Variational latents instead of codes.

    Args:
        kl: weight of the divergence of the latents from N(0, 1), a mean over all of them.
        held_out: speakers that are left out. Errors as of SpectralTask.
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

    def code(self, real: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, float]]:
        """Features coded and decoded, losses of the code alone, and what else is logged of it."""
        made, divergence = self.modules["autoencoder"](real)
        return made, {"kl": self.kl * divergence.mean()}, {}

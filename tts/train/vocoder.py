"""Training task of the source-filter vocoder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.cache import Cache
from tts.errors import DataError
from tts.train.loop import Batch
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import unpack_pitch
from tts_codecs.vocoder.discriminators import MultiResolutionDiscriminator
from tts_codecs.vocoder.losses import multi_scale_spectral_loss
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


def speaker_weights(cache: Cache, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Utterances of at least `frames` frames, and how often to draw each.

    A speaker weighs by the square root of the hours recorded: the many short ones count.
    """
    lengths = np.array([cache.frames(i) for i in range(len(cache))], dtype=float)
    usable = np.flatnonzero(lengths >= frames)
    if not len(usable):
        raise DataError(f"{cache.folder} has no utterance of at least {frames} frames")
    speakers = [cache.items[i].speaker for i in usable]
    totals: dict[str, float] = {}
    for index, speaker in zip(usable, speakers, strict=True):
        totals[speaker] = totals.get(speaker, 0.0) + lengths[index]
    weights = np.array(
        [lengths[i] / totals[s] ** 0.5 for i, s in zip(usable, speakers, strict=True)]
    )
    return usable, weights / weights.sum()


class VocoderTask:
    """Multi-scale spectral losses first, a spectrogram discriminator from `adversarial_from` on.

    Crops of `frames` frames; the first and last `margin` frames only give context, as the network
    takes silence beyond the crop's edges.
    """

    def __init__(
        self,
        cache: Cache,
        model: dict[str, Any] | None = None,
        batch_size: int = 12,
        adversarial_batch: int = 4,
        frames: int = 52,
        margin: int = 6,
        adversarial_from: int = 3000,
        own_pitch: float = 0.8,
        channels: int = 16,
        train_pitch: bool = True,
    ):
        self.cache, self.batch_size, self.frames, self.margin = cache, batch_size, frames, margin
        self.adversarial_from, self.adversarial_batch = adversarial_from, adversarial_batch
        self.own_pitch = own_pitch
        self.arguments = dict(model or {})
        self.vocoder = SourceFilterVocoder(**self.arguments)
        # Once features were computed with it, the pitch network must not move any more.
        self.vocoder.pitch.requires_grad_(train_pitch)
        self.train_pitch = train_pitch
        self.modules: dict[str, nn.Module] = {
            "vocoder": self.vocoder,
            "discriminator": MultiResolutionDiscriminator(channels=channels),
        }
        self.groups = {"vocoder": ["vocoder"], "discriminator": ["discriminator"]}
        self.usable, self.weights = speaker_weights(cache, frames)

    def batch(self, rng: np.random.Generator) -> Batch:
        """wav [B, frames * hop], f0 [B, frames], noise_at."""
        wavs, pitches = [], []
        for index in rng.choice(self.usable, self.batch_size, p=self.weights):
            start = int(rng.integers(0, self.cache.frames(int(index)) - self.frames + 1))
            gain = 10 ** (rng.uniform(-10, 6) / 20)
            wavs.append(self.cache.audio(int(index), start, self.frames) * gain)
            pitches.append(self.cache.f0(int(index), start, self.frames))
        own = torch.from_numpy(rng.random((self.batch_size, 1)) < self.own_pitch)
        return {
            "wav": torch.from_numpy(np.stack(wavs)).clamp(-1, 1),
            "f0": torch.from_numpy(np.stack(pitches)),
            "own_pitch": own,
        }

    def _inner(self, wav: Tensor) -> Tensor:
        edge = self.margin * self.vocoder.mel.hop
        return wav[:, edge : wav.shape[1] - edge]

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        """Vocoder losses, then the discriminator's."""
        vocoder = self.modules["vocoder"]
        discriminator = self.modules["discriminator"]
        assert isinstance(discriminator, MultiResolutionDiscriminator)
        real, f0 = batch["wav"], batch["f0"]
        features, mel = self.vocoder.analyse(real)
        # Half of the rows see the envelope, as from a generator, and half the full mel.
        half = len(real) // 2
        mel = torch.cat([mel[:half], features[half:, :, : mel.shape[-1]]])
        own = unpack_pitch(features[..., mel.shape[-1] :])
        fake, logits = vocoder(mel, torch.where(batch["own_pitch"], own, f0))
        pitch = self.vocoder.pitch.loss(logits[:half], f0[:half])
        real, fake = self._inner(real), self._inner(fake)
        mel_loss, magnitude_loss = multi_scale_spectral_loss(
            fake, real, self.vocoder.mel.sample_rate
        )
        loss = 15 * mel_loss + 5 * magnitude_loss
        if self.train_pitch:
            loss = loss + pitch
        logs = {"mel": mel_loss.item(), "mag": magnitude_loss.item(), "pitch": pitch.item()}
        adversarial = step >= self.adversarial_from
        if adversarial:
            part = slice(0, self.adversarial_batch)
            discriminator.requires_grad_(False)
            fool, matching = discriminator.generator_loss(real[part], fake[part])
            discriminator.requires_grad_(True)
            # The discriminator starts cold; its gradient is faded in.
            fade = min(1.0, (step - self.adversarial_from) / 500)
            loss = loss + fade * (fool + 2 * matching)
            logs |= {"fool": fool.item(), "match": matching.item()}
        yield "vocoder", loss, logs
        if adversarial:
            spot = discriminator.discriminator_loss(real[part], fake[part])
            yield "discriminator", spot, {"spot": spot.item()}

    def export(self, folder: Path, step: int) -> None:
        """Averaged vocoder weights, as `tts_codecs` loads them."""
        save_checkpoint(folder, self.vocoder, "source_filter_vocoder", self.arguments, step=step)

    @torch.no_grad()
    def sample(self, writer: Any, step: int) -> None:
        """One resynthesised utterance."""
        index = int(self.usable[0])
        wav = torch.from_numpy(self.cache.audio(index))[None].to(self.vocoder.window.device)
        features, mel = self.vocoder.analyse(wav)
        fake, _ = self.vocoder(mel, unpack_pitch(features[..., mel.shape[-1] :]))
        writer.add_audio("resynthesis", fake[0].cpu(), step, self.vocoder.mel.sample_rate)

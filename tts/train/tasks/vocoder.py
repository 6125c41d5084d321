"""Training task of the source-filter vocoder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torchaudio.functional import resample

from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.data.regenerated import RegeneratedFeatures
from tts.data.wide import WideRecordings
from tts.errors import ConfigError, DataError
from tts.text.names import speaker_name
from tts.train.parts import load_part, option_of_data
from tts.train.sampling import crop_weights, random_gain
from tts.train.task import Logs
from tts.train.waveform_losses import WaveformLosses
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import unpack_pitch
from tts_codecs.vocoder.losses import LEAST_SAMPLES
from tts_codecs.vocoder.source_filter import SourceFilterVocoder
from tts_codecs.vocoder.widen import widen


def mixed_order(narrow: int, wide: int) -> Tensor:
    """Interleave narrow and wide rows, so that the first rows of a batch are of all kinds.

    Discriminators see the first rows alone. Rows alternate between mel and envelope as input, so
    that pairs of rows are kept together.

    Args:
        narrow: number of rows of the corpus, which come first; wide: number of wideband rows.

    Returns:
        indices [narrow + wide] of the rows in their new order.
    """
    position = torch.cat([torch.arange(narrow), torch.arange(wide)])
    is_wide = torch.arange(narrow + wide) >= narrow
    return (position // 2 * 2 + is_wide).argsort(stable=True)


class VocoderTask:
    """Training of the vocoder on random crops of recordings.

    Every other row has the full mel spectrum as its input, the others the smooth envelope that
    generators predict. A vocoder with a higher sample rate than the corpus learns its upper band
    from wideband recordings (tts.data.wide); rows of the corpus are compared in their band only.

    Args:
        model: arguments of SourceFilterVocoder.
        frames: length of a crop; margin: frames at both ends that only give context, since the
            network sees silence beyond the crop.
        own_pitch: probability with which a row uses the pitch that the vocoder predicts and not
            that of the corpus.
        weights, adversaries, objective, adversarial_from, adversarial_batch, balance: as of
            tts.train.waveform_losses.WaveformLosses; `weights` overrides the defaults in WEIGHTS.
        train_pitch: whether the pitch network is trained.
        wide: table of wideband recordings; wide_share: share of the rows that come from it.
        narrow: checkpoint of a vocoder at the rate of the corpus, whose weights are the beginning
            of those of a wideband vocoder.
        regenerated: folder of features that a generator made of the recordings (`tts data
            regenerate`, tts.data.regenerated), which take the place of the envelopes.
        regenerated_weight: weight of these rows in the spectral losses, since the generator may
            have changed what is in the recording.
        held_out: speakers that are left out, also of `wide`, which then has to name its speakers,
            and of `regenerated`.

    Raises:
        ConfigError: options do not go together.
        CheckpointError: `narrow` is missing, damaged or of another kind.
        DataError: no utterance is long enough, none is left by held_out, or `wide` or `regenerated`
            is missing or damaged.
        UsageError: held_out names a speaker that is unknown.
    """

    precision = "fp32"  # phases and spectra need more than the 8 bits of bfloat16

    #: weights of WaveformLosses
    WEIGHTS = {"mel": 15.0, "mag": 5.0, "fool": 1.0, "match": 2.0}

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 12,
        adversarial_batch: int = 4,
        frames: int = 52,
        margin: int = 6,
        adversarial_from: int = 3000,
        own_pitch: float = 0.8,
        adversaries: dict[str, dict[str, Any]] | None = None,
        objective: str = "hinge",
        weights: dict[str, float] | None = None,
        balance: bool = False,
        train_pitch: bool = True,
        wide: str | None = None,
        wide_share: float = 0.5,
        narrow: str | None = None,
        regenerated: str | None = None,
        regenerated_weight: float = 1.0,
        held_out: tuple[str, ...] = (),
    ):
        if unknown := sorted(set(weights or {}) - set(self.WEIGHTS)):
            raise ConfigError(f"weights: {', '.join(unknown)}; known are {', '.join(self.WEIGHTS)}")
        self.corpus, self.batch_size, self.frames, self.margin = corpus, batch_size, frames, margin
        self.own_pitch = own_pitch
        self.arguments = dict(model or {})
        self.vocoder = SourceFilterVocoder(**self.arguments)
        rate = self.vocoder.sample_rate
        if (frames - 2 * margin) * self.vocoder.hop < LEAST_SAMPLES:
            raise ConfigError(
                f"options.frames is at least {-(-LEAST_SAMPLES // self.vocoder.hop)} beside both "
                f"margins, {margin} frames each, not {frames}"
            )
        self.wide: WideRecordings | None = None
        self.wide_rows = 0
        if wide is not None:
            if train_pitch:
                raise DataError("wide recordings have no pitch beside them: set train_pitch: false")
            self.wide_rows = round(wide_share * batch_size)
            if self.wide_rows == batch_size:
                raise ConfigError(
                    f"options.wide_share {wide_share} of {batch_size} rows leaves none for others"
                )
            seconds = frames * self.vocoder.hop / rate
            with option_of_data("options.wide"):
                self.wide = WideRecordings.load(wide, rate, seconds, held_out)
            # Speakers of the table need not be in the corpus.
            only_wide = self.wide.speakers - {item.speaker for item in corpus.items}
            held_out = tuple(name for name in held_out if speaker_name(name) not in only_wide)
        self.regenerated_weight = regenerated_weight
        self.regenerated = None
        if regenerated is not None:
            with option_of_data("options.regenerated"):
                self.regenerated = RegeneratedFeatures(regenerated, corpus, frames, held_out)
        if narrow is not None:
            narrowband = load_part("options.narrow", narrow, "source_filter_vocoder")
            widen(cast(SourceFilterVocoder, narrowband), self.vocoder)
        # The pitch network must not change any more once features were computed with it.
        self.vocoder.pitch.requires_grad_(train_pitch)
        self.train_pitch = train_pitch
        self.waveform_losses = WaveformLosses(
            rate,
            (frames - 2 * margin) * self.vocoder.hop,
            {**self.WEIGHTS, **(weights or {})},
            adversaries,
            objective,
            adversarial_from,
            adversarial_batch,
            balance,
        )
        self.modules: dict[str, nn.Module] = {
            "vocoder": self.vocoder,
            **self.waveform_losses.modules,
        }
        self.groups = {"vocoder": ["vocoder"], "discriminator": ["discriminator"]}
        self.usable, self.weights = crop_weights(corpus, frames, held_out)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of B rows, of which W are wideband.

        Returns:
            "wav" [B - W, N] at the rate of the corpus; "wide" [W, N'] at that of the vocoder; "f0"
            [B, T] in Hz, zero where it is unknown; "own_pitch" [B, 1] bool; "regenerated"
            [(B - W) // 2, T, C], features of every other row of "wav".
        """
        wavs, pitches, wide, regenerated = [], [], [], []
        rows = self.batch_size - self.wide_rows
        for row, index in enumerate(rng.choice(self.usable, rows, p=self.weights)):
            if self.regenerated is not None and row % 2:
                wav, features = self.regenerated.crop(rng, self.frames)
                wavs.append(wav)
                regenerated.append(features)
                pitches.append(np.zeros(self.frames, np.float32))
                continue
            start = int(rng.integers(0, self.corpus.frames(int(index)) - self.frames + 1))
            gain = random_gain(rng)
            wavs.append(self.corpus.audio(int(index), start, self.frames) * gain)
            pitches.append(self.corpus.f0(int(index), start, self.frames))
        for _ in range(self.wide_rows):
            assert self.wide is not None
            gain = random_gain(rng)
            wide.append(self.wide.crop(rng, self.frames * self.vocoder.hop) * gain)
            pitches.append(np.zeros(self.frames, np.float32))
        own = torch.from_numpy(rng.random((self.batch_size, 1)) < self.own_pitch)
        own[self.batch_size - self.wide_rows :] = True
        batch: Batch = {
            "wav": torch.from_numpy(np.stack(wavs)).clamp(-1, 1),
            "f0": torch.from_numpy(np.stack(pitches)),
            "own_pitch": own,
        }
        if regenerated:
            batch["regenerated"] = torch.from_numpy(np.stack(regenerated))
            own[1:rows:2] = True
        if wide:
            batch["wide"] = torch.from_numpy(np.stack(wide)).clamp(-1, 1)
        return batch

    def _resample(self, wav: Tensor, up: bool) -> Tensor:
        """Resample from the rate of the corpus to that of the vocoder (`up`) or back."""
        rates = (self.vocoder.mel.sample_rate, self.vocoder.sample_rate)
        if rates[0] == rates[1]:
            return wav
        start, end = rates if up else rates[::-1]
        return resample(wav, start, end, lowpass_filter_width=32, rolloff=0.97)

    def _limit_band(self, wav: Tensor) -> Tensor:
        """Remove the band above that of the corpus from a waveform at the rate of the vocoder."""
        return self._resample(self._resample(wav, False), True)

    def _inner(self, wav: Tensor) -> Tensor:
        """Remove the margins of a waveform at the rate of the vocoder."""
        edge = self.margin * self.vocoder.hop
        return wav[:, edge : wav.shape[1] - edge]

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield the loss of the vocoder, then that of the discriminators."""
        vocoder = self.modules["vocoder"]
        narrow, f0, wide = batch["wav"], batch["f0"], batch.get("wide")
        wav = narrow if wide is None else torch.cat([narrow, self._resample(wide, False)])
        features, full_mel = self.vocoder.analyse(wav)
        row_weights = torch.ones_like(wav[:, 0])
        if "regenerated" in batch:
            features = features.clone()
            features[1 : len(narrow) : 2] = batch["regenerated"]
            row_weights[1 : len(narrow) : 2] = self.regenerated_weight
        bands = full_mel.shape[-1]
        has_envelope = torch.arange(len(wav), device=wav.device) % 2 == 1
        mel = torch.where(has_envelope[:, None, None], features[..., :bands], full_mel)
        own_f0 = unpack_pitch(features[..., bands:])
        fake, pitch_logits = vocoder(mel, torch.where(batch["own_pitch"], own_f0, f0))
        pitch_loss = self.vocoder.pitch.loss(pitch_logits[::2], f0[::2])
        real = narrow
        if self.vocoder.sample_rate != self.vocoder.mel.sample_rate:
            rows = len(narrow)
            real = self._limit_band(self._resample(narrow, True))
            fake = torch.cat([self._limit_band(fake[:rows]), fake[rows:]])
            if wide is not None:
                order = mixed_order(rows, len(wide)).to(fake.device)
                real, fake = torch.cat([real, wide])[order], fake[order]
                row_weights = row_weights[order]
        real, fake = self._inner(real), self._inner(fake)
        loss, logs = self.waveform_losses(fake, real, step, row_weights)
        if self.train_pitch:
            loss = loss + pitch_loss
        yield "vocoder", loss, logs | {"pitch": pitch_loss.detach()}
        discriminator_loss = self.waveform_losses.discriminator_loss(fake, real, step)
        if discriminator_loss is not None:
            yield "discriminator", discriminator_loss, {"spot": discriminator_loss.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Write the weights of the vocoder, as `tts_codecs` loads them."""
        save_checkpoint(folder, self.vocoder, "source_filter_vocoder", self.arguments, step=step)

    @torch.no_grad()
    def sample(self, writer: Any, step: int) -> None:
        """Log a resynthesized utterance as audio."""
        index = int(self.usable[0])
        wav = torch.from_numpy(self.corpus.audio(index))[None].to(self.vocoder.window.device)
        features, mel = self.vocoder.analyse(wav)
        fake, _ = self.vocoder(mel, unpack_pitch(features[..., mel.shape[-1] :]))
        writer.add_audio("resynthesis", fake[0].cpu(), step, self.vocoder.sample_rate)

"""Training task of the source-filter vocoder."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torchaudio.functional import resample

from tts.data.batch import Batch
from tts.data.corpus import Corpus, speakers_of
from tts.data.regenerated import RegeneratedFeatures
from tts.data.wide import WideRecordings
from tts.errors import ConfigError, DataError
from tts.text.names import speaker_name
from tts.train.parts import load_part, option_of_data
from tts.train.task import Logs
from tts.train.waveform_losses import WaveformLosses
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import unpack_pitch
from tts_codecs.vocoder.losses import LEAST_SAMPLES
from tts_codecs.vocoder.source_filter import SourceFilterVocoder
from tts_codecs.vocoder.widen import widen


def speaker_weights(
    corpus: Corpus, frames: int, held_out: Collection[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Utterances of at least `frames` frames, and how often to draw each.

    A speaker weighs by the square root of the hours recorded: the many short ones count.

    Args:
        held_out: speakers that are left out.

    Raises:
        DataError: no utterance is long enough, or none is left by held_out. UsageError: held_out
            names nobody.
    """
    left_out = speakers_of(corpus, held_out)
    heard = np.array([item.speaker not in left_out for item in corpus.items], dtype=bool)
    if not heard.any():
        raise DataError(f"held_out leaves no speaker of {corpus.folder}")
    lengths = np.array([corpus.frames(i) for i in range(len(corpus))], dtype=float)
    usable = np.flatnonzero(heard & (lengths >= frames))
    if not len(usable):
        raise DataError(f"{corpus.folder} has no utterance of at least {frames} frames")
    speakers = [corpus.items[i].speaker for i in usable]
    totals: dict[str, float] = {}
    for index, speaker in zip(usable, speakers, strict=True):
        totals[speaker] = totals.get(speaker, 0.0) + lengths[index]
    weights = np.array(
        [lengths[i] / totals[s] ** 0.5 for i, s in zip(usable, speakers, strict=True)]
    )
    return usable, weights / weights.sum()


def mixed_order(narrow: int, wide: int) -> Tensor:
    """The order of narrow and then wide rows by which the first ones, which alone the
    discriminators hear, are of each kind: pairs of a mel and an envelope, in turn from both."""
    place = torch.cat([torch.arange(narrow), torch.arange(wide)])
    # Which rows show the envelope goes by their place in all of them.
    later = torch.arange(narrow + wide) >= narrow
    return (place // 2 * 2 + later).argsort(stable=True)


class VocoderTask:
    """Multi-scale spectral losses first, discriminators from `adversarial_from` on; `adversaries`,
    `objective`, `weights` and `balance` are those of tts.train.waveform_losses.

    Crops of `frames` frames; the first and last `margin` frames only give context, as the network
    takes silence beyond the crop's edges.

    A vocoder of a higher rate than the corpus learns its upper band from the recordings that the
    table `wide` lists (see tts.data.wide), `wide_share` of the rows; of the corpus' rows only the
    band that they have is compared. It can start from the weights of a vocoder of the corpus' rate,
    the checkpoint `narrow`.

    With `regenerated`, a folder that `tts data regenerate` wrote, the rows of the corpus that show
    the envelope show one that a generator made of the recording (see tts.data.regenerated). What
    the generator changed is not in the recording: `regenerated_weight` is the weight of these rows
    in the spectral losses.

    Speakers `held_out` are left out, of what was regenerated and of the table `wide` too, which
    then has to name its speakers. DataError where it does not or nobody is left, UsageError for a
    name that neither knows.
    """

    precision = "fp32"  # phases and spectra need more than the 8 bits of bfloat16

    #: of the losses of the waveform, see WaveformLosses
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
            # Who is only in the table need not be in the corpus.
            known = {item.speaker for item in corpus.items}
            others = self.wide.speakers - known
            held_out = tuple(name for name in held_out if speaker_name(name) not in others)
        self.regenerated_weight = regenerated_weight
        self.regenerated = None
        if regenerated is not None:
            with option_of_data("options.regenerated"):
                self.regenerated = RegeneratedFeatures(regenerated, corpus, frames, held_out)
        if narrow is not None:
            before = load_part("options.narrow", narrow, "source_filter_vocoder")
            widen(cast(SourceFilterVocoder, before), self.vocoder)
        # Once features were computed with it, the pitch network must not move any more.
        self.vocoder.pitch.requires_grad_(train_pitch)
        self.train_pitch = train_pitch
        self.of_wave = WaveformLosses(
            rate,
            (frames - 2 * margin) * self.vocoder.hop,
            {**self.WEIGHTS, **(weights or {})},
            adversaries,
            objective,
            adversarial_from,
            adversarial_batch,
            balance,
        )
        self.modules: dict[str, nn.Module] = {"vocoder": self.vocoder, **self.of_wave.modules}
        self.groups = {"vocoder": ["vocoder"], "discriminator": ["discriminator"]}
        self.usable, self.weights = speaker_weights(corpus, frames, held_out)

    def batch(self, rng: np.random.Generator) -> Batch:
        """wav [B, frames * hop] at the mel's rate, f0 [B, frames], own_pitch [B, 1], wide [B', N]
        at the vocoder's rate, which are further rows, and regenerated [B // 2, frames, C],
        features of every other row of wav."""
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
            gain = 10 ** (rng.uniform(-10, 6) / 20)
            wavs.append(self.corpus.audio(int(index), start, self.frames) * gain)
            pitches.append(self.corpus.f0(int(index), start, self.frames))
        for _ in range(self.wide_rows):
            assert self.wide is not None
            gain = 10 ** (rng.uniform(-10, 6) / 20)
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

    def _resampled(self, wav: Tensor, up: bool) -> Tensor:
        """From the mel's rate to the vocoder's or back."""
        rates = (self.vocoder.mel.sample_rate, self.vocoder.sample_rate)
        if rates[0] == rates[1]:
            return wav
        start, end = rates if up else rates[::-1]
        return resample(wav, start, end, lowpass_filter_width=32, rolloff=0.97)

    def _limited(self, wav: Tensor) -> Tensor:
        """A waveform of the vocoder's rate with the corpus' band only."""
        return self._resampled(self._resampled(wav, False), True)

    def _inner(self, wav: Tensor) -> Tensor:
        edge = self.margin * self.vocoder.hop
        return wav[:, edge : wav.shape[1] - edge]

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Vocoder losses, then the discriminator's."""
        vocoder = self.modules["vocoder"]
        narrow, f0, wide = batch["wav"], batch["f0"], batch.get("wide")
        known = narrow if wide is None else torch.cat([narrow, self._resampled(wide, False)])
        features, full = self.vocoder.analyse(known)
        faithful = torch.ones_like(known[:, 0])
        if "regenerated" in batch:
            features = features.clone()
            features[1 : len(narrow) : 2] = batch["regenerated"]
            faithful[1 : len(narrow) : 2] = self.regenerated_weight
        # Every other row sees the envelope, as from a generator, and the others the full mel.
        envelope = torch.arange(len(known), device=known.device) % 2 == 1
        mel = torch.where(envelope[:, None, None], features[..., : full.shape[-1]], full)
        own = unpack_pitch(features[..., full.shape[-1] :])
        fake, logits = vocoder(mel, torch.where(batch["own_pitch"], own, f0))
        pitch = self.vocoder.pitch.loss(logits[::2], f0[::2])
        real = narrow
        if self.vocoder.sample_rate != self.vocoder.mel.sample_rate:
            rows = len(narrow)
            real = self._limited(self._resampled(narrow, True))
            fake = torch.cat([self._limited(fake[:rows]), fake[rows:]])
            if wide is not None:
                order = mixed_order(rows, len(wide)).to(fake.device)
                real, fake = torch.cat([real, wide])[order], fake[order]
                faithful = faithful[order]
        real, fake = self._inner(real), self._inner(fake)
        loss, logs = self.of_wave(fake, real, step, faithful)
        if self.train_pitch:
            loss = loss + pitch
        yield "vocoder", loss, logs | {"pitch": pitch.detach()}
        spot = self.of_wave.spotting(fake, real, step)
        if spot is not None:
            yield "discriminator", spot, {"spot": spot.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Averaged vocoder weights, as `tts_codecs` loads them."""
        save_checkpoint(folder, self.vocoder, "source_filter_vocoder", self.arguments, step=step)

    @torch.no_grad()
    def sample(self, writer: Any, step: int) -> None:
        """One resynthesised utterance."""
        index = int(self.usable[0])
        wav = torch.from_numpy(self.corpus.audio(index))[None].to(self.vocoder.window.device)
        features, mel = self.vocoder.analyse(wav)
        fake, _ = self.vocoder(mel, unpack_pitch(features[..., mel.shape[-1] :]))
        writer.add_audio("resynthesis", fake[0].cpu(), step, self.vocoder.sample_rate)

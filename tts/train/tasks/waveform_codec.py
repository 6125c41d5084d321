"""Training task of waveform codecs: encoder, quantizer and decoder of tts_codecs.neural, with any
discriminators and auxiliary losses."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from tts.audio.resample import band_limited, resample
from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.data.wide import WideRecordings
from tts.errors import CodecError, ConfigError
from tts.text.names import speaker_name
from tts.train.auxiliaries import CodecPass, build_auxiliaries
from tts.train.codebook_usage import CodebookUsage
from tts.train.parts import load_part, option_of_data
from tts.train.task import Logs
from tts.train.waveform_batches import WaveformBatches
from tts.train.waveform_losses import WaveformLosses
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.mel import MelConfig, log_mel
from tts_codecs.neural import build_codec
from tts_codecs.spectral import SpectralAutoencoder
from tts_codecs.vocoder.decoder import SourceFilterDecoder
from tts_codecs.vocoder.feature_init import copy_autoencoder
from tts_codecs.vocoder.feature_parts import FeatureDecoder, FeatureEncoder
from tts_codecs.vocoder.losses import LEAST_SAMPLES
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


class CodecTask:
    """Training of a waveform codec by spectral, adversarial, commitment and auxiliary losses.

    Args:
        corpus: prepared corpus, which is resampled to the rate of the codec.
        model: arguments of tts_codecs.neural.build_codec.
        batch_size, frames: rows of a batch, and frames of the codec in a row.
        adversaries, objective, adversarial_from, adversarial_batch, balance: as of
            tts.train.waveform_losses.WaveformLosses.
        auxiliaries: further losses by name (tts.train.auxiliaries), each with its arguments.
        distort: probability with which the encoder gets a distorted row; the target is clean.
        weights: of the losses, which override the defaults in WEIGHTS; 0 leaves a loss out.
        quantize_from: first step that quantizes; before it vectors are decoded as they are, so that
            the codebooks meet an encoder that is informative.
        fit_batches: batches from whose vectors codebooks are then initialized by k-means; 0 leaves
            the initialization to the quantizer.
        held_out: speakers that are left out, also of `wide`, which then has to name its speakers.
        wide: table of recordings at the rate of the codec (tts.data.wide). A codec of a higher rate
            than the corpus needs them, as what it hears of the corpus has no upper band.
        wide_share: share of the rows of a batch that come from it.
        narrowed: probability with which a row of `wide` is encoded without the band that the
            corpus lacks, so that the codec learns to add it to recordings that do not have it.
            Above 0 rows of the corpus are compared in their own band alone; at 0 they teach that
            nothing is above it.
        vocoder: checkpoint of the vocoder with whose weights a decoder of the kind `source_filter`
            or `features` begins.
        autoencoder: checkpoint of a codec of features, such as `rvq`, with whose networks and
            codebooks an encoder and a decoder of the kind `features` begin.

    Raises:
        ConfigError: parts do not fit together.
        CheckpointError: `vocoder` or `autoencoder` is missing, damaged or of another kind.
        DataError: no utterance is long enough, none is left by held_out, or `wide` is missing or
            damaged.
        UsageError: held_out names a speaker that is unknown.
    """

    precision = "fp32"  # phases and spectra need more than the 8 bits of bfloat16

    #: weights of the losses of WaveformLosses, and of the commitment loss of the quantizer
    WEIGHTS = {
        "mel": 15.0,
        "mag": 5.0,
        "l1": 1.0,
        "phase": 0.0,
        "fool": 1.0,
        "match": 2.0,
        "commit": 1.0,
    }

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any],
        batch_size: int = 8,
        frames: int = 50,
        adversaries: dict[str, dict[str, Any]] | None = None,
        objective: str = "hinge",
        adversarial_from: int = 3000,
        adversarial_batch: int = 4,
        auxiliaries: dict[str, dict[str, Any]] | None = None,
        distort: float = 0.0,
        weights: dict[str, float] | None = None,
        quantize_from: int = 0,
        fit_batches: int = 0,
        balance: bool = False,
        held_out: tuple[str, ...] = (),
        wide: str | None = None,
        wide_share: float = 0.5,
        narrowed: float = 0.0,
        vocoder: str | None = None,
        autoencoder: str | None = None,
    ):
        if unknown := sorted(set(weights or {}) - set(self.WEIGHTS)):
            raise ConfigError(f"weights: {', '.join(unknown)}; known are {', '.join(self.WEIGHTS)}")
        self.loss_weights = {**self.WEIGHTS, **(weights or {})}
        self.quantize_from, self.fit_batches = quantize_from, fit_batches
        self.arguments = dict(model)
        self.codec = build_codec(**self.arguments)
        if self.codec.rate > corpus.sample_rate and wide is None:
            raise ConfigError(
                f"the codec is one of {self.codec.rate} Hz, {corpus.folder} of "
                f"{corpus.sample_rate}: options.wide names a table of recordings at the higher rate"
            )
        if frames * self.codec.hop < LEAST_SAMPLES:
            raise ConfigError(
                f"options.frames is at least {-(-LEAST_SAMPLES // self.codec.hop)}, not {frames}"
            )
        self.corpus = corpus
        self._begin_with(vocoder)
        self._begin_as(autoencoder)
        if narrowed and (wide is None or self.codec.rate <= corpus.sample_rate):
            raise ConfigError(
                "options.narrowed needs options.wide and a codec of a higher rate than the corpus"
            )
        self.narrowed = narrowed
        recordings = None
        if wide is not None:
            seconds = frames * self.codec.hop / self.codec.rate
            with option_of_data("options.wide"):
                recordings = WideRecordings.load(wide, self.codec.rate, seconds, held_out)
            # Speakers of the table need not be in the corpus.
            only_wide = recordings.speakers - {item.speaker for item in corpus.items}
            held_out = tuple(name for name in held_out if speaker_name(name) not in only_wide)
        self.auxiliaries = build_auxiliaries(auxiliaries or {}, self.codec)
        if "invariance" in self.auxiliaries and not distort:
            raise ConfigError("auxiliaries: invariance needs options.distort above 0")
        labelled = not self.auxiliaries.keys().isdisjoint({"phones", "ctc"})
        self.batches = WaveformBatches(
            corpus, batch_size, frames * self.codec.hop, self.codec.hop, distort, labelled,
            held_out, self.codec.rate, recordings,
            round(wide_share * batch_size) if recordings else 0, narrowed,
        )  # fmt: skip
        self.waveform_losses = WaveformLosses(
            self.codec.rate,
            frames * self.codec.hop,
            {name: w for name, w in self.loss_weights.items() if name != "commit"},
            adversaries,
            objective,
            adversarial_from,
            adversarial_batch,
            balance,
        )
        self.modules: dict[str, nn.Module] = {
            "codec": self.codec,
            "auxiliaries": nn.ModuleDict(self.auxiliaries),
            **self.waveform_losses.modules,
        }
        self.groups = {"codec": ["codec", "auxiliaries"], "discriminator": ["discriminator"]}
        self._usage = CodebookUsage(self.codec.quantizer.codebook_size)

    def _begin_with(self, vocoder: str | None) -> None:
        """Copy the weights of a vocoder, if one is named, into the decoder."""
        loaded = load_part("options.vocoder", vocoder, "source_filter_vocoder", optional=False)
        if loaded is None:
            return
        decoder, encoder = self.codec.decoder, self.codec.encoder
        if not isinstance(decoder, (SourceFilterDecoder, FeatureDecoder)):
            raise ConfigError(
                "options.vocoder is for model.decoder of the kind source_filter or features"
            )
        try:
            decoder.vocoder.load_state_dict(loaded.state_dict())
            if isinstance(encoder, FeatureEncoder):
                pitch = cast(SourceFilterVocoder, loaded).pitch
                encoder.pitch.load_state_dict(pitch.state_dict())
        except RuntimeError as error:
            raise ConfigError(
                f"options.vocoder: {vocoder} has other sizes than model.decoder.vocoder"
            ) from error

    def _begin_as(self, autoencoder: str | None) -> None:
        """Copy the networks and codebooks of a codec of features, if one is named."""
        loaded = load_part("options.autoencoder", autoencoder, "spectral", optional=False)
        if loaded is None:
            return
        encoder, decoder = self.codec.encoder, self.codec.decoder
        if not isinstance(encoder, FeatureEncoder) or not isinstance(decoder, FeatureDecoder):
            raise ConfigError(
                "options.autoencoder is for model.encoder and model.decoder of the kind features"
            )
        try:
            copy_autoencoder(
                encoder, decoder, self.codec.quantizer, cast(SpectralAutoencoder, loaded)
            )
        except CodecError as error:
            raise ConfigError(f"options.autoencoder: {error}") from error

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw a batch; see WaveformBatches.draw."""
        return self.batches.draw(rng)

    @torch.no_grad()
    def _fit_codebooks(self) -> None:
        """Initialize the codebooks by k-means; ConfigError if the quantizer has none."""
        rng = np.random.default_rng(0)
        waves = (self.batch(rng)["wav"].to(self.codec.device) for _ in range(self.fit_batches))
        try:
            self.codec.quantizer.fit(
                torch.cat([self.codec.vectors(wav).flatten(0, 1) for wav in waves])
            )
        except CodecError as error:
            raise ConfigError(f"options.fit_batches: {error}") from error

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield the loss of the codec, then that of the discriminators."""
        real = batch["wav"]
        if step == self.quantize_from and self.fit_batches:
            self._fit_codebooks()
        quantized = step >= self.quantize_from
        fake, out, vectors = self.modules["codec"](batch.get("heard", real), quantized)
        forward_pass = CodecPass(batch, fake, vectors, out)
        if self.narrowed:
            real, fake = (self._in_band(wav, batch["band"]) for wav in (real, fake))
        loss, logs = self.waveform_losses(fake, real, step)
        loss = loss + self.loss_weights["commit"] * out.loss
        logs["commit"] = out.loss.detach()
        if out.codes.shape[2]:
            logs |= self._usage.add(out.codes)
        for name, auxiliary in self.auxiliaries.items():
            value = auxiliary(self.codec, forward_pass)
            loss = loss + auxiliary.weight * value
            logs[name] = value.detach()
        yield "codec", loss, logs
        discriminator_loss = self.waveform_losses.discriminator_loss(fake, real, step)
        if discriminator_loss is not None:
            yield "discriminator", discriminator_loss, {"spot": discriminator_loss.detach()}

    def _in_band(self, wav: Tensor, band: Tensor) -> Tensor:
        """Waveforms [B, N], of which rows of the corpus, whose `band` [B] is smaller than that of
        the codec, lose what is above theirs."""
        rows = (band < self.codec.rate / 2).nonzero()[:, 0]
        limited = band_limited(wav[rows], self.codec.rate, self.corpus.sample_rate)
        return wav.index_copy(0, rows, limited)

    def export(self, folder: Path, step: int) -> None:
        """Write the weights of the codec, as `tts_codecs.load` reads them."""
        # In full precision, as rounded codebook entries would give other codes.
        save_checkpoint(folder, self.codec, "neural", self.arguments, half=False, step=step)

    @torch.no_grad()
    def sample(self, writer: Any, step: int) -> None:
        """Log a reconstructed utterance as audio, with real and reconstructed spectrograms, and its
        PESQ and STOI if the packages pesq and pystoi are installed."""
        codec = self.codec
        heard = self.corpus.audio(int(self.batches.usable[0]))
        heard = resample(heard, self.corpus.sample_rate, codec.rate)
        if (wide := self.batches.wide) is not None:
            heard = wide.audio[0].astype(np.float32) / 32768
        real = torch.from_numpy(heard).to(codec.device)
        codec.eval()
        fake = codec.decode(codec.encode(real[None, None]))[0, :, : len(real)]
        codec.train()
        writer.add_audio("coded", fake[0].cpu(), step, codec.rate)
        analysis = MelConfig(sample_rate=codec.rate, f_max=codec.rate / 2)
        picture = (
            torch.cat([log_mel(real[None], analysis), log_mel(fake, analysis)], 2)[0].t().flip(0)
        )
        low, high = picture.min(), picture.max()
        writer.add_image("mel", ((picture - low) / (high - low))[None].cpu(), step)
        for name, value in _pesq_stoi(
            real.cpu().numpy(), fake[0].cpu().numpy(), codec.rate
        ).items():
            writer.add_scalar(name, value, step)


def _pesq_stoi(real: np.ndarray, fake: np.ndarray, rate: int) -> dict[str, float]:
    """Compute wideband PESQ (ITU-T P.862.2), at 16 kHz, and STOI (Taal et al. 2011), as far as
    their packages are installed and find speech in both waveforms."""
    at_16k = [resample(wav, rate, 16000) for wav in (real, fake)]
    measures: dict[str, Callable[[], float]] = {
        "stoi": lambda: import_module("pystoi").stoi(real, fake, rate),
        "pesq": lambda: import_module("pesq").pesq(16000, *at_16k, "wb"),
    }
    scores = {}
    for name, measure in measures.items():
        # PESQ raises an error where it hears no utterance, as in what an untrained codec decodes.
        with suppress(ImportError, RuntimeError, ValueError):
            scores[name] = float(measure())
    return scores

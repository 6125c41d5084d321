"""Training task of waveform codecs: any encoder, quantizer and decoder of tts_codecs.neural, with
any discriminators and auxiliary losses."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.errors import CodecError, ConfigError
from tts.train.auxiliaries import Pass, build_auxiliaries
from tts.train.codebooks import RecentCodes
from tts.train.codec_batches import WaveBatches
from tts.train.task import Logs
from tts.train.waveform_losses import WaveformLosses
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.mel import MelConfig, log_mel
from tts_codecs.neural import build_codec
from tts_codecs.vocoder.losses import LEAST_SAMPLES


class CodecTask:
    """Multi-scale spectral losses and the quantizer's own; discriminators with feature matching
    from `adversarial_from` on; auxiliary losses.

    Args:
        corpus: prepared corpus; its rate has to be the codec's.
        model: arguments of tts_codecs.neural.build_codec.
        batch_size, frames: rows and length of a batch.
        adversaries: discriminators by name (tts_codecs.adversaries.ADVERSARIES), each with its
            arguments; objective: "hinge" or "squares".
        adversarial_from: step; adversarial_batch: rows that the discriminators see.
        auxiliaries: further losses by name (tts.train.auxiliaries), each with its arguments.
        distort: share of the rows that the encoder hears distorted; the clean ones are decoded.
        weights: of the losses, over the defaults in WEIGHTS; 0 leaves one out.
        quantize_from: step; before it vectors are decoded as they are, so that the quantizer meets
            an encoder that says something. Codebooks start then from k-means of the vectors of
            `fit_batches` batches; 0 leaves them to the quantizer.
        balance: the losses of the waveform share its gradient by their weights, however large
            their own gradients are (tts_codecs.balancer).
        held_out: speakers that are left out.

    Raises:
        ConfigError: parts that do not fit. DataError: no utterance is long enough, or none is left
            by held_out. UsageError: held_out names nobody.
    """

    precision = "fp32"  # phases and spectra need more than the 8 bits of bfloat16

    #: mel and log-magnitude spectra, samples, phases, fooling, feature matching; and the
    #: quantizer's, which is not one of the waveform
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
    ):
        if unknown := sorted(set(weights or {}) - set(self.WEIGHTS)):
            raise ConfigError(f"weights: {', '.join(unknown)}; known are {', '.join(self.WEIGHTS)}")
        self.loss_weights = {**self.WEIGHTS, **(weights or {})}
        self.quantize_from, self.fit_batches = quantize_from, fit_batches
        self.arguments = dict(model)
        self.codec = build_codec(**self.arguments)
        if self.codec.rate != corpus.sample_rate:
            raise ConfigError(
                f"the codec is one of {self.codec.rate} Hz, {corpus.folder} of {corpus.sample_rate}"
            )
        if frames * self.codec.hop < LEAST_SAMPLES:
            raise ConfigError(
                f"options.frames is at least {-(-LEAST_SAMPLES // self.codec.hop)}, not {frames}"
            )
        self.corpus = corpus
        self.auxiliaries = build_auxiliaries(auxiliaries or {}, self.codec)
        labelled = not self.auxiliaries.keys().isdisjoint({"phones", "ctc"})
        self.batches = WaveBatches(
            corpus, batch_size, frames * self.codec.hop, self.codec.hop, distort, labelled,
            held_out,
        )  # fmt: skip
        self.of_wave = WaveformLosses(
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
            **self.of_wave.modules,
        }
        self.groups = {"codec": ["codec", "auxiliaries"], "discriminator": ["discriminator"]}
        self._recent = RecentCodes(self.codec.quantizer.codebook_size)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Random crops of the corpus as waveforms, with what is known of them."""
        return self.batches.draw(rng)

    @torch.no_grad()
    def _fit(self) -> None:
        """Codebooks from k-means; ConfigError for a quantizer without."""
        rng = np.random.default_rng(0)
        drawn = (self.batch(rng)["wav"].to(self.codec.device) for _ in range(self.fit_batches))
        try:
            self.codec.quantizer.fit(
                torch.cat([self.codec.vectors(x).flatten(0, 1) for x in drawn])
            )
        except CodecError as error:
            raise ConfigError(f"options.fit_batches: {error}") from error

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Losses of the codec, then of the discriminators."""
        real = batch["wav"]
        if step == self.quantize_from and self.fit_batches:
            self._fit()
        quantized = step >= self.quantize_from
        fake, out, vectors = self.modules["codec"](batch.get("heard", real), quantized)
        loss, logs = self.of_wave(fake, real, step)
        loss = loss + self.loss_weights["commit"] * out.loss
        logs["commit"] = out.loss.detach()
        if out.codes.shape[2]:
            logs |= self._recent.add(out.codes)
        seen = Pass(batch, fake, vectors, out)
        for name, auxiliary in self.auxiliaries.items():
            value = auxiliary(self.codec, seen)
            loss = loss + auxiliary.weight * value
            logs[name] = value.detach()
        yield "codec", loss, logs
        spot = self.of_wave.spotting(fake, real, step)
        if spot is not None:
            yield "discriminator", spot, {"spot": spot.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights of the codec, as `tts_codecs.load` reads them."""
        # Codebooks are kept in full: rounded entries would give other codes.
        save_checkpoint(folder, self.codec, "neural", self.arguments, half=False, step=step)

    @torch.no_grad()
    def sample(self, writer: Any, step: int) -> None:
        """One utterance, coded and decoded, as audio and as spectrograms of both, and its PESQ and
        STOI where the packages pesq and pystoi are there."""
        codec = self.codec
        real = torch.from_numpy(self.corpus.audio(int(self.batches.usable[0]))).to(codec.device)
        codec.eval()
        made = codec.decode(codec.encode(real[None, None]))[0, :, : len(real)]
        codec.train()
        writer.add_audio("coded", made[0].cpu(), step, codec.rate)
        analysis = MelConfig(sample_rate=codec.rate, f_max=codec.rate / 2)
        both = torch.cat([log_mel(real[None], analysis), log_mel(made, analysis)], 2)[0].t().flip(0)
        low, high = both.min(), both.max()
        writer.add_image("mel", ((both - low) / (high - low))[None].cpu(), step)
        for name, value in _judged(real.cpu().numpy(), made[0].cpu().numpy(), codec.rate).items():
            writer.add_scalar(name, value, step)


def _judged(real: np.ndarray, made: np.ndarray, rate: int) -> dict[str, float]:
    """PESQ (of 16 kHz) and STOI, as far as they are installed."""
    found = {}
    try:
        found["stoi"] = float(import_module("pystoi").stoi(real, made, rate))
    except ImportError:
        pass
    try:
        if rate == 16000:
            found["pesq"] = float(import_module("pesq").pesq(rate, real, made, "wb"))
    except ImportError:
        pass
    return found

"""Auxiliary losses of waveform codecs, which shape what the codes represent.

    auxiliaries:
      phones: {weight: 5.0}             # phone of each frame, from the first codebook (PAST)
      ctc: {weight: 12.0, codebooks: 1}     # sequence of phones (PAST, QDAC)
      invariance: {weight: 1.0}         # equal vectors for distorted and clean sound (SAR)
      speaker: {weight: 0.1}            # voice of the decoded sound (NanoCodec)
      features: {weight: 2.0}           # features that the decoder makes (parts `features`)
      recognizer: {weight: 1.0}         # what a phone recognizer hears in them

The networks of these losses are trained together with the codec, but not exported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import resample

from tts.data.batch import Batch
from tts.errors import CodecError, ConfigError
from tts.losses.phone import PhoneProbe
from tts.registry import load_module
from tts.text.symbols import N_SYMBOLS
from tts.voice.speaker import SAMPLE_RATE, SpeakerEncoder
from tts_codecs.envelope import EXTRA
from tts_codecs.mel import band_points
from tts_codecs.neural import NeuralCodec
from tts_codecs.parts import build_part
from tts_codecs.quantizers import QuantizerOutput
from tts_codecs.vocoder.feature_parts import FeatureDecoder, FeatureEncoder

_PASSED = 1 / 0.94  # inverse of the share of a band that resampling leaves as it is

#: label of a frame without a phone, which losses leave out
IGNORE_INDEX = -100


@dataclass(frozen=True)
class CodecPass:
    """A forward pass of a codec in training.

    Attributes:
        batch: as of `tts.train.waveform_batches.WaveformBatches.draw`.
        reconstruction: [B, N] decoded waveform.
        vectors: [B, T, D] output of the encoder, before the quantizer.
        quantized: output of the quantizer.
        features: of the decoder and of the recording, once an auxiliary loss has computed them.
    """

    batch: Batch
    reconstruction: Tensor
    vectors: Tensor
    quantized: QuantizerOutput
    features: list[Tensor] = field(default_factory=list)


class AuxiliaryLoss(nn.Module):
    """Base of the auxiliary losses, each with the network that it needs.

    Args:
        weight: by which the training multiplies the loss.
    """

    def __init__(self, weight: float):
        super().__init__()
        self.weight = weight

    def forward(self, codec: NeuralCodec, outputs: CodecPass) -> Tensor:
        """Compute the loss, a scalar without its weight."""
        raise NotImplementedError


def decode_leading(codec: NeuralCodec, outputs: CodecPass, codebooks: int) -> Tensor:
    """Decode the first `codebooks` codebooks to vectors [B, T, D]; 0 stands for all of them.

    The gradient passes straight through to the vectors before the quantizer. Where the training
    does not quantize yet, the result is these vectors.
    """
    if codebooks == 0 or not outputs.quantized.codes.shape[2]:
        return outputs.quantized.quantized
    with torch.no_grad():
        values = codec.quantizer.decode(outputs.quantized.codes[..., :codebooks])
    return outputs.vectors + (values.to(outputs.vectors.dtype) - outputs.vectors).detach()


class _PhoneClassifier(AuxiliaryLoss):
    """Base of the losses that classify phones from the first codebooks.

    Args:
        classes: number of classes.
        codebooks: number of codebooks that the classifier sees; 0 for all.
        width: channels of its convolution; kernel: frames that the convolution sees, an odd number.

    Raises:
        ConfigError: the codebooks cannot be decoded without the others, or kernel is even.
    """

    def __init__(
        self,
        codec: NeuralCodec,
        weight: float,
        classes: int,
        codebooks: int,
        width: int,
        kernel: int,
    ):
        super().__init__(weight)
        if codebooks and codebooks not in codec.quantizer.prefixes:
            raise ConfigError(
                f"auxiliaries: codebooks: {codebooks} cannot be decoded by themselves; 0 stands "
                "for all of them"
            )
        if kernel % 2 == 0:
            raise ConfigError(f"auxiliaries: kernel: {kernel} has no middle: it has to be odd")
        self.codebooks = codebooks
        self.entry = nn.Conv1d(codec.quantizer.dim, width, kernel, padding=kernel // 2)
        self.head = nn.Linear(width, classes)

    def logits(self, codec: NeuralCodec, outputs: CodecPass) -> Tensor:
        """Compute logits [B, T, classes]."""
        x = self.entry(decode_leading(codec, outputs, self.codebooks).transpose(1, 2)).transpose(
            1, 2
        )
        logits: Tensor = self.head(F.gelu(x))
        return logits


class FramePhoneLoss(_PhoneClassifier):
    """Cross entropy of the phone of each frame (PAST, Har-Tuv et al. 2025)."""

    def __init__(
        self,
        codec: NeuralCodec,
        weight: float = 5.0,
        codebooks: int = 1,
        width: int = 128,
        kernel: int = 1,
    ):
        super().__init__(codec, weight, N_SYMBOLS, codebooks, width, kernel)

    def forward(self, codec: NeuralCodec, outputs: CodecPass) -> Tensor:
        """Compute the loss, a scalar without its weight."""
        logits, labels = self.logits(codec, outputs), outputs.batch["labels"]
        errors = F.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=IGNORE_INDEX, reduction="sum"
        )
        return errors / (labels != IGNORE_INDEX).sum().clamp_min(1)


class CtcLoss(_PhoneClassifier):
    """Connectionist temporal classification of the phones (Graves et al. 2006)."""

    def __init__(
        self,
        codec: NeuralCodec,
        weight: float = 1.0,
        codebooks: int = 1,
        width: int = 128,
        kernel: int = 5,
    ):
        super().__init__(codec, weight, N_SYMBOLS + 1, codebooks, width, kernel)

    def forward(self, codec: NeuralCodec, outputs: CodecPass) -> Tensor:
        """Compute the loss, a scalar without its weight."""
        log_probs = self.logits(codec, outputs).log_softmax(-1).transpose(0, 1)
        lengths = torch.full((log_probs.shape[1],), log_probs.shape[0], device=log_probs.device)
        counts = outputs.batch["phone_counts"]
        # A row with more phones than frames has no valid path, and its loss is infinite.
        errors = F.ctc_loss(
            log_probs,
            outputs.batch["phones"],
            lengths,
            counts,
            blank=N_SYMBOLS,
            reduction="none",
            zero_infinity=True,
        )
        # Rows without phones were not aligned; they need not be silent.
        aligned = counts > 0
        return (errors * aligned / counts.clamp_min(1)).sum() / aligned.sum().clamp_min(1)


class InvarianceLoss(AuxiliaryLoss):
    """Mean squared distance between the vectors of the distorted and of the clean waveform.

    It is divided by the variance of the clean vectors, and needs options.distort above 0.
    """

    def __init__(self, codec: NeuralCodec, weight: float = 1.0):
        super().__init__(weight)

    def forward(self, codec: NeuralCodec, outputs: CodecPass) -> Tensor:
        """Compute the loss, a scalar without its weight."""
        if "heard" not in outputs.batch:
            raise ConfigError("auxiliaries: invariance needs options.distort above 0")
        with torch.no_grad():
            clean = codec.vectors(outputs.batch["wav"])
        return F.mse_loss(outputs.vectors, clean) / clean.var().clamp_min(1e-4)


class SpeakerLoss(AuxiliaryLoss):
    """1 - cosine of the speaker embeddings of the recording and of the decoded waveform.

    Args:
        encoder: checkpoint of the speaker encoder.
    """

    def __init__(self, codec: NeuralCodec, weight: float = 0.1, encoder: str = "speaker"):
        super().__init__(weight)
        self.rate = codec.rate
        loaded = cast("SpeakerEncoder", load_module(encoder, kind="speaker"))
        # In a list it is no submodule, so that it is neither trained nor saved.
        self._encoder = [loaded.requires_grad_(False)]

    def _embed(self, wav: Tensor) -> Tensor:
        """Speaker embeddings [B, 256] of waveforms [B, N]."""
        encoder = self._encoder[0].to(wav.device)
        if self.rate != SAMPLE_RATE:
            wav = resample(wav, self.rate, SAMPLE_RATE)
        # cuDNN computes no gradients of recurrent layers in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False):
            embeddings: Tensor = encoder(torch.stack([encoder.mel(row) for row in wav]))
        return embeddings

    def forward(self, codec: NeuralCodec, outputs: CodecPass) -> Tensor:
        """Compute the loss, a scalar without its weight."""
        with torch.no_grad():
            target = self._embed(outputs.batch["wav"])
        return 1 - (self._embed(outputs.reconstruction) * target).sum(1).mean()


class FeatureLoss(AuxiliaryLoss):
    """Mean absolute error of the features that a decoder of the kind `features` makes on the way to
    the waveform. It alone trains pitch and voicing, as pulses have no gradient. Bands above that of
    a row do not count (`narrowed` of tts.train.waveform_batches.WaveformBatches).

    Raises:
        ConfigError: encoder and decoder are not of the kind `features`.
    """

    def __init__(self, codec: NeuralCodec, weight: float = 2.0):
        super().__init__(weight)
        if not isinstance(codec.encoder, FeatureEncoder) or not isinstance(
            codec.decoder, FeatureDecoder
        ):
            raise ConfigError(
                "auxiliaries: features and recognizer are for an encoder and a decoder of the kind "
                "features"
            )

    def both(self, codec: NeuralCodec, outputs: CodecPass) -> list[Tensor]:
        """The features [B, T * patch, C] of the decoder, and those of the recording."""
        if not outputs.features:
            decoder = cast(FeatureDecoder, codec.decoder)
            outputs.features.append(decoder.features(codec.from_code(outputs.quantized.quantized)))
            encoder = cast(FeatureEncoder, codec.encoder)
            outputs.features.append(encoder.features(outputs.batch["wav"]))
        return outputs.features

    def forward(self, codec: NeuralCodec, outputs: CodecPass) -> Tensor:
        """Compute the loss, a scalar without its weight."""
        made, real = self.both(codec, outputs)
        error = (made - real).abs().mean(1)  # [B, C]
        # The filter that resampled the row has taken some of the highest bands below its limit.
        ends = torch.tensor(band_points(cast(FeatureEncoder, codec.encoder).mel)[2:]).to(error)
        counts = torch.ones_like(error)
        counts[:, :-EXTRA] = ends * _PASSED <= outputs.batch["band"].to(error)[:, None]
        counts[outputs.batch["band"] >= codec.rate / 2] = 1
        return (error * counts).sum() / counts.sum()


class RecognizerLoss(FeatureLoss):
    """Distance of these features in the hidden states of the phone recognizer
    (tts.losses.phone.PhoneProbe.distance), which hears the bands below 8 kHz.

    Args:
        recognizer: checkpoint of the phone recognizer.
    """

    def __init__(
        self, codec: NeuralCodec, weight: float = 1.0, recognizer: str = "phone_recognizer"
    ):
        super().__init__(codec, weight)
        loaded = cast("PhoneProbe", load_module(recognizer, kind="phone_probe"))
        # In a list it is no submodule, so that it is neither trained nor saved.
        self._recognizer = [loaded.requires_grad_(False)]

    def forward(self, codec: NeuralCodec, outputs: CodecPass) -> Tensor:
        """Compute the loss, a scalar without its weight."""
        recognizer = self._recognizer[0].to(outputs.vectors.device)
        bands = recognizer.entry.in_features - EXTRA
        made, real = (
            torch.cat([each[..., :bands], each[..., -EXTRA:]], -1)
            for each in self.both(codec, outputs)
        )
        return recognizer.distance(made, real, torch.ones_like(made[..., :1]))


AUXILIARIES: dict[str, Callable[..., AuxiliaryLoss]] = {
    "phones": FramePhoneLoss,
    "ctc": CtcLoss,
    "invariance": InvarianceLoss,
    "speaker": SpeakerLoss,
    "features": FeatureLoss,
    "recognizer": RecognizerLoss,
}


def build_auxiliaries(
    specs: Mapping[str, Mapping[str, Any]], codec: NeuralCodec
) -> dict[str, AuxiliaryLoss]:
    """Build auxiliary losses.

    Args:
        specs: arguments of each loss by its name in AUXILIARIES.

    Raises:
        ConfigError: a name or argument is unknown; the message names the nearest.
    """
    try:
        return {
            kind: build_part(AUXILIARIES, {**given, "kind": kind}, "auxiliary loss", codec=codec)
            for kind, given in specs.items()
        }
    except CodecError as error:
        raise ConfigError(f"auxiliaries: {error}") from error

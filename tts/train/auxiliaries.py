"""Auxiliary losses of waveform codecs: what else the codes should say, or not say.

    auxiliaries:
      phones: {weight: 5.0}             # the phone of each frame, from the first codebook (PAST)
      ctc: {weight: 12.0, codebooks: 1}     # the phones in their order (PAST, QDAC)
      invariance: {weight: 1.0}         # the same vectors whatever distorts the sound (SAR)
      speaker: {weight: 0.1}            # the voice of what is decoded (NanoCodec)

Their networks are trained beside the codec and are no part of what is exported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import resample

from tts.data.batch import Batch
from tts.errors import CodecError, ConfigError
from tts.registry import load_module
from tts.text.symbols import N_SYMBOLS
from tts.voice.speaker import SAMPLE_RATE, SpeakerEncoder
from tts_codecs.neural import NeuralCodec
from tts_codecs.parts import build_part
from tts_codecs.quantizers import QuantizerOutput

#: label of a frame without a phone
NOTHING = -100


@dataclass(frozen=True)
class Pass:
    """A training pass: what was heard [B, N] and decoded, the vectors before the quantizer
    [B, T, D], and what that gave."""

    batch: Batch
    made: Tensor
    vectors: Tensor
    coded: QuantizerOutput


class Auxiliary(nn.Module):
    """One loss, with the network that it needs."""

    def __init__(self, weight: float):
        super().__init__()
        self.weight = weight

    def forward(self, codec: NeuralCodec, seen: Pass) -> Tensor:
        """The loss, a scalar that is not yet weighted."""
        raise NotImplementedError


def leading(codec: NeuralCodec, seen: Pass, codebooks: int) -> Tensor:
    """Values [B, T, D] of the leading `codebooks` alone, with the gradient of the vectors;
    of all of them for 0, and the vectors where nothing is quantized yet."""
    if codebooks == 0 or not seen.coded.codes.shape[2]:
        return seen.coded.quantized
    with torch.no_grad():
        values = codec.quantizer.decode(seen.coded.codes[..., :codebooks])
    return seen.vectors + (values.to(seen.vectors.dtype) - seen.vectors).detach()


class _Reader(Auxiliary):
    """Base of what reads phones off the leading codebooks.

    Args:
        codebooks: how many codebooks it sees; 0 for all.
        width: of a convolution over `kernel` frames, an odd number, so that neighbours may help.

    Raises:
        ConfigError: codebooks that cannot be decoded by themselves, or an even kernel.
    """

    def __init__(
        self,
        codec: NeuralCodec,
        weight: float,
        outputs: int,
        codebooks: int,
        width: int,
        kernel: int,
    ):
        super().__init__(weight)
        if codebooks and codebooks not in codec.quantizer.prefixes:
            raise ConfigError(
                f"auxiliaries: codebooks: {codebooks} cannot be decoded by themselves"
            )
        if kernel % 2 == 0:
            raise ConfigError(f"auxiliaries: kernel: {kernel} has no middle: it has to be odd")
        self.codebooks = codebooks
        self.entry = nn.Conv1d(codec.quantizer.dim, width, kernel, padding=kernel // 2)
        self.head = nn.Linear(width, outputs)

    def read(self, codec: NeuralCodec, seen: Pass) -> Tensor:
        """Logits [B, T, outputs]."""
        x = self.entry(leading(codec, seen, self.codebooks).transpose(1, 2)).transpose(1, 2)
        logits: Tensor = self.head(F.gelu(x))
        return logits


class PhonesPerUnit(_Reader):
    """Cross entropy of the phone of each frame (Har-Tuv et al. 2025, "PAST")."""

    def __init__(
        self,
        codec: NeuralCodec,
        weight: float = 5.0,
        codebooks: int = 1,
        width: int = 128,
        kernel: int = 1,
    ):
        super().__init__(codec, weight, N_SYMBOLS, codebooks, width, kernel)

    def forward(self, codec: NeuralCodec, seen: Pass) -> Tensor:
        """The loss, a scalar that is not yet weighted."""
        logits, labels = self.read(codec, seen), seen.batch["labels"]
        errors = F.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=NOTHING, reduction="sum"
        )
        return errors / (labels != NOTHING).sum().clamp_min(1)


class Ctc(_Reader):
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

    def forward(self, codec: NeuralCodec, seen: Pass) -> Tensor:
        """The loss, a scalar that is not yet weighted."""
        scores = self.read(codec, seen).log_softmax(-1).transpose(0, 1)
        lengths = torch.full((scores.shape[1],), scores.shape[0], device=scores.device)
        counts = seen.batch["phone_counts"]
        # More phones than frames cannot be told; such rows count for nothing.
        errors = F.ctc_loss(
            scores,
            seen.batch["phones"],
            lengths,
            counts,
            blank=N_SYMBOLS,
            reduction="none",
            zero_infinity=True,
        )
        # Nor do those without any phone: they were not aligned, which is not to say nothing.
        known = counts > 0
        return (errors * known / counts.clamp_min(1)).sum() / known.sum().clamp_min(1)


class Invariance(Auxiliary):
    """Distance of the vectors of the distorted sound from those of the clean one, in terms of their
    variance; needs options.distort."""

    def __init__(self, codec: NeuralCodec, weight: float = 1.0):
        super().__init__(weight)

    def forward(self, codec: NeuralCodec, seen: Pass) -> Tensor:
        """The loss, a scalar that is not yet weighted."""
        if "heard" not in seen.batch:
            raise ConfigError("auxiliaries: invariance needs options.distort above 0")
        with torch.no_grad():
            clean = codec.vectors(seen.batch["wav"])
        return F.mse_loss(seen.vectors, clean) / clean.var().clamp_min(1e-4)


class SpeakerLikeness(Auxiliary):
    """1 - cosine of the voices of recording and decoded sound by a speaker encoder.

    Args:
        encoder: its checkpoint.
    """

    def __init__(self, codec: NeuralCodec, weight: float = 0.1, encoder: str = "speaker"):
        super().__init__(weight)
        self.rate = codec.rate
        loaded = cast("SpeakerEncoder", load_module(encoder, kind="speaker"))
        # Not a part of the modules that are trained and saved.
        self._encoder = [loaded.requires_grad_(False)]

    def _voices(self, wav: Tensor) -> Tensor:
        encoder = self._encoder[0].to(wav.device)
        if self.rate != SAMPLE_RATE:
            wav = resample(wav, self.rate, SAMPLE_RATE)
        # cuDNN gives no gradients of recurrent layers that are not in training.
        with torch.backends.cudnn.flags(enabled=False):
            voices: Tensor = encoder(torch.stack([encoder.mel(row) for row in wav]))
        return voices

    def forward(self, codec: NeuralCodec, seen: Pass) -> Tensor:
        """The loss, a scalar that is not yet weighted."""
        with torch.no_grad():
            wanted = self._voices(seen.batch["wav"])
        return 1 - (self._voices(seen.made) * wanted).sum(1).mean()


AUXILIARIES: dict[str, Callable[..., Auxiliary]] = {
    "phones": PhonesPerUnit,
    "ctc": Ctc,
    "invariance": Invariance,
    "speaker": SpeakerLikeness,
}


def build_auxiliaries(
    specs: Mapping[str, Mapping[str, Any]], codec: NeuralCodec
) -> dict[str, Auxiliary]:
    """The losses that the keys of `specs` name in AUXILIARIES; its values are their arguments.

    Raises:
        ConfigError: an unknown name or argument, naming the nearest.
    """
    try:
        return {
            kind: build_part(AUXILIARIES, {**given, "kind": kind}, "auxiliary loss", codec=codec)
            for kind, given in specs.items()
        }
    except CodecError as error:
        raise ConfigError(f"auxiliaries: {error}") from error

"""Trainable neural waveform codec, built from an encoder, a quantizer and a decoder named in YAML.

    build_codec(
        rate=16000, hop=320, dim=128,
        encoder={"kind": "seanet", "channels": 16, "strides": [2, 4, 5, 8]},
        quantizer={"kind": "rvq", "dim": 64, "num_codebooks": 4, "codebook_size": 1024},
        decoder={"kind": "spectrum", "width": 256, "blocks": 6},
    )

The codecs compared in docs/codecs.md differ only in this configuration
(configs/train/codec_*.yaml). `tts train` trains them, and `tts_codecs.load` reads the exported
checkpoints.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from tts_codecs.base import (
    CodecInfo,
    Encoded,
    EncodedKind,
    check_batch,
    check_encoded,
    check_stream,
    check_wav,
)
from tts_codecs.errors import CodecError
from tts_codecs.layered import LayeredCodec
from tts_codecs.nn.attended import AttendedEncoder
from tts_codecs.nn.freev import FreevDecoder
from tts_codecs.nn.mel_encoders import BandsEncoder, MelEncoder
from tts_codecs.nn.waveform import (
    SeanetDecoder,
    SeanetEncoder,
    SpectrumDecoder,
    SpectrumEncoder,
    States,
    WaveDecoder,
    WaveEncoder,
)
from tts_codecs.parts import build_part, check_spec
from tts_codecs.quantizers import Quantizer, QuantizerOutput, build_quantizer
from tts_codecs.ranges import wrong_number
from tts_codecs.vocoder.decoder import SourceFilterDecoder
from tts_codecs.vocoder.feature_parts import FeatureDecoder, FeatureEncoder

ENCODERS: dict[str, Callable[..., WaveEncoder]] = {
    "seanet": SeanetEncoder,
    "spectrum": SpectrumEncoder,
    "mel": MelEncoder,
    "bands": BandsEncoder,
    "attended": AttendedEncoder,
    "features": FeatureEncoder,
}
DECODERS: dict[str, Callable[..., WaveDecoder]] = {
    "seanet": SeanetDecoder,
    "spectrum": SpectrumDecoder,
    "freev": FreevDecoder,
    "source_filter": SourceFilterDecoder,
    "features": FeatureDecoder,
}


@dataclass(frozen=True)
class NeuralState:
    """State of a stream, for decoding as well as for encoding.

    Attributes:
        layers: states of the network's layers.
        batch: rows of the stream.
        to_drop: leading frames of the network's output that are still to be dropped: they come from
            its look-ahead delay.
        remainder: samples [B, n], n < hop, of an encoding stream that do not fill a frame yet.
        finished: whether the stream has ended.
    """

    layers: States
    batch: int
    to_drop: int
    remainder: Tensor
    finished: bool = False


class NeuralCodec(LayeredCodec):
    """Codec of an encoder, a quantizer and a decoder; it can also encode a stream chunk by chunk.

    Args:
        rate: sample rate in Hz.
        hop: samples per frame.
        dim: width of the encoder's output and of the decoder's input.
        encoder, quantizer, decoder: the parts; encoder and decoder have to fit `hop` and `dim`.
        name, licence: shown in `info`.
        output: "codes", or "latents" for the quantized values, which continuous generators can
            predict. Latents are moved to the nearest quantized values before decoding, if the
            quantizer supports it (`Quantizer.snap`).
        project: whether linear layers map between `dim` and the quantizer's width. Without them the
            two have to be equal.

    Raises:
        CodecError: the sizes or parts do not fit each other.
    """

    def __init__(
        self,
        rate: int,
        hop: int,
        dim: int,
        encoder: WaveEncoder,
        quantizer: Quantizer,
        decoder: WaveDecoder,
        name: str = "neural",
        licence: str = "MIT",
        output: EncodedKind = "codes",
        project: bool = True,
    ):
        super().__init__()
        if output not in ("codes", "latents"):
            raise CodecError(f"output is codes or latents, not {output!r}")
        if output == "codes" and quantizer.num_codebooks == 0:
            raise CodecError("a quantizer of no codes needs output: latents")
        if not project and quantizer.dim != dim:
            raise CodecError(f"without project the quantizer has dim {quantizer.dim}, not {dim}")
        self.rate, self.hop, self.dim, self.output = rate, hop, dim, output
        self.name, self.licence = name, licence
        self.encoder, self.quantizer, self.decoder = encoder, quantizer, decoder
        self.to_code = torch.nn.Linear(dim, quantizer.dim) if project else torch.nn.Identity()
        self.from_code = torch.nn.Linear(quantizer.dim, dim) if project else torch.nn.Identity()
        # States take device and dtype from this buffer, as a part may have no weights.
        self.register_buffer("_like", torch.zeros(()), persistent=False)
        self.num_codebooks = quantizer.num_codebooks

    _like: Tensor

    @property
    def layered(self) -> Quantizer:
        """The quantizer whose number of codebooks can be chosen."""
        return self.quantizer

    @property
    def frames_per_second(self) -> float:
        """Frames per second."""
        return self.rate / self.hop

    @property
    def info(self) -> CodecInfo:
        """Static description; the bitrate depends on the number of codebooks in use."""
        quantizer, count = self.quantizer, self.num_codebooks
        coded = self.output == "codes"
        return CodecInfo(
            name=self.name,
            sample_rate=self.rate,
            hop=self.hop,
            kind=self.output,
            num_codebooks=count if coded else 0,
            codebook_size=quantizer.codebook_size if coded else 0,
            dim=quantizer.dim,
            bitrate=self.bandwidths()[count] if coded else None,
            causal=self.decoder.look_ahead == 0,
            look_ahead=self.decoder.look_ahead,
            licence=self.licence,
            residual=coded and quantizer.residual,
            levels=quantizer.digits if coded else (),
        )

    def vectors(self, wav: Tensor) -> Tensor:
        """Input of the quantizer [B, T, quantizer.dim] for wav [B, T * hop]."""
        ahead = self.encoder.look_ahead
        wav = F.pad(wav, (0, ahead * self.hop))
        latents, _ = self.encoder(wav, self.encoder.initial(len(wav), wav))
        vectors: Tensor = self.to_code(latents[:, ahead:])
        return vectors

    def restored(self, values: Tensor) -> Tensor:
        """Waveform [B, T * hop] of quantized values [B, T, quantizer.dim]."""
        vectors = F.pad(self.from_code(values), (0, 0, 0, self.decoder.look_ahead))
        wav, _ = self.decoder(vectors, self.decoder.initial(len(values), values))
        return wav[:, self.decoder.look_ahead * self.hop :]

    def forward(
        self, wav: Tensor, quantized: bool = True
    ) -> tuple[Tensor, QuantizerOutput, Tensor]:
        """Training pass.

        Args:
            wav: [B, T * hop].
            quantized: False bypasses the quantizer: its input is decoded, and the codes in its
                output are [B, T, 0].

        Returns:
            the reconstructed waveform [B, T * hop], the output of the quantizer, and its input
            [B, T, quantizer.dim].
        """
        vectors = self.vectors(wav)
        if quantized:
            out: QuantizerOutput = self.quantizer(vectors)
        else:
            none = torch.zeros(*vectors.shape[:2], 0, dtype=torch.int64, device=vectors.device)
            out = QuantizerOutput(vectors, none, vectors.new_zeros(()))
        return self.restored(out.quantized), out, vectors

    def _quantize(self, latents: Tensor) -> Tensor:
        vectors = self.to_code(latents)
        if self.output == "latents":
            quantized: Tensor = self.quantizer(vectors).quantized
            return quantized
        return self.quantizer.encode(vectors, self.num_codebooks)

    def _values(self, encoded: Tensor) -> Tensor:
        """Quantized values [B, t, quantizer.dim] of valid codes or latents."""
        if self.output == "codes":
            return self.quantizer.decode(encoded)
        return self.quantizer.snap(encoded)

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        wav = check_wav(wav)
        frames, _ = self.encode_chunk(wav, self.init_encoding(len(wav)), last=True)
        return Encoded(frames, self.info.frame_rate)

    def init_encoding(self, batch: int) -> NeuralState:
        """State of a new encoding stream of `batch` rows, for `encode_chunk`."""
        layers = self.encoder.initial(check_batch(batch), self._like)
        return NeuralState(layers, batch, self.encoder.look_ahead, self._like.new_zeros(batch, 0))

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: NeuralState, last: bool = False
    ) -> tuple[Tensor, NeuralState]:
        """Encode the next samples wav [B, 1, n] of a stream to codes [B, t, K] or latents
        [B, t, D]; n may be 0.

        Frames are delayed by `encoder.look_ahead` frames. With `last` the stream ends: samples that
        do not fill a frame are padded with silence, and the delayed frames are returned.
        """
        check_stream(check_wav(wav, piece=True), state, NeuralState)
        samples = torch.cat([state.remainder, wav[:, 0].to(state.remainder)], 1)
        if last:
            padding = -samples.shape[1] % self.hop + self.encoder.look_ahead * self.hop
            samples = F.pad(samples, (0, padding))
        used = samples.shape[1] // self.hop * self.hop
        if self.output == "codes":
            frames = torch.zeros(state.batch, 0, self.num_codebooks, dtype=torch.int64)
        else:
            frames = torch.zeros(state.batch, 0, self.quantizer.dim)
        frames, layers, to_drop = frames.to(samples.device), state.layers, state.to_drop
        if used:
            latents, layers = self.encoder(samples[:, :used], layers)
            drop = min(to_drop, latents.shape[1])
            to_drop -= drop
            if latents.shape[1] > drop:
                frames = self._quantize(latents[:, drop:])
        return frames, NeuralState(layers, state.batch, to_drop, samples[:, used:], last)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode frames ``[B, T, K]`` or ``[B, T, D]`` to ``wav [B, 1, T * hop]``; K is the number
        of codebooks in use."""
        frames = self._checked(encoded)
        return self.decode_chunk(frames, self.init_state(len(frames)), last=True)[0]

    def _checked(self, encoded: Encoded | Tensor) -> Tensor:
        return check_encoded(encoded, self.info).to(self.device)

    def init_state(self, batch: int) -> NeuralState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        layers = self.decoder.initial(check_batch(batch), self._like)
        return NeuralState(layers, batch, self.decoder.look_ahead, self._like.new_zeros(batch, 0))

    @torch.no_grad()
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream."""
        encoded = self._checked(encoded)
        check_stream(encoded, state, NeuralState)
        vectors = self._like.new_zeros(state.batch, 0, self.dim)
        if encoded.shape[1]:
            vectors = self.from_code(self._values(encoded))
        if last:
            vectors = F.pad(vectors, (0, 0, 0, self.decoder.look_ahead))
        # In a decoding stream the remainder is always empty: no samples unless frames are decoded.
        wav, layers, to_drop = state.remainder, state.layers, state.to_drop
        if vectors.shape[1]:
            wav, layers = self.decoder(vectors, layers)
            drop = min(to_drop, vectors.shape[1])
            to_drop -= drop
            wav = wav[:, drop * self.hop :]
        return wav.unsqueeze(1), NeuralState(layers, state.batch, to_drop, state.remainder, last)


def build_codec(
    encoder: dict[str, Any],
    quantizer: dict[str, Any],
    decoder: dict[str, Any],
    rate: int = 16000,
    hop: int = 320,
    dim: int = 128,
    name: str = "neural",
    licence: str = "MIT",
    output: str = "codes",
    project: bool = True,
) -> NeuralCodec:
    """Build a NeuralCodec from the names of its parts.

    Args:
        encoder, quantizer, decoder: specifications of the parts. `kind` is a key of ENCODERS,
            QUANTIZERS or DECODERS, and the other keys are arguments of that class. `under` of an
            encoder is the specification of the encoder below it.
        rate, hop, dim, name, licence, output, project: see NeuralCodec.

    Raises:
        CodecError: an unknown kind or key, with the nearest known one, or sizes that do not fit.
    """
    if wrong := wrong_number(build_codec, {"rate": rate, "hop": hop, "dim": dim}):
        raise CodecError(wrong)
    return NeuralCodec(
        rate,
        hop,
        dim,
        _part(ENCODERS, encoder, "encoder", rate, hop, dim),
        build_quantizer(quantizer),
        _part(DECODERS, decoder, "decoder", rate, hop, dim),
        name,
        licence,
        cast("EncodedKind", output),
        project,
    )


def _part(
    table: dict[str, Callable[..., Any]],
    spec: dict[str, Any],
    what: str,
    rate: int,
    hop: int,
    dim: int,
) -> Any:
    """Build an encoder or decoder from its specification. It gets the sample rate if it takes one,
    and the part that `under` specifies, if any."""
    check_spec(spec, what)
    given = {"hop": hop, "dim": dim}
    kind = table.get(str(spec.get("kind")))
    if kind is not None and "rate" in inspect.signature(kind).parameters:
        given["rate"] = rate
    if "under" in spec:
        under = _part(table, spec["under"], f"under of {what}", rate, hop, dim)
        spec = {**spec, "under": under}
    return build_part(table, spec, what, **given)

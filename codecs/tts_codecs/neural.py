"""A trainable codec of waveforms whose parts are chosen by name: encoder, quantizer, decoder.

    build_codec(
        rate=16000, hop=320, dim=128,
        encoder={"kind": "seanet", "channels": 16, "strides": [2, 4, 5, 8]},
        quantizer={"kind": "rvq", "dim": 64, "num_codebooks": 4, "codebook_size": 1024},
        decoder={"kind": "spectrum", "width": 256, "blocks": 6},
    )

The rows of docs/codecs.md differ in one YAML only (configs/train/codec_*.yaml).
`tts train` trains them; `tts_codecs.load` reads what it exports.
"""

import inspect
from collections.abc import Callable, Mapping
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
from tts_codecs.parts import build_part
from tts_codecs.quantizers import Quantizer, QuantizerOutput, build_quantizer

ENCODERS: dict[str, Callable[..., WaveEncoder]] = {
    "seanet": SeanetEncoder,
    "spectrum": SpectrumEncoder,
    "mel": MelEncoder,
    "bands": BandsEncoder,
    "attended": AttendedEncoder,
}
DECODERS: dict[str, Callable[..., WaveDecoder]] = {
    "seanet": SeanetDecoder,
    "spectrum": SpectrumDecoder,
    "freev": FreevDecoder,
}


@dataclass(frozen=True)
class NeuralState:
    """What a stream remembers, of decoding or of encoding.

    Attributes:
        layers: states of the network.
        batch: rows of the stream.
        owed: leading frames of the network's output that belong to its look-ahead.
        held: samples [B, n], n < hop, that an encoding stream could not use yet.
        finished: the last piece was seen.
    """

    layers: States
    batch: int
    owed: int
    held: Tensor
    finished: bool = False


class NeuralCodec(LayeredCodec):
    """Encoder, quantizer and decoder under the codec contract; encodes in pieces as well.

    Args:
        rate: Hz; hop: samples per frame; dim: width of the vectors outside the quantizer.
        encoder, quantizer, decoder: built for that hop and width.
        name, licence: shown in `info`.
        encoded: "codes", or "latents": the values of the quantizer, for continuous generators. What
            they generate is moved to values of the quantizer where it has levels (its `snap`).
        project: linear layers around the quantizer; without them its width has to be `dim`.

    Raises:
        CodecError: sizes or parts that do not go together.
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
        # Where there is no weight to be asked for the device.
        self.register_buffer("_like", torch.zeros(()), persistent=False)
        self.num_codebooks = quantizer.num_codebooks

    _like: Tensor

    @property
    def layered(self) -> Quantizer:
        """The quantizer whose codebooks are counted."""
        return self.quantizer

    @property
    def frames_per_second(self) -> float:
        """Frames per second."""
        return self.rate / self.hop

    @property
    def info(self) -> CodecInfo:
        """Sizes by the number of codebooks in use."""
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
        """wav [B, T * hop] to what is quantized, [B, T, quantizer.dim]."""
        ahead = self.encoder.look_ahead
        wav = F.pad(wav, (0, ahead * self.hop))
        latents, _ = self.encoder(wav, self.encoder.initial(len(wav), wav))
        vectors: Tensor = self.to_code(latents[:, ahead:])
        return vectors

    def restored(self, values: Tensor) -> Tensor:
        """Values of the quantizer [B, T, quantizer.dim] to a waveform [B, T * hop]."""
        vectors = F.pad(self.from_code(values), (0, 0, 0, self.decoder.look_ahead))
        made, _ = self.decoder(vectors, self.decoder.initial(len(values), values))
        return made[:, self.decoder.look_ahead * self.hop :]

    def forward(
        self, wav: Tensor, quantized: bool = True
    ) -> tuple[Tensor, QuantizerOutput, Tensor]:
        """Training pass: wav [B, T * hop] to what is decoded, of the same shape, what the quantizer
        gave, and the vectors [B, T, quantizer.dim] it was given. Not `quantized` these are decoded
        themselves, and there are no codes [B, T, 0]."""
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
        """Checked frames to values of the quantizer."""
        if self.output == "codes":
            return self.quantizer.decode(encoded)
        return self.quantizer.snap(encoded)

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        wav = check_wav(wav)
        found, _ = self.encode_chunk(wav, self.init_encoding(len(wav)), last=True)
        return Encoded(found, None, self.info.frame_rate)

    def init_encoding(self, batch: int) -> NeuralState:
        """State of a new stream of waveforms, for `encode_chunk`."""
        layers = self.encoder.initial(check_batch(batch), self._like)
        return NeuralState(layers, batch, self.encoder.look_ahead, self._like.new_zeros(batch, 0))

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: NeuralState, last: bool = False
    ) -> tuple[Tensor, NeuralState]:
        """Frames [B, t, *] of the next samples of a stream, wav [B, 1, n], n may be 0. What does
        not fill one is held back, and padded with silence at the `last` piece. Frames come
        `encoder.look_ahead` frames late."""
        check_stream(check_wav(wav, piece=True), state.batch, state.finished)
        seen = torch.cat([state.held, wav[:, 0].to(state.held)], 1)
        if last:
            seen = F.pad(seen, (0, -seen.shape[1] % self.hop + self.encoder.look_ahead * self.hop))
        used = seen.shape[1] // self.hop * self.hop
        if self.output == "codes":
            found = torch.zeros(state.batch, 0, self.num_codebooks, dtype=torch.int64)
        else:
            found = torch.zeros(state.batch, 0, self.quantizer.dim)
        found, layers, owed = found.to(seen.device), state.layers, state.owed
        if used:
            latents, layers = self.encoder(seen[:, :used], layers)
            drop = min(owed, latents.shape[1])
            owed -= drop
            if latents.shape[1] > drop:
                found = self._quantize(latents[:, drop:])
        return found, NeuralState(layers, state.batch, owed, seen[:, used:], last)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode frames ``[B, T, K]`` or ``[B, T, D]`` to ``wav [B, 1, T * hop]``. Frames have as
        many codes as there are codebooks in use."""
        found = self._checked(encoded)
        return self.decode_chunk(found, self.init_state(len(found)), last=True)[0]

    def _checked(self, encoded: Encoded | Tensor) -> Tensor:
        return check_encoded(encoded, self.info).to(self.device)

    def init_state(self, batch: int) -> NeuralState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        layers = self.decoder.initial(check_batch(batch), self._like)
        return NeuralState(layers, batch, self.decoder.look_ahead, self._like.new_zeros(batch, 0))

    @torch.no_grad()
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream."""
        assert isinstance(state, NeuralState)
        encoded = self._checked(encoded)
        check_stream(encoded, state.batch, state.finished)
        vectors = self._like.new_zeros(state.batch, 0, self.dim)
        if encoded.shape[1]:
            vectors = self.from_code(self._values(encoded))
        if last:
            vectors = F.pad(vectors, (0, 0, 0, self.decoder.look_ahead))
        made, layers, owed = state.held, state.layers, state.owed
        if vectors.shape[1]:
            made, layers = self.decoder(vectors, layers)
            drop = min(owed, vectors.shape[1])
            owed -= drop
            made = made[:, drop * self.hop :]
        return made.unsqueeze(1), NeuralState(layers, state.batch, owed, state.held, last)


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
    """A codec from the names of its parts.

    Args:
        encoder, quantizer, decoder: `kind` is a key of ENCODERS, QUANTIZERS or DECODERS, the other
            keys are arguments of that class; `under` of an encoder is another one.
        rate, hop, dim, name, licence, output, project: see NeuralCodec.

    Raises:
        CodecError: an unknown kind or key, naming the nearest, or sizes that do not fit.
    """
    if min(rate, hop, dim) < 1:
        raise CodecError(f"rate {rate}, hop {hop} and dim {dim} must be positive")
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
    """An encoder or decoder; one that takes it is told the rate, and one over another gets that."""
    given = {"hop": hop, "dim": dim}
    kind = table.get(str(spec.get("kind")))
    if kind is not None and "rate" in inspect.signature(kind).parameters:
        given["rate"] = rate
    if "under" in spec:
        if not isinstance(spec["under"], Mapping):
            raise CodecError(f"under of {what} is an {what} itself, not {spec['under']!r}")
        spec = {**spec, "under": _part(table, dict(spec["under"]), what, rate, hop, dim)}
    return build_part(table, spec, what, **given)

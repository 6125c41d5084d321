"""A trainable codec of waveforms whose parts are chosen by name: encoder, quantizer, decoder.

    build_codec(
        rate=16000, hop=320, dim=128,
        encoder={"kind": "seanet", "channels": 16, "strides": [2, 4, 5, 8]},
        quantizer={"kind": "rvq", "dim": 64, "num_codebooks": 4, "codebook_size": 1024},
        decoder={"kind": "spectrum", "width": 256, "blocks": 6},
    )

VQ-VAE, RVQ codecs of the EnCodec kind and FSQ codecs differ in one YAML only (configs/train).
`tts train` trains them; `tts_codecs.load` reads what it exports.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tts_codecs.base import (
    Codec,
    CodecInfo,
    Units,
    check_batch,
    check_codes,
    check_stream,
    check_wav,
)
from tts_codecs.errors import CodecError, nearest
from tts_codecs.nn.waveform import (
    SeanetDecoder,
    SeanetEncoder,
    SpectrumDecoder,
    SpectrumEncoder,
    States,
    WaveDecoder,
    WaveEncoder,
)
from tts_codecs.quantizers import (
    FSQ,
    GroupedFSQ,
    Quantizer,
    QuantizerOutput,
    ResidualVQ,
    VectorQuantizer,
)

ENCODERS: dict[str, Callable[..., WaveEncoder]] = {
    "seanet": SeanetEncoder,
    "spectrum": SpectrumEncoder,
}
QUANTIZERS: dict[str, Callable[..., Quantizer]] = {
    "vq": VectorQuantizer,
    "rvq": ResidualVQ,
    "fsq": FSQ,
    "grouped_fsq": GroupedFSQ,
}
DECODERS: dict[str, Callable[..., WaveDecoder]] = {
    "seanet": SeanetDecoder,
    "spectrum": SpectrumDecoder,
}


@dataclass(frozen=True)
class NeuralState:
    """What a stream remembers, of decoding or of encoding.

    Attributes:
        layers: states of the network.
        batch: rows of the stream.
        owed: leading units of the decoder's output that belong to its look-ahead.
        held: samples [B, n], n < hop, that an encoding stream could not use yet.
        finished: the last piece was seen.
    """

    layers: States
    batch: int
    owed: int
    held: Tensor
    finished: bool = False


class NeuralCodec(Codec):
    """Encoder, quantizer and decoder under the codec contract; encodes in pieces as well.

    Args:
        rate: Hz; hop: samples per unit; dim: width of the vectors outside the quantizer.
        encoder, quantizer, decoder: built for that hop and width.
        name, licence: shown in `info`.
    """

    def __init__(
        self, rate: int, hop: int, dim: int, encoder: WaveEncoder, quantizer: Quantizer,
        decoder: WaveDecoder, name: str = "neural", licence: str = "MIT",
    ):  # fmt: skip
        super().__init__()
        self.rate, self.hop = rate, hop
        self.name, self.licence = name, licence
        self.encoder, self.quantizer, self.decoder = encoder, quantizer, decoder
        self.to_code = torch.nn.Linear(dim, quantizer.dim)
        self.from_code = torch.nn.Linear(quantizer.dim, dim)
        self.num_codebooks = quantizer.num_codebooks

    def use_codebooks(self, count: int) -> None:
        """Code with the first `count` codebooks from now on, if the quantizer is residual.

        Raises:
            CodecError: more than there are, or a quantizer that needs them all.
        """
        most = self.quantizer.num_codebooks
        if not 1 <= count <= most:
            raise CodecError(f"{self.name}: {count} codebooks of {most}")
        if count != most and not isinstance(self.quantizer, ResidualVQ):
            raise CodecError(f"{self.name}: only a residual quantizer works with fewer codebooks")
        self.num_codebooks = count

    def use_bandwidth(self, kbits: float) -> None:
        """Code with as many codebooks as fit into `kbits` kbit/s, at least one; see above."""
        each = self.info.bitrate
        assert each is not None
        self.use_codebooks(
            min(max(1, int(1000 * kbits / (each / self.num_codebooks) + 1e-6)),
                self.quantizer.num_codebooks)
        )  # fmt: skip

    @property
    def info(self) -> CodecInfo:
        """Sizes by the number of codebooks in use."""
        quantizer, count = self.quantizer, self.num_codebooks
        bits = quantizer.bits / quantizer.num_codebooks * count
        return CodecInfo(
            name=self.name, sample_rate=self.rate, hop=self.hop, kind="codes",
            num_codebooks=count, codebook_size=quantizer.codebook_size, dim=quantizer.dim,
            bitrate=bits * self.rate / self.hop, causal=self.decoder.look_ahead == 0,
            look_ahead=self.decoder.look_ahead, licence=self.licence,
        )  # fmt: skip

    def forward(self, wav: Tensor) -> tuple[Tensor, QuantizerOutput]:
        """Training pass: wav [B, T * hop] to what is decoded, of the same shape, and the codes."""
        latents, _ = self.encoder(wav, self.encoder.initial(len(wav), wav))
        out: QuantizerOutput = self.quantizer(self.to_code(latents))
        values = F.pad(self.from_code(out.quantized), (0, 0, 0, self.decoder.look_ahead))
        made, _ = self.decoder(values, self.decoder.initial(len(wav), wav))
        return made[:, self.decoder.look_ahead * self.hop :], out

    def _quantize(self, latents: Tensor) -> Tensor:
        z = self.to_code(latents)
        if isinstance(self.quantizer, ResidualVQ):
            return self.quantizer.encode(z, self.num_codebooks)
        return self.quantizer.encode(z)

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Units:
        """See Codec."""
        wav = check_wav(wav)
        codes, _ = self.encode_chunk(wav, self.init_encoding(len(wav)), last=True)
        return Units(codes, None, self.info.frame_rate)

    def init_encoding(self, batch: int) -> NeuralState:
        """State of a new stream of waveforms, for `encode_chunk`."""
        like = self.from_code.weight
        layers = self.encoder.initial(check_batch(batch), like)
        return NeuralState(layers, batch, 0, like.new_zeros(batch, 0))

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: NeuralState, last: bool = False
    ) -> tuple[Tensor, NeuralState]:
        """Codes [B, t, K] of the next samples of a stream, wav [B, 1, n], n may be 0; what does not
        fill a unit is held back, and padded with silence at the `last` piece."""
        check_stream(wav, state.batch, state.finished)
        seen = torch.cat([state.held, wav[:, 0].to(state.held)], 1)
        if last:
            seen = F.pad(seen, (0, -seen.shape[1] % self.hop))
        used = seen.shape[1] // self.hop * self.hop
        codes = torch.zeros(state.batch, 0, self.num_codebooks, dtype=torch.int64)
        codes, layers = codes.to(seen.device), state.layers
        if used:
            latents, layers = self.encoder(seen[:, :used], layers)
            codes = self._quantize(latents)
        return codes, NeuralState(layers, state.batch, 0, seen[:, used:], last)

    @torch.no_grad()
    def decode(self, units: Units | Tensor) -> Tensor:
        """See Codec; any number of leading codebooks of a residual quantizer is taken."""
        codes = self._checked(units)
        return self.decode_chunk(codes, self.init_state(len(codes)), last=True)[0]

    def _checked(self, units: Units | Tensor) -> Tensor:
        return check_codes(
            units.data if isinstance(units, Units) else units, self.info.sizes, "units"
        ).to(self.device)

    def init_state(self, batch: int) -> NeuralState:
        """See Codec."""
        like = self.from_code.weight
        layers = self.decoder.initial(check_batch(batch), like)
        return NeuralState(layers, batch, self.decoder.look_ahead, like.new_zeros(batch, 0))

    @torch.no_grad()
    def decode_chunk(self, units: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """See Codec."""
        assert isinstance(state, NeuralState)
        codes = self._checked(units)
        check_stream(codes, state.batch, state.finished)
        values = self.from_code.weight.new_zeros(state.batch, 0, self.from_code.out_features)
        if codes.shape[1]:
            values = self.from_code(self.quantizer.decode(codes))
        if last:
            values = F.pad(values, (0, 0, 0, self.decoder.look_ahead))
        made, layers, owed = state.held, state.layers, state.owed
        if values.shape[1]:
            made, layers = self.decoder(values, layers)
            drop = min(owed, values.shape[1])
            owed -= drop
            made = made[:, drop * self.hop :]
        return made.unsqueeze(1), NeuralState(layers, state.batch, owed, state.held, last)


def _part(
    table: dict[str, Callable[..., Any]], spec: dict[str, Any], what: str, **given: Any
) -> Any:
    """What `spec["kind"]` names, built with its other keys, which are checked, and `given`."""
    rest = dict(spec)
    kind = rest.pop("kind", None)
    if kind not in table:
        raise CodecError(f"unknown kind of {what}, {kind!r}{nearest(str(kind), table)}")
    known = [name for name in inspect.signature(table[kind]).parameters if name not in given]
    for name in rest:
        if name not in known:
            raise CodecError(f"unknown key {name!r} of {what}{nearest(name, known)}")
    return table[kind](**given, **rest)


def build_codec(
    encoder: dict[str, Any],
    quantizer: dict[str, Any],
    decoder: dict[str, Any],
    rate: int = 16000,
    hop: int = 320,
    dim: int = 128,
    name: str = "neural",
    licence: str = "MIT",
) -> NeuralCodec:
    """A codec from the names of its parts.

    Args:
        encoder, quantizer, decoder: `kind` is a key of ENCODERS, QUANTIZERS or DECODERS, the other
            keys are arguments of that class.
        rate, hop, dim, name, licence: see NeuralCodec.

    Raises:
        CodecError: an unknown kind or key, naming the nearest, or sizes that do not fit.
    """
    if min(rate, hop, dim) < 1:
        raise CodecError(f"rate {rate}, hop {hop} and dim {dim} must be positive")
    return NeuralCodec(
        rate, hop, dim,
        _part(ENCODERS, encoder, "encoder", hop=hop, dim=dim),
        _part(QUANTIZERS, quantizer, "quantizer"),
        _part(DECODERS, decoder, "decoder", hop=hop, dim=dim),
        name, licence,
    )  # fmt: skip

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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tts_codecs.base import (
    CodecInfo,
    Units,
    check_batch,
    check_codes,
    check_stream,
    check_wav,
)
from tts_codecs.errors import CodecError
from tts_codecs.layered import LayeredCodec
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


class NeuralCodec(LayeredCodec):
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

    @property
    def layered(self) -> Quantizer:
        """See LayeredCodec."""
        return self.quantizer

    @property
    def units_per_second(self) -> float:
        """See LayeredCodec."""
        return self.rate / self.hop

    @property
    def info(self) -> CodecInfo:
        """Sizes by the number of codebooks in use."""
        quantizer, count = self.quantizer, self.num_codebooks
        return CodecInfo(
            name=self.name, sample_rate=self.rate, hop=self.hop, kind="codes",
            num_codebooks=count, codebook_size=quantizer.codebook_size, dim=quantizer.dim,
            bitrate=self.bandwidths()[count], causal=self.decoder.look_ahead == 0,
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
        return self.quantizer.encode(self.to_code(latents), self.num_codebooks)

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
        """See Codec; units have as many codes as there are codebooks in use."""
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
        build_part(ENCODERS, encoder, "encoder", hop=hop, dim=dim),
        build_quantizer(quantizer),
        build_part(DECODERS, decoder, "decoder", hop=hop, dim=dim),
        name, licence,
    )  # fmt: skip

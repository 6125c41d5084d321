"""EnCodec at 24 kHz (Défossez et al. 2022, "High Fidelity Neural Audio Compression"): 75 frames/s
of 2 to 32 codes.

An own implementation for the weights of the package `encodec`, which is not needed. It has the same
output, and both encoding and decoding can stream. Layers compute a fraction of a second at a time,
offline too, so that activations stay in the cache of a core.

Licences: the published weights are CC-BY-NC 4.0 (non-commercial).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.base import (
    CodecInfo,
    Encoded,
    check_batch,
    check_encoded,
    check_stream,
    check_wav,
)
from tts_codecs.checkpoint import load_state
from tts_codecs.download import fetch
from tts_codecs.errors import CodecError
from tts_codecs.layered import LayeredCodec
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.framed import (
    FramedBlock,
    FramedConv,
    FramedELU,
    FramedLSTM,
    FramedTransposed,
    begin,
    run,
)
from tts_codecs.nn.inference import uses_cache
from tts_codecs.nn.streamed import LayersState
from tts_codecs.quantizers.base import FixedQuantizer, Quantizer
from tts_codecs.quantizers.vq import Search, nearest
from tts_codecs.sources import ENCODEC_LICENCE, ENCODEC_SHA256, ENCODEC_URL

if TYPE_CHECKING:
    from encodec import EncodecModel

WEIGHTS_MAX_BYTES = 200_000_000
BANDWIDTHS = (1.5, 3.0, 6.0, 12.0, 24.0)
#: number of frames computed at a time, by the layers at high rates and by all layers
PIECE, ROUND = 40, 320


@dataclass(frozen=True)
class EncodecConfig:
    """Sizes; the defaults are those of the published weights. `counts` are the numbers of codebooks
    that can be used, one per bandwidth."""

    sample_rate: int = 24000
    dim: int = 128
    filters: int = 32
    ratios: tuple[int, ...] = (8, 5, 4, 2)
    codebooks: int = 32
    codebook_size: int = 1024
    counts: tuple[int, ...] = (2, 4, 8, 16, 32)


class EncodecBooks(FixedQuantizer):
    """Residual vector quantizer of EnCodec with fixed codebooks."""

    books: Tensor

    def __init__(self, config: EncodecConfig):
        super().__init__()
        self.dim, self.codebook_size = config.dim, config.codebook_size
        self.num_codebooks = config.codebooks
        self.counts = config.counts
        self.register_buffer("books", torch.zeros(config.codebooks, self.codebook_size, self.dim))
        self._derived = DerivedCache()

    @property
    def prefixes(self) -> tuple[int, ...]:
        """The numbers of codebooks that the weights were trained for."""
        return self.counts

    @torch.no_grad()
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of ``z [B, T, D]``, n one of `prefixes` (default K); CodecError on
        wrong shape, non-finite values or another n."""
        self.check_input(z)
        residual, codes = z.flatten(0, 1), []
        books, searches = self.books[: self.check_prefix(num_codebooks)], []
        if uses_cache(z, books):
            searches = self._derived.get([self.books], lambda: [*map(Search, books)], len(books))
        for k, book in enumerate(books):
            index = searches[k](residual) if searches else nearest(residual, book)
            residual = residual - F.embedding(index, book)
            codes.append(index)
        return torch.stack(codes, -1).unflatten(0, z.shape[:2])

    def decode(self, codes: Tensor) -> Tensor:
        """Quantized values ``[B, T, D]`` of ``codes [B, T, K]``; CodecError if out of range."""
        self.check_codes(codes, self.check_prefix(self.width_of(codes)))
        values = torch.zeros(*codes.shape[:2], self.dim, device=codes.device)
        for k in range(codes.shape[2]):
            values += F.embedding(codes[..., k], self.books[k])
        return values


class EncodecCodec(LayeredCodec):
    """Causal mono EnCodec at one of its bandwidths, for inference only; it can also encode streams.

    The convolutions are causal, but pad the start of a sequence by reflection. The first frames of
    a stream therefore depend on up to 6 later ones, which ``look_ahead`` declares. From the seventh
    frame on, every frame is decoded at once.

    Args:
        config: sizes.
        bandwidth: kbit/s, which determines the number of codebooks.
        name: name of the codec in ``info``.

    Raises:
        CodecError: a bandwidth that the codec does not have.
    """

    def __init__(
        self,
        config: EncodecConfig | None = None,
        bandwidth: float = 6.0,
        name: str = "encodec_24khz",
    ) -> None:
        super().__init__()
        self.config = config = config or EncodecConfig()
        self.name, self.hop = name, math.prod(config.ratios)
        self.encoder, self.decoder = _encoder(config), _decoder(config)
        self.quantizer = EncodecBooks(config)
        self.num_codebooks = max(config.counts)
        if len(config.counts) > 1:
            self.use_bandwidth(bandwidth)

    @classmethod
    def from_package(cls, model: EncodecModel, bandwidth: float = 6.0) -> EncodecCodec:
        """Convert a model of the package `encodec`, of the same kind as that for 24 kHz.

        Raises:
            CodecError: another kind of model, such as that for 48 kHz, or an unsupported bandwidth.
        """
        encoder, quantizer = model.encoder, model.quantizer
        causal = all(getattr(each, "causal", True) for each in encoder.modules())
        if model.channels != 1 or model.normalize or model.segment is not None or not causal:
            raise CodecError(
                "EncodecCodec: needs a causal mono model without normalisation and segments "
                "(the 24 kHz model; that of 48 kHz is a SegmentedEncodecCodec)"
            )
        config = EncodecConfig(
            model.sample_rate,
            quantizer.dimension,
            encoder.n_filters,
            tuple(reversed(encoder.ratios)),
            quantizer.n_q,
            quantizer.bins,
            tuple(
                quantizer.get_num_quantizers_for_bandwidth(model.frame_rate, each)
                for each in model.target_bandwidths
            ),
        )
        codec = cls(config, bandwidth)
        codec.load_state_dict(own_names(model.state_dict()))
        return codec.eval().requires_grad_(False)

    @classmethod
    def from_file(
        cls, path: str | Path, bandwidth: float = 6.0, sha256: str | None = None
    ) -> EncodecCodec:
        """Load the 24 kHz model with weights from a local file.

        Args:
            path: the state dict of the package's model as ``.safetensors``, or its pickled ``.th``.
            sha256: 64 hex digits, checked before loading. Needed for a pickled file: even the
                restricted unpickler is not meant for files of unknown origin.

        Raises:
            CheckpointError: missing, unverified, damaged, or of another architecture.
        """
        codec = cls(None, bandwidth)
        load_state(codec, path, sha256, own_names)
        return codec.eval().requires_grad_(False)

    @classmethod
    def from_url(
        cls,
        folder: str | Path,
        bandwidth: float = 6.0,
        url: str = ENCODEC_URL,
        sha256: str = ENCODEC_SHA256,
    ) -> EncodecCodec:
        """Load the 24 kHz model; its weights are downloaded into ``folder`` unless they are there.

        Calling this accepts the licence of the weights (CC-BY-NC 4.0).

        Raises:
            CheckpointError: the download fails, or the file is not the pinned one.
        """
        target = Path(folder) / (url.rsplit("/", 1)[-1] or "encodec_24khz.th")
        fetch(url, target, sha256, max_bytes=WEIGHTS_MAX_BYTES)
        return cls.from_file(target, bandwidth, sha256)

    @property
    def layered(self) -> Quantizer:
        """The quantizer whose number of codebooks can be chosen."""
        return self.quantizer

    @property
    def frames_per_second(self) -> float:
        """Frames per second."""
        return self.config.sample_rate / self.hop

    @property
    def info(self) -> CodecInfo:
        """75 frames/s, 1.5 to 24 kbit/s."""
        return CodecInfo(
            name=self.name,
            sample_rate=self.config.sample_rate,
            hop=self.hop,
            kind="codes",
            num_codebooks=self.num_codebooks,
            codebook_size=self.config.codebook_size,
            dim=self.config.dim,
            bitrate=self.bandwidths()[self.num_codebooks],
            causal=False,
            look_ahead=_KERNEL - 1,
            licence=ENCODEC_LICENCE,
            residual=True,
        )

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        wav = check_wav(wav)
        codes, _ = self.encode_chunk(wav, self.init_encoding(len(wav)), last=True)
        return Encoded(codes, self.info.frame_rate)

    def init_encoding(self, batch: int) -> LayersState:
        """State of a new encoding stream of `batch` rows, for `encode_chunk`."""
        return LayersState(begin(self.encoder, check_batch(batch), self.quantizer.books), batch)

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: LayersState, last: bool = False
    ) -> tuple[Tensor, LayersState]:
        """Encode the next samples wav [B, 1, n] of a stream to codes [B, t, K]; n may be 0. With
        `last` the stream ends: its end is reflected to fill the last frame."""
        check_stream(check_wav(wav, piece=True), state, LayersState)
        x = wav.transpose(1, 2).to(self.quantizer.books)
        fine = len(self.encoder) - _COARSE - 2
        codes, layers = [], state.layers
        for part, end in _pieces(x, ROUND * self.hop):
            z, below = _in_pieces(
                self.encoder[:fine], part, layers[:fine], last and end, PIECE * self.hop
            )
            z, above = run(self.encoder[fine:], z, layers[fine:], last and end)
            layers = [*below, *above]
            codes.append(self.quantizer.encode(z, self.num_codebooks))
        return torch.cat(codes, 1), LayersState(layers, state.batch, last)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode codes ``[B, T, K]`` to ``wav [B, 1, T * hop]``; K is the number of codebooks in
        use."""
        codes = check_encoded(encoded, self.info)
        return self.decode_chunk(codes, self.init_state(len(codes)), last=True)[0]

    def init_state(self, batch: int) -> LayersState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        return LayersState(begin(self.decoder, check_batch(batch), self.quantizer.books), batch)

    @torch.no_grad()
    def decode_chunk(
        self, encoded: Tensor, state: LayersState, last: bool = False
    ) -> tuple[Tensor, LayersState]:
        """Decode the next ``t`` frames of a stream."""
        codes = check_encoded(encoded, self.info).to(self.device)
        check_stream(codes, state, LayersState)
        wavs, layers = [], state.layers
        for part, end in _pieces(codes, ROUND):
            z = self.quantizer.decode(part)
            z, below = run(self.decoder[:_COARSE], z, layers[:_COARSE], last and end)
            size = PIECE * self.config.ratios[0]
            z, above = _in_pieces(self.decoder[_COARSE:], z, layers[_COARSE:], last and end, size)
            layers = [*below, *above]
            wavs.append(z)
        return torch.cat(wavs, 1).transpose(1, 2), LayersState(layers, state.batch, last)


#: kernel size of the first and the last convolution
_KERNEL = 7
#: number of decoder layers at low rates, which compute a whole round at a time: their weights are
#: large, so that reading them takes most of the time
_COARSE = 4


def _in_pieces(
    layers: nn.ModuleList, x: Tensor, states: list[Any], last: bool, size: int
) -> tuple[Tensor, list[Any]]:
    """`run` on pieces of `size` inputs."""
    made = []
    for piece, end in _pieces(x, size):
        y, states = run(layers, piece, states, last and end)
        made.append(y)
    return torch.cat(made, 1), states


def _pieces(x: Tensor, size: int) -> list[tuple[Tensor, bool]]:
    """Split x [B, n, C] into pieces of up to `size` inputs, each with whether it is the last. They
    are copies where needed, as layers overwrite their inputs."""
    parts = [part.contiguous() for part in x.split(size, 1)]
    return [(part, at == len(parts) - 1) for at, part in enumerate(parts)]


def _encoder(config: EncodecConfig) -> nn.ModuleList:
    dim = config.filters
    layers: list[nn.Module] = [FramedConv(1, dim, _KERNEL)]
    for ratio in reversed(config.ratios):
        layers += [FramedBlock(dim), FramedELU(), FramedConv(dim, 2 * dim, 2 * ratio, ratio)]
        dim *= 2
    return nn.ModuleList(
        [*layers, FramedLSTM(dim), FramedELU(), FramedConv(dim, config.dim, _KERNEL)]
    )


def _decoder(config: EncodecConfig) -> nn.ModuleList:
    dim = config.filters * 2 ** len(config.ratios)
    layers: list[nn.Module] = [FramedConv(config.dim, dim, _KERNEL), FramedLSTM(dim), FramedELU()]
    for ratio in config.ratios:
        layers += [FramedTransposed(dim, dim // 2, ratio), FramedBlock(dim // 2), FramedELU()]
        dim //= 2
    return nn.ModuleList([*layers, FramedConv(dim, 1, _KERNEL)])


#: names of the package for parts of a layer, and the names here
_PARTS = {"block.1": "narrow", "block.3": "wide", "shortcut": "shortcut", "lstm": "lstm"}


def own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a state dict of the package's model to that of EncodecCodec. The package stores
    weights with weight normalisation, split into norms and directions."""
    out: dict[str, Tensor] = {}
    books: dict[int, Tensor] = {}
    for name, value in state.items():
        # encoder.model.NUMBER.INSIDE.KIND, or quantizer.vq.layers.NUMBER._codebook.KIND
        part, *places, kind = name.split(".")
        if part == "quantizer":
            if kind == "embed" and len(places) > 2:
                books[int(places[2])] = value.float()
            continue
        if kind == "weight_v" or len(places) < 2:
            continue
        inside = ".".join(places[2:])
        own = next((new for old, new in _PARTS.items() if inside.startswith(old)), "")
        if kind == "weight_g":
            direction = state[".".join((part, *places, "weight_v"))].float()
            value = torch._weight_norm(direction, value.float(), 0)
            value, kind = _framed(value, inside.startswith("convtr")), "weight"
        out[".".join(filter(None, (part, places[1], own, kind)))] = value.float()
    if books:
        out["quantizer.books"] = torch.stack([books[at] for at in sorted(books)])
    return out


def _framed(weight: Tensor, transposed: bool) -> Tensor:
    """Convert the weight of a convolution to the layout of FramedConv or FramedTransposed. Even
    kernels have two strides; odd ones belong to convolutions without stride."""
    if transposed:
        # [I, O, 2, stride]; the second half applies to the previous input.
        halves = weight.unflatten(2, (2, -1)).flip(2)
        return halves.permute(2, 0, 3, 1).flatten(2).contiguous()
    kernel = weight.shape[2]
    taps = 2 if kernel % 2 == 0 else kernel
    split = weight.unflatten(2, (taps, -1))  # [O, I, taps, stride]
    return split.permute(2, 3, 1, 0).flatten(1, 2).contiguous()

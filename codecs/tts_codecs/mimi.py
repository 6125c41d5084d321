"""Mimi (Défossez et al. 2024, "Moshi"): 12.5 frames/s of up to 32 codes, causal both ways.

An own implementation for the weights published for the library `transformers`, with the same names
of tensors and the same output. Both encoding and decoding can stream. The first codebook is
semantic, distilled from WavLM; the others are a residual quantizer of a second projection of the
same vectors.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.base import CodecInfo, Encoded, check_batch, check_encoded, check_stream, check_wav
from tts_codecs.checkpoint import load_state
from tts_codecs.layered import LayeredCodec
from tts_codecs.nn.streamed import Conv, Residual, Transformer, Transposed, begin, run
from tts_codecs.quantizers.base import FixedQuantizer, Quantizer
from tts_codecs.quantizers.vq import nearest
from tts_codecs.sources import MIMI_LICENCE


@dataclass(frozen=True)
class MimiConfig:
    """Sizes; the defaults are those of the published weights."""

    sample_rate: int = 24000
    dim: int = 512
    filters: int = 64
    ratios: tuple[int, ...] = (8, 6, 5, 4)
    codebooks: int = 32
    codebook_size: int = 2048
    codebook_dim: int = 256
    layers: int = 8
    heads: int = 8
    hidden: int = 2048
    window: int = 250


PUBLISHED = MimiConfig()


class _Books(nn.Module):
    """Residual vector quantizer on a projection of the vectors."""

    books: Tensor

    def __init__(self, config: MimiConfig, count: int):
        super().__init__()
        width = config.codebook_dim
        self.input_proj = nn.Conv1d(config.dim, width, 1, bias=False)
        self.output_proj = nn.Conv1d(width, config.dim, 1, bias=False)
        self.register_buffer("books", torch.randn(count, config.codebook_size, width))

    def encode(self, z: Tensor, count: int) -> Tensor:
        """Vectors [B, T, D] to codes [B, T, count]."""
        residual = F.linear(z, self.input_proj.weight[..., 0]).flatten(0, 1)
        codes = []
        for book in self.books[:count]:
            index = nearest(residual, book)
            residual = residual - F.embedding(index, book)
            codes.append(index)
        return torch.stack(codes, -1).unflatten(0, z.shape[:2])

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, T, n] to vectors [B, T, D]."""
        parts = [F.embedding(codes[..., k], self.books[k]) for k in range(codes.shape[2])]
        return F.linear(torch.stack(parts).sum(0), self.output_proj.weight[..., 0])


class SplitQuantizer(FixedQuantizer):
    """Split residual quantizer: a semantic codebook, and separately residual acoustic codebooks, of
    the same vectors [B, T, D]. The decoded values of both are added."""

    def __init__(self, config: MimiConfig):
        super().__init__()
        self.dim, self.num_codebooks = config.dim, config.codebooks
        self.codebook_size = config.codebook_size
        self.semantic = _Books(config, 1)
        self.acoustic = _Books(config, config.codebooks - 1)

    @property
    def prefixes(self) -> tuple[int, ...]:
        """1 to K."""
        return tuple(range(1, self.num_codebooks + 1))

    @torch.no_grad()
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of ``z [B, T, D]``, n one of `prefixes` (default K); CodecError on
        wrong shape, non-finite values or another n."""
        self.check_input(z)
        count = self.check_prefix(num_codebooks)
        first = self.semantic.encode(z, 1)
        return first if count == 1 else torch.cat([first, self.acoustic.encode(z, count - 1)], -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Quantized values ``[B, T, D]`` of ``codes [B, T, K]``; CodecError if out of range."""
        self.check_codes(codes, self.check_prefix(self.width_of(codes)))
        values = self.semantic.decode(codes[..., :1])
        return values if codes.shape[2] == 1 else values + self.acoustic.decode(codes[..., 1:])


@dataclass(frozen=True)
class MimiState:
    """State of a stream, for decoding as well as for encoding.

    Attributes:
        parts: states of the layers.
        batch: rows of the stream.
        remainder: samples [B, n] of an encoding stream that do not fill a frame yet.
        finished: whether the stream has ended.
    """

    parts: list[Any]
    batch: int
    remainder: Tensor
    finished: bool = False


class MimiCodec(LayeredCodec):
    """Mimi codec; it can also encode streams."""

    name = "mimi"

    def __init__(self, config: MimiConfig | None = None):
        super().__init__()
        self.config = config = config or MimiConfig()
        dim = config.dim
        self.encoder = nn.ModuleDict({"layers": _encoder(config)})
        self.decoder = nn.ModuleDict({"layers": _decoder(config)})
        size = (dim, config.heads, config.hidden, config.window, config.layers)
        self.encoder_transformer, self.decoder_transformer = Transformer(*size), Transformer(*size)
        self.downsample = Conv(dim, dim, 4, 2, bias=False, repeats=True)
        self.upsample = Transposed(dim, dim, 4, 2, groups=dim, bias=False)
        self.quantizer = SplitQuantizer(config)
        self.num_codebooks = config.codebooks
        self.hop = 2
        for ratio in config.ratios:
            self.hop *= ratio

    @classmethod
    def from_file(cls, path: str | Path, sha256: str | None = None) -> "MimiCodec":
        """The published weights, a file of safetensors.

        Raises:
            CheckpointError: missing, damaged, or of another architecture.
        """
        codec = cls(PUBLISHED)
        load_state(codec, path, sha256, own_names)
        return codec.eval().requires_grad_(False)

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
        """12.5 frames/s, 0.14 to 4.4 kbit/s."""
        return CodecInfo(
            name=self.name,
            sample_rate=self.config.sample_rate,
            hop=self.hop,
            kind="codes",
            num_codebooks=self.num_codebooks,
            codebook_size=self.config.codebook_size,
            dim=self.config.dim,
            bitrate=self.bandwidths()[self.num_codebooks],
            causal=True,
            look_ahead=0,
            licence=MIMI_LICENCE,
            residual=True,
        )

    @property
    def _down(self) -> list[nn.Module]:
        layers = cast("nn.ModuleList", self.encoder["layers"])
        return [*layers, self.encoder_transformer, self.downsample]

    @property
    def _up(self) -> list[nn.Module]:
        layers = cast("nn.ModuleList", self.decoder["layers"])
        return [self.upsample, self.decoder_transformer, *layers]

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        wav = check_wav(wav)
        codes, _ = self.encode_chunk(wav, self.init_encoding(len(wav)), last=True)
        return Encoded(codes, self.info.frame_rate)

    def init_encoding(self, batch: int) -> MimiState:
        """State of a new encoding stream of `batch` rows, for `encode_chunk`."""
        like = self.upsample.conv.weight
        parts = begin(self._down, check_batch(batch), like)
        return MimiState(parts, batch, like.new_zeros(batch, 0))

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: MimiState, last: bool = False
    ) -> tuple[Tensor, MimiState]:
        """Encode the next samples wav [B, 1, n] of a stream to codes [B, t, K]. With `last` the
        stream ends: samples that do not fill a frame are padded with silence."""
        check_stream(check_wav(wav, piece=True), state, MimiState)
        samples = torch.cat([state.remainder, wav[:, 0].to(state.remainder)], 1)
        if last:
            samples = F.pad(samples, (0, -samples.shape[1] % self.hop))
        used = samples.shape[1] // self.hop * self.hop
        codes = torch.zeros(state.batch, 0, self.num_codebooks, dtype=torch.int64)
        codes, parts = codes.to(samples.device), state.parts
        if used:
            z, parts = run(self._down, samples[:, None, :used], parts)
            codes = self.quantizer.encode(z.transpose(1, 2), self.num_codebooks)
        return codes, MimiState(parts, state.batch, samples[:, used:], last)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode codes ``[B, T, K]`` to ``wav [B, 1, T * hop]``; K is the number of codebooks in
        use."""
        data = encoded.data if isinstance(encoded, Encoded) else check_encoded(encoded, self.info)
        return self.decode_chunk(data, self.init_state(len(data)), last=True)[0]

    def init_state(self, batch: int) -> MimiState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        like = self.upsample.conv.weight
        parts = begin(self._up, check_batch(batch), like)
        return MimiState(parts, batch, like.new_zeros(batch, 0))

    @torch.no_grad()
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream."""
        codes = check_encoded(encoded, self.info).to(self.device)
        check_stream(codes, state, MimiState)
        if codes.shape[1] == 0:
            return state.remainder[:, None], replace(state, finished=last)
        z = self.quantizer.decode(codes).transpose(1, 2)
        wav, parts = run(self._up, z, state.parts)
        return wav, MimiState(parts, state.batch, state.remainder, last)


def _unit(dim: int) -> Residual:
    return Residual([nn.ELU(), Conv(dim, dim // 2, 3), nn.ELU(), Conv(dim // 2, dim, 1)])


def _encoder(config: MimiConfig) -> nn.ModuleList:
    dim = config.filters
    layers: list[nn.Module] = [Conv(1, dim, 7)]
    for ratio in reversed(config.ratios):
        layers += [_unit(dim), nn.ELU(), Conv(dim, 2 * dim, 2 * ratio, ratio)]
        dim *= 2
    return nn.ModuleList([*layers, nn.ELU(), Conv(dim, config.dim, 3)])


def _decoder(config: MimiConfig) -> nn.ModuleList:
    dim = config.filters * 2 ** len(config.ratios)
    layers: list[nn.Module] = [Conv(config.dim, dim, 7)]
    for ratio in config.ratios:
        layers += [nn.ELU(), Transposed(dim, dim // 2, 2 * ratio, ratio), _unit(dim // 2)]
        dim //= 2
    return nn.ModuleList([*layers, nn.ELU(), Conv(dim, 1, 3)])


def own_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert the published state dict to that of MimiCodec. It stores codebooks as sums of vectors
    and usage counts."""
    out: dict[str, Tensor] = {}
    books: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        where, _, kind = name.rpartition(".")
        if kind in ("embed_sum", "cluster_usage", "initialized"):
            books.setdefault(where, {})[kind] = value.float()
            continue
        for part in ("semantic", "acoustic"):
            name = name.replace(f"quantizer.{part}_residual_vector_quantizer", f"quantizer.{part}")
        out[name] = value.float()
    for part in ("semantic", "acoustic"):
        prefix = f"quantizer.{part}_residual_vector_quantizer.layers."
        found = [
            books[f"{prefix}{k}.codebook"]
            for k in range(sum(where.startswith(prefix) for where in books))
        ]
        if found:
            out[f"quantizer.{part}.books"] = torch.stack(
                [
                    each["embed_sum"] / each["cluster_usage"].clamp_min(1e-5)[:, None]
                    for each in found
                ]
            )
    return out

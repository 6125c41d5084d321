"""The codec contract: what every waveform codec offers, and the checks they share.

A codec turns a waveform ``wav [B, 1, N]`` into *frames*, one per ``hop`` samples: discrete codes
``[B, T, K]`` (int64) or continuous latents ``[B, T, D]`` (float), with ``T = ceil(N / hop)``, and
back into ``T * hop`` samples. Decoding can also be fed in pieces; all that it remembers between
pieces lies in an explicit state object, so that one module serves many streams at once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tts_codecs.errors import CodecError

EncodedKind = Literal["codes", "latents"]

#: the largest sample that is taken: the squares of larger ones overflow in spectra and norms
LOUDEST = 1e6


@dataclass(frozen=True)
class Encoded:
    """What a codec encodes to.

    Attributes:
        data: codes ``[B, T, K]`` int64 or latents ``[B, T, D]`` float.
        lengths: valid frames of each row ``[B]`` int64, or None when every row is full.
        rate: frames per second.
    """

    data: Tensor
    lengths: Tensor | None
    rate: float


@dataclass(frozen=True)
class CodecInfo:
    """Static description of a codec.

    Attributes:
        name: short name, as used in configurations and files.
        sample_rate: Hz of the waveform on both sides.
        hop: samples per frame.
        kind: "codes" or "latents".
        num_codebooks: K; 0 for latents.
        codebook_size: entries of each codebook (the largest, if they differ); 0 for latents.
        dim: D, width of one frame's continuous vector.
        bitrate: bits per second of the codes; None for latents.
        causal: decoding a frame never needs a later frame; the same as ``look_ahead == 0``.
        look_ahead: frames after the current one that decoding may need, at most. After ``t`` frames
            of a stream at least ``(t - look_ahead) * hop`` samples have come out.
        licence: of the code and of the weights.
        codebook_sizes: entries of each codebook, when they differ; () when they are all equal.
        residual: each code of a frame refines those before it, so that generators draw it after
            them.
        levels: digits whose combinations the entries of a codebook are, as those of an FSQ; () for
            learned entries.
    """

    name: str
    sample_rate: int
    hop: int
    kind: EncodedKind
    num_codebooks: int
    codebook_size: int
    dim: int
    bitrate: float | None
    causal: bool
    look_ahead: int
    licence: str
    codebook_sizes: tuple[int, ...] = field(default=())
    residual: bool = False
    levels: tuple[int, ...] = field(default=())

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each of the K codebooks."""
        return self.codebook_sizes or (self.codebook_size,) * self.num_codebooks


class Codec(nn.Module, ABC):
    """Abstract waveform codec.

    Streaming: for every way of cutting frames along T, the concatenation of what ``decode_chunk``
    returns (the final call with ``last=True``) equals ``decode`` within 1e-4. A single call may
    return fewer samples than ``t * hop`` (even none) where the codec looks ahead, and more later.
    """

    @property
    @abstractmethod
    def info(self) -> CodecInfo:
        """Static description."""

    @abstractmethod
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]``, floats of any width, to frames with ``T = ceil(N / hop)``.

        Raises:
            CodecError: wrong rank, channels, dtype, no samples, or non-finite values.
        """

    @abstractmethod
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode frames ``[B, T, K]``, or ``[B, T, D]`` of floats of any width, to ``wav [B, 1,
        T * hop]``.

        Raises:
            CodecError: wrong rank, width, dtype, code out of range, or non-finite values.
        """

    @abstractmethod
    def init_state(self, batch: int) -> Any:
        """State of a new stream of ``batch`` rows, before its first frame."""

    @abstractmethod
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream.

        Args:
            encoded: ``[B, t, K]`` codes or ``[B, t, D]`` latents; ``t`` may be 0.
            state: from ``init_state`` or the previous call; it is not changed.
            last: no frame follows; everything held back is returned.

        Returns:
            ``wav [B, 1, n]`` and the state for the next call.
        """

    @property
    def device(self) -> torch.device:
        """Where the weights are (CPU for a codec without weights)."""
        for tensor in chain(self.parameters(), self.buffers()):  # a chunk asks: no full list
            return tensor.device
        return torch.device("cpu")


def learned(module: nn.Module) -> list[Tensor]:
    """Weights and codebooks, each once; not the `statistics` of codebooks that only training needs,
    nor what is computed when a module is made."""
    left = {id(getattr(m, name)) for m in module.modules() for name in getattr(m, "statistics", ())}
    found = {id(value): value for value in module.state_dict(keep_vars=True).values()}
    return [value for key, value in found.items() if key not in left]


_values = ContextVar("values", default=True)


@contextmanager
def trusted() -> Iterator[None]:
    """Shapes and types are checked within, values are not: to look at one waits for the device."""
    token = _values.set(False)
    try:
        yield
    finally:
        _values.reset(token)


def checks_values() -> bool:
    """Whether values are checked here: not where they are `trusted`."""
    return _values.get()


def finite(x: Tensor) -> bool:
    """Whether no value is NaN or infinite; taken for true where it is `trusted`.

    One that is makes the sum so, which takes a tenth of the time to compute; only a sum can also
    overflow.
    """
    if not checks_values():
        return True
    return math.isfinite(x.sum().item()) or bool(torch.isfinite(x).all())


def _single(x: Any) -> Any:
    """Floats of any width as float32, which codecs compute in; anything else as it is. What is
    finite is checked after it: float32 ends at 3e38."""
    return x.float() if isinstance(x, Tensor) and x.is_floating_point() else x


def check_wav(wav: Tensor, what: str = "wav", piece: bool = False) -> Tensor:
    """Return ``wav`` as float32 if it is a finite float tensor ``[B, 1, N]`` with N >= 1, else
    CodecError, or has samples beyond `LOUDEST`; of a ``piece`` of a stream N may be 0."""
    wav = _single(wav)
    if not isinstance(wav, Tensor):
        raise CodecError(f"{what}: expected a tensor [B, 1, N], got {type(wav).__name__}")
    if wav.dim() != 3:
        raise CodecError(f"{what}: expected rank 3 [B, 1, N], got shape {tuple(wav.shape)}")
    if wav.shape[1] != 1:
        raise CodecError(f"{what}: expected 1 channel, got {wav.shape[1]}; mix down to mono first")
    if not wav.is_floating_point():
        raise CodecError(f"{what}: expected float samples in [-1, 1], got {wav.dtype}")
    if wav.shape[0] == 0 or (wav.shape[2] == 0 and not piece):
        raise CodecError(f"{what}: empty, shape {tuple(wav.shape)}")
    # The maximum is NaN where any is: one look at all values tells both.
    if checks_values() and wav.numel() and not wav.abs().max() <= LOUDEST:
        if not finite(wav):
            raise CodecError(f"{what}: contains NaN or infinite samples")
        raise CodecError(f"{what}: samples beyond {LOUDEST:g}, where full scale is 1")
    return wav


def check_codes(codes: Tensor, sizes: Sequence[int], what: str = "codes") -> Tensor:
    """Return ``codes`` if int64 ``[B, T, K]`` with ``0 <= codes[..., k] < sizes[k]``.

    K may be smaller than ``len(sizes)`` only where the caller passes the shortened ``sizes``.
    T may be 0.
    """
    if not isinstance(codes, Tensor):
        raise CodecError(f"{what}: expected a tensor [B, T, K], got {type(codes).__name__}")
    if codes.dim() != 3:
        raise CodecError(f"{what}: expected rank 3 [B, T, K], got shape {tuple(codes.shape)}")
    if codes.dtype != torch.int64:
        raise CodecError(f"{what}: expected int64, got {codes.dtype}")
    if codes.shape[2] != len(sizes):
        raise CodecError(f"{what}: expected {len(sizes)} codebooks, got {codes.shape[2]}")
    if codes.shape[0] == 0:
        raise CodecError(f"{what}: empty batch, shape {tuple(codes.shape)}")
    if codes.numel() and checks_values():
        if len(set(sizes)) == 1:
            low, high = (int(value) for value in codes.aminmax())
            outside = low < 0 or high >= sizes[0]
        else:
            top = torch.tensor(list(sizes), device=codes.device)
            outside = bool(((codes < 0) | (codes >= top)).any())
        if outside:
            low, high = int(codes.min()), int(codes.max())
            raise CodecError(
                f"{what}: value outside its codebook (found {low} to {high}, "
                f"codebooks have {max(sizes)} entries)"
            )
    return codes


def check_latents(latents: Tensor, dim: int, what: str = "latents") -> Tensor:
    """Return ``latents``, as they are, if finite float ``[B, T, dim]``, else CodecError. T may be
    0."""
    if not isinstance(latents, Tensor):
        raise CodecError(f"{what}: expected a tensor [B, T, D], got {type(latents).__name__}")
    if latents.dim() != 3:
        raise CodecError(f"{what}: expected rank 3 [B, T, D], got shape {tuple(latents.shape)}")
    if not latents.is_floating_point():
        raise CodecError(f"{what}: expected float, got {latents.dtype}")
    if latents.shape[2] != dim:
        raise CodecError(f"{what}: expected width {dim}, got {latents.shape[2]}")
    if latents.shape[0] == 0:
        raise CodecError(f"{what}: empty batch, shape {tuple(latents.shape)}")
    if not finite(latents):
        raise CodecError(f"{what}: contains NaN or infinite values")
    return latents


def check_encoded(encoded: Encoded | Tensor, info: CodecInfo, what: str = "frames") -> Tensor:
    """Return the checked tensor of ``encoded`` for a codec with ``info``, latents as float32; T may
    be 0."""
    data = encoded.data if isinstance(encoded, Encoded) else encoded
    if info.kind == "codes":
        return check_codes(data, info.sizes, what)
    return check_latents(_single(data), info.dim, what)


def check_batch(batch: int) -> int:
    """Return `batch` if a stream can have so many rows, else CodecError."""
    if batch < 1:
        raise CodecError(f"init_state: batch must be at least 1, got {batch}")
    return batch


def check_stream(encoded: Tensor, batch: int, finished: bool) -> None:
    """CodecError if a stream of `batch` rows has ended or the frames have another number."""
    if finished:
        raise CodecError("decode_chunk: this stream has ended; start one with init_state")
    if encoded.shape[0] != batch:
        raise CodecError(f"decode_chunk: the stream has {batch} rows, these {encoded.shape[0]}")


def frames_for(samples: int, hop: int) -> int:
    """Frames that ``samples`` samples make: ``ceil(samples / hop)``."""
    return -(-samples // hop)

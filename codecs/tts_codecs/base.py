"""The codec contract: the interface of every waveform codec, and checks that codecs share.

A codec turns a waveform ``wav [B, 1, N]`` into *frames*, one per ``hop`` samples: discrete codes
``[B, T, K]`` (int64) or continuous latents ``[B, T, D]`` (float), with ``T = ceil(N / hop)``, and
back into ``T * hop`` samples. Frames can also be decoded chunk by chunk. All memory between chunks
is in an explicit state object, so that one module serves many streams at once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from tts_codecs.errors import CodecError

EncodedKind = Literal["codes", "latents"]
State = TypeVar("State")

#: largest absolute value of a sample that is accepted: squares of larger ones overflow in spectra
LOUDEST = 1e6


@dataclass(frozen=True)
class Encoded:
    """Encoded frames: the output of `Codec.encode`.

    Attributes:
        data: codes ``[B, T, K]`` int64 or latents ``[B, T, D]`` float.
        rate: frames per second.
    """

    data: Tensor
    rate: float


@dataclass(frozen=True)
class CodecInfo:
    """Static description of a codec.

    Attributes:
        name: short name, as used in configurations and files.
        sample_rate: Hz of the waveform, for both encoding and decoding.
        hop: samples per frame.
        kind: "codes" or "latents".
        num_codebooks: K, the number of codes per frame; 0 for latents.
        codebook_size: number of entries of a codebook, of the largest if they differ; 0 for
            latents.
        dim: D, the width of a frame's continuous vector.
        bitrate: bits per second of the codes; None for latents.
        causal: whether decoding a frame never needs later frames, so that ``look_ahead`` is 0.
        look_ahead: largest number of later frames that decoding a frame may need. After ``t``
            frames a stream has returned at least ``(t - look_ahead) * hop`` samples.
        licence: licence of the code and of the weights.
        codebook_sizes: number of entries of each codebook if they differ; () if all are equal.
        residual: whether every code of a frame refines the codes before it, as in residual vector
            quantization. Generators then have to draw it after them.
        levels: number of levels of each digit of a code, if the entries of a codebook are all
            combinations of digits, as in FSQ; () for learned entries.
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
        """Number of entries of each of the K codebooks."""
        return self.codebook_sizes or (self.codebook_size,) * self.num_codebooks


class Codec(nn.Module, ABC):
    """Abstract waveform codec.

    Every codec computes in float32, on the device of its weights, without gradients. Input of
    another floating-point type or device is converted; what is returned is float32 or int64 and on
    the device of the weights.

    Streaming: however the frames are split along T, the concatenated outputs of ``decode_chunk``
    (the final call with ``last=True``) equal the output of ``decode`` within 1e-4. If the codec has
    a look-ahead, a call may return fewer than ``t * hop`` samples, even none, and later calls more.
    """

    @property
    @abstractmethod
    def info(self) -> CodecInfo:
        """Static description."""

    @abstractmethod
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]``, of any floating-point type, to ``T = ceil(N / hop)`` frames.

        Raises:
            CodecError: wrong rank, number of channels or dtype, no samples, or non-finite values.
        """

    @abstractmethod
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode codes ``[B, T, K]``, or latents ``[B, T, D]`` of any floating-point type, to
        ``wav [B, 1, T * hop]``.

        Raises:
            CodecError: wrong rank, width or dtype, a code out of range, or non-finite values.
        """

    @abstractmethod
    def init_state(self, batch: int) -> Any:
        """State of a new stream of ``batch`` rows, before its first frame."""

    @abstractmethod
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream.

        Args:
            encoded: ``[B, t, K]`` codes or ``[B, t, D]`` latents; ``t`` may be 0.
            state: from ``init_state`` or the previous call; it is not modified.
            last: whether these frames are the end of the stream. All samples that were delayed by
                the look-ahead are then returned.

        Returns:
            ``wav [B, 1, n]`` and the state for the next call.

        Raises:
            CodecError: frames as for ``decode``, a state of another codec, another number of rows,
                or a stream that has ended.
        """

    @property
    def encodes_streams(self) -> bool:
        """Whether the codec can also encode a waveform chunk by chunk, by ``encode_chunk``."""
        return type(self).encode_chunk is not Codec.encode_chunk

    def init_encoding(self, batch: int) -> Any:
        """State of a new encoding stream of ``batch`` rows, before its first sample.

        Raises:
            CodecError: ``batch`` is below 1, or the codec cannot encode streams.
        """
        raise self._whole_only()

    def encode_chunk(self, wav: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Encode the next ``n`` samples of a stream, if the codec ``encodes_streams``.

        However the waveform is split, the concatenated frames equal those of ``encode``.

        Args:
            wav: ``[B, 1, n]``; ``n`` may be 0 and need not be a multiple of the hop.
            state: from ``init_encoding`` or the previous call; it is not modified.
            last: whether these samples are the end of the stream. The last frame is then filled
                up, and all frames that were delayed are returned.

        Returns:
            the frames ``[B, t, *]`` that are complete and the state for the next call.

        Raises:
            CodecError: a waveform as for ``encode``, a state of another codec, another number of
                rows, a stream that has ended, or a codec that cannot encode streams.
        """
        raise self._whole_only()

    def _whole_only(self) -> CodecError:
        return CodecError(
            f"{self.info.name}: this codec encodes whole recordings only (encode), no streams"
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Codec:
        # `half`, `double` and `to` come here. The check precedes any change.
        if fn(torch.zeros(())).dtype != torch.float32:
            raise CodecError("codecs compute in float32: convert their input or output instead")
        return super()._apply(fn, recurse)

    @property
    def device(self) -> torch.device:
        """Device of the weights; CPU for a codec without weights."""
        # Asked for every chunk, so only the first tensor is looked up.
        for tensor in chain(self.parameters(), self.buffers()):
            return tensor.device
        return torch.device("cpu")


def learned(module: nn.Module) -> list[Tensor]:
    """The learned tensors of a module, weights and codebooks, each once. Buffers for training only
    (`Quantizer.statistics`) and non-persistent buffers are left out."""
    training_only = {
        id(getattr(m, name)) for m in module.modules() for name in getattr(m, "statistics", ())
    }
    found = {id(value): value for value in module.state_dict(keep_vars=True).values()}
    return [value for key, value in found.items() if key not in training_only]


_check_values = ContextVar("check_values", default=True)


@contextmanager
def trusted() -> Iterator[None]:
    """Context in which the checks below verify shapes and types but not values. Checking a value
    would wait for the GPU."""
    token = _check_values.set(False)
    try:
        yield
    finally:
        _check_values.reset(token)


def checks_values() -> bool:
    """Whether values are to be checked: always, except within `trusted`."""
    return _check_values.get()


def finite(x: Tensor) -> bool:
    """Whether no value is NaN or infinite. Within `trusted` it is assumed without a check."""
    if not checks_values():
        return True
    # A NaN or infinite value makes the sum so as well, and summing takes a tenth of the time of
    # checking every value. Finite values can also overflow in the sum, so only they are checked.
    return math.isfinite(x.sum().item()) or bool(torch.isfinite(x).all())


def _as_float32(x: Any) -> Any:
    """A floating-point tensor as float32, in which codecs compute; anything else unchanged. Values
    above 3e38 become infinite, so check finiteness afterwards."""
    return x.float() if isinstance(x, Tensor) and x.is_floating_point() else x


def check_wav(wav: Tensor, what: str = "wav", piece: bool = False) -> Tensor:
    """Return ``wav [B, 1, N]`` as float32.

    Args:
        what: name of the tensor in error messages.
        piece: whether ``wav`` is a chunk of a stream, for which N may be 0.

    Raises:
        CodecError: not a floating-point tensor ``[B, 1, N]`` with N >= 1, non-finite samples, or
            samples above `LOUDEST`.
    """
    wav = _as_float32(wav)
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
    # The maximum is NaN if any value is, so one pass over the samples checks both.
    if checks_values() and wav.numel() and not wav.abs().max() <= LOUDEST:
        if not finite(wav):
            raise CodecError(f"{what}: contains NaN or infinite samples")
        raise CodecError(f"{what}: samples beyond {LOUDEST:g}, where full scale is 1")
    return wav


def check_codes(codes: Tensor, sizes: Sequence[int], what: str = "codes") -> Tensor:
    """Return ``codes [B, T, K]``, int64 with ``0 <= codes[..., k] < sizes[k]``. T may be 0.

    Args:
        sizes: number of entries of each of the K codebooks in use.
        what: name of the tensor in error messages.

    Raises:
        CodecError: any other type, shape or range.
    """
    if not isinstance(codes, Tensor):
        raise CodecError(f"{what}: expected a tensor [B, T, K], got {type(codes).__name__}")
    if codes.dim() != 3:
        raise CodecError(f"{what}: expected rank 3 [B, T, K], got shape {tuple(codes.shape)}")
    if codes.dtype != torch.int64:
        raise CodecError(f"{what}: expected int64, got {codes.dtype}")
    if codes.shape[2] != len(sizes):
        fewer = 0 < codes.shape[2] < len(sizes)
        hint = "; use_codebooks sets fewer, in codecs of several bitrates" if fewer else ""
        raise CodecError(f"{what}: expected {len(sizes)} codebooks, got {codes.shape[2]}{hint}")
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
    """Return ``latents [B, T, dim]`` unchanged. T may be 0.

    Raises:
        CodecError: not floating-point, another shape, or non-finite values.
    """
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
    """Return the frames of ``encoded`` as a tensor, latents as float32. T may be 0.

    Raises:
        CodecError: the frames do not fit a codec with ``info``.
    """
    data = encoded.data if isinstance(encoded, Encoded) else encoded
    if info.kind == "codes":
        return check_codes(data, info.sizes, what)
    return check_latents(_as_float32(data), info.dim, what)


def check_batch(batch: int) -> int:
    """Return `batch`, the number of rows of a new stream; CodecError if it is below 1."""
    if batch < 1:
        raise CodecError(f"init_state: batch must be at least 1, got {batch}")
    return batch


def check_state(state: Any, kind: type[State]) -> State:
    """Return the state of a stream; CodecError if it is not of the type `kind` of its codec."""
    if not isinstance(state, kind):
        raise CodecError(
            f"state: expected what init_state or init_encoding of this codec or its previous "
            f"chunk returned ({kind.__name__}), got {type(state).__name__}"
        )
    return state


def check_stream(data: Tensor, state: Any, kind: type) -> None:
    """Check the arguments of the next chunk of a stream, of decoding or of encoding.

    Args:
        data: the chunk, frames or samples ``[B, ...]``.
        state: of the stream, with its number of rows, `batch`, and whether it has `finished`.
        kind: type of the states of this codec.

    Raises:
        CodecError: a state of another type, a stream that has ended, or another number of rows.
    """
    check_state(state, kind)
    if state.finished:
        raise CodecError("this stream has ended; start one with init_state or init_encoding")
    if data.shape[0] != state.batch:
        raise CodecError(f"the stream has {state.batch} rows, this chunk {data.shape[0]}")


def frames_for(samples: int, hop: int) -> int:
    """Number of frames of a waveform of ``samples`` samples: ``ceil(samples / hop)``."""
    return -(-samples // hop)

"""Conversion of all that users give for a recording to what tts.audio.reference reads."""

import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from tts.audio.reference import Reference
from tts.errors import AudioError, UsageError

if TYPE_CHECKING:
    from tts.types import Audio

#: samples [N], [C, N] or [N, C]: floats at full scale 1.0 or integers at theirs
Samples: TypeAlias = "NDArray[np.generic] | torch.Tensor"
Recording: TypeAlias = (
    "str | os.PathLike[str] | Reference | Audio | Samples | bytes | bytearray | BinaryIO "
    "| tuple[Samples, int] | tuple[int, Samples] | Mapping[str, Any]"
)


def _is_rate(value: object) -> bool:
    """Whether a value can be a sample rate: a single number."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_samples(value: object) -> bool:
    return isinstance(value, (np.ndarray, torch.Tensor)) or _is_numbers(value)


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_rate, value[:4]))


def is_pair(source: object) -> bool:
    """Whether a source is samples with their sample rate, in either order."""
    if not isinstance(source, (list, tuple)) or len(source) != 2:
        return False
    one, two = source
    return (_is_samples(one) and _is_rate(two)) or (_is_rate(one) and _is_samples(two))


def recordings_of(source: object) -> list[Any]:
    """Return the list of recordings of a source, which may be a single one."""
    listed = isinstance(source, (list, tuple)) and not is_pair(source) and not _is_numbers(source)
    return list(source) if listed else [source]  # type: ignore[call-overload]


def _array(samples: Any) -> NDArray[np.generic]:
    """Return samples as an array; they may be a list of numbers or a tensor."""
    try:
        if isinstance(samples, torch.Tensor):
            samples = samples.detach().cpu()
            samples = (samples.float() if samples.dtype.is_floating_point else samples).numpy()
        return np.asarray(samples)
    # Sparse and quantized tensors, and those on the device "meta", cannot be converted.
    except (ValueError, TypeError, RuntimeError) as error:
        raise AudioError(f"the samples are no array of numbers: {error}") from error


def _rate(value: Any) -> int:
    """Return a sample rate in Hz. Its range is checked with the samples."""
    if not _is_rate(value) or not float(value).is_integer():
        raise UsageError(f"a sample rate is a whole number of Hz, not {value!r}")
    return int(value)


def plain(
    source: Any,
) -> "tuple[Reference | str | os.PathLike[str] | BinaryIO | NDArray[np.generic], int | None]":
    """Return a recording as a path, a file, an array or a `Reference`, with the sample rate of an
    array if it is given.

    Args:
        source: anything that `Recording` lists: also the bytes of a file, an `Audio` of this
            package, a tensor, an array with its rate in either order, and a mapping with "array"
            and "sampling_rate", as data sets have them.

    Raises:
        UsageError: the rate is none, or the source cannot be a recording.
        AudioError: the samples are no array of numbers.
    """
    from tts.types import Audio

    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source), None
    if isinstance(source, Audio):
        return source.samples, source.sample_rate
    if isinstance(source, Mapping):
        rate = source.get("sampling_rate", source.get("sample_rate"))
        if "array" not in source or rate is None:
            raise UsageError("a recording as a mapping has the keys 'array' and 'sampling_rate'")
        return _array(source["array"]), _rate(rate)
    if is_pair(source):
        one, two = source
        return (_array(two), _rate(one)) if _is_rate(one) else (_array(one), _rate(two))
    if isinstance(source, torch.Tensor) or _is_numbers(source):
        return _array(source), None
    if isinstance(source, Sequence) and not isinstance(source, str):
        kind = type(source).__name__
        raise UsageError(f"a list of recordings holds recordings, not another {kind}")
    return source, None

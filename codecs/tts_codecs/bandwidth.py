"""Bandwidths by name: "rvq@1.0" is the codec `rvq` at 1 kbit/s, one of those it has."""

from collections.abc import Mapping
from numbers import Real
from pathlib import Path

from tts_codecs.errors import CodecError, UsageError

#: a bandwidth may be given as it is printed: to two decimals, or within a fortieth of itself
_ROUNDED, _SHARE = 0.005, 0.025


def split_bandwidth(name: str | Path) -> tuple[str, float | None]:
    """The codec that "NAME" or "NAME@KBITS" names, and the bandwidth in kbit/s, None where there is
    none. What follows the @ is a number; a file or folder that is called so is itself.

    Raises:
        UsageError: a bandwidth that is not above 0 and at most 1000 kbit/s.
    """
    whole = str(name)
    plain, at, kbits = whole.rpartition("@")
    try:
        bandwidth = float(kbits) if at and plain and not Path(whole).exists() else None
    except (OSError, ValueError):
        bandwidth = None  # an @ of a path
    if bandwidth is None:
        return whole, None
    if not 0 < bandwidth <= 1000:
        raise UsageError(f"{whole!r}: a bandwidth is above 0 and at most 1000 kbit/s")
    return plain, bandwidth


def codebooks_at(kbits: float, rates: Mapping[int, float], name: str) -> int:
    """How many leading codebooks of a codec make `kbits` kbit/s.

    Args:
        rates: bit/s by number of codebooks, as LayeredCodec.bandwidths.
        name: of the codec, for the error.

    Raises:
        CodecError: it has not this bandwidth; those it has are listed.
        UsageError: it has one only.
    """
    if len(rates) < 2:
        raise one_bandwidth(name)
    # No codec has as much as that; NaN is neither above nor below.
    usable = isinstance(kbits, Real) and not isinstance(kbits, bool) and 0 < kbits < 1e9
    if usable:
        away = {count: abs(rate / 1000 - kbits) for count, rate in rates.items()}
        nearest = min(away, key=away.__getitem__)
        if away[nearest] <= max(_ROUNDED, _SHARE * kbits):
            return nearest
    listed = ", ".join(f"{round(rate / 1000, 2):g}" for rate in sorted(rates.values()))
    told = f"{kbits:g}" if usable else repr(kbits)[:40]
    raise CodecError(f"{name}: bandwidth {told} kbit/s is not one of {listed}")


def one_bandwidth(name: str) -> UsageError:
    """The error of a codec that none can be chosen of."""
    return UsageError(f"{name}: this codec has one bandwidth only: name it without")

"""Bandwidths in names of codecs: "rvq@1.0" is the codec `rvq` at 1 kbit/s."""

from collections.abc import Mapping
from numbers import Real
from pathlib import Path

from tts_codecs.errors import CodecError, UsageError

#: tolerances of a given bandwidth: printed values are rounded to two decimals, or to 2.5 %
_ROUNDED, _SHARE = 0.005, 0.025


def split_bandwidth(name: str | Path) -> tuple[str, float | None]:
    """Split "NAME@KBITS" into the name of the codec and its bandwidth in kbit/s; the latter is None
    for "NAME". If there is a file or folder of the whole name, or no number after the @, the whole
    name is that of the codec.

    Raises:
        UsageError: the bandwidth is not above 0 and at most 1000 kbit/s.
    """
    whole = str(name)
    plain, at, kbits = whole.rpartition("@")
    try:
        bandwidth = float(kbits) if at and plain and not Path(whole).exists() else None
    except (OSError, ValueError):
        bandwidth = None  # the @ belongs to a path
    if bandwidth is None:
        return whole, None
    if not 0 < bandwidth <= 1000:
        raise UsageError(f"{whole!r}: a bandwidth is above 0 and at most 1000 kbit/s")
    return plain, bandwidth


def codebooks_at(kbits: float, rates: Mapping[int, float], name: str) -> int:
    """The number of leading codebooks of a codec for a bitrate of `kbits` kbit/s.

    Args:
        kbits: the bitrate, with some tolerance.
        rates: bit/s by number of codebooks, as of LayeredCodec.bandwidths.
        name: of the codec, for error messages.

    Raises:
        CodecError: the codec does not have this bandwidth; those it has are listed.
        UsageError: the codec has only one bandwidth.
    """
    if len(rates) < 2:
        raise one_bandwidth(name)
    # The upper limit is above that of any codec; the comparison is false for NaN.
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
    """The error for a codec with a single bandwidth."""
    return UsageError(f"{name}: this codec has one bandwidth only; leave the bandwidth out")

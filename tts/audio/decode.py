"""Decoding of the part of a recording that is used, with bounded work.

Headers are checked before anything is decoded. Silence before the first sound does not count: a
minute of it before the speech is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import IO, NamedTuple, Protocol

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from tts.audio.channels import Mixer
from tts.audio.containers import ContainerSource, container_of
from tts.audio.files import CallbackFile
from tts.audio.headers import with_true_size
from tts.audio.level import first_sound
from tts.audio.sandbox import Decoded, decode_apart
from tts.audio.sniff import SNIFF_BYTES, seems_to_be
from tts.errors import AudioError

__all__ = [
    "BLOCK_VALUES", "PADDING_SECONDS", "Decoded", "Source", "decode_file", "decode_source",
    "too_long",
]  # fmt: skip

MIN_RATE, MAX_RATE = 8_000, 192_000
MAX_CHANNELS = 32
MAX_HEADER_SECONDS = 30 * 60.0
# Work limit: values decoded at most (60 s of 8 channels at 192 kHz are 92 million).
MAX_DECODED_VALUES = 100_000_000
# The limit for whole recordings: 30 minutes of two channels at 96 kHz.
MAX_ENTIRE_VALUES = 350_000_000
BLOCK_VALUES = 1 << 16
_SMALL_FRAMES = 1024  # of blocks shortly before damage
PADDING_SECONDS = 0.25  # tolerance of limits, as encoders pad recordings
_UNKNOWN_FRAMES = 1 << 61
_LEAD_SECONDS = 1.0  # longest pause before the first sound that is kept


class Source(Protocol):
    """A recording that can be decoded from its beginning, more than once.

    Attributes:
        rate: in Hz; channels: their number.
        frames: their number by the header; None if the header does not have it.
        exact: whether `frames` is reliable.
    """

    rate: int
    channels: int
    frames: int | None
    exact: bool

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode all blocks [n, C] from the beginning; AudioError for damage."""


class _Sequential(sf.SoundFile):
    """A file that claims not to be seekable.

    soundfile seeks after every read of a seekable file, which drops the bit reservoir of MP3 and
    gives a click at each block.
    """

    def seekable(self) -> bool:
        return False


class _SoundFile:
    """A `Source` by libsndfile; sf.SoundFileError if it cannot be opened."""

    exact = True

    def __init__(self, handle: IO[bytes]):
        # A damaged header makes libsndfile seek to impossible positions, which fails silently.
        self._handle = handle
        with self._opened() as sound:
            self.rate, self.channels = sound.samplerate, sound.channels
            self.frames = sound.frames if 0 <= sound.frames < _UNKNOWN_FRAMES else None

    def _opened(self) -> _Sequential:
        self._handle.seek(0)
        guarded = CallbackFile(self._handle)
        try:
            return _Sequential(guarded)
        except sf.SoundFileError:
            _raise_interrupt(guarded)
            raise

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode all blocks [n, C] from the beginning; AudioError for damage."""
        size = max(1, BLOCK_VALUES // self.channels)
        given = 0
        try:
            for part in self._read(size):
                yield part
                given += len(part)
        except sf.SoundFileError:
            # The library drops the beginning of the damaged block, so that small ones follow.
            try:
                yield from self._read(size, given, min(size, _SMALL_FRAMES))
            except sf.SoundFileError as again:
                raise AudioError(str(again)) from again

    def _read(self, size: int, skip: int = 0, then: int = 0) -> Iterator[NDArray[np.float32]]:
        """Decode blocks of `size` frames; with `skip`, blocks of `then` frames after these.

        The skipped frames are decoded and dropped, as seeking is unsafe in a damaged file.
        """
        guarded = CallbackFile(self._handle)
        self._handle.seek(0)
        block = np.empty((size, self.channels), dtype=np.float32)
        try:
            with _Sequential(guarded) as sound:
                while skip > 0 and (count := len(sound.read(out=block[:skip]))):
                    skip -= count
                block = block[: then or size]
                while len(part := sound.read(out=block)):
                    yield part
        finally:
            _raise_interrupt(guarded)


def _raise_interrupt(handle: CallbackFile) -> None:
    """Raise an exception of a callback, such as Ctrl-C; failed reads count as damage."""
    if handle.error is not None and not isinstance(handle.error, (OSError, ValueError)):
        raise handle.error


def _check_layout(rate: int, channels: int, name: str) -> None:
    """Raise AudioError for an implausible sample rate or number of channels."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"{name}: a sample rate of {rate} Hz is not usable; "
            f"{MIN_RATE // 1000} to {MAX_RATE // 1000} kHz are accepted"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{name}: {channels} channels; 1 to {MAX_CHANNELS} are accepted")


def _check_length(frames: int, rate: int, name: str, min_seconds: float) -> None:
    """Raise AudioError for an empty recording, or one of less than `min_seconds`."""
    if frames == 0:
        raise AudioError(f"{name}: holds 0 frames of audio (empty or cut off)")
    if frames < min_seconds * rate:
        raise AudioError(
            f"{name}: only {frames / rate:.2f} s long; at least {min_seconds:g} s are needed"
        )


def decode_file(
    handle: IO[bytes],
    name: str,
    min_seconds: float,
    max_seconds: float,
    warnings: list[str],
    sandbox: bool = True,
    entire: bool = False,
) -> Decoded:
    """Check the header of a file, and decode at most `max_seconds` from the first sound on to mono.

    Args:
        handle: seekable; name: for messages; warnings: a list that gets further ones.
        min_seconds: shorter recordings are refused.
        sandbox: whether to decode containers of FFmpeg in another process with limits
            (tts.audio.sandbox); False within that process.
        entire: whether to decode the whole recording, also silence at the beginning, and to refuse
            one that is longer than `max_seconds`.

    Raises:
        AudioError: see `load_reference`.
    """
    try:
        handle.seek(0)
        head = handle.read(SNIFF_BYTES)
        handle.seek(0)
    except OSError as error:
        raise AudioError(f"{name}: cannot be read: {error.strerror or error}") from error
    kind = container_of(head)
    if not kind:
        try:
            sound, share = with_true_size(handle)
            source = _SoundFile(sound)
            _warn_truncated(source, share, name, warnings)
            return decode_source(source, name, min_seconds, max_seconds, warnings, entire=entire)
        except sf.SoundFileError:
            kind = container_of(head, failed=True)
            if not kind or find_spec("av") is None:
                raise AudioError(f"{name}: not audio; it seems to be {seems_to_be(head)}") from None
    if sandbox:
        return decode_apart(handle, name, min_seconds, max_seconds, warnings, entire)
    container = ContainerSource(handle, name, kind, seems_to_be(head))
    return decode_source(container, name, min_seconds, max_seconds, warnings, entire=entire)


def _warn_truncated(source: Source, share: float, name: str, warnings: list[str]) -> None:
    """Add a warning if a file has only a `share` of the samples that its header declares; less
    than a tenth of a second is ignored."""
    seconds = (source.frames or 0) / source.rate
    if (1 / share - 1) * seconds >= 0.1:
        declared = seconds / share
        warnings.append(
            f"{name}: is cut off: {seconds:.1f} of the {declared:.1f} s its header tells"
        )


def decode_source(
    source: Source,
    name: str,
    min_seconds: float,
    max_seconds: float,
    warnings: list[str],
    max_length: float = MAX_HEADER_SECONDS,
    entire: bool = False,
) -> Decoded:
    """Decode an open source as `decode_file`.

    Args:
        max_length: longest whole recording in seconds.
    """
    rate, channels, frames = source.rate, source.channels, source.frames
    _check_layout(rate, channels, name)
    if frames is not None:
        _check_length(frames, rate, name, min_seconds)
        # Lengths that are estimated from the bit rate, as of raw AAC, are inexact.
        most = max_seconds * (1.0 if source.exact else 1.02) + PADDING_SECONDS
        if entire and frames > most * rate:
            raise AudioError(f"{name}: {too_long(frames / rate, max_seconds)}: cut it")
        if frames > max_length * rate:
            raise AudioError(
                f"{name}: {frames / rate / 60:.0f} minutes long (refused above "
                f"{max_length / 60:.0f}); cut out up to {max_seconds:g} s of speech"
            )
    limit = int((max_seconds + PADDING_SECONDS) * rate)
    wanted = min(frames, limit) if frames is not None and source.exact else limit
    if wanted * channels > (MAX_ENTIRE_VALUES if entire else MAX_DECODED_VALUES):
        raise AudioError(
            f"{name}: {wanted * channels / 1e6:.0f} million values "
            f"({channels} channels at {rate} Hz) are too many; make it mono"
        )
    taken = _take(source, wanted, name, look=not entire)
    mono = taken.samples if entire else taken.samples[: int(max_seconds * rate)]
    if taken.damage:
        warnings.append(f"{name}: damaged after {taken.read / rate:.1f} s ({taken.damage})")
        if mono.size < min_seconds * rate:
            raise AudioError(warnings[-1])
    _check_length(mono.size, rate, name, min_seconds)
    short = source.exact and taken.ended and taken.read < (frames or 0)
    if short and not taken.damage:
        warnings.append(f"{name}: ends early, after {taken.read / rate:.1f} s")
    seconds = (taken.read if frames is None or taken.ended else frames) / rate
    skipped = taken.skipped / rate
    if skipped:
        warnings.append(f"{name}: begins with {skipped:.0f} s without speech, which are left out")
    if entire and not taken.ended:
        raise AudioError(f"{name}: {too_long(None, max_seconds)}: cut it")
    if not (taken.ended or taken.quiet):
        length = "too long" if frames is None else f"{seconds:.1f} s long"
        which = f"the first {max_seconds:g} s" + (" of sound" if skipped else "")
        warnings.append(f"{name}: {length}; only {which} are used")
    return Decoded(mono, rate, seconds, skipped, None if frames is None else frames / rate)


def too_long(seconds: float | None, most: float) -> str:
    """Describe a recording that is longer than `most` seconds; None for an unknown length."""
    limit = f"{most:g} s" if most < 600 else f"{most / 60:g} minutes"
    if seconds is None:
        return f"more than {limit} long; {limit} are the most"
    # 60.3 s must not be rounded to the 60 s that are allowed.
    return f"{seconds:.{0 if round(seconds) > most else 1}f} s long; {limit} are the most"


class _Taken(NamedTuple):
    """Decoded samples [N], frames skipped before them, frames read in all, whether the recording
    ended there, a description of damage, and whether only silence follows."""

    samples: NDArray[np.float32]
    skipped: int
    read: int
    ended: bool
    damage: str = ""
    quiet: bool = False


def _take(source: Source, wanted: int, name: str, look: bool) -> _Taken:
    """Decode at most `wanted` frames to mono; with `look` from the first sound on."""
    mixer: Mixer | None = Mixer(source.channels)
    while True:
        assert mixer is not None
        taken, again = _attempt(source, wanted, name, mixer, look)
        if taken is not None:
            return taken
        # Again with aligned channels, or, without any sound, from the beginning.
        mixer, look = (again, look) if again is not None else (mixer, False)


def _attempt(
    source: Source, wanted: int, name: str, mixer: Mixer, look: bool
) -> tuple[_Taken | None, Mixer | None]:
    """Decode once with a mixer.

    Returns:
        the samples; or, if channels cancel, another mixer to begin again with; or neither, if there
        is only silence.
    """
    rate = source.rate
    out = np.empty(wanted, dtype=np.float32)
    filled = read = skipped = 0
    found, damage, ended = not look, "", False
    blocks = source.blocks()
    pending: NDArray[np.float32] = np.empty(0, dtype=np.float32)
    try:
        while True:
            try:
                block = None if pending.size else next(blocks, None)
            except AudioError as error:
                damage, block = str(error), None
            if block is None and not pending.size:
                ended = True
            elif block is not None:
                read += len(block)
                pending = mixer(block, name)
            count = min(len(pending), wanted - filled)
            out[filled : filled + count] = pending[:count]
            filled, pending = filled + count, pending[count:].copy()
            if not ended and filled < wanted:
                continue
            if mixer.cancels:
                return None, mixer.aligned()
            if found:
                # Only another block shows whether the recording goes on.
                ended = ended or (not pending.size and _is_over(blocks))
                quiet = not ended and _is_quiet(pending, blocks, mixer, name, rate)
                return _Taken(out[:filled], skipped, read, ended, damage, quiet), None
            begin = first_sound(out[:filled], rate)
            over = ended or (not pending.size and source.frames == read)
            if over and (begin is not None or not skipped):
                keep = begin or 0
                drop = keep if skipped and keep > _LEAD_SECONDS * rate else 0
                return _Taken(out[drop:filled], skipped + drop, read, True, damage), None
            if over or read * source.channels > MAX_DECODED_VALUES:
                return None, None
            found = begin is not None
            drop = filled if begin is None else begin if begin > _LEAD_SECONDS * rate else 0
            _shift(out, drop, filled)
            filled, skipped = filled - drop, skipped + drop
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()


def _is_over(blocks: Iterator[NDArray[np.float32]]) -> bool:
    """Whether there are no further blocks, or only damaged ones."""
    try:
        return next(blocks, None) is None
    except AudioError:
        return True


def _is_quiet(
    part: NDArray[np.float32],
    blocks: Iterator[NDArray[np.float32]],
    mixer: Mixer,
    name: str,
    rate: int,
) -> bool:
    """Whether there is no sound in `part` [n] and all further blocks, a second or more at a time,
    up to the limit of work."""
    left = MAX_DECODED_VALUES
    while left > 0:
        try:
            block = next(blocks, None)
        except AudioError:
            block = None
        if block is not None:
            left -= block.size
            part = np.concatenate([part, mixer(block, name)])
        if block is None or len(part) >= rate:
            if len(part) >= rate // 10 and first_sound(part, rate) is not None:
                return False
            part = part[:0]
        if block is None:
            return True
    return False


def _shift(out: NDArray[np.float32], drop: int, filled: int) -> None:
    """Move out[drop:filled] to the front, in pieces to save memory."""
    for at in range(drop, filled, BLOCK_VALUES):
        piece = out[at : min(at + BLOCK_VALUES, filled)].copy()
        out[at - drop : at - drop + len(piece)] = piece

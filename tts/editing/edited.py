"""Edited recordings: audio that knows which of its samples are those of the recording."""

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tts.audio.files import write_file, write_to
from tts.audio.formats import held_rate, output_format
from tts.audio.resample import resample
from tts.audio.writer import check_writable
from tts.editing.plan import Change
from tts.editing.splice import Kept
from tts.types import Audio

#: formats of files that hold the very values of a recording
EXACT = ("wav", "flac")


@dataclass(eq=False, repr=False)
class Edited(Audio):
    """An edited recording.

    Attributes:
        kept: stretches that are the recording, sample for sample. Between them are cross-fades of
            12 ms and generated speech.
        changes: what was changed, in order.
        original: [N], the recording as it was read.
        warnings: faults of the recording, one line for each.
    """

    kept: list[Kept] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    original: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    warnings: tuple[str, ...] = ()

    def save(self, path: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> None:
        """Write an audio file, as `Audio.save` does. In WAV and FLAC, what is kept has the values
        that were read (`exact_bytes`).

        Args:
            path: path, or a binary file that is open for writing.
            format: audio format; None for that of the path.

        Raises:
            UsageError, OutputError: see tts.audio.writer.write_audio.
        """
        is_path = isinstance(path, (str, os.PathLike))
        name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else _file_name(path)
        kind = _format_name(format or Path(name).suffix or ("" if is_path else "wav"))
        if kind not in EXACT or name == "-":
            audio = self._at_held_rate(output_format(name, format or (None if is_path else kind)))
            audio.save(path, format)
        elif isinstance(path, (str, os.PathLike)):
            check_writable(path, self.sample_rate, format=format)
            write_file(path, self.exact_bytes(kind))
        else:
            write_to(path, self.exact_bytes(kind), "the audio")

    def to_bytes(self, format: str = "wav") -> bytes:
        """Return the bytes of an audio file, as `Audio.to_bytes` does; WAV and FLAC as
        `exact_bytes`.

        Raises:
            UsageError: an unknown format.
        """
        kind = _format_name(format)
        if kind in EXACT:
            return self.exact_bytes(kind)
        return self._at_held_rate(format).to_bytes(format)

    def _at_held_rate(self, format: str) -> Audio:
        """Return the audio at a sample rate that a format can hold: recordings have any rate, and
        Opus knows five."""
        rate = held_rate(format, self.sample_rate)
        samples = self.samples
        if rate != self.sample_rate:
            samples = resample(samples, self.sample_rate, rate)
        return Audio(samples, rate)

    @property
    def bits(self) -> int:
        """Bits of a sample in WAV and FLAC: 16 if that is enough for the recording, else 24."""
        scaled = self.original.astype(np.float64) * 2**15
        return 16 if (scaled == np.rint(scaled)).all() else 24

    def exact_bytes(self, format: str = "wav") -> bytes:
        """Return the bytes of a WAV or FLAC file in which what is kept has the values that were
        read, with `bits` bits. Finer values, of float and 32-bit recordings, are rounded to 24."""
        import soundfile

        bits = self.bits
        full = 2 ** (bits - 1)
        values = np.clip(np.rint(self.samples.astype(np.float64) * full), -full, full - 1)
        buffer = io.BytesIO()
        soundfile.write(
            buffer,
            values.astype(np.int32) << (32 - bits),
            self.sample_rate,
            f"PCM_{bits}",
            format=format.upper(),
        )
        return buffer.getvalue()


def _format_name(format: object) -> str:
    """Return the name of an audio format in its usual form; "" for what is no name, which is
    refused where it is used."""
    return format.lower().lstrip(".") if isinstance(format, str) else ""


def _file_name(file: object) -> str:
    """Return the name of an open file; "" if it has none."""
    name = getattr(file, "name", "")
    return name if isinstance(name, str) else ""

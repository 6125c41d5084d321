"""Recordings of a higher rate than the corpus has: what a vocoder learns its upper band from."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tts.errors import DataError


@dataclass(frozen=True)
class WideRecordings:
    """Recordings of one sample rate, in memory as int16.

    audio: int16 [N] each; sample_rate: Hz of all.
    """

    audio: list[np.ndarray]
    sample_rate: int

    @classmethod
    def load(cls, table: str | Path, sample_rate: int, seconds: float) -> "WideRecordings":
        """Read the recordings named in the first column of a TSV, paths relative to it.

        Those shorter than `seconds` are left out.

        Raises:
            DataError: the table or a recording cannot be read, or has a lower rate.
        """
        import soundfile

        path = Path(table)
        try:
            with path.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
            names = [row[0] for row in rows if row]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{table} cannot be read: {error}") from error
        audio = []
        for name in names:
            try:
                samples, rate = soundfile.read(path.parent / name, dtype="int16", always_2d=True)
            except (soundfile.SoundFileError, OSError) as error:
                raise DataError(f"{path.parent / name} cannot be read: {error}") from error
            if rate != sample_rate:
                raise DataError(
                    f"{path.parent / name} has {rate} Hz; the vocoder learns from {sample_rate} Hz"
                )
            if len(samples) >= seconds * rate:
                audio.append(samples[:, 0])
        if not audio:
            raise DataError(f"{table} has no recording of at least {seconds:g} s")
        return cls(audio, sample_rate)

    def crop(self, rng: np.random.Generator, samples: int) -> np.ndarray:
        """A random piece, float32 [samples] in -1..1."""
        whole = self.audio[int(rng.integers(len(self.audio)))]
        start = int(rng.integers(len(whole) - samples + 1))
        return whole[start : start + samples].astype(np.float32) / 32768.0

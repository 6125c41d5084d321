"""Wideband recordings, of a higher sample rate than the corpus, from which a vocoder or a codec
learns the upper band."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tts.data.tables import table_rows
from tts.errors import DataError
from tts.text.names import speaker_name


@dataclass(frozen=True)
class WideRecordings:
    """Recordings of one sample rate, in memory as int16.

    Attributes:
        audio: recordings, int16 [N] each.
        sample_rate: Hz.
        speakers: all speakers in the table, also those that were left out.
    """

    audio: list[np.ndarray]
    sample_rate: int
    speakers: frozenset[str] = frozenset()

    @classmethod
    def load(
        cls,
        table: str | Path,
        sample_rate: int,
        seconds: float,
        held_out: Collection[str] = (),
    ) -> "WideRecordings":
        """Read the recordings that are listed in a TSV.

        Its first line may name the columns, `path` and optionally `speaker`, as in the tables of
        tts.data.layouts. Without it the first column is the path. Recordings shorter than `seconds`
        are left out.

        Args:
            table: the TSV; paths in it are relative to it.
            sample_rate: Hz that all recordings have to have.
            seconds: shortest duration.
            held_out: speakers that are left out.

        Raises:
            DataError: the table or a recording cannot be read, a recording has another sample rate,
                no recording is left, or `held_out` is given and a recording has no speaker.
        """
        import soundfile

        path = Path(table)
        rows = _rows(path)
        left_out = frozenset(map(speaker_name, held_out))
        unknown = [name for name, speaker in rows if not speaker]
        if left_out and unknown:
            raise DataError(
                f"{table} does not tell whose {unknown[0]} is, so nobody can be held out: give it "
                "a first line that names the columns path and speaker, and a speaker in each line"
            )
        names = [name for name, speaker in rows if speaker not in left_out]
        if rows and not names:
            raise DataError(f"held_out leaves no recording of {table}")
        audio = []
        for name in names:
            try:
                samples, rate = soundfile.read(path.parent / name, dtype="int16", always_2d=True)
            except (soundfile.SoundFileError, OSError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                raise DataError(f"{path.parent / name} cannot be read: {reason}") from error
            if rate != sample_rate:
                raise DataError(
                    f"{path.parent / name} has {rate} Hz, and {sample_rate} Hz are learned"
                )
            if len(samples) >= seconds * rate:
                audio.append(samples[:, 0])
        if not audio:
            raise DataError(f"{table} has no recording of at least {seconds:g} s")
        return cls(audio, sample_rate, frozenset(speaker for _, speaker in rows if speaker))

    def crop(self, rng: np.random.Generator, samples: int) -> np.ndarray:
        """A random excerpt, float32 [samples] in -1..1."""
        whole = self.audio[int(rng.integers(len(self.audio)))]
        start = int(rng.integers(len(whole) - samples + 1))
        return whole[start : start + samples].astype(np.float32) / 32768.0


def _rows(path: Path) -> list[tuple[str, str]]:
    """Paths and speakers in a TSV; "" for an unknown speaker.

    Raises:
        DataError: the file cannot be read, or a line has another number of fields than the first.
    """
    try:
        first, rows = table_rows(path, tabs=True)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    header = [name.strip().lower() for name in first]
    if "path" not in header:
        return [(row[0], "") for row in (first, *(row for _, row in rows)) if row]
    at = header.index("path")
    of = header.index("speaker") if "speaker" in header else None
    recordings = []
    for number, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{path}: line {number} has {len(row)} fields, the first line {len(header)}"
            )
        recordings.append((row[at].strip(), "" if of is None else speaker_name(row[of].strip())))
    return recordings

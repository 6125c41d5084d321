"""Corpora as lists of (audio, speaker, text): the folder layouts of public corpora, and tables.

Known layouts:
    librispeech  SPEAKER/CHAPTER/*.flac beside *.trans.txt, at any depth
    libritts     SPEAKER/CHAPTER/*.wav, each beside its *.normalized.txt, at any depth
    ljspeech     metadata.csv (id|text|normalised text) and wavs/
    vctk         txt/SPEAKER/*.txt and wav48*/SPEAKER/*.flac or *.wav, also *_mic1 and *_mic2
    table        a TSV (no quoting) or CSV file with a header that names path, speaker and text;
                 paths are relative to the file
"""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tts.audio.files import atomic_output
from tts.data.texts import read_text
from tts.errors import DataError, UsageError
from tts.resources import nearest
from tts.text.names import speaker_name

__all__ = ["Entry", "Layout", "read_manifest", "write_manifest"]

Layout = Literal["auto", "librispeech", "libritts", "ljspeech", "vctk", "table"]
Report = Callable[[str], None]

#: of recordings, in the order in which they are looked for beside a transcript: those of all that
#: a voice may be recorded in (tts.audio.reference)
_SUFFIXES = (
    ".flac", ".wav", ".opus", ".ogg", ".mp3", ".aiff", ".aif", ".oga", ".caf", ".au", ".w64",
    ".m4a", ".mp4", ".mov", ".aac", ".3gp", ".webm", ".mka", ".mkv", ".wma", ".amr", ".wv", ".ape",
    ".tta", ".ac3", ".avi", ".flv",
)  # fmt: skip
_COLUMNS = ("path", "speaker", "text")


@dataclass(frozen=True)
class Entry:
    """One line of a manifest; the name of the speaker is in one spelling (tts.text.names)."""

    path: Path
    speaker: str
    text: str

    def __post_init__(self) -> None:
        # Names of files stay as they are: another spelling would be another file.
        object.__setattr__(self, "speaker", speaker_name(self.speaker))


def _quiet(message: str) -> None:
    """The report of a caller who does not listen."""


def read_manifest(
    path: str | Path, layout: Layout = "auto", report: Report = _quiet
) -> list[Entry]:
    """The utterances of a corpus, in a fixed order.

    Args:
        path: the corpus folder, or a table file.
        layout: one of those of this module; "auto" finds it out.
        report: called with one line per utterance left out: audio or text missing.

    Raises:
        UsageError: unknown layout name.
        DataError: no such path, not a known layout, unreadable table, or nothing usable in it.
    """
    if layout not in get_args(Layout):
        raise UsageError(f"unknown layout {layout!r}{nearest(layout, get_args(Layout))}")
    folder = Path(path)
    if not folder.exists():
        raise DataError(f"corpus not found: {folder}")
    if layout == "auto":
        layout = _detect(folder)
    if folder.is_dir() == (layout == "table"):
        what = "a file" if layout == "table" else "a folder"
        raise DataError(f"layout {layout} is {what}, which {folder} is not")
    left_out = 0

    def count(message: str) -> None:
        nonlocal left_out
        left_out += 1
        report(message)

    entries = []
    try:
        for entry in _READERS[layout](folder, count):
            if problem := _problem(entry):
                count(problem)
            else:
                entries.append(entry)
    except OSError as error:
        raise DataError(f"cannot read {error.filename or folder}: {error.strerror}") from error
    if not entries:
        detail = f"; {left_out} were left out for missing audio or text" if left_out else ""
        raise DataError(f"no usable utterance in {folder} (layout {layout}){detail}")
    return entries


def _problem(entry: Entry) -> str:
    """Why an utterance cannot be used, in one line; "" where nothing is wrong."""
    # Found out here and not when a manifest is written, after hours of work.
    if not _in_table(str(entry.path)) or not _in_table(entry.speaker):
        return f"{str(entry.path)!r}: a name that is not UTF-8 in one line cannot be kept"
    try:
        if not entry.path.is_file():
            return f"{entry.path}: audio missing"
    except OSError as error:  # of one name, such as one that is too long
        return f"{entry.path}: audio missing ({error.strerror})"
    return "" if entry.text.strip() else f"{entry.path}: text missing"


def _in_table(name: str) -> bool:
    """Whether a name can be a field of a TSV that is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of another encoding in the name of a file
        return False
    return len(name.splitlines()) <= 1 and "\t" not in name


def write_manifest(entries: Iterable[Entry], path: str | Path) -> None:
    """Write entries as a TSV table that `read_manifest` reads, atomically.

    Audio below the table's folder is named relative to it, other audio by its absolute path; runs
    of white space in texts become one space.

    Raises:
        DataError: an audio path or speaker holds a tab or a line break, or is not UTF-8.
        OutputError, UsageError: the file cannot be written.
    """
    target = Path(path)
    base = target.absolute().parent
    lines = ["\t".join(_COLUMNS)]
    for entry in entries:
        audio = Path(os.path.abspath(entry.path))
        shown = str(audio.relative_to(base) if audio.is_relative_to(base) else audio)
        if not _in_table(shown) or not _in_table(entry.speaker):
            raise DataError(
                f"{shown!r}: a tab, a line break or bytes that are not UTF-8 in a name cannot be "
                "written to a TSV"
            )
        lines.append("\t".join([shown, entry.speaker, " ".join(entry.text.split())]))
    with atomic_output(target) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _detect(path: Path) -> Layout:
    if path.is_file():
        return "table"
    if (path / "metadata.csv").is_file() and (path / "wavs").is_dir():
        return "ljspeech"
    if (path / "txt").is_dir() and any(path.glob("wav48*")):
        return "vctk"
    for _, _, names in os.walk(path):
        for name in names:
            if name.endswith(".trans.txt"):
                return "librispeech"
            if name.endswith(".normalized.txt"):
                return "libritts"
    raise DataError(
        f"{path} is not a known corpus: expected LibriSpeech (*.trans.txt), LibriTTS "
        "(*.normalized.txt), LJSpeech (metadata.csv and wavs/), VCTK (txt/ and wav48*/), or a "
        f"TSV or CSV file with the columns {', '.join(_COLUMNS)}"
    )


def _text_of(path: Path, report: Report) -> str | None:
    """A one-utterance text file; None, reported, where it cannot be read."""
    try:
        return read_text(path)
    except (DataError, OSError) as error:
        report(f"{path}: text missing ({error})")
        return None


def _find(stem: Path) -> Path:
    """The audio file named `stem` plus a suffix; the first usual one where there is none."""
    # Recorders and Windows write REC1.WAV.
    for suffix in (*_SUFFIXES, *(each.upper() for each in _SUFFIXES)):
        candidate = stem.parent / (stem.name + suffix)
        if candidate.is_file():
            return candidate
    return stem.parent / (stem.name + _SUFFIXES[0])


def _unnamed(folder: Path, seen: set[Path], report: Report) -> None:
    """Report audio files that no transcript names."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _SUFFIXES and path not in seen:
            report(f"{path}: text missing")


def _librispeech(folder: Path, report: Report) -> Iterator[Entry]:
    seen: set[Path] = set()
    for table in sorted(folder.rglob("*.trans.txt")):
        for line in read_text(table).split("\n"):
            key, _, text = line.strip().partition(" ")
            if key:
                path = _find(table.parent / key)
                seen.add(path)
                yield Entry(path, key.split("-")[0], text.strip())
    _unnamed(folder, seen, report)


def _libritts(folder: Path, report: Report) -> Iterator[Entry]:
    ending = ".normalized.txt"
    seen: set[Path] = set()
    for file in sorted(folder.rglob("*" + ending)):
        key = file.name.removesuffix(ending)
        path = _find(file.parent / key)
        seen.add(path)
        text = _text_of(file, report)
        if text is not None:
            yield Entry(path, key.split("_")[0], " ".join(text.split()))
    _unnamed(folder, seen, report)


def _ljspeech(folder: Path, report: Report) -> Iterator[Entry]:
    speaker = folder.resolve().name
    seen: set[Path] = set()
    for line in read_text(folder / "metadata.csv").split("\n"):
        key, *texts = line.split("|")
        if key.strip():
            path = _find(folder / "wavs" / key.strip())
            seen.add(path)
            # The last column is the normalised text; some rows leave it empty.
            spoken = next((text for text in reversed(texts) if text.strip()), "")
            yield Entry(path, speaker, spoken.strip())
    _unnamed(folder / "wavs", seen, report)


def _vctk(folder: Path, report: Report) -> Iterator[Entry]:
    seen: set[Path] = set()
    roots = sorted(folder.glob("wav48*"), reverse=True)  # the silence-trimmed release first
    for file in sorted((folder / "txt").rglob("*.txt")):
        speaker = file.parent.name
        # The same utterance through two microphones is one utterance.
        stems = [r / speaker / (file.stem + mic) for r in roots for mic in ("_mic1", "", "_mic2")]
        found = [path for stem in stems if (path := _find(stem)).is_file()]
        seen.update(found)
        text = _text_of(file, report)
        if text is not None:
            path = found[0] if found else roots[0] / speaker / file.stem
            yield Entry(path, speaker, " ".join(text.split()))
    for root in roots:
        _unnamed(root, seen, report)


def table_reader(path: Path) -> Any:
    """A reader of the csv module of a table: TSV without quotes where the first line has tabs, else
    CSV. DataError, OSError: it cannot be read."""
    content = read_text(path)
    # Not splitlines: texts may hold other Unicode separators. With their ends, so that the lines of
    # a quoted text are not run together.
    lines = [line + "\n" for line in content.split("\n")]
    if "\t" in lines[0]:
        return csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return csv.reader(lines)


def _table(path: Path, report: Report) -> Iterator[Entry]:
    reader = table_reader(path)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in _COLUMNS if name not in header]
        if missing:
            raise DataError(
                f"{path} has no column {' and no column '.join(missing)}; the first line must "
                f"name the columns {', '.join(_COLUMNS)}"
            )
        columns = [header.index(name) for name in _COLUMNS]
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            if len(row) != len(header):
                report(
                    f"{path}: line {reader.line_num} has {len(row)} fields, the header "
                    f"{len(header)}"
                )
                continue
            audio, speaker, text = (row[at].strip() for at in columns)
            if not audio or not speaker:
                report(f"{path}: line {reader.line_num} names no audio or no speaker")
                continue
            yield Entry(path.parent / audio, speaker, " ".join(text.split()))
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from error


_READERS: dict[str, Callable[[Path, Report], Iterator[Entry]]] = {
    "librispeech": _librispeech,
    "libritts": _libritts,
    "ljspeech": _ljspeech,
    "vctk": _vctk,
    "table": _table,
}

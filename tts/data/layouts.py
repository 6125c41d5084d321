"""Corpora as lists of (audio, speaker, text): the folder layouts of public corpora, and tables.

Known layouts:
    librispeech  SPEAKER/CHAPTER/*.flac beside *.trans.txt, at any depth
    libritts     SPEAKER/CHAPTER/*.wav, each beside its *.normalized.txt, at any depth
    ljspeech     metadata.csv (id|text|normalised text) and wavs/
    vctk         txt/SPEAKER/*.txt and wav48*/SPEAKER/*.flac or *.wav, also *_mic1 and *_mic2
    table        a TSV (no quoting) or CSV file with a header that names path, speaker and text;
                 paths are relative to the file
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tts.audio.files import atomic_output
from tts.data.tables import table_rows
from tts.data.texts import read_text
from tts.errors import DataError, UsageError
from tts.resources import nearest
from tts.text.names import speaker_name

__all__ = ["Entry", "Layout", "read_manifest", "write_manifest"]

Layout = Literal["auto", "librispeech", "libritts", "ljspeech", "vctk", "table"]
Report = Callable[[str], None]

#: suffixes of recordings, in the order in which they are searched for next to a transcript: all
#: formats that references of voices may have (tts.audio.reference)
_SUFFIXES = (
    ".flac", ".wav", ".opus", ".ogg", ".mp3", ".aiff", ".aif", ".oga", ".caf", ".au", ".w64",
    ".m4a", ".mp4", ".mov", ".aac", ".3gp", ".webm", ".mka", ".mkv", ".wma", ".amr", ".wv", ".ape",
    ".tta", ".ac3", ".avi", ".flv",
)  # fmt: skip
_COLUMNS = ("path", "speaker", "text")


@dataclass(frozen=True)
class Entry:
    """One line of a manifest. The name of the speaker is normalised (tts.text.names)."""

    path: Path
    speaker: str
    text: str

    def __post_init__(self) -> None:
        # Paths are not normalised, since another spelling would be another file.
        object.__setattr__(self, "speaker", speaker_name(self.speaker))


def _quiet(message: str) -> None:
    """Default of `report`: ignores messages."""


def read_manifest(
    path: str | Path, layout: Layout = "auto", report: Report = _quiet
) -> list[Entry]:
    """The utterances of a corpus, in a fixed order.

    Args:
        path: the corpus folder, or a table file.
        layout: one of the layouts of this module; "auto" detects it.
        report: called with a line per utterance that is left out for missing audio or text.

    Raises:
        UsageError: an unknown layout name.
        DataError: the path does not exist, its layout is unknown, a table is unreadable, or no
            utterance is usable.
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
    """Why an utterance cannot be used, in one line; "" if it can."""
    # Names are checked here already, since the manifest is written only after hours of work.
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

    Paths of audio below the table's folder are relative to it, other paths are absolute. White
    space in texts is collapsed to single spaces.

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
        if path.suffix.lower() in _SUFFIXES:
            raise DataError(
                f"{path} is a recording: give a folder of recordings with their texts, or a TSV or "
                f"CSV file with the columns {', '.join(_COLUMNS)}"
            )
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
    """Content of a text file of one utterance; None, with a report, if it cannot be read."""
    try:
        return read_text(path)
    except (DataError, OSError) as error:
        report(f"{path}: text missing ({error})")
        return None


def _find(stem: Path) -> Path:
    """The audio file named `stem` plus a suffix. If there is none, a path with the first suffix."""
    # Suffixes may be in upper case, such as REC1.WAV.
    for suffix in (*_SUFFIXES, *(each.upper() for each in _SUFFIXES)):
        candidate = stem.parent / (stem.name + suffix)
        if candidate.is_file():
            return candidate
    return stem.parent / (stem.name + _SUFFIXES[0])


def _unnamed(folder: Path, seen: set[Path], report: Report) -> None:
    """Report audio files without a transcript."""
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
            # The last column is the normalised text, which is empty in some rows.
            spoken = next((text for text in reversed(texts) if text.strip()), "")
            yield Entry(path, speaker, spoken.strip())
    _unnamed(folder / "wavs", seen, report)


def _vctk(folder: Path, report: Report) -> Iterator[Entry]:
    seen: set[Path] = set()
    roots = sorted(folder.glob("wav48*"), reverse=True)  # the silence-trimmed release first
    for file in sorted((folder / "txt").rglob("*.txt")):
        speaker = file.parent.name
        # Recordings of two microphones count as one utterance.
        stems = [r / speaker / (file.stem + mic) for r in roots for mic in ("_mic1", "", "_mic2")]
        found = [path for stem in stems if (path := _find(stem)).is_file()]
        seen.update(found)
        text = _text_of(file, report)
        if text is not None:
            path = found[0] if found else roots[0] / speaker / file.stem
            yield Entry(path, speaker, " ".join(text.split()))
    for root in roots:
        _unnamed(root, seen, report)


def _table(path: Path, report: Report) -> Iterator[Entry]:
    first, rows = table_rows(path)
    header = [name.strip().lower() for name in first]
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}; the first line must "
            f"name the columns {', '.join(_COLUMNS)}"
        )
    columns = [header.index(name) for name in _COLUMNS]
    for number, row in rows:
        if len(row) != len(header):
            report(f"{path}: line {number} has {len(row)} fields, the header {len(header)}")
            continue
        audio, speaker, text = (row[at].strip() for at in columns)
        if not audio or not speaker:
            report(f"{path}: line {number} names no audio or no speaker")
            continue
        yield Entry(path.parent / audio, speaker, " ".join(text.split()))


_READERS: dict[str, Callable[[Path, Report], Iterator[Entry]]] = {
    "librispeech": _librispeech,
    "libritts": _libritts,
    "ljspeech": _ljspeech,
    "vctk": _vctk,
    "table": _table,
}

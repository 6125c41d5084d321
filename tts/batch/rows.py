"""What a batch is to say: rows of a CSV or JSON Lines file, or of Python values."""

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tts.errors import TTSError, UsageError
from tts.resources import nearest
from tts.speech import Options, options_of
from tts.voice.store import find_voice
from tts.voice.voice import Voice

#: columns of a file; those after "model" are options (tts.speech.Options)
COLUMNS = (
    "id", "text", "voice", "ref", "ref_text", "model", "language", "speed", "seed", "pitch",
    "steps", "guidance", "temperature",
)  # fmt: skip
_IDS = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_NUMBERS = {"seed": int, "steps": int}
MAX_TEXT = 1_000_000


@dataclass(frozen=True)
class Row:
    """One thing to say.

    Attributes:
        id: names the file; letters, digits, ".", "_" and "-".
        voice: a name, a voice file, a recording (Path), or a Voice.
        ref_text: what a recording says, for models that need it.
        model: name or path; "" for that of the batch.
        problem: why it cannot be said, found while it was read.
        mate: it is there already and only shares a batch with rows that are not.
    """

    id: str
    text: str
    voice: str | Path | Voice = "default"
    model: str = ""
    options: Options = Options()
    problem: str = ""
    mate: bool = False
    ref_text: str = ""

    def key(self, digests: dict[str, str]) -> str:
        """What the audio depends on, as a checksum; `digests` keeps those of files."""
        if isinstance(self.voice, Voice):
            voice = self.voice.sha256
        else:
            name = str(self.voice)
            if name not in digests:
                digests[name] = _file_digest(self.voice)
            voice = digests[name]
        parts = [self.text, voice, self.model, asdict(self.options), self.problem]
        parts += [self.ref_text] if self.ref_text else []
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file_digest(voice: str | Path) -> str:
    """SHA-256 of the file behind a voice, so that another recording of the same name counts as
    another; its name where there is no such file, which becomes an error of its rows."""
    try:
        path = voice if isinstance(voice, Path) else find_voice(voice)
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    except (OSError, TTSError):
        return f"missing {voice}"


def read_rows(path: str | Path) -> list[Row]:
    """Rows of a `.csv` (with a header) or `.jsonl` file; voices and recordings that are paths are
    taken from the folder of the file.

    What is wrong with one row is kept in its `problem`; only the file as a whole can fail.

    Raises:
        UsageError: no such file, not CSV or JSON Lines, an unknown column, ids that are not
            usable as file names or not unique.
    """
    path = Path(path)
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl}
    if path.suffix.lower() not in readers:
        raise UsageError(f"rows come from a .csv or .jsonl file, not {path.name!r}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            found = list(readers[path.suffix.lower()](file, str(path)))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise UsageError(f"{path} is not CSV: {error}") from error
    if not found:
        raise UsageError(f"{path} holds no rows")
    return make_rows(found, path.parent, str(path))


def _read_csv(file: Iterable[str], name: str) -> Iterator[dict[str, Any]]:
    before = csv.field_size_limit(4 * MAX_TEXT)  # of the whole process
    try:
        reader = csv.DictReader(file, strict=True)
        _check_columns(reader.fieldnames or (), name)
        for row in reader:
            if None in row:
                raise UsageError(f"{name} line {reader.line_num}: more values than columns")
            # A short line has None in the columns it lacks; an empty cell is the default.
            yield {column: value for column, value in row.items() if value not in (None, "")}
    finally:
        csv.field_size_limit(before)


def _read_jsonl(file: Iterable[str], name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{name} line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{name} line {number} is not an object")
        _check_columns(row, f"{name} line {number}", need_text=False)
        yield {column: value for column, value in row.items() if value is not None}


def _check_columns(columns: Iterable[str], name: str, need_text: bool = True) -> None:
    given = list(columns)
    for column in given:
        if column not in COLUMNS:
            raise UsageError(f"{name}: unknown column {column!r}{nearest(str(column), COLUMNS)}")
    if need_text and "text" not in given:
        raise UsageError(f"{name}: no column 'text'; there is: {', '.join(map(str, given))}")


def make_rows(
    values: Iterable[Row | Mapping[str, Any] | Sequence[Any]],
    folder: str | Path = ".",
    name: str = "rows",
) -> list[Row]:
    """Rows of Python values.

    Args:
        values: `Row`s, mappings with `COLUMNS` as keys, or tuples (id, text[, voice[, options]])
            with Options or a mapping of them.
        folder: of relative paths; name: for messages.

    Raises:
        UsageError: as `read_rows`.
    """
    rows = [_row(value, number, Path(folder), name) for number, value in enumerate(values, 1)]
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        if not _IDS.fullmatch(row.id):
            raise UsageError(
                f"{name}: id {row.id[:40]!r} of row {number} cannot be a file name: use letters, "
                "digits, '.', '_' and '-'"
            )
        # Some file systems do not tell "A.wav" from "a.wav".
        first = seen.setdefault(row.id.lower(), number)
        if first != number:
            raise UsageError(f"{name}: rows {first} and {number} have the same id {row.id!r}")
    return rows


def _row(value: Any, number: int, folder: Path, name: str) -> Row:
    if isinstance(value, Row):
        return value
    if isinstance(value, Mapping):
        _check_columns(value, f"{name} {number}", need_text=False)
        return _from_mapping(value, number, folder)
    if not isinstance(value, (tuple, list)) or not 2 <= len(value) <= 4:
        raise UsageError(f"{name} {number}: (id, text, voice, options) or a mapping expected")
    row = Row(str(value[0]), value[1] if isinstance(value[1], str) else "")
    if not isinstance(value[1], str):
        return replace(row, problem=f"the text is not a string but {type(value[1]).__name__}")
    if len(value) > 2 and value[2] is not None:
        row = replace(row, voice=_voice(value[2], folder))
    try:
        given = value[3] if len(value) > 3 and value[3] is not None else Options()
        known = given if isinstance(given, Options) else options_of(None, dict(given))
        known.check()
        return replace(row, options=known)
    except (UsageError, TypeError, ValueError) as error:
        return replace(row, problem=str(error))


def _voice(voice: Any, folder: Path) -> str | Path | Voice:
    """What may be said of a voice in Python; a string with a folder or extension is a path."""
    if isinstance(voice, (Voice, Path)):
        return voice
    name = str(voice)
    is_path = "/" in name or "." in name
    return folder / name if is_path else name


def _from_mapping(values: Mapping[str, Any], number: int, folder: Path) -> Row:
    row = Row(str(values.get("id", f"{number:06d}")), "", model=str(values.get("model", "")))
    text = values.get("text")
    if not isinstance(text, str) or not text.strip():
        return replace(row, problem="the text is empty")
    row = replace(row, text=text)
    if len(text) > MAX_TEXT:
        return replace(row, text="", problem=f"the text is longer than {MAX_TEXT:,} characters")
    if "voice" in values and "ref" in values:
        return replace(row, problem="voice and ref are both given")
    if "ref_text" in values and "ref" not in values:
        return replace(row, problem="ref_text is what ref says: give that too")
    row = replace(row, ref_text=str(values.get("ref_text", "")))
    if "ref" in values:
        row = replace(row, voice=folder / str(values["ref"]))
    elif "voice" in values:
        row = replace(row, voice=_voice(values["voice"], folder))
    try:
        return replace(row, options=_options(values))
    except UsageError as error:
        return replace(row, problem=str(error))


def _options(values: Mapping[str, Any]) -> Options:
    given: dict[str, Any] = {}
    for column in COLUMNS[COLUMNS.index("model") + 1 :]:
        value = values.get(column)
        if value is None:
            continue
        if isinstance(value, str) and column != "language":
            try:
                value = _NUMBERS.get(column, float)(value)
            except ValueError:
                raise UsageError(f"{column} is not a number: {value!r}") from None
        given[column] = value
    return options_of(None, given)

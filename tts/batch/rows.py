"""Rows of a batch, one for each text to say, from a table or from values in Python."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tts.batch.table import COLUMNS, MAX_TEXT, check_columns, read_table
from tts.errors import TTSError, UsageError
from tts.tuning.adaptation import parse_strength
from tts.types import Options, flag_of, options_of
from tts.voice.store import find_voice
from tts.voice.voice import Voice

#: ids, which are names of files on all systems
_IDS = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
#: columns of whole numbers
_INTEGERS = ("seed", "steps")


@dataclass(frozen=True)
class Row:
    """One text to say.

    Attributes:
        id: name of the files without extension; letters, digits, ".", "_" and "-".
        text: the text.
        voice: name of a voice, path of a voice file or of a recording, or a Voice.
        model: name or path of a model; "" for that of the batch.
        options: options of synthesis.
        problem: why the row cannot be spoken, found while it was read; "" if it can.
        is_done: whether the row was spoken before. It is computed again only so that the other
            rows of its group are computed in the same batch as they would have been, and nothing is
            written.
        ref_text: words of a recording, for models that need them.
        meta: columns of the table that are not known; they are copied into the manifest.
        adapt: strength of the adaptation to the voice, from 0 (none) to 1.
        enhance: whether noise and reverberation are removed from a recording.
    """

    id: str
    text: str
    voice: str | Path | Voice = "default"
    model: str = ""
    options: Options = Options()
    problem: str = ""
    is_done: bool = False
    ref_text: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)
    adapt: float = 0.0
    enhance: bool = True

    def key(self, digests: dict[str | Path, str]) -> str:
        """Return a checksum of what the audio depends on.

        Args:
            digests: checksums of the files of voices, which this extends.
        """
        if isinstance(self.voice, Voice):
            voice = self.voice.sha256
        else:
            if self.voice not in digests:
                digests[self.voice] = _file_digest(self.voice)
            voice = digests[self.voice]
        options = asdict(self.options)
        if options["markup"] == "none":
            del options["markup"]  # keys of folders from before there was markup still hold
        for name in ("emoji", "takes"):
            if not options[name]:
                del options[name]
        parts = [self.text, voice, self.model, options, self.problem]
        parts += [self.ref_text] if self.ref_text else []
        parts += [f"adapt {self.adapt:g}"] if self.adapt else []
        parts += [] if self.enhance else ["not enhanced"]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file_digest(voice: str | Path) -> str:
    """Return the SHA-256 of the file of a voice, so that another recording of the same name counts
    as another voice; its name if there is no such file, which becomes an error of its rows."""
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
    """Read the rows of a table. Voices and recordings that are relative paths are relative to the
    folder of the table. An error of one row is told in its `problem`.

    Raises:
        UsageError: the table cannot be read (tts.batch.table.read_table), or ids are not unique or
            not usable as names of files.
    """
    path = Path(path)
    return make_rows(read_table(path), path.parent, str(path))


def make_rows(
    values: Iterable[Row | Mapping[str, Any] | Sequence[Any]],
    folder: str | Path = ".",
    name: str = "rows",
) -> list[Row]:
    """Make rows of values in Python. An error of one row is told in its `problem`.

    Args:
        values: rows, mappings with `COLUMNS` as keys, or tuples (id, text[, voice[, options]]) with
            Options or a mapping of them. None stands for the default.
        folder: folder that relative paths are relative to.
        name: name of the values, for messages.

    Raises:
        UsageError: a value is none of these, or ids are not unique or not usable as names of files.
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
    """Make a row of a value in Python."""
    if isinstance(value, Row):
        return value
    if isinstance(value, Mapping):
        check_columns(value, f"{name} {number}", need_text=False)
        return _from_mapping(value, number, folder)
    if not isinstance(value, (tuple, list)) or not 2 <= len(value) <= 4:
        raise UsageError(f"{name} {number}: (id, text, voice, options) or a mapping expected")
    return _from_tuple((*value, None, None)[:4], number, folder)


def _from_tuple(values: Sequence[Any], number: int, folder: Path) -> Row:
    """Make a row of an id, a text, a voice and options."""
    id, text, voice, options = values
    row = _with_text(Row(f"{number:06d}" if id is None else str(id), ""), text)
    if row.problem:
        return row
    if voice is not None:
        row = replace(row, voice=_voice(voice, folder))
    try:
        given = Options() if options is None else options
        if not isinstance(given, (Options, Mapping)):
            raise UsageError(f"options are of tts.Options or a mapping, not {given!r:.40}")
        known = given if isinstance(given, Options) else options_of(None, given)
        known.check()
        return replace(row, options=known)
    except (UsageError, TypeError, ValueError) as error:
        return replace(row, problem=str(error))


def _with_text(row: Row, text: object) -> Row:
    """Return a row with its text, or with what is wrong with that."""
    if text is not None and not isinstance(text, str):
        return replace(row, problem=f"the text is not a string but {type(text).__name__}")
    if text is None or not text.strip():
        return replace(row, problem="the text is empty")
    if len(text) > MAX_TEXT:
        return replace(row, problem=f"the text is longer than {MAX_TEXT:,} characters")
    return replace(row, text=text)


def _voice(voice: Any, folder: Path) -> str | Path | Voice:
    """Return a voice as a row holds it. A string with a folder or an extension is a path."""
    if isinstance(voice, (Voice, Path)):
        return voice
    name = str(voice)
    is_path = "/" in name or "." in name
    return folder / name if is_path else name


def _from_mapping(values: Mapping[str, Any], number: int, folder: Path) -> Row:
    """Make a row of values by the names of their columns."""
    meta = {str(name): _json_value(value) for name, value in values.items() if name not in COLUMNS}
    values = {name: value for name, value in values.items() if value is not None}
    model = str(values.get("model", ""))
    if "://" not in model and ("/" in model or model.endswith(".yaml")):
        model = str(folder / model)
    row = Row(str(values.get("id", f"{number:06d}")), "", model=model, meta=meta)
    row = _with_text(row, values.get("text"))
    if row.problem:
        return row
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
        row = replace(
            row,
            adapt=parse_strength(values.get("adapt")),
            enhance=flag_of("enhance", values.get("enhance"), True),
        )
        if not row.enhance and "ref" not in values:
            raise UsageError("enhance is of the recording of ref: give that too")
        return replace(row, options=_options(values))
    except UsageError as error:
        return replace(row, problem=str(error))


def _options(values: Mapping[str, Any]) -> Options:
    """Return the options among the values of a row."""
    given: dict[str, Any] = {}
    for column in COLUMNS[COLUMNS.index("model") + 1 :]:
        value = values.get(column)
        if value is None:
            continue
        if column == "emoji":
            value = flag_of(column, value)
        elif isinstance(value, str) and column not in ("language", "markup"):
            value = _number(column, value)
        elif column in _INTEGERS and isinstance(value, float) and value.is_integer():
            value = int(value)  # 3.0, as a data frame with gaps writes 3
        given[column] = value
    return options_of(None, given)


def _number(column: str, text: str) -> float | int:
    """Return a number of a table: "1.5", or "1,5" as spreadsheets of some countries write it."""
    try:
        number = float(text.replace(",", ".") if text.count(",") == 1 else text)
        if column not in _INTEGERS or not number.is_integer():
            return number
        # A whole number beyond 2^53 must not go through a float; "3.0" is how a table with gaps
        # in its numbers writes 3.
        return int(text) if text.strip().lstrip("+-").isdigit() else int(number)
    except ValueError:
        raise UsageError(f"{column} is not a number: {text!r}") from None


def _json_value(value: Any) -> Any:
    """Return a value as the manifest can hold it."""
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)

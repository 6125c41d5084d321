"""What a batch is to say: rows of a CSV or JSON Lines file, or of Python values."""

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

_IDS = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_WHOLE = ("seed", "steps")


@dataclass(frozen=True)
class Row:
    """One thing to say.

    Attributes:
        id: names the file; letters, digits, ".", "_" and "-".
        voice: a name, a voice file, a recording (Path), or a Voice.
        ref_text: what a recording says, for models that need it.
        adapt: fit the model to the voice, 0 (not) to 1 (with full strength).
        enhance: take noise and the room out of a recording.
        model: name or path; "" for that of the batch.
        problem: why it cannot be said, found while it was read.
        mate: it is there already and only shares a batch with rows that are not.
        meta: columns of the table that mean nothing here; they go into the manifest.
    """

    id: str
    text: str
    voice: str | Path | Voice = "default"
    model: str = ""
    options: Options = Options()
    problem: str = ""
    mate: bool = False
    ref_text: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)
    adapt: float = 0.0
    enhance: bool = True

    def key(self, digests: dict[str, str]) -> str:
        """What the audio depends on, as a checksum; `digests` keeps those of files."""
        if isinstance(self.voice, Voice):
            voice = self.voice.sha256
        else:
            name = str(self.voice)
            if name not in digests:
                digests[name] = _file_digest(self.voice)
            voice = digests[name]
        options = asdict(self.options)
        if options["markup"] == "none":
            del options["markup"]  # as it was before there was any
        for name in ("emoji", "takes"):
            if not options[name]:
                del options[name]
        parts = [self.text, voice, self.model, options, self.problem]
        parts += [self.ref_text] if self.ref_text else []
        parts += [f"adapt {self.adapt:g}"] if self.adapt else []
        parts += [] if self.enhance else ["not enhanced"]
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
    """Rows of a table (tts.batch.table.read_table); voices and recordings that are paths are taken
    from the folder of the file.

    What is wrong with one row is kept in its `problem`; only the file as a whole can fail.

    Raises:
        UsageError: as `read_table`; ids that are not usable as file names or not unique.
    """
    path = Path(path)
    return make_rows(read_table(path), path.parent, str(path))


def make_rows(
    values: Iterable[Row | Mapping[str, Any] | Sequence[Any]],
    folder: str | Path = ".",
    name: str = "rows",
) -> list[Row]:
    """Rows of Python values.

    Args:
        values: `Row`s, mappings with `COLUMNS` as keys, or tuples (id, text[, voice[, options]])
            with Options or a mapping of them; None is the default.
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
        check_columns(value, f"{name} {number}", need_text=False)
        return _from_mapping(value, number, folder)
    if not isinstance(value, (tuple, list)) or not 2 <= len(value) <= 4:
        raise UsageError(f"{name} {number}: (id, text, voice, options) or a mapping expected")
    name_of = f"{number:06d}" if value[0] is None else str(value[0])
    row = Row(name_of, value[1] if isinstance(value[1], str) else "")
    if not isinstance(value[1], str):
        return replace(row, problem=_not_text(value[1]))
    if len(value) > 2 and value[2] is not None:
        row = replace(row, voice=_voice(value[2], folder))
    try:
        given = value[3] if len(value) > 3 and value[3] is not None else Options()
        if not isinstance(given, (Options, Mapping)):
            raise UsageError(f"options are of tts.Options or a mapping, not {given!r:.40}")
        known = given if isinstance(given, Options) else options_of(None, given)
        known.check()
        return replace(row, options=known)
    except (UsageError, TypeError, ValueError) as error:
        return replace(row, problem=str(error))


def _not_text(value: object) -> str:
    return f"the text is not a string but {type(value).__name__}"


def _voice(voice: Any, folder: Path) -> str | Path | Voice:
    """What may be said of a voice in Python; a string with a folder or extension is a path."""
    if isinstance(voice, (Voice, Path)):
        return voice
    name = str(voice)
    is_path = "/" in name or "." in name
    return folder / name if is_path else name


def _from_mapping(values: Mapping[str, Any], number: int, folder: Path) -> Row:
    meta = {str(name): _plain(value) for name, value in values.items() if name not in COLUMNS}
    values = {name: value for name, value in values.items() if value is not None}
    model = str(values.get("model", ""))
    if "://" not in model and ("/" in model or model.endswith(".yaml")):
        model = str(folder / model)
    row = Row(str(values.get("id", f"{number:06d}")), "", model=model, meta=meta)
    text = values.get("text")
    if text is not None and not isinstance(text, str):
        return replace(row, problem=_not_text(text))
    if text is None or not text.strip():
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
    given: dict[str, Any] = {}
    for column in COLUMNS[COLUMNS.index("model") + 1 :]:
        value = values.get(column)
        if value is None:
            continue
        if column == "emoji":
            value = flag_of(column, value)
        elif isinstance(value, str) and column not in ("language", "markup"):
            value = _number(column, value)
        elif column in _WHOLE and isinstance(value, float) and value.is_integer():
            value = int(value)  # 3.0, as a data frame with gaps writes 3
        given[column] = value
    return options_of(None, given)


def _number(column: str, text: str) -> float | int:
    """A number as tables hold it: "1.5", or "1,5" where a spreadsheet writes it so."""
    try:
        number = float(text.replace(",", ".") if text.count(",") == 1 else text)
        if column not in _WHOLE or not number.is_integer():
            return number
        # A whole number beyond 2^53 must not go through a float; "3.0" is how a table with gaps
        # in its numbers writes 3.
        return int(text) if text.strip().lstrip("+-").isdigit() else int(number)
    except ValueError:
        raise UsageError(f"{column} is not a number: {text!r}") from None


def _plain(value: Any) -> Any:
    """A value as the manifest can hold it."""
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)

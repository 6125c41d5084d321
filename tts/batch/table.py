"""Tables of texts: CSV with any separator, as spreadsheets write it, and JSON Lines."""

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from tts.errors import UsageError
from tts.resources import nearest

#: columns that are known; those after "model" are options (tts.types.Options)
COLUMNS = (
    "id", "text", "voice", "ref", "ref_text", "adapt", "enhance", "model", "language", "speed",
    "seed", "pitch", "steps", "guidance", "temperature", "markup", "emoji",
)  # fmt: skip
MAX_TEXT = 1_000_000
SEPARATORS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
_TABLES = (".csv", ".tsv", ".tab", ".txt")
#: similarity of two names from which on one is taken for a misspelling of the other
_SIMILAR = 0.75
#: a separator for tables of one column, in which no character separates
_NO_SEPARATOR = "\x1f"


def read_table(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a `.csv`, `.tsv`, `.tab` or `.txt` table with a header, or of a `.jsonl`
    file, in UTF-8, or in UTF-16 with a byte order mark, as spreadsheets write it.

    The separator is found: comma, semicolon, tab or bar, or what a first line "sep=;" tells. Names
    of columns are compared without regard to case and to blanks around them; columns that are not
    known are kept. Lines without any value are left out.

    Raises:
        UsageError: no such file, not a table or JSON Lines, no column "text", or a column that is
            misspelt or comes twice.
    """
    kind = path.suffix.lower()
    if kind in (".xlsx", ".xls", ".ods", ".numbers"):
        raise UsageError(f'{path.name!r} is a spreadsheet: save it as "CSV UTF-8" first')
    if kind != ".jsonl" and kind not in _TABLES:
        raise UsageError(
            f"rows come from a .csv, .tsv, .txt (with a header) or .jsonl file, not {path.name!r}"
        )
    try:
        text = _decoded(path.read_bytes(), str(path))
        rows = _json_lines(text, str(path)) if kind == ".jsonl" else _table(text, str(path))
        found = list(rows)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except csv.Error as error:
        raise UsageError(f"{path} is not CSV: {error}") from error
    if not found:
        raise UsageError(f"{path} holds no rows")
    return found


def _decoded(data: bytes, name: str) -> str:
    """Decode the bytes of a table."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "UTF-16" if wide else "UTF-8"
        raise UsageError(
            f'{name} is not {kind} text (byte {error.start}): save it as "CSV UTF-8"'
        ) from error


def _separator(header: str, kind: str) -> str:
    """Return the separator of a table: the one by which its first line has the most known columns,
    then the most columns.

    Args:
        header: the first line.
        kind: extension of the file.
    """

    def score(mark: str) -> tuple[int, int]:
        names = next(csv.reader([header], delimiter=mark), [])
        return sum(column_name(name) in COLUMNS for name in names), len(names)

    if not any(mark in header for mark in SEPARATORS):
        return _NO_SEPARATOR
    first = ["\t"] if kind in (".tsv", ".tab") else []
    return max([*first, *SEPARATORS], key=score)


def column_name(name: str) -> str:
    """Return the form of a name in which it is compared with `COLUMNS`."""
    return "_".join(name.strip().strip("\ufeff").lower().split())


def _table(text: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of CSV."""
    text, mark, skipped = _split_separator(text, name)
    before = csv.field_size_limit(4 * MAX_TEXT)  # of the whole process
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
        header: list[str] | None = None
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = _header(row, name, mark)
                continue
            where = f"{name} line {reader.line_num + skipped}"
            yield _cells(header, row, where, mark)
    finally:
        csv.field_size_limit(before)


def _split_separator(text: str, name: str) -> tuple[str, str, int]:
    """Return a table without a first line "sep=;", its separator, and how many lines were taken
    away."""
    first, _, rest = text.partition("\n")
    line = first.strip().strip('"')
    if line.lower().startswith("sep=") and len(line) == 5:
        return rest, line[4], 1
    if line.lower() == "sep=" and first.rstrip("\r").endswith("\t"):
        return rest, "\t", 1
    header = next((line for line in text.splitlines() if line.strip()), "")
    return text, _separator(header, Path(name).suffix.lower()), 0


def _known_name(name: str) -> str:
    """Return the name of a known column; of another, the name as it was written."""
    return column_name(name) if column_name(name) in COLUMNS else name


def _header(row: list[str], name: str, mark: str) -> list[str]:
    """Return the names of the columns."""
    header = [_known_name(cell.strip()) for cell in row]
    check_columns([cell for cell in header if cell], name, separator=mark)
    return header


def _cells(header: list[str], row: list[str], where: str, mark: str) -> dict[str, Any]:
    """Return the values of a row by their columns. A short line lacks the last columns; an empty
    cell stands for the default."""
    if any(cell.strip() for cell in row[len(header) :]):
        raise UsageError(
            f"{where}: more values than columns with the separator {SEPARATORS.get(mark, mark)}; "
            "put a text that holds it in double quotes"
        )
    cells = zip(header, row, strict=False)
    return {
        column: cell if column == "text" else cell.strip()
        for column, cell in cells
        if column and cell.strip()
    }


def _json_lines(text: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of JSON Lines."""
    for number, line in enumerate(io.StringIO(text), 1):
        if not line.strip():
            continue
        where = f"{name} line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{where} is not an object")
        named = [(_known_name(key), value) for key, value in row.items()]
        check_columns([key for key, _ in named], where, need_text=False)
        # As in CSV, an empty value of a known column stands for the default.
        yield {
            key: value
            for key, value in named
            if value is not None and not (key in COLUMNS and str(value).strip() == "")
        }


def check_columns(
    columns: Iterable[str], name: str, need_text: bool = True, separator: str = ""
) -> None:
    """Check the names of columns.

    Args:
        columns: the names.
        name: name of the table, for messages.
        need_text: whether there has to be a column "text".
        separator: the separator of the table, for messages.

    Raises:
        UsageError: a name is nearly one of `COLUMNS` that is missing, comes twice, or there is no
            column "text".
    """
    given = [str(column) for column in columns]
    known_mark = SEPARATORS.get(separator)
    split = f" with the separator {known_mark}" if known_mark else ""
    for column, times in Counter(given).items():
        if times > 1:
            raise UsageError(f"{name}: the column {column!r} comes {times} times")
        if column in COLUMNS:
            continue
        for known in COLUMNS:
            like = SequenceMatcher(None, column_name(column), known).ratio()
            if known not in given and like >= _SIMILAR:
                raise UsageError(f"{name}: unknown column {column!r}; did you mean {known!r}?")
    if need_text and "text" not in given:
        raise UsageError(
            f"{name}: no column 'text'{split} in its first line, which names the columns"
            f"{nearest('text', given)}"
        )

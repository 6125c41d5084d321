"""A table of texts as people have them: CSV with any separator, of spreadsheets, JSON Lines."""

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

#: columns with a meaning; those after "model" are options (tts.types.Options)
COLUMNS = (
    "id", "text", "voice", "ref", "ref_text", "adapt", "enhance", "model", "language", "speed",
    "seed", "pitch", "steps", "guidance", "temperature", "markup", "emoji",
)  # fmt: skip
MAX_TEXT = 1_000_000
SEPARATORS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
_TABLES = (".csv", ".tsv", ".tab", ".txt")
_SAME = 0.75  # likeness of two names from which one is taken for a slip of the other


def read_table(path: Path) -> list[dict[str, Any]]:
    """Rows of a `.csv`, `.tsv`, `.tab` or `.txt` table with a header, or of a `.jsonl` file.

    The separator is found: comma, semicolon, tab or bar, or what a first line "sep=;" says. Names
    of columns are taken without regard to case and blanks around them; those that mean nothing
    here are kept. Lines without any value are left out. UTF-8, or UTF-16 with its mark, as
    spreadsheets write it.

    Raises:
        UsageError: no such file, not a table or JSON Lines, no column "text", a column that seems
            to be misspelt or comes twice.
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
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "UTF-16" if wide else "UTF-8"
        raise UsageError(
            f'{name} is not {kind} text (byte {error.start}): save it as "CSV UTF-8"'
        ) from error


def _separator(header: str, kind: str) -> str:
    """The separator of a table from its first line: the one that shows the most of our columns,
    then the one that comes most often."""

    def score(mark: str) -> tuple[int, int]:
        names = next(csv.reader([header], delimiter=mark), [])
        return sum(_plain(name) in COLUMNS for name in names), len(names)

    if not any(mark in header for mark in SEPARATORS):
        return "\x1f"  # one column: what is in it is text
    first = ["\t"] if kind in (".tsv", ".tab") else []
    return max([*first, *SEPARATORS], key=score)


def _plain(name: str) -> str:
    return "_".join(name.strip().strip("\ufeff").lower().split())


def _table(text: str, name: str) -> Iterator[dict[str, Any]]:
    before = csv.field_size_limit(4 * MAX_TEXT)  # of the whole process
    try:
        first, _, rest = text.partition("\n")
        told = first.strip().strip('"')
        if told.lower().startswith("sep=") and len(told) == 5:
            mark, text, skipped = told[4], rest, 1
        elif told.lower() == "sep=" and first.rstrip("\r").endswith("\t"):
            mark, text, skipped = "\t", rest, 1
        else:
            head = next((line for line in text.splitlines() if line.strip()), "")
            mark, skipped = _separator(head, Path(name).suffix.lower()), 0
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


def _header(row: list[str], name: str, mark: str) -> list[str]:
    # Ours by their plain names; what is kept is called as it was written.
    header = [_plain(cell) if _plain(cell) in COLUMNS else cell.strip() for cell in row]
    check_columns([cell for cell in header if cell], name, separator=mark)
    return header


def _cells(header: list[str], row: list[str], where: str, mark: str) -> dict[str, Any]:
    """A row by its columns. A short line lacks the last ones; an empty cell is the default."""
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
        named = [(_plain(key) if _plain(key) in COLUMNS else key, row[key]) for key in row]
        check_columns([key for key, _ in named], where, need_text=False)
        # An empty value of ours is the default, as an empty cell.
        yield {
            key: value
            for key, value in named
            if value is not None and not (key in COLUMNS and str(value).strip() == "")
        }


def check_columns(
    columns: Iterable[str], name: str, need_text: bool = True, separator: str = ""
) -> None:
    """Refuse columns that look like a slip, and a table without texts.

    Raises:
        UsageError: a name that is nearly one of `COLUMNS` which is not there, one that comes
            twice, or no "text"; with the separator that the columns were split by.
    """
    given = [str(column) for column in columns]
    split = f" with the separator {SEPARATORS.get(separator, repr(separator))}" if separator else ""
    for column, times in Counter(given).items():
        if times > 1:
            raise UsageError(f"{name}: the column {column!r} comes {times} times")
        if column in COLUMNS:
            continue
        for known in COLUMNS:
            like = SequenceMatcher(None, _plain(column), known).ratio()
            if known not in given and like >= _SAME:
                raise UsageError(f"{name}: unknown column {column!r}; did you mean {known!r}?")
    if need_text and "text" not in given:
        there = ", ".join(given)
        raise UsageError(
            f"{name}: no column 'text'{split}{nearest('text', given)}; there is: {there}"
        )

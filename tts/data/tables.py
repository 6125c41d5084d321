"""Tables of recordings: TSV or CSV files whose first line may name the columns."""

import csv
from collections.abc import Iterator
from pathlib import Path

from tts.data.texts import read_text
from tts.errors import DataError

Row = tuple[int, list[str]]


def table_rows(path: Path, tabs: bool | None = None) -> tuple[list[str], Iterator[Row]]:
    """Read a table.

    Args:
        path: of the table.
        tabs: whether the file is TSV, without quoting, instead of CSV. By default it is TSV if its
            first line has a tab.

    Returns:
        the fields of the first line, and an iterator over the number and the fields of every later
        line that is not blank.

    Raises:
        DataError: the file is not UTF-8, or (while iterating) a line is not valid CSV.
        OSError: the file cannot be read.
    """
    content = read_text(path)
    # Not splitlines, as texts may contain other Unicode line separators. Line ends are kept, so
    # that the lines of a quoted text stay separate.
    lines = [line + "\n" for line in content.split("\n")]
    if tabs or tabs is None and "\t" in lines[0]:
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines)

    def numbered() -> Iterator[Row]:
        try:
            for row in reader:
                yield reader.line_num, row
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num}: {error}") from error

    rows = numbered()
    _, first = next(rows, (0, []))
    return first, (each for each in rows if any(field.strip() for field in each[1]))

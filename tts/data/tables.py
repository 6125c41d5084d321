"""Tables of recordings: TSV or CSV files whose first line may name the columns."""

import csv
from collections.abc import Iterator
from pathlib import Path

from tts.data.texts import read_text
from tts.errors import DataError

Row = tuple[int, list[str]]


def table_rows(path: Path, tabs: bool | None = None) -> tuple[list[str], Iterator[Row]]:
    """The fields of the first line of a table, and each later line that is not blank as its number
    and its fields.

    Args:
        tabs: whether the file is TSV, whose fields cannot be quoted, and not CSV; by default the
            first line tells, by holding a tab.

    Raises:
        DataError: the file is not UTF-8; while iterating, a line that is not CSV.
        OSError: the file cannot be read.
    """
    content = read_text(path)
    # Not splitlines: texts may hold other Unicode separators. With their ends, so that the lines of
    # a quoted text are not run together.
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

"""Plain text as training data: files of a folder, or one file."""

from collections.abc import Iterator
from pathlib import Path

from tts.errors import DataError


def read_text(path: Path) -> str:
    """Content of a text file, without a byte order mark; DataError if it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start})") from error


def texts_in(folder: str | Path) -> Iterator[str]:
    """Yield the contents of the *.txt files of a folder, in the order of their names.

    Raises:
        DataError: a file is not UTF-8, or cannot be read.
    """
    for path in sorted(Path(folder).glob("*.txt")):
        try:
            yield read_text(path)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error

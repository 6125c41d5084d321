"""Check of the type of what a user gives as a text."""

from collections.abc import Iterable, Mapping, Set

from tts.errors import TextError


def check_text(text: object, pieces: bool = True) -> None:
    """Check that a text is a string, or an iterable of strings where `pieces` allows it.

    Raises:
        TextError: it is anything else; bytes are told to be decoded first.
    """
    if isinstance(text, (bytes, bytearray)):
        raise TextError("the text is bytes: decode it first, as with .decode('utf-8')")
    # Of a mapping only the keys would be said, of a set in any order.
    wrong = isinstance(text, (Mapping, Set))
    if wrong or not isinstance(text, (str, Iterable) if pieces else str):
        kind = "a string or strings" if pieces else "a string"
        raise TextError(f"the text must be {kind}, not {type(text).__name__}")

"""Inline phones of a text, as in `say [[təmˈɑːtoʊ]]`: where they stand, and what in them is no IPA.

While a text is normalized, a placeholder stands for each block of inline phones. It is a
private-use character, which normalization would remove if it were written in a text.
"""

import re
from collections.abc import Sequence

from tts.text.symbols import unknown_signs

__all__ = ["INLINE", "MAX_BLOCKS", "PLACEHOLDER", "block_number", "inline_warnings", "placeholder"]

INLINE = re.compile(r"\[\[([^\[\]]*)\]\]")
PLACEHOLDER = re.compile("[\U000f0000-\U000ffffd]")
_FIRST = 0xF0000
#: blocks of one text, as many as there are placeholders
MAX_BLOCKS = 0xFFFD
#: marks that people write between phones; they say nothing but are no mistake
_MARKS = ",.-"


def placeholder(number: int) -> str:
    """Return the character that stands for the block of this number, counted from 0."""
    return chr(_FIRST + number)


def block_number(character: str) -> int:
    """Return the number of the block that a placeholder stands for."""
    return ord(character) - _FIRST


def inline_warnings(pieces: Sequence[str]) -> list[str]:
    """Warn of blocks with signs that are no phones, and of blocks that are not closed.

    Args:
        pieces: a text split at `INLINE`, so that every second piece is the inside of a block.

    Returns:
        One line for each fault, in order; the same line is not repeated.
    """
    told = []
    for block in pieces[1::2]:
        if wrong := [sign for sign in unknown_signs(block) if sign not in _MARKS]:
            signs = ", ".join(map(repr, wrong))
            many = "are no phones and are" if len(wrong) > 1 else "is no phone and is"
            told.append(f"[[{block[:40]}]]: {signs} {many} left out")
    for piece in pieces[::2]:
        for at in (match.start() for match in re.finditer(r"\[\[", piece)):
            shown = piece[at : at + 20].split("\n")[0]
            told.append(f"{shown!r} begins phones that ]] does not end: it is read as a text")
    return list(dict.fromkeys(told))

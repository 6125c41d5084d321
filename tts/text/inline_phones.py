"""Phones written in a text, `say [[təmˈɑːtoʊ]]`: where they are, and what in them is none."""

import re
from collections.abc import Sequence

from tts.text.symbols import unknown_signs

__all__ = ["INLINE", "inline_warnings"]

INLINE = re.compile(r"\[\[([^\[\]]*)\]\]")
#: marks that people put between phones, which say nothing but are no mistake
_MARKS = ",.-"


def inline_warnings(pieces: Sequence[str]) -> list[str]:
    """A line for each block with signs that are no phones, and for each that is not closed.

    Args:
        pieces: of a text, split at `INLINE`: every second one is the inside of a block.
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

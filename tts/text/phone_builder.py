"""Builder of the token sequence of a sentence from the phones of its words and its punctuation."""

from typing import Literal

from tts.text.symbols import PAUSES, PUNCTUATION, SIL, Phones, encode_phones, phones_to_ids

__all__ = ["Pauses", "PhoneBuilder"]

Pauses = Literal["marks", "sil", "none"]
#: marks from the weakest to the strongest pause
_STRENGTH = {mark: rank for rank, mark in enumerate(",()—:;….!?")}


class PhoneBuilder:
    """Builder of `Phones`: words and marks are added in order. Where several marks meet, only the
    strongest remains.

    Args:
        pauses: what becomes of punctuation, see `tts.text.frontend.Frontend`.
    """

    def __init__(self, pauses: Pauses) -> None:
        self.phones = Phones([SIL], [0])
        self.pauses = pauses

    def word(self, text: str, ipa: str) -> None:
        """Add a word with its pronunciation; one without any known phone is left out."""
        ids, mods = encode_phones(ipa, self.phones.dropped)
        if ids:
            start = len(self.phones.ids)
            self.phones.ids += ids
            self.phones.mods += mods
            self.phones.words.append((text, start, start + len(ids)))

    def mark(self, mark: str) -> None:
        """Add the pause of a punctuation mark; before the first word it is left out."""
        if self.pauses == "none" or not self.phones.words:
            return
        mark = "," if mark in "()" else mark
        new = SIL if self.pauses == "sil" else phones_to_ids(mark)[0]
        last = self.phones.ids[-1]
        if last not in PAUSES:
            self.phones.ids.append(new)
            self.phones.mods.append(0)
        elif self.pauses == "marks" and _strength(mark) > _strength(_mark_of(last)):
            self.phones.ids[-1] = new

    def finish(self, text: str) -> Phones | None:
        """Return the tokens, with silence at the end, or None where no word was added.

        Args:
            text: what was spoken, for `Phones.text`.
        """
        if not self.phones.words:
            return None
        if self.phones.ids[-1] != SIL:
            self.phones.ids.append(SIL)
            self.phones.mods.append(0)
        self.phones.text = " ".join(text.split())
        return self.phones


def _mark_of(symbol: int) -> str:
    return PUNCTUATION[symbol - 4] if 4 <= symbol < 4 + len(PUNCTUATION) else ","


def _strength(mark: str) -> int:
    return _STRENGTH.get(mark, 0)

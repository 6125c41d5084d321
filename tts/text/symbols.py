"""Symbol table of phones, and the encoding of IPA as tokens.

A token is a pair of a base symbol and a modifier. Stress, length, tones and diacritics have no
duration of their own; they become the modifier of the phone that they belong to, so that every
token can be aligned to at least one frame. Trained weights index these tables, which must therefore
never be reordered (a test pins their checksum).
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tts.text.style import Style

__all__ = [
    "MODS", "N_MODS", "N_SYMBOLS", "NULL", "PAD", "PAUSES", "PUNCTUATION", "SIL", "SYMBOLS",
    "UNK", "VOWELS", "Phones", "decode_phones", "encode_phones", "ids_to_phones", "make_mod",
    "phones_to_ids", "split_mod", "unknown_signs",
]  # fmt: skip

PAD, UNK, SIL, NULL = 0, 1, 2, 3
_SPECIALS = ("<pad>", "<unk>", "<sil>", "<null>")
PUNCTUATION = (" ", ",", ".", "?", "!", ";", ":", "—", "…", '"', "(", ")")
_LATIN = tuple("abcdefhijklmnopqrstuvwxyz") + tuple("æçðøħŋœ")
_IPA = tuple(chr(c) for c in range(0x250, 0x2B0))
_OTHER = tuple("βθχᵻᵿǀǁǂǃ")
_STRESS = ("", "ˈ", "ˌ")
_LONG = ("", "ː")
# The index of each is the third digit of a modifier. A phone has at most one of them.
_EXTRAS = (
    "", "\u0329", "\u0303", "ʲ", "ʰ", "ʱ", "ʷ", "ˤ", "ʼ", "\u032a", "\u031d", "\u031e", "\u030a",
    "\u0308", "\u032f", "˞", "1", "2", "3", "4", "5", "6", "7", "8",
)  # fmt: skip
_MARKS = _STRESS[1:] + _LONG[1:] + _EXTRAS[1:]

SYMBOLS: tuple[str, ...] = _SPECIALS + PUNCTUATION + _LATIN + _IPA + _OTHER + _MARKS
N_SYMBOLS = len(SYMBOLS)
#: (stress mark, length mark, other mark) of each modifier id; id 0 is a plain phone
MODS: tuple[tuple[str, str, str], ...] = tuple(
    (stress, long, extra) for extra in _EXTRAS for long in _LONG for stress in _STRESS
)
N_MODS = len(MODS)
_IDS = {symbol: i for i, symbol in enumerate(SYMBOLS)}
#: ids of symbols that stand for silence or a pause rather than for a phone
PAUSES = frozenset([SIL, *(_IDS[p] for p in PUNCTUATION)])

VOWELS = frozenset("aeiouyæøœɐɑɒɔɘəɚɛɜɝɞɤɨɪɯɵɶʉʊʌʏɿʅᵻᵿ")

# Kirshenbaum (ASCII) names that espeak-ng leaves untranslated, precomposed letters and rare forms.
_ALIASES = {
    "g": "ɡ", "ε": "ɛ", "Φ": "ɸ", "φ": "ɸ", "ʦ": "ts", "ʣ": "dz", "ʧ": "tʃ", "ʤ": "dʒ",
    "ʨ": "tɕ", "ʥ": "dʑ", "S": "ʃ", "Z": "ʒ", "N": "ŋ", "X": "χ", "A": "ɑ", "K": "k", "F": "f",
    "ᵐ": "m", "ᵑ": "ŋ", "ⁿ": "n", "ᶮ": "ɲ", "ᵝ": "ʷ", "ˑ": "ː", "'": "ˈ", "ʹ": "ʲ", "ˠ": "ˤ",
    "\u0334": "ˤ", "’": "ʼ", "ˀ": "ʼ", "\u033a": "\u032a", "\u033b": "\u032a",
    "\u0325": "\u030a", "\u0324": "ʱ", "\u031f": "\u0308", "\u0320": "\u0308",
    "\u033d": "\u0308", "\u0306": "\u032f", "\u031a": "\u032f",
    "ä": "a\u0308", "ã": "a\u0303", "ẽ": "e\u0303", "ĩ": "i\u0303", "õ": "o\u0303",
    "ũ": "u\u0303", "ỹ": "y\u0303",
    "–": "—", "-": "", "_": "", "\u0361": "", "\u035c": "", "\u200d": "", "‿": "", "|": "",
    "+": "", "#": "", ".": "",
}  # fmt: skip
_ESPEAK_ONLY = frozenset("#+_")
_TONE_LETTERS = {"˥": "1", "˧˥": "2", "˨˩˦": "3", "˨˩": "3", "˥˩": "4"}
# Which mark stays when a phone has several: tones tell words apart the most, dentals the least.
_PRIORITY = (*range(16, 24), 2, 1, 3, 4, 5, 8, 10, 6, 7, 15, 11, 12, 13, 14, 9)
_RANK = {extra: rank for rank, extra in enumerate(_PRIORITY)}
_EXTRA_IDS = {mark: i for i, mark in enumerate(_EXTRAS) if mark}
_TONES = frozenset("12345678")
_BASE = frozenset(_LATIN + _IPA + _OTHER)


@dataclass
class Phones:
    """Token sequence of one utterance, and where its words stand in the tokens and in the text.

    Attributes:
        ids: base symbol of each token, an index into `SYMBOLS`.
        mods: modifier of each token, an index into `MODS`.
        words: (word, first token, token past the last) of each word; pauses lie outside of words.
        text: the normalized text that the tokens were made from.
        dropped: symbols that are not in the table and were left out.
        pause_after: silence that follows the sentence, in seconds.
        spans: (start, end) of the written form of each word in the text that was given. Words of
            one written form ("$5") share it. Empty where there was no text.
        styles: style of each word; empty where no markup asks for any (tts.text.markup).
        breaks: exact seconds of the pause before a word, by its number; 0 is no pause. Number 0 is
            the silence before the first word, and the number of words that after the last one,
            which replaces `pause_after`.
    """

    ids: list[int] = field(default_factory=list)
    mods: list[int] = field(default_factory=list)
    words: list[tuple[str, int, int]] = field(default_factory=list)
    text: str = ""
    dropped: list[str] = field(default_factory=list)
    pause_after: float = 0.0
    spans: list[tuple[int, int]] = field(default_factory=list)
    styles: list["Style"] = field(default_factory=list)
    breaks: dict[int, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def __str__(self) -> str:
        """The IPA of the tokens, with spaces around words."""
        edges = {edge for _, first, last in self.words for edge in (first, last)}
        out = [
            (" " if at in edges else "") + decode_phones([i], [mod])
            for at, (i, mod) in enumerate(zip(self.ids, self.mods, strict=True))
        ]
        return " ".join("".join(out).split())


def make_mod(stress: int = 0, long: bool = False, extra: int = 0) -> int:
    """Return the modifier id of a stress (0 none, 1 primary, 2 secondary), a length and a mark."""
    return stress + 3 * int(long) + 6 * extra


def split_mod(mod: int) -> tuple[int, bool, int]:
    """Return (stress, long, extra) of a modifier id, the inverse of `make_mod`."""
    return mod % 3, bool(mod // 3 % 2), mod // 6


def phones_to_ids(phones: str | Iterable[str]) -> list[int]:
    """Return one id for each character or list item; unknown ones get that of `<unk>`.

    Marks are symbols of their own here, unlike in `encode_phones`.
    """
    return [_IDS.get(symbol, UNK) for symbol in phones]


def ids_to_phones(ids: Iterable[int]) -> str:
    """Return the symbols of ids, the inverse of `phones_to_ids` for known symbols."""
    return "".join(SYMBOLS[i] for i in ids)


def unknown_signs(ipa: str) -> list[str]:
    """Return the signs of handwritten IPA that are no phones, once each.

    Signs that only espeak-ng writes count as unknown here.
    """
    dropped: list[str] = []
    encode_phones(ipa, dropped)
    return list(dict.fromkeys([*dropped, *(sign for sign in ipa if sign in _ESPEAK_ONLY)]))


def encode_phones(ipa: str, dropped: list[str] | None = None) -> tuple[list[int], list[int]]:
    """Encode the IPA of one word.

    A stress mark before an onset moves to the next vowel or syllabic consonant. A tone moves back
    to the first vowel of its syllable.

    Args:
        ipa: pronunciation of a word.
        dropped: a list to which unknown symbols, which are left out, are added.

    Returns:
        The symbol and the modifier of each phone.
    """
    bases: list[str] = []
    marks: list[tuple[int, bool, int]] = []
    stresses: list[tuple[int, int]] = []
    for symbol in _clean(ipa):
        if symbol in _BASE:
            bases.append(symbol)
            marks.append((0, False, 0))
        elif symbol == "ˈ" or symbol == "ˌ":
            stresses.append((len(bases), 1 if symbol == "ˈ" else 2))
        elif symbol in _TONES and bases:
            at = _tone_bearer(bases, marks)
            marks[at] = (*marks[at][:2], _EXTRA_IDS[symbol])
        elif symbol == "ː" and bases:
            marks[-1] = (marks[-1][0], True, marks[-1][2])
        elif symbol in _EXTRA_IDS and bases:
            stress, long, extra = marks[-1]
            new = _EXTRA_IDS[symbol]
            if not extra or _RANK[new] < _RANK[extra]:
                marks[-1] = (stress, long, new)
        elif not symbol.isspace() and dropped is not None:
            dropped.append(symbol)
    # A later mark on the same vowel loses: espeak writes the real stress first.
    for start, stress in reversed(stresses):
        vowel = _nucleus(bases, marks, start)
        if vowel is not None:
            marks[vowel] = (stress, *marks[vowel][1:])
    return [_IDS[base] for base in bases], [make_mod(*mark) for mark in marks]


def decode_phones(ids: Iterable[int], mods: Iterable[int]) -> str:
    """Return the IPA of tokens. Stress is written before its phone and other marks after it;
    silence is left out."""
    out = []
    for i, mod in zip(ids, mods, strict=True):
        if i in (PAD, SIL, NULL):
            continue
        stress, long, extra = MODS[mod]
        out.append(stress + SYMBOLS[i] + extra + long)
    return "".join(out)


def _clean(ipa: str) -> list[str]:
    """Return the characters of IPA with their aliases replaced by symbols of the table."""
    for letters, tone in sorted(_TONE_LETTERS.items(), key=lambda item: -len(item[0])):
        ipa = ipa.replace(letters, tone)
    symbols: list[str] = []
    for symbol in ipa:
        known = _ALIASES.get(symbol, symbol)
        if known == symbol and symbol not in _IDS:
            # A precomposed letter is its parts, but only if the parts are symbols.
            parts = unicodedata.normalize("NFD", symbol)
            known = parts if all(part in _IDS for part in parts) else symbol
        symbols.extend(known)
    return symbols


def _nucleus(bases: list[str], marks: list[tuple[int, bool, int]], start: int) -> int | None:
    """Return the phone from `start` on that bears a stress; None where no phone follows."""
    for at in range(start, len(bases)):
        if bases[at] in VOWELS or marks[at][2] == 1:
            return at
    return start if start < len(bases) else None


def _tone_bearer(bases: list[str], marks: list[tuple[int, bool, int]]) -> int:
    """Return the first vowel of the last syllable, or the last phone where it has no vowel."""
    at = len(bases) - 1
    while at > 0 and bases[at] not in VOWELS and marks[at][2] < 16:
        at -= 1
    if bases[at] not in VOWELS:
        return len(bases) - 1
    while at > 0 and bases[at - 1] in VOWELS and marks[at - 1][2] < 16:
        at -= 1
    return at

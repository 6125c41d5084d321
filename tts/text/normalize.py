"""Text normalization: a text as it is written to the words that are spoken.

Texts of all languages get the Unicode clean-up. Numbers, dates, times, amounts and abbreviations
are verbalized in English (tts.text.english) and in German, French, Spanish, Italian, Portuguese,
Dutch and Polish (tts.text.languages). In other languages espeak-ng reads numbers.
"""

import re
import unicodedata

from tts.errors import TextError
from tts.text.english import RULES
from tts.text.english_codes import RAISED
from tts.text.english_counts import STARS
from tts.text.english_headings import HEADINGS
from tts.text.english_tables import ABBREVIATIONS
from tts.text.language_abbreviations import before_figures
from tts.text.tracked import Rule, Tracked, rule
from tts.text.truecasing import truecase

__all__ = ["clean", "normalize", "normalize_tracked"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_MARKS = 4
_JOINERS = "\u200c\u200d"
_TABLE: dict[str, str] = {
    **dict.fromkeys("“”„‟«»‹›「」『』《》〈〉\u2329\u232a＂″", '"'),
    **dict.fromkeys("‘’‚‛ʼ′＇`´", "'"),
    **dict.fromkeys("‐‑⁃", "-"),
    **dict.fromkeys("‒–", "–"),
    **dict.fromkeys("—―⸺", "—"),
    **dict.fromkeys("、，﹐", ", "),
    "،": ",",
    **dict.fromkeys("。．।॥۔።｡", ". "),
    **dict.fromkeys("？؟;՞፧", "? "),
    **dict.fromkeys("！՜", "! "),
    **dict.fromkeys("؛；፤", "; "),
    **dict.fromkeys("：׃", ": "),
    **dict.fromkeys("（【［〔", "("),
    **dict.fromkeys("）】］〕", ")"),
    **dict.fromkeys("•●▪‣◦・", ", "),
    "…": "…", "−": "-", "⁄": "/", "∕": "/", "¿": "", "¡": "", "℃": "°C", "℉": "°F", "°": "°",
    "º": "°", "²": "^2", "³": "^3", "№": "No. ", "µ": "μ", "×": "×", "÷": "÷", "±": "±",
    "™": "", "®": "", **dict.fromkeys("→⟶➔➜➝", "->"),
}  # fmt: skip
# Ranges in which the compatibility form (NFKC) is the same letter. Elsewhere it would damage the
# spelling (Thai sara am) or change the meaning (5½ to 51/2).
_COMPATIBLE = (
    (0x2100, 0x214F), (0x2160, 0x217F), (0x2460, 0x24FF), (0xFB00, 0xFDFB), (0xFE70, 0xFEFC),
    (0xFF01, 0xFF9F), (0x1D400, 0x1D7FF),
)  # fmt: skip
# Replaced before the clean-up, which would take the sign for degrees.
_ORDINAL_SIGN = re.compile(r"(?<=\d)\.?º(?!\s?[CFcf]\b)")
# Colours and titles in what a terminal's programs print, such as "\x1b[31m".
_TERMINAL = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b\n]{0,500}(?:\x07|\x1b\\))"
)
_LINE_END = re.compile(r"\r\n?")
_UNPRINTED = re.compile(r"[^\x20-\x5f\x61-\x7e\n\t]")
_DOTS = re.compile(r"\.(?:\s?\.){2,}")
# The rules see single spaces, and a line that continues a sentence joined to the one before. A line
# that ends with a mark may be the item of a list, which some rules take notice of; a dot does not
# count, as it may be that of an abbreviation.
_WHITE_SPACE: tuple[Rule, ...] = (
    rule(r"[^\S\n]+", " "),
    rule(r" ?\n ?", "\n"),
    rule(r"(?<![\n,:;!?…—-])\n(?!\n)", " "),
)
# The first letter of a sentence, with the word before it.
_SENTENCE_START = re.compile(
    r"(?<![^\W_])([^\W_]{1,40})(?:\.[\"')\]]*|[!?]{1,3})\s+[\"'(\[]*([^\W\d_])"
)
_NO_VOWEL = re.compile("[b-df-hj-np-tv-xz]+")
_FINISH: tuple[Rule, ...] = (
    rule(r"([!?,;:—])(?:\s*\1)+", r"\1"),
    rule(r'"{2,}', '"'),  # with a space between them, one closes and another opens
    rule(r"[^\S\n]+", " "),
    rule(r" ?\n ?", "\n"),
)


def normalize(text: str, lang: str = "en") -> str:
    """Return a text as it is spoken, in time that is linear in its length.

    Args:
        text: the written text; ends of lines that may end a sentence are kept.
        lang: espeak code of its language. Without rules for the language the text is only cleaned.

    Raises:
        TextError: the text has a lone surrogate; the message names its position.
    """
    return normalize_tracked(text, lang).text


def normalize_tracked(text: str, lang: str = "en") -> Tracked:
    """Return `normalize` of a text with the span of `text` that each character stands for."""
    tracked = Tracked(text)
    _check(text)
    base = lang.lower().split("-")[0]
    tracked.apply(RAISED)
    if base in ("es", "it", "pt"):
        tracked.sub(_ORDINAL_SIGN, "o")
    if base == "en":
        tracked.apply(STARS)
    _clean(tracked)
    if base == "en":
        tracked.set(truecase(tracked.text), tracked.starts, tracked.ends)
        tracked.apply(HEADINGS)
        tracked.apply(_WHITE_SPACE)
        tracked.apply(RULES)
    else:
        # The tables of the other languages are loaded for a text that needs them.
        from tts.text.languages import rules_of, short_rules_of

        tracked.apply(_WHITE_SPACE)
        tracked.apply(short_rules_of(lang))
        if re.search(r"\d", tracked.text):
            tracked.apply(rules_of(lang))
    tracked.apply(_FINISH)
    _capitalize_numbers(tracked, text, lang)
    tracked.strip()
    return tracked


def _capitalize_numbers(tracked: Tracked, written: str, lang: str) -> None:
    """Capitalize numbers that begin a sentence ("Stop. Three people left."), as segmentation knows
    the beginning of a sentence by its capital."""
    counting = before_figures(lang)

    def capital(match: re.Match[str]) -> str:
        source = written[tracked.starts[match.start(2)]]
        word = match[1].lower()
        english = lang.lower().startswith("en") and word in ABBREVIATIONS
        was_number = source.isdigit() or source in "$£€¥₹.'~+-#"
        # A word without a vowel is an abbreviation: "Blk. 3".
        abbreviated = word in counting or english or len(word) > 1 and _NO_VOWEL.fullmatch(word)
        if abbreviated or not was_number or not match[2].islower():
            return match[0]
        return match[0][:-1] + match[2].upper()

    tracked.sub(_SENTENCE_START, capital)


def clean(text: str) -> str:
    """Clean the Unicode of a text in any language, in one pass.

    Escape sequences of terminals, control, format and private-use characters and emoji are
    removed. Quotes, dashes and
    punctuation of other scripts become plain ones, runs of combining marks are shortened, and
    letters are composed (NFC).

    Raises:
        TextError: the text has a lone surrogate; the message names its position.
    """
    _check(text)
    tracked = Tracked(text)
    _clean(tracked)
    return tracked.text


def _check(text: str) -> None:
    broken = _SURROGATE.search(text)
    if broken:
        raise TextError(
            f"text has a lone surrogate at character {broken.start()}; save it as valid UTF-8"
        )


def _clean(tracked: Tracked) -> None:
    if "\x1b" in tracked.text:
        tracked.sub(_TERMINAL, "")
    tracked.sub(_LINE_END, "\n")
    if not tracked.text.isascii() or _UNPRINTED.search(tracked.text):
        _clean_characters(tracked)
        tracked.compose()
    tracked.sub(_DOTS, "…")


def _clean_characters(tracked: Tracked) -> None:
    """Clean each character on its own."""
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    marks = 0
    last = ""
    for at, char in enumerate(tracked.text):
        code = ord(char)
        if char in "\n\t" or 0x20 <= code < 0x7F and char != "`":
            new = char
            marks = 0
        elif unicodedata.combining(char):
            # Runs are cut before NFC, whose reordering is quadratic in their length.
            marks += 1
            new = char if marks <= _MAX_MARKS and not 0x20D0 <= code <= 0x20FF else ""
        else:
            if char not in _JOINERS:
                marks = 0
            new = _clean_character(char, last)
        out.append(new)
        last = new if new or not unicodedata.combining(char) else last
        starts += [tracked.starts[at]] * len(new)
        ends += [tracked.ends[at]] * len(new)
    tracked.set("".join(out), starts, ends)


def _clean_character(char: str, before: str) -> str:
    """Return the replacement of a character outside of printable ASCII, after `before`."""
    if char in _TABLE:
        return _TABLE[char]
    code, category = ord(char), unicodedata.category(char)
    if category == "No" and (value := unicodedata.numeric(char, -1.0)) >= 0:
        return _numeric(char, value)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if char == "©":
        return char
    if category == "Lm" and unicodedata.decomposition(char).startswith("<super>"):
        return unicodedata.normalize("NFKC", char)
    if any(first <= code <= last for first, last in _COMPATIBLE):
        return unicodedata.normalize("NFKC", char)
    if category in ("Zl", "Zp") or char == "\x85":
        return "\n"
    if category == "Zs":
        return " "
    if char in _JOINERS:
        # They shape letters of Persian and Indic scripts; elsewhere they only join emoji.
        return char if before and ord(before[-1]) >= 0x600 and before[-1].isalpha() else ""
    if category in ("Cc", "Cf"):
        return ""
    if category in ("Cn", "Co", "So", "Sk") or 0x2190 <= code <= 0x21FF:
        return " "
    if 0xFE00 <= code <= 0xFE0F:
        return ""
    return char


def _numeric(char: str, value: float) -> str:
    """Return a vulgar fraction as digits with a slash, and a circled number as digits."""
    parts = unicodedata.normalize("NFKC", char)
    if "\u2044" in parts:
        return " " + parts.replace("\u2044", "/")
    # A raised or lowered digit is the mark of a note, which is not read.
    raised = unicodedata.decomposition(char).startswith(("<super>", "<sub>"))
    return "" if raised else f" {value:g} "

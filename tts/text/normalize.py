"""Text as written to text as spoken.

Every language gets the Unicode clean-up. English also gets its numbers, dates, units and
abbreviations written out; German, French, Spanish, Italian, Portuguese, Dutch and Polish their
numbers, dates, times, currencies and units (tts.text.languages). In others espeak reads numbers.
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

__all__ = ["clean", "normalize", "normalize_tracked", "word_spans"]

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
# Letters whose compatibility form is the same letter; elsewhere NFKC would damage the spelling
# (Thai sara am) or change the meaning (5½ to 51/2).
_COMPATIBLE = (
    (0x2100, 0x214F), (0x2160, 0x217F), (0x2460, 0x24FF), (0xFB00, 0xFDFB), (0xFE70, 0xFEFC),
    (0xFF01, 0xFF9F), (0x1D400, 0x1D7FF),
)  # fmt: skip
# The clean-up takes the mark of an ordinal for degrees.
_ORDINAL = re.compile(r"(?<=\d)\.?º(?!\s?[CFcf]\b)")
_LINE_END = re.compile(r"\r\n?")
_UNPRINTED = re.compile(r"[^\x20-\x5f\x61-\x7e\n\t]")
_DOTS = re.compile(r"\.(?:\s?\.){2,}")
# What is one blank to a reader is one to the rules. A line that ends with a mark may be an item,
# of which some rules take notice; a dot may be that of an abbreviation.
_BLANKS: tuple[Rule, ...] = (
    rule(r"[^\S\n]+", " "),
    rule(r" ?\n ?", "\n"),
    rule(r"(?<![\n,:;!?…—-])\n(?!\n)", " "),
)
# The first letter after the end of a sentence.
_BEGIN = re.compile(r"(?<![^\W_])([^\W_]{1,40})(?:\.[\"')\]]*|[!?]{1,3})\s+[\"'(\[]*([^\W\d_])")
_NO_VOWEL = re.compile("[b-df-hj-np-tv-xz]+")
_FINISH: tuple[Rule, ...] = (
    rule(r'([!?,;:"—])(?:\s*\1)+', r"\1"),
    rule(r"[^\S\n]+", " "),
    rule(r" ?\n ?", "\n"),
)


def normalize(text: str, lang: str = "en") -> str:
    """Spoken form of `text`; linear in its length.

    Args:
        text: anything; line ends are kept.
        lang: espeak code; languages with rules of their own are written out, others only cleaned.

    Raises:
        TextError: a lone surrogate, naming its position.
    """
    return normalize_tracked(text, lang).text


def normalize_tracked(text: str, lang: str = "en") -> Tracked:
    """`normalize` that remembers which characters of `text` each spoken character stands for."""
    tracked = Tracked(text)
    _check(text)
    tracked.apply(RAISED)
    if lang.lower().split("-")[0] in ("es", "it", "pt"):
        tracked.sub(_ORDINAL, "o")
    if lang.lower().split("-")[0] == "en":
        tracked.apply(STARS)
    _clean(tracked)
    if lang.lower().split("-")[0] == "en":
        tracked.set(truecase(tracked.text), tracked.starts, tracked.ends)
        tracked.apply(HEADINGS)
        tracked.apply(_BLANKS)
        tracked.apply(RULES)
    else:
        # Words of other languages are loaded for a text that needs them.
        from tts.text.languages import rules_of, short_rules_of

        tracked.apply(_BLANKS)
        tracked.apply(short_rules_of(lang))
        if re.search(r"\d", tracked.text):
            tracked.apply(rules_of(lang))
    tracked.apply(_FINISH)
    _begin_figures(tracked, text, lang)
    tracked.strip()
    return tracked


def _begin_figures(tracked: Tracked, written: str, lang: str) -> None:
    """Figures that begin a sentence with a capital, by which the splitter knows one: "Stop. Three
    people left." """
    goes_on = before_figures(lang)

    def capital(match: re.Match[str]) -> str:
        source = written[tracked.starts[match.start(2)]]
        word = match[1].lower()
        english = lang.lower().startswith("en") and word in ABBREVIATIONS
        figures = source.isdigit() or source in "$£€¥₹.'~+-#"
        # Without a vowel it is a short form: "Blk. 3".
        short = word in goes_on or english or len(word) > 1 and _NO_VOWEL.fullmatch(word)
        if short or not figures or not match[2].islower():
            return match[0]
        return match[0][:-1] + match[2].upper()

    tracked.sub(_BEGIN, capital)


def word_spans(text: str, lang: str = "en") -> list[tuple[str, int, int]]:
    """Each spoken word of `text` with the (start, end) of what was written for it.

    `text[start:end]` is the written form. Words that one written form became share its span, so
    a caption shows each span once: "It cost $5." gives [("It", 0, 2), ("cost", 3, 7),
    ("five", 8, 10), ("dollars.", 8, 11)]. Starts never go back but where words changed places.
    The words of `Phones` carry the same spans as `Phones.spans`.

    Raises:
        TextError: a lone surrogate, naming its position.
    """
    tracked = normalize_tracked(text, lang)
    return [(m[0], *tracked.span(*m.span())) for m in re.finditer(r"\S+", tracked.text)]


def clean(text: str) -> str:
    """Unicode clean-up that holds for every language; one pass.

    Control, format and private characters and emoji go, quotes, dashes and foreign punctuation
    become plain ones, runs of combining marks are cut, letters become NFC.

    Raises:
        TextError: a lone surrogate, naming its position.
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
    tracked.sub(_LINE_END, "\n")
    if not tracked.text.isascii() or _UNPRINTED.search(tracked.text):
        _characters(tracked)
        tracked.compose()
    tracked.sub(_DOTS, "…")


def _characters(tracked: Tracked) -> None:
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
            # Bounded before NFC, whose reordering is quadratic in the length of a run.
            marks += 1
            new = char if marks <= _MAX_MARKS and not 0x20D0 <= code <= 0x20FF else ""
        else:
            if char not in _JOINERS:
                marks = 0
            new = _plain(char, last)
        out.append(new)
        last = new if new or not unicodedata.combining(char) else last
        starts += [tracked.starts[at]] * len(new)
        ends += [tracked.ends[at]] * len(new)
    tracked.set("".join(out), starts, ends)


def _plain(char: str, before: str) -> str:
    """One character outside of printable ASCII."""
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
        # They shape Persian and Indic words; elsewhere they only glue emoji.
        return char if before and ord(before[-1]) >= 0x600 and before[-1].isalpha() else ""
    if category in ("Cc", "Cf"):
        return ""
    if category in ("Cn", "Co", "So", "Sk") or 0x2190 <= code <= 0x21FF:
        return " "
    if 0xFE00 <= code <= 0xFE0F:
        return ""
    return char


def _numeric(char: str, value: float) -> str:
    parts = unicodedata.normalize("NFKC", char)
    if "\u2044" in parts:
        return " " + parts.replace("\u2044", "/")
    # A raised or lowered figure is a note mark; a circled one is a number.
    raised = unicodedata.decomposition(char).startswith(("<super>", "<sub>"))
    return "" if raised else f" {value:g} "

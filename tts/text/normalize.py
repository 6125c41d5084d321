"""Text as written to text as spoken.

Every language gets the Unicode clean-up. English also gets its numbers, dates, units and
abbreviations written out; for other languages espeak reads the numbers.
"""

import re
import unicodedata

from tts.errors import TextError
from tts.text.english import spell_out

__all__ = ["clean", "normalize"]

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
    "™": "", "®": "", "©": "",
}  # fmt: skip
# Letters whose compatibility form is the same letter; elsewhere NFKC would damage the spelling
# (Thai sara am) or change the meaning (5½ to 51/2).
_COMPATIBLE = (
    (0x2100, 0x214F), (0x2160, 0x217F), (0x2460, 0x24FF), (0xFB00, 0xFDFB), (0xFE70, 0xFEFC),
    (0xFF01, 0xFF9F), (0x1D400, 0x1D7FF),
)  # fmt: skip
_REPEATS = re.compile(r'([!?,;:"—])(?:\s*\1)+')


def normalize(text: str, lang: str = "en") -> str:
    """Spoken form of `text`; linear in its length.

    Args:
        text: anything; line ends are kept.
        lang: espeak code; "en" and its variants are written out, others only cleaned.

    Raises:
        TextError: a lone surrogate, naming its position.
    """
    text = clean(text)
    if lang.lower().split("-")[0] == "en":
        text = spell_out(text)
    text = _REPEATS.sub(r"\1", text)
    text = re.sub(r"[^\S\n]+", " ", text)
    return re.sub(r" ?\n ?", "\n", text).strip()


def clean(text: str) -> str:
    """Unicode clean-up that holds for every language; one pass.

    Control, format and private characters and emoji go, quotes, dashes and foreign punctuation
    become plain ones, runs of combining marks are cut, letters become NFC.

    Raises:
        TextError: a lone surrogate, naming its position.
    """
    broken = _SURROGATE.search(text)
    if broken:
        raise TextError(
            f"text has a lone surrogate at character {broken.start()}; save it as valid UTF-8"
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    out: list[str] = []
    marks = 0
    for char in text:
        code = ord(char)
        if char in "\n\t" or 0x20 <= code < 0x7F and char != "`":
            out.append(char)
            marks = 0
            continue
        if unicodedata.combining(char):
            # Bounded before NFC, whose reordering is quadratic in the length of a run.
            marks += 1
            if marks <= _MAX_MARKS and not 0x20D0 <= code <= 0x20FF:
                out.append(char)
            continue
        if char not in _JOINERS:
            marks = 0
        out.append(_plain(char, out[-1] if out else ""))
    text = unicodedata.normalize("NFC", "".join(out))
    return re.sub(r"\.(?:\s?\.){2,}", "…", text)


def _plain(char: str, before: str) -> str:
    """One character outside of printable ASCII."""
    if char in _TABLE:
        return _TABLE[char]
    code, category = ord(char), unicodedata.category(char)
    if category == "No" and (value := unicodedata.numeric(char, -1.0)) >= 0:
        return _numeric(char, value)
    if category == "Nd":
        return str(unicodedata.decimal(char))
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

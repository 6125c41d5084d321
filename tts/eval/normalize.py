"""One spelling for two transcripts, so that word error counts words and not conventions.

Applied alike to the text that was asked for and to what the recogniser wrote: lower case, no
punctuation, numbers as digits ("twenty-first" and "21st", "eighteen sixty three" and "1863"),
titles in full, American spelling. In the spirit of the English normaliser of Whisper (Radford et
al. 2022, arXiv:2212.04356, appendix C); neighbouring numbers are joined because recognisers group
digits freely ("1 2 3" and "123").
"""

import re
import unicodedata

__all__ = ["normalize"]

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_UNITS = {word: value for value, word in enumerate(_SMALL)}
_TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_SCALES = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_IRREGULAR = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fifth": 5,
    "eighth": 8,
    "ninth": 9,
    "twelfth": 12,
}
_ORDINAL_UNITS = _IRREGULAR | {
    word + "th": value
    for word, value in _UNITS.items()
    if value >= 4 and value not in (5, 8, 9, 12)
}
_ORDINAL_TENS = {word[:-1] + "ieth": value for word, value in _TENS.items()}

_WORDS = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "prof": "professor",
    "jr": "junior", "sr": "senior", "vs": "versus", "ok": "okay", "grey": "gray",
    "per cent": "percent", "to day": "today", "to night": "tonight", "to morrow": "tomorrow",
    "can not": "cannot", "for ever": "forever", "any one": "anyone", "every one": "everyone",
    "some one": "someone", "any thing": "anything", "every thing": "everything",
    "some thing": "something", "any body": "anybody", "every body": "everybody",
    "all right": "alright", "good bye": "goodbye",
}  # fmt: skip
_WORDS_RE = re.compile(r"\b(" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r")\b")

# Rules may also change words that need no change ("devour"), which is harmless on both sides as
# long as two different words do not become one.
_SPELLING = (
    (re.compile(r"\b(\w{3,})our(s|ed|ing|able|ably|ite|ites|less|ful|er|ers|y)?\b"), r"\1or\2"),
    (re.compile(r"\b(\w{3,})is(e|ed|es|er|ers|ing|ation|ations)\b"), r"\1iz\2"),
    (re.compile(r"\b(theat|cent|fib|somb|spect|calib|lust|meag)re(s|d)?\b"), r"\1er\2"),
    (re.compile(r"\b(trave|cance|leve|mode|labe|counse|marve|quarre)ll(ed|ing|er|ers|ous)\b"),
     r"\1l\2"),
    (re.compile(r"\b(judg|acknowledg)ement"), r"\1ment"),
)  # fmt: skip


def _suffix(value: int) -> str:
    if value % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")


def _below_hundred(words: list[str], at: int) -> tuple[int, int, bool] | None:
    """(value, words used, ordinal) of "seven", "twenty one", "third", "42"; None if none."""
    word = words[at] if at < len(words) else ""
    if word.isdecimal() and word.isascii():
        return int(word), 1, False
    if word in _UNITS:
        return _UNITS[word], 1, False
    if word in _ORDINAL_UNITS:
        return _ORDINAL_UNITS[word], 1, True
    if word in _ORDINAL_TENS:
        return _ORDINAL_TENS[word], 1, True
    if word in _TENS:
        following = words[at + 1] if at + 1 < len(words) else ""
        if 0 < _UNITS.get(following, 0) < 10:
            return _TENS[word] + _UNITS[following], 2, False
        if 0 < _ORDINAL_UNITS.get(following, 0) < 10:
            return _TENS[word] + _ORDINAL_UNITS[following], 2, True
        return _TENS[word], 1, False
    return None


def _tail(words: list[str], at: int) -> tuple[int, int, bool] | None:
    """The lower part after "hundred" or "thousand", with or without "and"."""
    skip = int(at < len(words) and words[at] == "and")
    part = _below_hundred(words, at + skip)
    if part is None or part[0] >= 100:
        return None
    return part[0], part[1] + skip, part[2]


def _number(words: list[str], at: int) -> tuple[str, int] | None:
    """(digits, words used) of the number that starts at `at`; None if none does."""
    article = words[at] == "a" and at + 1 < len(words)
    if article and words[at + 1] in ("hundred", *_SCALES):
        head: tuple[int, int, bool] | None = (1, 1, False)
    else:
        head = _below_hundred(words, at)
    if head is None:
        return None
    total, (group, used, ordinal) = 0, head
    while not ordinal and at + used < len(words):
        word = words[at + used]
        if word in ("hundred", "hundredth") and group < 100:
            group, used, ordinal = group * 100, used + 1, word == "hundredth"
        elif word.removesuffix("th") in _SCALES:
            total += group * _SCALES[word.removesuffix("th")]
            group, used, ordinal = 0, used + 1, word.endswith("th")
            lower = None if ordinal else _below_hundred(words, at + used)
            if lower is not None:
                group, used, ordinal = lower[0], used + lower[1], lower[2]
                continue
        else:
            break
        lower = None if ordinal else _tail(words, at + used)
        if lower is not None:
            group, used, ordinal = group + lower[0], used + lower[1], lower[2]
    value = total + group
    return f"{value}{_suffix(value) if ordinal else ''}", used


def _numbers(words: list[str]) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(words):
        found = _number(words, at)
        word, used = found if found is not None else (words[at], 1)
        if found is not None and out and out[-1].isdecimal():
            out[-1] += word
        else:
            out.append(word)
        at += used
    return out


def normalize(text: str) -> str:
    """English text in one spelling: words of [a-z0-9] with single spaces; may be empty."""
    text = unicodedata.normalize("NFKD", text.lower())
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    for sign, name in (("$", "dollars"), ("£", "pounds"), ("€", "euros")):
        amount = re.escape(sign) + r"\s?(\d+(?:\.\d+)?(?: (?:hundred|thousand|million|billion))?)"
        text = re.sub(amount, rf"\1 {name}", text)
    text = re.sub(r"(?<=\d)\.(?=\d)", " point ", text)
    text = text.replace("%", " percent ").replace("&", " and ")
    text = re.sub(r"['’‘`]", "", text)
    text = " ".join(re.sub(r"[^a-z0-9]+", " ", text).split())
    text = _WORDS_RE.sub(lambda match: _WORDS[match.group()], text)
    text = " ".join(_numbers(text.split()))
    for pattern, replacement in _SPELLING:
        text = pattern.sub(replacement, text)
    return text

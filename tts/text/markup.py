"""Markup of a text: `[pause 0.5]`, and a subset of SSML 1.1 (W3C 2010).

Markup is removed before the whole text is normalized, so that a tag never changes how the words
around it are read. Afterwards the span of each word (`Phones.spans`) leads back to what the markup
asked for: rate, pitch and volume of the word, and pauses before it.
"""

import re
from collections.abc import Iterable
from itertools import groupby

from tts.errors import UsageError
from tts.text.chat import without_chat_marks
from tts.text.pause_marks import PAUSE, REMOVED, Marked, MarkupError, add_text, check_pauses
from tts.text.ssml import parse_ssml
from tts.text.tracked import Tracked

__all__ = [
    "MARKUPS", "Marked", "MarkupError", "check_markup", "parse_markup", "unread_markup",
    "without_tags",
]  # fmt: skip

#: markup of a request: "none", where the marks of chat programs are left out; "plain", where
#: everything is read as it stands; "pauses" with `[pause 0.5]`; "ssml" with that and SSML
MARKUPS = ("none", "plain", "pauses", "ssml")


# Tags that are those of SSML alone; <p>, <s> and <sub> are of HTML too.
_SSML_ONLY = re.compile(
    r"</?(?:speak|break|prosody|emphasis|phoneme|say-as)(?:\s[^<>]{0,500})?/?>", re.IGNORECASE
)
# A whole mark with a number, so that "[pause here]" in a script is left alone.
_PAUSE_MARK = re.compile(r"\[\s{0,8}pause\s{1,8}[\d.]{1,12}\s{0,8}(?:m?s)?\s{0,8}\]", re.IGNORECASE)


def unread_markup(text: str, markup: str) -> str:
    """Return a warning if a text holds markup that was not asked for, so that its tags or marks
    would be read as words; "" if not.

    Args:
        text: the text.
        markup: the markup of the request; for "plain", which asks to read everything as it stands,
            there is no warning.
    """
    if markup in ("none", "pauses") and (tag := _SSML_ONLY.search(text)):
        return f"{tag[0][:40]!r} is read as words: --ssml (markup='ssml') reads it as a tag"
    if markup == "none" and (mark := _PAUSE_MARK.search(text)):
        wanted = "--markup pauses (markup='pauses') makes a pause of it"
        return f"{mark[0][:40]!r} is read as words: {wanted}"
    return ""


def check_markup(markup: str) -> None:
    """Check that the name of a markup is known.

    Raises:
        UsageError: it is not.
    """
    if markup not in MARKUPS:
        raise UsageError(f"markup is {', '.join(MARKUPS[:-1])} or {MARKUPS[-1]}, not {markup!r}")


def parse_markup(text: str | Iterable[str], markup: str, language: str = "en-us") -> Marked:
    """Parse a text with markup.

    Args:
        text: the text, or its pieces, which are joined first.
        markup: "pauses" or "ssml"; texts with other markups are returned as they are.
        language: the language of the text, which `<say-as>` follows.

    Returns:
        The text without its markup, and what the markup asks for.

    Raises:
        MarkupError: a tag, an attribute or a value is not known, or tags do not match. The message
            tells which and where.
    """
    check_markup(markup)
    whole = text if isinstance(text, str) else "".join(text)
    if markup == "ssml":
        marked = parse_ssml(whole, language)
    else:
        marked = Marked(whole)
        add_text(marked, whole, 0, whole) if markup == "pauses" else marked.add(whole, 0)
    check_pauses(marked)
    return marked


def without_tags(text: str, markup: str, language: str = "en-us") -> str:
    """Return a text of the same length without its markup, to be shown with the spans of words.

    Characters of markup are replaced by `REMOVED`, or by spaces where it separates words. Entities
    are replaced by what they stand for, with `REMOVED` after it.

    Args:
        text, markup, language: see `parse_markup`.

    Raises:
        MarkupError: as of `parse_markup`.
    """
    if markup == "plain":
        return text
    shown = [REMOVED] * len(text)
    if markup == "none":
        tracked = Tracked(text)
        without_chat_marks(tracked)
        pieces = zip(tracked.starts, tracked.ends, tracked.text, strict=True)
        for (start, end), group in groupby(pieces, key=lambda piece: piece[:2]):
            made = "".join(char for _, _, char in group)
            if end == start + 1:
                shown[start] = text[start]
            elif end > start and (text[start] in "&<" or made.isspace()):
                _put(shown, start, made[: end - start])
        return "".join(shown)
    marked = parse_markup(text, markup, language)
    for start, written in marked.written:
        _put(shown, start, written)
    for start, end, char in zip(marked.starts, marked.ends, marked.text, strict=True):
        if char.isspace() and start < len(text) and (start == end or PAUSE.match(text, start)):
            shown[start] = " "  # the tag separates two words
    return "".join(shown)


def _put(shown: list[str], start: int, text: str) -> None:
    shown[start : start + len(text)] = text

"""Text with markup: `[pause 0.5]`, and a subset of SSML 1.1 (W3C 2010).

Markup is taken out before the text is normalised as a whole, so a tag never changes how the words
around it are read. What it asks for is found again by the place of each word in the text
(`Phones.spans`): rate, pitch and volume per word, pauses before words.
"""

from collections.abc import Iterable
from itertools import groupby

from tts.errors import UsageError
from tts.text.chat import without_chat_marks
from tts.text.pause_marks import PAUSE, REMOVED, Marked, MarkupError, add_text, check_pauses
from tts.text.ssml import parse_ssml
from tts.text.tracked import Tracked

__all__ = ["MARKUPS", "Marked", "MarkupError", "check_markup", "parse_markup", "without_tags"]

#: what a request may say of its text: none of its own, so that marks of chat programs are left
#: out; everything read as it stands; with `[pause 0.5]`; that and SSML
MARKUPS = ("none", "plain", "pauses", "ssml")


def check_markup(markup: str) -> None:
    """UsageError for a markup that is not known."""
    if markup not in MARKUPS:
        raise UsageError(f"markup is {', '.join(MARKUPS[:-1])} or {MARKUPS[-1]}, not {markup!r}")


def parse_markup(text: str | Iterable[str], markup: str, language: str = "en-us") -> Marked:
    """A text with markup, read as a whole.

    Args:
        markup: "pauses" or "ssml".
        language: of the text, which `<say-as>` follows.

    Raises:
        MarkupError: a tag, attribute or value that is not known, or tags that do not match; tells
            which and where.
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
    """The text as it was written, in which all characters keep their place: those of markup are
    `REMOVED`, or blanks where it parts words, and entities are what they stand for.

    Raises:
        MarkupError: as `parse_markup`.
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
            shown[start] = " "  # of a tag that parts words
    return "".join(shown)


def _put(shown: list[str], start: int, text: str) -> None:
    shown[start : start + len(text)] = text

"""A text as sentences of phones, with or without markup: what every model of phones is given."""

from collections.abc import Iterable, Iterator

from tts.text.frontend import Frontend
from tts.text.marked import marked_sentences
from tts.text.markup import parse_markup
from tts.text.pieces import in_pieces
from tts.text.symbols import Phones

__all__ = ["read_sentences"]


def read_sentences(
    frontend: Frontend, text: str | Iterable[str], markup: str = "none", emoji: bool = False
) -> Iterator[Phones]:
    """Sentences one at a time, each with the pause that follows it in seconds.

    Args:
        markup, emoji: see tts.types.Options.

    Raises:
        TextError: nothing to say. MarkupError: see tts.text.markup.parse_markup.
        UsageError: emoji in a language without names for them.
    """
    if markup in ("none", "plain"):
        return in_pieces(frontend.sentences(text, plain=markup == "plain", emoji=emoji))
    marked = parse_markup(text, markup, frontend.lang)
    return in_pieces(marked_sentences(frontend, marked, markup == "ssml", emoji))

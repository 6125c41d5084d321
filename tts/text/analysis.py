"""Text analysis, the entry of this package: a text, with or without markup, to sentences of phones.

Every model that speaks phones gets its input here.
"""

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
    """Yield the phones of one sentence after the other, with the pause that follows each.

    Args:
        frontend: the front end of the language.
        text: the whole text, or pieces of one that is still being written. A text with markup is
            read to its end first.
        markup, emoji: options of a request, see `tts.types.Options`.

    Raises:
        TextError: there is nothing to say.
        MarkupError: the markup is not understood, see `tts.text.markup.parse_markup`.
        UsageError: emoji have no names in this language.
    """
    if markup in ("none", "plain"):
        return in_pieces(frontend.sentences(text, plain=markup == "plain", emoji=emoji))
    marked = parse_markup(text, markup, frontend.lang)
    return in_pieces(marked_sentences(frontend, marked, markup == "ssml", emoji))

"""Text analysis, the entry of this package: a text, with or without markup, to sentences of phones.

Every model that speaks phones gets its input here.
"""

import logging
from collections.abc import Iterable, Iterator

from tts.text.frontend import Frontend
from tts.text.marked import marked_sentences
from tts.text.markup import parse_markup, unread_markup
from tts.text.pieces import in_pieces
from tts.text.symbols import Phones

__all__ = ["read_sentences"]

log = logging.getLogger(__name__)


def read_sentences(
    frontend: Frontend, text: str | Iterable[str], markup: str = "none", emoji: bool = False
) -> Iterator[Phones]:
    """Yield the phones of one sentence after the other, with the pause that follows each.

    Tags and marks of pauses that will be read as words, as no such markup was asked for, are a
    warning of the logger.

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
    if isinstance(text, str) and (line := unread_markup(text, markup)):
        log.warning("%s", line)
    if markup in ("none", "plain"):
        return in_pieces(frontend.sentences(text, plain=markup == "plain", emoji=emoji))
    marked = parse_markup(text, markup, frontend.lang)
    return in_pieces(marked_sentences(frontend, marked, markup == "ssml", emoji))

"""Parser of SSML 1.1, as far as tts.text.markup supports it, over the XML parser expat.

A document type is refused. So a text cannot define entities, and nothing is ever fetched.
"""

import html
import re
import xml.parsers.expat as expat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tts.errors import UsageError
from tts.resources import nearest
from tts.text.pause_marks import Marked, MarkupError, add_text, where
from tts.text.say_as import KINDS, say_as
from tts.text.sentences import PAUSE_PARAGRAPH, PAUSE_SENTENCE
from tts.text.style import (
    EMPHASIS,
    PLAIN,
    STRENGTHS,
    Style,
    parse_pitch,
    parse_rate,
    parse_seconds,
    parse_volume,
)
from tts.text.symbols import encode_phones, unknown_signs

__all__ = ["TAGS", "parse_ssml"]

#: the tags that are known, with their attributes
TAGS: dict[str, tuple[str, ...]] = {
    "speak": ("version",),
    "p": (), "s": (),
    "break": ("time", "strength"),
    "prosody": ("rate", "pitch", "volume"),
    "emphasis": ("level",),
    "phoneme": ("ph", "alphabet"),
    "sub": ("alias",),
    "say-as": ("interpret-as", "format", "detail"),
}  # fmt: skip
#: attributes of any tag. They change nothing; a language must be that of the request
_COMMON = ("xml:lang", "xml:base", "xml:id", "xsi:schemaLocation")
_DECLARATION = re.compile(r"\ufeff?\s*<\?xml\s[^>]*\?>|\ufeff")
_START = re.compile(
    r"\s*(?:<!--(?:(?!-->).)*-->\s*|<\?(?:(?!\?>).)*\?>\s*)*<(?:speak[\s>/]|!DOCTYPE)", re.DOTALL
)
_ENTITY = re.compile(r"&[#\w]+;")
_DEPTH = 100  # tags inside of each other, at most
_ROOT = "<speak>"


@dataclass
class _Open:
    """A tag that is not closed yet.

    Attributes:
        name: its name; place: where it stands in the source.
        style: the style inside of it.
        say: what is said in place of the text inside of it; None says that text.
        held: the text inside of a tag with `say`, and its span in the source.
    """

    name: str
    place: int
    style: Style
    say: Callable[[str], str] | None = None
    held: str = ""
    span: list[int] = field(default_factory=list)


def parse_ssml(text: str, language: str = "en-us") -> Marked:
    """Parse SSML.

    Args:
        text: the document. One without `<speak>` is put into it.
        language: the language of the request.

    Raises:
        MarkupError: as of `tts.text.markup.parse_markup`.
    """
    return _Reader(text, language).read()


class _Reader:
    """Reader of one document. The methods with the names of events are called by the parser."""

    def __init__(self, text: str, language: str):
        self.source, self.language = text, language
        self.marked = Marked(text)
        self.stack: list[_Open] = []
        # The parser counts one character for each end of a line. An XML declaration is blanked, as
        # the encoding that it names does not hold for a string.
        document = text.replace("\r\n", " \n").replace("\r", "\n")
        if declared := _DECLARATION.match(document):
            document = re.sub(r"[^\n]", " ", declared[0]) + document[declared.end() :]
        wrapped = not _START.match(document)
        self.before = len(_ROOT) if wrapped else 0
        self.document = f"{_ROOT}{document}</speak>" if wrapped else document
        try:
            self.data = self.document.encode("utf-8")
        except UnicodeEncodeError as error:
            at = where(text, max(0, error.start - self.before))
            raise MarkupError(f"a lone surrogate at {at}: save the text as valid UTF-8") from error
        # In an ASCII document the places of bytes, which the parser gives, are those of characters.
        self.ascii = len(self.data) == len(self.document)

    def read(self) -> Marked:
        """Parse the document and return its text with what the tags ask for."""
        parser = expat.ParserCreate("utf-8")
        self.parser = parser
        parser.buffer_text = False
        parser.ordered_attributes = False
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(self.data, True)
        except expat.ExpatError as error:
            raise MarkupError(self._broken(error)) from error
        return self.marked

    def _broken(self, error: expat.ExpatError) -> str:
        """Return the message for a document that is not well-formed."""
        place = self._place(self.parser.ErrorByteIndex)
        reason = expat.ErrorString(error.code) or "not well-formed"
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_TAG_MISMATCH] and self.stack:
            return (
                f"<{self.stack[-1].name}> of {self._where(self.stack[-1].place)} is not closed "
                f"before {self._where(place)}"
            )
        if len(self.stack) > bool(self.before) and place >= len(self.source):
            top = self.stack[-1]
            return f"<{top.name}> at {self._where(top.place)} is not closed"
        return f"SSML at {self._where(place)}: {reason} (& is written &amp; and < is &lt;)"

    def _place(self, byte: int) -> int:
        """Return the character of the source at a byte of the document."""
        at = byte if self.ascii else len(self.data[:byte].decode("utf-8", "ignore"))
        return min(max(0, at - self.before), len(self.source))

    def _here(self) -> int:
        return self._place(self.parser.CurrentByteIndex)

    def _where(self, place: int) -> str:
        return where(self.source, place)

    def _doctype(self, *_: object) -> None:
        raise MarkupError(f"<!DOCTYPE> at {self._where(self._here())}: SSML needs none, refused")

    def _start(self, name: str, values: Mapping[str, str]) -> None:
        """Check the beginning of a tag and do what it asks for."""
        place = self._here()
        outer = self.stack[-1] if self.stack else _Open("", 0, PLAIN)
        at = self._where(place)
        if name not in TAGS:
            raise MarkupError(f"unknown tag <{name[:40]}> at {at}{nearest(name, TAGS)}")
        if (name == "speak") != (not self.stack):
            raise MarkupError(f"<{name}> at {at}: <speak> goes around everything, once")
        if outer.say is not None or outer.name == "break":
            raise MarkupError(f"<{name}> at {at} cannot be inside of <{outer.name}>")
        if len(self.stack) >= _DEPTH:
            raise MarkupError(f"<{name}> at {at}: more than {_DEPTH} tags inside of each other")
        for key in values:
            if key not in TAGS[name] and key not in _COMMON and not key.startswith("xmlns"):
                raise MarkupError(
                    f"unknown attribute {key[:40]!r} of <{name}> at {at}{nearest(key, TAGS[name])}"
                )
        tag = _Open(name, place, outer.style)
        try:
            self._check_language(values)
            self._open(tag, values, outer.style)
        except MarkupError:
            raise
        except UsageError as error:
            raise MarkupError(f"<{name}> at {at}: {error}") from error
        self.stack.append(tag)

    def _check_language(self, values: Mapping[str, str]) -> None:
        """Raise UsageError for a tag in another language than that of the request."""
        given = values.get("xml:lang", "").strip()
        if given and given.lower().split("-")[0] != self.language.lower().split("-")[0]:
            raise UsageError(
                f"xml:lang {given[:20]!r} is not the language of the request, {self.language}: "
                "set that, and send one language at a time"
            )

    def _open(self, tag: _Open, values: Mapping[str, str], outer: Style) -> None:
        """Do what a tag asks for at its beginning; raise UsageError for a wrong value."""
        name = tag.name
        if name in ("p", "s"):
            self.marked.add("\n\n", tag.place, tag.place)
        elif name == "break":
            self.marked.pause(_break(values))
            self.marked.add(" ", tag.place, tag.place)
        elif name == "prosody":
            if not values:
                raise UsageError("give rate, pitch or volume")
            style = Style(
                parse_rate(values.get("rate", "medium")),
                parse_pitch(values.get("pitch", "medium")),
                parse_volume(values.get("volume", "medium")),
            )
            tag.style = style.inside(outer)
            self.marked.style(tag.style)
        elif name == "emphasis":
            level = values.get("level", "moderate").strip()
            if level not in EMPHASIS:
                raise UsageError(f"level {level!r} is not known{nearest(level, EMPHASIS)}")
            tag.style = EMPHASIS[level].inside(outer)
            self.marked.style(tag.style)
        elif name == "phoneme":
            phones = _phones(values)
            tag.say = lambda _: phones
        elif name == "sub":
            alias = values.get("alias", "")
            if not alias.strip():
                raise UsageError("give an alias")
            tag.say = lambda _: alias
        elif name == "say-as":
            kind = values.get("interpret-as", "").strip()
            if kind not in KINDS:
                raise UsageError(f"interpret-as {kind[:20]!r} is not known{nearest(kind, KINDS)}")
            form = values.get("format", "").strip()
            tag.say = lambda text: say_as(text, kind, form, self.language)

    def _end(self, name: str) -> None:
        """Add what a closed tag says in place of its text, and go back to the style around it."""
        tag = self.stack.pop()
        if tag.say is not None:
            start, end = tag.span or [tag.place, tag.place]
            if not tag.held.strip() and name == "say-as":
                raise MarkupError(f"<say-as> at {self._where(tag.place)} holds no text")
            try:
                said = tag.say(tag.held)
            except UsageError as error:
                raise MarkupError(f"<{name}> at {self._where(tag.place)}: {error}") from error
            self.marked.add(said, start, end)
        elif name in ("prosody", "emphasis"):
            self.marked.style(self.stack[-1].style)
        elif name in ("p", "s"):
            place = self._here()
            seconds = PAUSE_SENTENCE if name == "s" else PAUSE_PARAGRAPH
            self.marked.sentence_ends.append((len(self.marked.text), seconds))
            self.marked.add("\n\n", place, place)

    def _text(self, text: str) -> None:
        """Add text, or keep it for the tag that says something else in its place."""
        place = self._here()
        tag = self.stack[-1]
        if tag.name == "break" and text.strip():
            raise MarkupError(f"text inside of <break> at {self._where(place)}: it is empty")
        entity = _ENTITY.match(self.source, place)
        # In a CDATA section an entity is its letters.
        written = len(entity[0]) if entity and html.unescape(entity[0]) == text else 0
        end = place + (written or len(text))
        if written or tag.say is not None:
            self.marked.written.append((place, text))
        if tag.say is not None:
            tag.held += text
            tag.span = [tag.span[0] if tag.span else place, end]
        elif written:
            self.marked.add(text, place, end)
        else:
            add_text(self.marked, text, place, self.source)


def _break(values: Mapping[str, str]) -> float | None:
    """Return the seconds of a `<break>`; None for no pause."""
    if "time" in values:
        return parse_seconds(values["time"])
    strength = values.get("strength", "medium").strip()
    if strength not in STRENGTHS:
        raise UsageError(f"strength {strength!r} is not known{nearest(strength, STRENGTHS)}")
    return STRENGTHS[strength] or None


def _phones(values: Mapping[str, str]) -> str:
    """Return the phones of a `<phoneme>` as a block of inline phones."""
    alphabet = values.get("alphabet", "ipa").strip().lower()
    if alphabet != "ipa":
        raise UsageError(f"alphabet {alphabet[:20]!r} is not known; there is: ipa")
    phones = " ".join(values.get("ph", "").split())
    ids, _ = encode_phones(phones)
    unknown = [each for each in unknown_signs(phones) if each not in ".,-"]
    if not ids or unknown or "[" in phones or "]" in phones:
        wrong = f" ({', '.join(unknown)})" if unknown else ""
        raise UsageError(f"ph {phones[:40]!r} is not IPA{wrong}")
    return f"[[{phones}]]"

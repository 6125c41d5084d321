"""What a text may cost a server, counted in phones before any of it is spoken.

Characters say little of it: a letter of English is about one phone, an ideograph ten, and a
ligature such as U+FDFA a hundred and forty. A long text of other than plain letters need not be
read as a whole to be refused: a sample of it tells about what it costs.
"""

import random
import re
import unicodedata
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from tts.errors import TextError
from tts.facade import TTS
from tts.text.symbols import Phones
from tts.types import Options

#: seconds of a phone at speed 1, as long voices speak
PHONE = 0.08
#: what is read of a long text to tell what all of it costs: pieces, and characters of each
PIECES, CHARACTERS = 4, 32
#: samples that are read at most, where the first does not tell clearly; and phones of them that do
SAMPLES, ENOUGH = 3, 1200
#: a text that its sample finds cheap enough may cost so much more
TOLERANCE = 1.1
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,.'\n")
#: about how many phones any other character is; corrects a sample that happens to hold more or
#: fewer of those than the text does
_OTHER = 5
#: a number that is said digit by digit, while a piece of it would be said as millions
_LONG_NUMBER = re.compile(r"\d{37,}")


@dataclass(frozen=True)
class Budget:
    """What one request may cost.

    Attributes:
        phones: in all; seconds: of expected audio, which its speed changes.
        per_character: phones for each character, after the first `free` phones.
    """

    phones: int = 13_000
    seconds: float = 1200.0
    per_character: float = 16.0
    free: int = 400

    def most(self, characters: int, speed: float) -> int:
        """Phones that a text of so many characters may be."""
        share = self.free + self.per_character * characters
        return int(min(self.phones, self.seconds * speed / PHONE, share))

    def check_spelled(self, text: str) -> None:
        """TextError where the ligatures of a text are more letters than may be said at all: told
        at once, before anything is read."""
        # A letter is at least half a phone; no text of letters alone comes near.
        letters = len(unicodedata.normalize("NFKC", text))
        if letters > max(2 * self.phones, len(text)):
            raise TextError(
                f"{len(text):,} characters of the text are {letters:,} letters, over "
                f"{self.phones:,} phones, which are the most of a request: send it in parts"
            )

    def check(
        self,
        characters: int,
        phones: int,
        speed: float,
        tolerance: float = 1.0,
        word: str = "over",
        pauses: float = 0.0,
    ) -> None:
        """TextError where a text costs too much, telling what it costs and what it may.

        Args:
            phones: counted so far, or expected.
            tolerance: by which the limits may be passed.
            word: "over" where phones were counted until now, "about" where they are expected.
            pauses: seconds of silence that markup asks for, which do not follow the speed.
        """
        seconds = phones * PHONE / speed + pauses
        share = self.free + self.per_character * characters
        held = f" with {pauses:,.0f} s of pauses" if pauses else ""
        if phones > tolerance * self.phones or seconds > tolerance * self.seconds:
            raise TextError(
                f"the text is {word} {phones:,} phones, {seconds:,.0f} s of speech{held}; "
                f"{self.phones:,} phones and {self.seconds:,.0f} s are the most of a request: "
                "send it in parts"
            )
        if phones > tolerance * share:
            raise TextError(
                f"{characters:,} characters of the text are {word} {phones:,} phones, "
                f"{seconds:,.0f} s of speech; {share:,.0f} phones are the most for so many "
                "characters"
            )


def sample_of(text: str, number: int = 0) -> str:
    """Pieces of a text from all parts of it; which ones follows from the text alone, and from the
    number of the sample.

    They hold whole words, where those are short.
    """
    rng = random.Random(zlib.crc32(text.encode("utf-8", "surrogatepass"), number))
    part = len(text) / PIECES
    starts = [int(n * part + rng.random() * (part - CHARACTERS)) for n in range(PIECES)]
    return " ".join(_whole_words(text, start, start + CHARACTERS) for start in starts)


def _whole_words(text: str, start: int, end: int) -> str:
    """A piece without the parts of words at its ends, where at least half of it is left."""
    piece = text[start:end]
    if start and not text[start - 1].isspace():
        piece = re.sub(r"^\S+\s+", "", piece)
    if end < len(text) and not text[end].isspace():
        piece = re.sub(r"\s+\S+$", "", piece)
    return piece if 2 * len(piece) >= end - start else text[start:end]


def is_plain(text: str) -> bool:
    """Whether a text is letters of English for the most part, which are about a phone each."""
    return sum(character in _PLAIN for character in text) > 0.8 * len(text)


def _count(sentences: Iterable[Phones]) -> int:
    """Phones of sentences; models that read characters have none, and count those."""
    return sum(len(phones) or len(phones.text) for phones in sentences)


def _weight(text: str) -> int:
    """About how many phones a text is, by the kinds of its characters alone."""
    plain = sum(character in _PLAIN for character in text)
    return plain + _OTHER * (len(text) - plain)


def expected(model: TTS, text: str, options: Options, limit: int = Budget.phones) -> int:
    """Phones of a text by samples of it; 0 where there is nothing to say in those.

    Args:
        limit: of phones: where one sample tells less than half or more than twice as many, it is
            the only one.
    """
    text = _LONG_NUMBER.sub(lambda number: " ".join(number[0]), text)
    whole, count, weight, told = _weight(text), 0, 0, 0
    for number in range(SAMPLES):
        sample = sample_of(text, number)
        weight += _weight(sample)
        with suppress(TextError):
            count += _count(model.sentences(sample, options.language, emoji=options.emoji))
        told = count * whole // weight
        if count > ENOUGH or not limit / 2 < told < 2 * limit:
            break
    return told


def phones_of(model: TTS, text: str, options: Options, budget: Budget) -> list[Phones]:
    """The sentences of a text that does not cost too much.

    Raises:
        TextError: it does, or there is nothing to say. Told as soon as so many were counted.
    """
    budget.check_spelled(text)
    tolerance = 1.0
    if len(text) > 2 * PIECES * CHARACTERS and not is_plain(text):
        about = expected(model, text, options, budget.most(len(text), options.speed))
        budget.check(len(text), about, options.speed, word="about")
        tolerance = TOLERANCE
    found, count, pauses = [], 0, 0.0
    for phones in model.sentences(text, options.language, options.markup, options.emoji):
        found.append(phones)
        count += _count([phones])
        pauses += sum(phones.breaks.values())
        budget.check(len(text), count, options.speed, tolerance, pauses=pauses)
    return found

"""What a text may cost a server, counted in phones before any of it is spoken.

Characters say little of it: a letter of English is about one phone, an ideograph ten, and a
ligature such as U+FDFA a hundred and forty. A long text of other than plain letters need not be
read as a whole to be refused: a sample of it tells about what it costs.
"""

import random
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from tts.errors import TextError
from tts.facade import TTS
from tts.text.symbols import Phones
from tts.types import Options

#: seconds of a phone at speed 1, as long voices speak
PHONE = 0.08
#: what is read of a long text to tell what all of it costs: pieces, and characters of each
PIECES, CHARACTERS = 4, 32
#: a text that its sample finds cheap enough may cost so much more
TOLERANCE = 1.25
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,.'\n")


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
        self, characters: int, phones: int, speed: float, tolerance: float = 1.0, word: str = "over"
    ) -> None:
        """TextError where a text costs too much, telling what it costs and what it may.

        Args:
            phones: counted so far, or expected.
            tolerance: by which the limits may be passed.
            word: "over" where phones were counted until now, "about" where they are expected.
        """
        seconds = phones * PHONE / speed
        share = self.free + self.per_character * characters
        if phones > tolerance * self.phones or seconds > tolerance * self.seconds:
            raise TextError(
                f"the text is {word} {phones:,} phones, {seconds:,.0f} s of speech; "
                f"{self.phones:,} phones and {self.seconds:,.0f} s are the most of a request: "
                "send it in parts"
            )
        if phones > tolerance * share:
            raise TextError(
                f"{characters:,} characters of the text are {word} {phones:,} phones, "
                f"{seconds:,.0f} s of speech; {share:,.0f} phones are the most for so many "
                "characters"
            )


def sample_of(text: str) -> str:
    """Pieces of a text from all parts of it; which ones follows from the text alone."""
    rng = random.Random(zlib.crc32(text.encode("utf-8", "surrogatepass")))
    part = len(text) / PIECES
    starts = [int(n * part + rng.random() * (part - CHARACTERS)) for n in range(PIECES)]
    return " ".join(text[start : start + CHARACTERS] for start in starts)


def is_plain(text: str) -> bool:
    """Whether a text is letters of English for the most part, which are about a phone each."""
    return sum(character in _PLAIN for character in text) > 0.8 * len(text)


def _count(sentences: Iterable[Phones]) -> int:
    """Phones of sentences; models that read characters have none, and count those."""
    return sum(len(phones) or len(phones.text) for phones in sentences)


def expected(model: TTS, text: str, options: Options) -> int:
    """Phones of a text by a sample of it; 0 where there is nothing to say in that."""
    sample = sample_of(text)
    try:
        count = _count(model.sentences(sample, options.language, emoji=options.emoji))
    except TextError:
        return 0
    return int(count * len(text) / len(sample))


def phones_of(model: TTS, text: str, options: Options, budget: Budget) -> list[Phones]:
    """The sentences of a text that does not cost too much.

    Raises:
        TextError: it does, or there is nothing to say. Told as soon as so many were counted.
    """
    budget.check_spelled(text)
    tolerance = 1.0
    if len(text) > 2 * PIECES * CHARACTERS and not is_plain(text):
        budget.check(len(text), expected(model, text, options), options.speed, word="about")
        tolerance = TOLERANCE
    found, count = [], 0
    for phones in model.sentences(text, options.language, options.markup, options.emoji):
        found.append(phones)
        count += _count([phones])
        budget.check(len(text), count, options.speed, tolerance)
    return found

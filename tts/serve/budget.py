"""Limits on the length of a text, counted in phones before any of it is spoken.

Characters say little about the length of speech: a letter of English is about one phone, an
ideograph ten, and a ligature such as U+FDFA a hundred and forty. A long text of other than plain
letters need not be converted as a whole to be refused: samples of it tell about how long it is.
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

#: seconds of a phone at speed 1 in a slow voice
SECONDS_PER_PHONE = 0.08
#: pieces of a text that make a sample, and characters of each piece
SAMPLE_PIECES, PIECE_CHARACTERS = 4, 32
#: most samples of a text; one sample is enough from this number of phones on
MAX_SAMPLES, ENOUGH_PHONES = 3, 1200
#: factor by which a text may exceed the limits after its samples were found to be within them
TOLERANCE = 1.1
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,.'\n")
#: about how many phones a character is that is not plain. This corrects for samples that happen to
#: hold more or fewer of those characters than the text does
_PHONES_PER_OTHER = 5
#: numbers that are read digit by digit, while a piece of them would be read as millions
_LONG_NUMBER = re.compile(r"\d{37,}")


@dataclass(frozen=True)
class Budget:
    """Limits on the text of one request.

    Attributes:
        phones: most phones.
        seconds: longest expected audio, which depends on the speed.
        phones_per_character: most phones for each character, after the first `free_phones`.
        free_phones: phones that every text may have.
    """

    phones: int = 13_000
    seconds: float = 1200.0
    phones_per_character: float = 16.0
    free_phones: int = 400

    def max_phones(self, characters: int, speed: float) -> int:
        """Return the most phones that a text of so many characters may have."""
        by_time = self.seconds * speed / SECONDS_PER_PHONE
        return int(min(self.phones, by_time, self._max_for(characters)))

    def _max_for(self, characters: int) -> float:
        return self.free_phones + self.phones_per_character * characters

    def check_letters(self, text: str) -> None:
        """Refuse a text whose ligatures stand for more letters than may be spoken, before any work.

        Raises:
            TextError: the text is too long.
        """
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
        """Check a text against all limits.

        Args:
            characters: length of the text.
            phones: its phones, counted so far or estimated.
            speed: speed of the request.
            tolerance: factor by which the limits may be exceeded.
            word: "over" if phones were counted so far, "about" if they are estimated.
            pauses: seconds of pauses that markup asks for, which do not depend on the speed.

        Raises:
            TextError: the text is too long; the message has its length and the limit.
        """
        seconds = phones * SECONDS_PER_PHONE / speed + pauses
        limit = self._max_for(characters)
        with_pauses = f" with {pauses:,.0f} s of pauses" if pauses else ""
        if phones > tolerance * self.phones or seconds > tolerance * self.seconds:
            raise TextError(
                f"the text is {word} {phones:,} phones, {seconds:,.0f} s of speech{with_pauses}; "
                f"{self.phones:,} phones and {self.seconds:,.0f} s are the most of a request: "
                "send it in parts"
            )
        if phones > tolerance * limit:
            raise TextError(
                f"{characters:,} characters of the text are {word} {phones:,} phones, "
                f"{seconds:,.0f} s of speech; {limit:,.0f} phones are the most for so many "
                "characters"
            )


def sentences_within(model: TTS, text: str, options: Options, budget: Budget) -> list[Phones]:
    """Convert a text to sentences of phones, at most as long as a budget allows.

    Raises:
        TextError: the text exceeds the budget, which is found as early as possible, or there is
            nothing to say.
    """
    budget.check_letters(text)
    tolerance = 1.0
    if len(text) > 2 * SAMPLE_PIECES * PIECE_CHARACTERS and not is_plain(text):
        limit = budget.max_phones(len(text), options.speed)
        estimate = estimate_phones(model, text, options, limit)
        budget.check(len(text), estimate, options.speed, word="about")
        tolerance = TOLERANCE
    sentences, count, pauses = [], 0, 0.0
    for phones in model.sentences(text, options.language, options.markup, options.emoji):
        sentences.append(phones)
        count += _count([phones])
        pauses += sum(phones.breaks.values())
        budget.check(len(text), count, options.speed, tolerance, pauses=pauses)
    return sentences


def estimate_phones(model: TTS, text: str, options: Options, limit: int = Budget.phones) -> int:
    """Estimate the phones of a text from samples of it; 0 if the samples have nothing to say.

    Args:
        model: model whose front end converts the samples.
        text: the text.
        options: options of the request.
        limit: most phones that the text may have. If the first sample tells less than half or more
            than twice of it, it is the only one.
    """
    text = _LONG_NUMBER.sub(lambda number: " ".join(number[0]), text)
    text_weight, count, weight, estimate = _weight(text), 0, 0, 0
    for number in range(MAX_SAMPLES):
        sample = sample_of(text, number)
        weight += _weight(sample)
        with suppress(TextError):
            count += _count(model.sentences(sample, options.language, emoji=options.emoji))
        estimate = count * text_weight // weight
        if count > ENOUGH_PHONES or not limit / 2 < estimate < 2 * limit:
            break
    return estimate


def sample_of(text: str, number: int = 0) -> str:
    """Return pieces from all parts of a text, of whole words where those are short.

    Args:
        text: the text.
        number: number of the sample. It and the text alone decide which pieces are taken.
    """
    rng = random.Random(zlib.crc32(text.encode("utf-8", "surrogatepass"), number))
    part = len(text) / SAMPLE_PIECES
    starts = [
        int(n * part + rng.random() * (part - PIECE_CHARACTERS)) for n in range(SAMPLE_PIECES)
    ]
    return " ".join(_whole_words(text, start, start + PIECE_CHARACTERS) for start in starts)


def _whole_words(text: str, start: int, end: int) -> str:
    """Return a piece of a text without the parts of words at its ends, unless that is less than
    half of it."""
    piece = text[start:end]
    if start and not text[start - 1].isspace():
        piece = re.sub(r"^\S+\s+", "", piece)
    if end < len(text) and not text[end].isspace():
        piece = re.sub(r"\s+\S+$", "", piece)
    return piece if 2 * len(piece) >= end - start else text[start:end]


def is_plain(text: str) -> bool:
    """Return whether a text is mostly letters of English, which are about one phone each."""
    return sum(character in _PLAIN for character in text) > 0.8 * len(text)


def _count(sentences: Iterable[Phones]) -> int:
    """Count the phones of sentences; the characters for models that read those."""
    return sum(len(phones) or len(phones.text) for phones in sentences)


def _weight(text: str) -> int:
    """Return about how many phones a text is, from the kinds of its characters alone."""
    plain = sum(character in _PLAIN for character in text)
    return plain + _PHONES_PER_OTHER * (len(text) - plain)

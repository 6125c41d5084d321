"""What a text may cost a server, counted in phones before any of it is spoken.

Characters say little of it: a letter of English is about one phone, an ideograph ten, and a
ligature such as U+FDFA a hundred and forty.
"""

import unicodedata
from dataclasses import dataclass

from tts.errors import TextError
from tts.facade import TTS
from tts.text.symbols import Phones
from tts.types import Options

#: seconds of a phone at speed 1, as long voices speak
PHONE = 0.08


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

    def check(self, characters: int, phones: int, speed: float) -> None:
        """TextError where a text costs too much, telling what it costs and what it may.

        Args:
            phones: counted so far.
        """
        seconds = phones * PHONE / speed
        share = self.free + self.per_character * characters
        if phones > self.phones or seconds > self.seconds:
            raise TextError(
                f"the text is over {phones:,} phones, {seconds:,.0f} s of speech; {self.phones:,} "
                f"phones and {self.seconds:,.0f} s are the most of a request: send it in parts"
            )
        if phones > share:
            raise TextError(
                f"{characters:,} characters of the text are over {phones:,} phones, {seconds:,.0f} "
                f"s of speech; {share:,.0f} phones are the most for so many characters"
            )


def phones_of(model: TTS, text: str, options: Options, budget: Budget) -> list[Phones]:
    """The sentences of a text that does not cost too much.

    Raises:
        TextError: it does, or there is nothing to say. Told as soon as so many were counted.
    """
    budget.check_spelled(text)
    found, count = [], 0
    for phones in model.sentences(text, options.language, options.markup, options.emoji):
        found.append(phones)
        # Models that read characters have no phones.
        count += len(phones) or len(phones.text)
        budget.check(len(text), count, options.speed)
    return found

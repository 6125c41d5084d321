"""A text that was spoken, sentence by sentence, so that one of them can be said again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tts.errors import UsageError

if TYPE_CHECKING:
    from tts.facade import TTS
    from tts.pipeline.render import Utterance
    from tts.types import Audio, Chunk, Options
    from tts.voice.voice import Voice
    from tts_demo.wish import Wish


@dataclass
class Sentence:
    """One sentence and what was made of it.

    Attributes:
        utterance: how it is said.
        takes: chunks of each seed it was said with, before they are levelled.
        seed: of the take that is used.
    """

    utterance: "Utterance"
    takes: "dict[int, list[Chunk]]" = field(default_factory=dict)
    seed: int = 0

    @property
    def text(self) -> str:
        """As it is said."""
        return self.utterance.phones.text


class Spoken:
    """The text of a wish in one voice, each of whose sentences may have several takes.

    What it gives is what `TTS.synthesize` gives with the same `takes` in its options.

    Args:
        mark: makes what puts the watermark on the chunks of one utterance.
    """

    def __init__(
        self,
        model: "TTS",
        wish: "Wish",
        voice: "Voice",
        options: "Options",
        mark: Callable[[int], Callable[[Any], Any]],
    ):
        self.model, self.wish, self.voice, self.options = model, wish, voice, options
        self._mark = mark
        self.sentences: list[Sentence] = []

    def _levelled(self, groups: "Iterator[Iterator[Chunk]]") -> "Iterator[Chunk]":
        """Chunks of sentences one after the other, as they are heard."""
        from tts.audio.loudness import Leveler

        rate = self.model.sample_rate
        offset, level, mark = 0, Leveler(rate), self._mark(rate)
        for group in groups:
            begin = offset / rate
            for chunk in group:
                offset += len(chunk.samples)
                heard = replace(chunk, samples=mark(chunk.levelled(level)), gain=None)
                yield heard.later(begin)

    def _said(self, sentence: Sentence, seed: int) -> "Iterator[Chunk]":
        """Say a sentence with a seed and keep the take once all of it was made."""
        utterance = sentence.utterance
        options = replace(utterance.options, takes=((utterance.number + 1, seed),))
        chunks = []
        for chunk in self.model.say(utterance.phones, utterance.voice, options, utterance.number):
            chunks.append(chunk)
            yield chunk
        sentence.takes[seed] = chunks

    def speak(self) -> "Iterator[Chunk]":
        """Say all of it for the first time.

        Raises:
            TextError: nothing to say. UsageError, VoiceError: see `TTS.stream`.
        """

        def groups() -> "Iterator[Iterator[Chunk]]":
            for utterance in self.model.utterances(self.wish.text, self.voice, self.options):
                sentence = Sentence(utterance, seed=self.options.seed_of(utterance.number))
                self.sentences.append(sentence)
                yield self._said(sentence, sentence.seed)

        return self._levelled(groups())

    def find(self, number: int) -> Sentence:
        """A sentence, counted from 0; UsageError where there is none."""
        if not 0 <= number < len(self.sentences):
            raise UsageError("choose a sentence of what was spoken")
        return self.sentences[number]

    def again(self, number: int, seed: int) -> "Iterator[Chunk]":
        """Another take of a sentence, which is then the one that is used; levelled by itself."""
        sentence = self.find(number)
        yield from self._levelled(iter([self._said(sentence, seed)]))
        sentence.seed = seed

    def take(self, number: int, seed: int) -> "Audio":
        """One take of a sentence by itself.

        Raises:
            UsageError: there is none of that seed.
        """
        from tts.types import joined

        chunks = self.find(number).takes.get(seed)
        if chunks is None:
            raise UsageError(f"there is no take of this sentence with the seed {seed}")
        return joined(self._levelled(iter([iter(chunks)])), self.model.sample_rate)

    def use(self, number: int, seed: int) -> None:
        """Use an earlier take of a sentence; UsageError where there is none."""
        self.take(number, seed)
        self.find(number).seed = seed

    def audio(self) -> "Audio":
        """All sentences, each in the take that is used."""
        from tts.types import joined

        groups = (iter(each.takes[each.seed]) for each in self.sentences)
        return joined(self._levelled(groups), self.model.sample_rate)

    @property
    def takes(self) -> tuple[tuple[int, int], ...]:
        """The seeds that differ from those of the options, as `Options.takes` has them."""
        return tuple(
            (number + 1, each.seed)
            for number, each in enumerate(self.sentences)
            if each.seed != self.options.seed_of(number)
        )

"""One request of a server: what is still to be said, and what waits for its listener."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from tts.audio.loudness import Leveler
from tts.errors import TTSError
from tts.facade import TTS
from tts.pipeline.render import Utterance
from tts.serve.budget import Budget, phones_of
from tts.types import Chunk, Options
from tts.voice.voice import Voice

#: seconds of audio that may wait for a slow listener before no more are computed for it
AHEAD = 8.0
#: characters of the longest sentence, where its phones are not yet known
_SENTENCE = 220
#: seconds of pauses within a sentence that is said together with others
_PAUSES = 2.0


class Stalled(TTSError):
    """The listener does not take what was computed for it."""


@dataclass(eq=False)
class Job:
    """A request, and chunks on their way to who listens.

    Attributes:
        chunks: of the listener's event loop: Chunk, an error, or None at the end.
        ahead: seconds of audio that wait for the listener; samples: delivered so far.
        speaking: chunks of the sentence that is being said, waiting: the next one.
        left: phones of the sentences that have not begun.
        due: when who plays from the first audio on has played all that was delivered.
        served: number of the step of the scheduler that last computed for it.
        parked: since when the listener is behind, where it is.
        cut: called from any thread to end a connection whose listener is behind.
    """

    model: TTS
    text: str
    voice: Voice
    options: Options
    loop: asyncio.AbstractEventLoop
    chunks: "asyncio.Queue[Chunk | Exception | None]" = field(default_factory=asyncio.Queue)
    arrived: float = field(default_factory=time.perf_counter)
    cancelled: threading.Event = field(default_factory=threading.Event)
    ahead: float = 0.0
    samples: int = 0
    left: int = 0
    due: float = 0.0
    served: int = 0
    parked: float | None = None
    cut: Callable[[], object] = lambda: None
    level: Leveler | None = None
    utterances: Iterator[Utterance] | None = None
    waiting: Utterance | None = None
    speaking: Iterator[Chunk] | None = None
    budget: Budget = Budget()

    def prepare(self) -> None:
        """Read the text, which takes up to half a second of computation, so that the scheduler need
        not.

        Raises:
            TextError: nothing to say, or it costs too much (tts.serve.budget).
            UsageError: another take of a sentence that it has not.
        """
        sentences = phones_of(self.model, self.text, self.options, self.budget)
        self.options.check_takes(len(sentences))
        self.left = sum(len(each) for each in sentences)
        self.utterances = self.model.utterances_of(sentences, self.voice, self.options)
        self._turn_to_next(self.utterances)

    def _turn_to_next(self, utterances: Iterator[Utterance]) -> None:
        self.waiting = next(utterances, None)
        if self.waiting is not None:
            self.left -= len(self.waiting.phones)

    @property
    def heard(self) -> bool:
        """Whether it has had audio."""
        return self.samples > 0

    @property
    def cost(self) -> int:
        """Phones of its next sentence, which the time to its audio follows; at most, where they
        are not known yet."""
        return len(self.waiting.phones) if self.waiting else min(len(self.text), _SENTENCE)

    @property
    def pauses(self) -> bool:
        """Whether the next sentence has long pauses, which go to the listener piece by piece."""
        waiting = self.waiting
        return waiting is not None and sum(waiting.phones.breaks.values()) > _PAUSES

    def next_utterance(self) -> Utterance | None:
        """The next sentence, None after the last; TextError when there is nothing to say."""
        if self.utterances is None:
            self.prepare()
        elif self.waiting is None:
            self._turn_to_next(self.utterances)
        return self.waiting

    def next_chunk(self) -> Chunk | None:
        """The next piece of the sentence that is being said, which `waiting` begins; None after
        its last."""
        if self.speaking is None:
            utterance, self.waiting = self.waiting, None
            assert utterance is not None
            self.speaking = self.model.say(
                utterance.phones, utterance.voice, utterance.options, utterance.number
            )
        chunk = next(self.speaking, None)
        if chunk is None:
            self.speaking = None
        return chunk

    def deliver(self, item: Chunk | Exception | None) -> None:
        """Hand something to the listener, from any thread."""
        if isinstance(item, Chunk):
            item = item.later(self.samples / item.sample_rate)
            if self.level is None:
                self.level = Leveler(item.sample_rate)
            item.samples, item.gain = item.levelled(self.level), None
            self.samples += len(item.samples)
            # A player that has run dry goes on only now.
            self.due = max(self.due, time.perf_counter()) + len(item.samples) / item.sample_rate
        # A loop that is closed has no listener any more.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.chunks.put_nowait, item)

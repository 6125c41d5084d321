"""One request of the server: the sentences that are left, and the audio for the client."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from tts.audio.loudness import Leveler
from tts.facade import TTS
from tts.pipeline.render import Utterance
from tts.serve.budget import Budget, sentences_within
from tts.types import Chunk, Options
from tts.voice.voice import Voice

#: characters of the longest sentence, where its phones are not yet known
_SENTENCE = 220
#: seconds of pauses within a sentence from which on it is not computed in a batch
_LONG_PAUSES = 2.0


@dataclass(eq=False)
class Job:
    """A request and the queue of its chunks of audio.

    The scheduler's thread writes all attributes but `disconnect`; the client's side reads `chunks`
    in its event loop.

    Attributes:
        model, text, voice, options: what is to be said, and how.
        loop: event loop of the client's side.
        chunks: audio for the client, then an error or, at the end, None.
        arrived: when the request came (time.perf_counter).
        cancelled: set when nobody wants the audio any more.
        buffered_seconds: audio that was computed and that the client has not read.
        delivered_samples: samples that were put into `chunks`.
        remaining_phones: phones of the sentences that have not begun.
        playback_end: when a client that plays from the first audio on has played all of it.
        last_step: the step of the scheduler that last computed for this request.
        parked_since: since when nothing is computed because the client does not read, or None.
        disconnect: ends the client's connection; may be called from any thread.
        leveler: brings all sentences to one loudness.
        utterances: sentences that have not begun; None before the text was converted to phones.
        upcoming: the next sentence, taken from `utterances`.
        rendering: chunks of the sentence that is being computed.
        budget: limits on the length of the text.
    """

    model: TTS
    text: str
    voice: Voice
    options: Options
    loop: asyncio.AbstractEventLoop
    chunks: "asyncio.Queue[Chunk | Exception | None]" = field(default_factory=asyncio.Queue)
    arrived: float = field(default_factory=time.perf_counter)
    cancelled: threading.Event = field(default_factory=threading.Event)
    buffered_seconds: float = 0.0
    delivered_samples: int = 0
    remaining_phones: int = 0
    playback_end: float = 0.0
    last_step: int = 0
    parked_since: float | None = None
    disconnect: Callable[[], object] = lambda: None
    leveler: Leveler | None = None
    utterances: Iterator[Utterance] | None = None
    upcoming: Utterance | None = None
    rendering: Iterator[Chunk] | None = None
    budget: Budget = Budget()

    def prepare(self) -> None:
        """Convert the text to phones. It takes up to half a second of computation, which is why the
        scheduler's thread should not do it.

        Raises:
            TextError: there is nothing to say, or the text exceeds the budget.
            UsageError: the options ask for another take of a sentence that does not exist.
        """
        sentences = sentences_within(self.model, self.text, self.options, self.budget)
        self.options.check_takes(len(sentences))
        self.remaining_phones = sum(len(sentence) for sentence in sentences)
        self.utterances = self.model.utterances_of(sentences, self.voice, self.options)
        self._advance(self.utterances)

    def _advance(self, utterances: Iterator[Utterance]) -> None:
        """Take the next sentence."""
        self.upcoming = next(utterances, None)
        if self.upcoming is not None:
            self.remaining_phones -= len(self.upcoming.phones)

    @property
    def has_audio(self) -> bool:
        """Whether the client was given audio already."""
        return self.delivered_samples > 0

    @property
    def next_phones(self) -> int:
        """Phones of the next sentence, to which the time to its audio is proportional; an upper
        limit if they are not known yet."""
        return len(self.upcoming.phones) if self.upcoming else min(len(self.text), _SENTENCE)

    @property
    def has_long_pauses(self) -> bool:
        """Whether the next sentence has long pauses, which are delivered piece by piece and
        therefore not computed in a batch."""
        upcoming = self.upcoming
        return upcoming is not None and sum(upcoming.phones.breaks.values()) > _LONG_PAUSES

    def next_utterance(self) -> Utterance | None:
        """Return the next sentence, or None after the last.

        Raises:
            TextError, UsageError: see `prepare`, which this calls for a text that was not prepared.
        """
        if self.utterances is None:
            self.prepare()
        elif self.upcoming is None:
            self._advance(self.utterances)
        return self.upcoming

    def next_chunk(self) -> Chunk | None:
        """Return the next chunk of the sentence that is being computed, or None after its last. A
        sentence begins with the first call after `next_utterance`."""
        if self.rendering is None:
            utterance, self.upcoming = self.upcoming, None
            assert utterance is not None
            self.rendering = self.model.say(
                utterance.phones, utterance.voice, utterance.options, utterance.number
            )
        chunk = next(self.rendering, None)
        if chunk is None:
            self.rendering = None
        return chunk

    def deliver(self, item: Chunk | Exception | None) -> None:
        """Put a chunk, an error or the end into `chunks`, from any thread.

        Raises:
            CheckpointError: the samples are not finite.
        """
        if isinstance(item, Chunk):
            item = self._placed(item)
        # The loop may be closed; then nobody listens.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.chunks.put_nowait, item)

    def _placed(self, chunk: Chunk) -> Chunk:
        """Return a chunk at its time in the whole audio and at its loudness, and count it."""
        placed = chunk.later(self.delivered_samples / chunk.sample_rate)
        if self.leveler is None:
            self.leveler = Leveler(chunk.sample_rate)
        placed.samples, placed.gain = placed.levelled(self.leveler), None
        self.delivered_samples += len(placed.samples)
        # A player that has run out of audio plays on only now.
        resumes = max(self.playback_end, time.perf_counter())
        self.playback_end = resumes + len(placed.samples) / placed.sample_rate
        return placed

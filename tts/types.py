"""What a request may say of itself, and what comes back: options, chunks, audio, times."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from operator import index
from types import TracebackType
from typing import Any, BinaryIO, TypedDict

import numpy as np
from numpy.typing import NDArray

from tts.audio.display import player
from tts.audio.loudness import limited
from tts.audio.resample import check_output_rate, resample
from tts.audio.writer import encode_audio, save_to, write_audio
from tts.cancel import Cancellation, Cancelled
from tts.errors import CheckpointError, UsageError
from tts.resources import nearest
from tts.text.emoji_names import check_emoji_language
from tts.text.markup import check_markup
from tts.text.pauses import spoken_pauses
from tts.text.symbols import Phones, decode_phones

#: smallest and largest value of each number; the server and the batch refuse the same
RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**63 - 1), "speed": (0.5, 2), "pitch": (0.5, 2), "steps": (1, 256),
    "guidance": (0, 20), "temperature": (0, 2),
}  # fmt: skip
_WHOLE = ("seed", "steps")
_FLAGS = {"true": True, "yes": True, "1": True, "x": True, "false": False, "no": False, "0": False}


def flag_of(name: str, value: object, default: bool = False) -> bool:
    """Yes or no as tables and forms hold it; None, or nothing but blanks, is the default.

    Raises:
        UsageError: anything else, with the name of the column or field.
    """
    text = "" if value is None else str(value).strip().lower()
    found = _FLAGS.get(text) if text else default
    if found is None:
        raise UsageError(f"{name} must be true or false, not {value!r:.40}")
    return found


@dataclass(frozen=True)
class Options:
    """What a request may change. None takes the model's default.

    Attributes:
        seed: same seed, same audio; sentence n of a text uses seed + n.
        speed: 0.5 (slow) to 2 (fast).
        pitch: multiplies the pitch of the voice, 0.5 to 2.
        steps, guidance, temperature: see tts.generators.base.SamplingOptions.
        language: espeak code, e.g. "en-us", "de", "fr-fr".
        markup: of the text: "none", "pauses" ([pause 0.5]) or "ssml" (and that), see
            tts.text.markup.
        emoji: say the short names of emoji, which are silent otherwise.
        takes: other seeds of single sentences: (number from 1 on, seed), ...; a sentence that the
            text does not have is an error.
    """

    seed: int = 0
    speed: float = 1.0
    pitch: float = 1.0
    steps: int | None = None
    guidance: float | None = None
    temperature: float | None = None
    language: str | None = None
    markup: str = "none"
    emoji: bool = False
    takes: tuple[tuple[int, int], ...] = ()

    def seed_of(self, number: int) -> int:
        """The seed of a sentence, counted from 0: `seed + number`, or that of its take."""
        return dict(self.takes).get(number + 1, self.seed + number)

    def __post_init__(self) -> None:
        # Numbers of NumPy and tensors of one are what computations of a user end in.
        for name in RANGES:
            value = getattr(self, name)
            if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
                object.__setattr__(self, name, value.item())
        with suppress(TypeError, ValueError):  # `check` tells what is wrong
            takes = tuple((index(number), index(seed)) for number, seed in self.takes)
            object.__setattr__(self, "takes", takes)

    def check(self) -> None:
        """UsageError when a value is of the wrong kind or out of range."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is None and name not in ("seed", "speed", "pitch"):
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise UsageError(f"{name} must be a number, not {value!r}")
            if name in _WHOLE and not isinstance(value, int):
                raise UsageError(f"{name} must be a whole number, not {value!r}")
            if not low <= value <= high:
                shown = "2^63 - 1" if name == "seed" else f"{high:g}"
                # An integer may be too large for a float.
                large = isinstance(value, int) and abs(value) >= 2**64
                told = f"{str(value)[:20]}..." if large else f"{value:g}"
                raise UsageError(f"{name} {told} is out of range: {low:g} to {shown}")
        if self.language is not None and not isinstance(self.language, str):
            raise UsageError(f"language must be a code such as 'en-us', not {self.language!r}")
        check_markup(self.markup)
        if not isinstance(self.emoji, bool):
            raise UsageError(f"emoji must be true or false, not {self.emoji!r}")
        if self.emoji and self.language is not None:
            check_emoji_language(self.language)
        if not isinstance(self.takes, (tuple, list)):
            raise UsageError(f"takes are pairs of numbers, not {self.takes!r}")
        for take in self.takes:
            pair = isinstance(take, (tuple, list)) and len(take) == 2
            if not pair or any(type(value) is not int for value in take):
                raise UsageError(f"a take is a number of a sentence and a seed, not {take!r}")
            if take[0] < 1 or not 0 <= take[1] <= RANGES["seed"][1]:
                told = f"{str(take[0])[:20]}={str(take[1])[:20]}"
                raise UsageError(f"take {told} is out of range: 1=0 and more")
        numbers = [take[0] for take in self.takes]
        if twice := {number for number in numbers if numbers.count(number) > 1}:
            raise UsageError(f"there are several takes of sentence {min(twice)}: give one of them")

    def check_takes(self, sentences: int) -> None:
        """UsageError for a take of a sentence that a text of so many does not have."""
        for number, _ in self.takes:
            if number > sentences:
                has = "one sentence" if sentences == 1 else f"{sentences} sentences"
                raise UsageError(f"there is a take of sentence {number}, but the text has {has}")


class OptionValues(TypedDict, total=False):
    """The attributes of `Options` as keyword arguments."""

    seed: int
    speed: float
    pitch: float
    steps: int | None
    guidance: float | None
    temperature: float | None
    language: str | None
    markup: str
    emoji: bool
    takes: tuple[tuple[int, int], ...]


def options_of(options: Options | None, values: Mapping[str, Any]) -> Options:
    """`options` (or the defaults) with some values changed, checked.

    Raises:
        UsageError: an unknown name, telling the nearest, or a value out of range.
    """
    known = [each.name for each in fields(Options)]
    for name in values:
        if name not in known:
            raise UsageError(f"unknown option {name!r}{nearest(name, known)}")
    if not isinstance(options, Options | None):
        raise UsageError(f"options are of tts.Options, not {type(options).__name__}")
    changed = replace(options or Options(), **values)
    changed.check()
    return changed


@dataclass(frozen=True)
class Span:
    """A word or phone and when it is said, in seconds from the start of the whole output.

    Attributes:
        at: of a word, the (first, past-last) character of what was written for it in the text that
            was given, where that is known; words of one written form ("$5") share it.
    """

    text: str
    start: float
    end: float
    at: tuple[int, int] | None = None

    def later(self, seconds: float) -> "Span":
        """The same, shifted."""
        return Span(self.text, self.start + seconds, self.end + seconds, self.at)


def spans_of(phones: Phones, frames: list[int], frame: float) -> tuple[list[Span], list[Span]]:
    """When each word and each phone of a sentence is said, in seconds from its start.

    Args:
        frames: of each token; frame: seconds of one.
    """
    ends = (np.concatenate([[0], np.cumsum(frames)]) * frame).tolist()
    known = len(phones.spans) == len(phones.words)
    places: Sequence[tuple[int, int] | None] = phones.spans if known else [None] * len(phones.words)
    words = [
        Span(word, ends[first], ends[last], at)
        for (word, first, last), at in zip(phones.words, places, strict=True)
    ]
    ids, mods = spoken_pauses(phones.ids, phones.mods)
    names = [decode_phones([i], [m]) for i, m in zip(ids, mods, strict=True)]
    return words, [Span(n, a, b) for n, a, b in zip(names, ends, ends[1:], strict=False)]


@dataclass(eq=False)
class Chunk:
    """A piece of audio: float32 [N] at `sample_rate`; `text`, `words` and `phones` come with the
    first chunk of each sentence, times counted from the start of the whole output.

    Attributes:
        gain: [N] volume that markup asks for, which multiplies the samples once they are levelled;
            None for 1.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    text: str = ""
    words: list[Span] = field(default_factory=list)
    phones: list[Span] = field(default_factory=list)
    gain: NDArray[np.float32] | None = None

    def levelled(
        self, level: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """The samples as they are heard: levelled (tts.audio.loudness), then with the gain.

        Raises:
            CheckpointError: they are not finite, so the weights cannot be right.
        """
        if not np.isfinite(self.samples).all():
            raise CheckpointError("the model makes samples that are not finite: wrong weights")
        samples = level(self.samples)
        if self.gain is None:
            return samples
        heard = samples * self.gain
        return np.where(self.gain > 1, limited(heard), heard)

    def later(self, seconds: float) -> "Chunk":
        """The same with its times shifted."""
        return replace(
            self,
            words=[span.later(seconds) for span in self.words],
            phones=[span.later(seconds) for span in self.phones],
        )


@dataclass(repr=False, eq=False)
class Audio:
    """A finished utterance.

    Attributes:
        samples: float32 [N] in -1..1; sample_rate: Hz.
        words, phones: when each is said; pauses are phones named by their mark.
        first_audio: seconds until the first chunk was ready.
        elapsed: seconds of computation.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    words: list[Span] = field(default_factory=list)
    phones: list[Span] = field(default_factory=list)
    first_audio: float = 0.0
    elapsed: float = 0.0

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of computation per second of audio."""
        return self.elapsed / max(self.seconds, 1e-9)

    def resampled(self, sample_rate: int) -> "Audio":
        """The same at another sample rate in Hz.

        Raises:
            UsageError: not 8000 to 192000 Hz.
        """
        sample_rate = check_output_rate(sample_rate)
        samples = resample(self.samples, self.sample_rate, sample_rate)
        return replace(self, samples=samples, sample_rate=sample_rate)

    def save(self, path: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> None:
        """Write WAV, FLAC, Ogg, Opus or MP3; whole or not at all.

        Args:
            path: a file name, whose extension tells the format, or a binary file that is open for
                writing, such as io.BytesIO.
            format: where the name does not tell; of a file without a name WAV.

        Raises:
            UsageError, OutputError: see tts.audio.writer.write_audio.
        """
        if isinstance(path, (str, os.PathLike)):
            write_audio(path, self.samples, self.sample_rate, format)
        else:
            save_to(path, self.samples, self.sample_rate, format)

    def to_bytes(self, format: str = "wav") -> bytes:
        """A complete file of a format: wav, flac, ogg, opus or mp3.

        Raises:
            UsageError: an unknown format, or one that cannot hold the sample rate.
            OutputError: there is no audio, or it is not finite.
        """
        return encode_audio(self.samples, self.sample_rate, format)

    def _repr_html_(self) -> str:
        """A player, which notebooks show for the last value of a cell."""
        return player(self.samples, self.sample_rate, [word.text for word in self.words])

    def __repr__(self) -> str:
        return f"<Audio of {self.seconds:.2f} s at {self.sample_rate} Hz>"


class Stream(Iterator[Chunk]):
    """Chunks of a request, each computed when it is asked for: there is no thread behind it.

    `close`, the end of a `with` block, or letting go of it stops the work. Another thread may call
    `close` while this one computes: it then stops within one block of a network, and the
    iteration ends.
    """

    def __init__(self, chunks: Iterator[Chunk], cancellation: Cancellation):
        self._chunks, self._cancellation = chunks, cancellation
        self._stopped = threading.Event()
        self._busy = threading.Lock()

    def __next__(self) -> Chunk:
        with self._busy:
            if self._stopped.is_set():
                raise StopIteration
            try:
                with self._cancellation.watching(self._stopped.is_set):
                    return next(self._chunks)
            except Cancelled:
                raise StopIteration from None

    def close(self) -> None:
        """Stop; nothing more comes. Can be called often, from any thread."""
        self._stopped.set()
        # A thread that is computing sees the flag; one that is not will find nothing.
        if self._busy.acquire(blocking=False):
            try:
                with suppress(AttributeError):
                    self._chunks.close()  # type: ignore[attr-defined]
            finally:
                self._busy.release()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def joined(chunks: Iterable[Chunk], sample_rate: int) -> Audio:
    """All chunks of an utterance as one Audio."""
    pieces = list(chunks)
    samples = np.concatenate([np.zeros(0, np.float32), *(piece.samples for piece in pieces)])
    words = [span for piece in pieces for span in piece.words]
    phones = [span for piece in pieces for span in piece.phones]
    return Audio(samples, sample_rate, words, phones)

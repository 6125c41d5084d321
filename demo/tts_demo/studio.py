"""What stands behind the page: models, voices and the requests that are being spoken."""

import queue
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tts.errors import AudioError, TextError, TTSError, UsageError, VoiceError
from tts_demo.limits import MAX_CHARACTERS, MAX_SECONDS
from tts_demo.sentences import Spoken
from tts_demo.sounds import Sounds
from tts_demo.wish import Wish

if TYPE_CHECKING:
    from tts.facade import TTS
    from tts.progress import Progress
    from tts.provenance import Watermark
    from tts.types import Audio, Chunk, Options
    from tts.voice.voice import Voice

    _Cloned: TypeAlias = tuple[Voice, tuple[str, ...]]

_VOICES = 32
_SPOKEN = 8  # texts whose sentences can be said again


@dataclass
class Moment:
    """A step of a request that is being spoken.

    Attributes:
        chunk: the next piece of audio, None before the first.
        warnings: about the recording, with the first step.
        elapsed: seconds of work so far, without loading the model; first_audio: up to the first
            chunk; loading: seconds it took to load the model.
        share: of the text, 0 to 1, whose sentences have begun.
        adapted: while the model is being fitted to the voice, the share of the steps that are done.
    """

    chunk: "Chunk | None" = None
    warnings: Sequence[str] = ()
    elapsed: float = 0.0
    first_audio: float = 0.0
    loading: float = 0.0
    share: float = 0.0
    adapted: float | None = None


class Ticket:
    """A request that can be stopped from another thread.

    Args:
        session: whose it is.
    """

    def __init__(self, session: str) -> None:
        self.session = session
        self._stopped = threading.Event()
        self._close: Callable[[], None] | None = None

    @property
    def stopped(self) -> bool:
        """Whether nobody wants it any more."""
        return self._stopped.is_set()

    def on_stop(self, close: Callable[[], None]) -> None:
        """What stops the work that has begun."""
        self._close = close
        if self.stopped:
            close()

    def stop(self) -> None:
        """Stop it; can be called often."""
        self._stopped.set()
        if self._close is not None:
            self._close()


class Studio:
    """Models and voices, each loaded once, and the requests of all sessions.

    Args:
        models: names, paths of YAMLs or folders, see tts.TTS.load.
        threads: CPU threads; None leaves them.
        watermark: see tts.provenance.load_watermark.
        library: whether visitors may change the voices and the lexicon of this machine's user.

    Attributes:
        sounds: what was made.
    """

    def __init__(
        self,
        models: Sequence[str],
        device: str = "auto",
        threads: int | None = None,
        watermark: str = "",
        library: bool = True,
    ):
        self.models, self.device, self.threads = list(models), device, threads
        self.watermark, self.library = watermark, library
        self.sounds = Sounds()
        self._hook: Watermark | None = None
        self._loaded: dict[str, TTS] = {}
        self._loading = threading.Lock()
        self._voices: OrderedDict[tuple[str, Wish], _Cloned] = OrderedDict()
        self._spoken: OrderedDict[str, Spoken] = OrderedDict()
        self._tickets: defaultdict[str, set[Ticket]] = defaultdict(set)
        self._lock = threading.Lock()
        self._adaptation = threading.Lock()

    def model(self, name: str) -> "TTS":
        """A model, loaded when it is first asked for.

        Raises:
            UsageError: not one of the page. CheckpointError, ConfigError: it cannot be loaded.
        """
        if name not in self.models:
            raise UsageError(f"unknown model {name!r}" if name else "choose a model")
        with self._loading:
            if name not in self._loaded:
                from tts.cli.common import load_model, set_threads
                from tts.provenance import load_watermark, marker

                set_threads(self.threads)
                if self.watermark:
                    self._hook = load_watermark(self.watermark)
                loaded = load_model(name, self.device)[0]
                marker(self._hook, loaded.sample_rate)
                self._loaded[name] = loaded
            return self._loaded[name]

    def is_loaded(self, name: str) -> bool:
        """Whether a model is ready at once."""
        return name in self._loaded

    def warm_up(self) -> None:
        """Load the first model in the background, while the visitor looks at the page."""

        def load() -> None:
            try:
                self.model(self.models[0])
            except TTSError:
                pass  # told to who asks for it

        threading.Thread(target=load, name="warm-up", daemon=True).start()

    def voice(
        self, model: "TTS", wish: Wish, session: str, progress: "Progress | None" = None
    ) -> "_Cloned":
        """The voice of a wish and what speaks against it; a session encodes a recording once.

        Args:
            progress: of the adaptation, see tts.TTS.voice.

        Raises:
            VoiceError: none chosen, or unknown. AudioError: not a usable recording.
        """
        from tts.voice.store import NAME

        if not wish.recording:
            if not wish.voice:
                raise VoiceError("no voice: choose one or give a recording")
            if not NAME.fullmatch(wish.voice):
                raise VoiceError(f"unknown voice {wish.voice!r}")
            saved = model.voice(wish.voice)
            return saved, tuple(filter(None, [model.untuned(saved)]))
        # All of a wish but its text decides what voice it gets.
        key = (session, replace(wish, text="", model=model.config.name, voice=None))
        with self._lock:
            found = self._voices.get(key)
        if found is None:
            found = _encoded(model, wish, progress)
            with self._lock:
                self._voices[key] = found
                while len(self._voices) > _VOICES:
                    self._voices.popitem(last=False)
        return found

    def marker(self, sample_rate: int) -> Callable[[Any], Any]:
        """What puts the watermark on the chunks [n] of one utterance."""
        from tts.provenance import marker

        return marker(self._hook, sample_rate)

    @contextmanager
    def ticket(self, session: str) -> Iterator[Ticket]:
        """A request of a session, for as long as it is worked on."""
        ticket = Ticket(session)
        with self._lock:
            self._tickets[session].add(ticket)
        try:
            yield ticket
        finally:
            ticket.stop()
            with self._lock:
                self._tickets[session].discard(ticket)
                if not self._tickets[session]:
                    del self._tickets[session]

    def stop(self, session: str) -> int:
        """Stop what a session is having spoken, and say how many requests that were."""
        with self._lock:
            tickets = list(self._tickets.get(session, ()))
        for ticket in tickets:
            ticket.stop()
        return len(tickets)

    def forget(self, session: str) -> None:
        """Stop what a visitor who has left was having spoken, and drop cloned voices and audio."""
        self.stop(session)
        self.sounds.forget(session)
        with self._lock:
            self._spoken.pop(session, None)
            for key in [key for key in self._voices if key[0] == session]:
                del self._voices[key]

    def close(self) -> None:
        """Stop all requests and delete what was made."""
        with self._lock:
            sessions = list(self._tickets)
        for session in sessions:
            self.stop(session)
        self.sounds.close()

    def spoken(self, session: str) -> Spoken:
        """The last text that a session has had spoken, all of it.

        Raises:
            UsageError: there is none any more.
        """
        found = self.last(session)
        if found is None:
            raise UsageError("nothing to say again: speak a text first")
        return found

    def last(self, session: str) -> Spoken | None:
        """As `spoken`, None where there is none."""
        with self._lock:
            return self._spoken.get(session)

    def _keep(self, session: str, spoken: Spoken) -> None:
        with self._lock:
            self._spoken[session] = spoken
            self._spoken.move_to_end(session)
            while len(self._spoken) > _SPOKEN:
                self._spoken.popitem(last=False)

    def speak(
        self, ticket: Ticket, wish: Wish, options: "Options", keep: bool = False
    ) -> Generator[Moment, None, None]:
        """Say a text chunk by chunk; the first moment comes before any audio.

        It ends early when the ticket is stopped.

        Args:
            keep: its sentences can be said again then (`spoken`).

        Raises:
            TextError: nothing to say, or too long; UsageError: an option out of range;
            VoiceError, AudioError: see `voice`; CheckpointError: see `model`.
        """
        check_text(wish.text)
        options.check()
        begin = time.perf_counter()
        model = self.model(wish.model)
        moment = Moment(loading=time.perf_counter() - begin)
        begin = time.perf_counter()
        if wish.adapt and wish.recording:
            yield from self._adapting(ticket, model, wish)
            if ticket.stopped:
                return
        voice, moment.warnings = self.voice(model, wish, ticket.session)
        moment.elapsed = time.perf_counter() - begin
        yield moment
        spoken = Spoken(model, wish, voice, options, self.marker)
        said = 0
        for each in self.moments(ticket, model, spoken.speak(), moment):
            assert each.chunk is not None
            said += len(each.chunk.text) + 1 if each.chunk.text else 0
            each.share = min(1.0, said / max(1, len(wish.text)))
            yield each
        if keep and not ticket.stopped:
            self._keep(ticket.session, spoken)

    def utter(self, session: str, wish: Wish, options: "Options") -> "Audio | None":
        """All of a text at once, None where it was stopped; errors as `speak`."""
        from tts.types import joined

        with self.ticket(session) as ticket:
            found = [each.chunk for each in self.speak(ticket, wish, options) if each.chunk]
            if ticket.stopped or not found:
                return None
        return joined(found, found[0].sample_rate)

    def moments(
        self, ticket: Ticket, model: "TTS", chunks: "Iterator[Chunk]", moment: Moment
    ) -> Generator[Moment, None, None]:
        """Chunks that are computed as they are asked for, each with the time it took since
        `moment`; ends early when the ticket is stopped."""
        from tts.types import Stream

        with Stream(chunks, model.cancellation) as stream:
            ticket.on_stop(stream.close)
            while not ticket.stopped:
                begin = time.perf_counter()
                chunk = next(stream, None)
                spent = moment.elapsed + time.perf_counter() - begin
                if chunk is None:
                    return
                first = moment.first_audio or spent
                moment = Moment(chunk, (), spent, first, moment.loading)
                yield moment

    def _adapting(self, ticket: Ticket, model: "TTS", wish: Wish) -> Generator[Moment, None, None]:
        """Make the adapted voice of a wish, one at a time on this machine, and tell how far it
        is."""
        from tts.cancel import Cancelled

        told: queue.Queue[Moment | BaseException | None] = queue.Queue()

        def progress(done: int, total: int) -> None:
            if ticket.stopped:
                raise Cancelled("stopped")
            told.put(Moment(adapted=done / total))

        def learn() -> None:
            try:
                with self._adaptation:
                    self.voice(model, wish, ticket.session, progress)
                told.put(None)
            except BaseException as error:
                told.put(error)

        thread = threading.Thread(target=learn, name="adapt", daemon=True)
        thread.start()
        yield Moment(adapted=0.0)
        while (found := told.get()) is not None:
            if isinstance(found, Cancelled):
                return
            if isinstance(found, BaseException):
                raise found
            yield found


def check_text(text: str | None) -> str:
    """A text the page accepts.

    Raises:
        TextError: empty or too long.
    """
    if not text or not text.strip():
        raise TextError("the text is empty")
    if len(text) > MAX_CHARACTERS:
        raise TextError(
            f"the text has {len(text):,} characters; {MAX_CHARACTERS:,} are the most: say it in "
            "parts, or use the command `tts synthesize`"
        )
    return text


def _encoded(model: "TTS", wish: Wish, progress: "Progress | None") -> "_Cloned":
    """The recording of a wish as a voice, with warnings about it."""
    from tts.audio.reference import load_reference

    assert wish.recording
    try:
        # As an open file: messages then name the file and not its place on this machine.
        with Path(wish.recording).open("rb") as file:
            reference = load_reference(file, model.config.sample_rate)
    except OSError as error:
        raise AudioError("the recording is not there any more: give it again") from error
    if reference.seconds_in > MAX_SECONDS:
        raise AudioError(
            f"the recording is {reference.seconds_in:.0f} s long; {MAX_SECONDS:.0f} s are the most"
        )
    voice = model.voice(
        reference,
        wish.transcript or None,
        adapt=wish.adapt,
        progress=progress,
        enhance=wish.enhance,
    )
    return voice, voice.warnings

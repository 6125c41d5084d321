"""The way of one request: text, voice, durations, generator, vocoder, audio."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray

from tts.align.aligner import collate_tokens
from tts.align.durations import DurationModel
from tts.align.pauses import spoken_pauses
from tts.align.phrasing import PhrasingModel, with_phrasing
from tts.audio.reference import Reference, load_reference
from tts.builder import load_module, load_units
from tts.config import ModelConfig, load_model_config
from tts.errors import UsageError, VoiceError
from tts.generators.base import Request, SamplingOptions
from tts.generators.generator import Generator
from tts.resources import model_config, nearest, root, voice_names
from tts.text.frontend import Frontend
from tts.text.symbols import SIL, Phones, decode_phones
from tts.voice.speaker import SpeakerEncoder
from tts.voice.voice import Voice, collate_voices
from tts_codecs.envelope import EXTRA, unpack_pitch
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

_EDGE_FRAMES = (5, 6)  # silence before and after a sentence
_FIRST_FRAMES = 12  # of the first chunk of a sentence: heard early
_FADE_FRAMES = 3  # a noisy voice that starts at once is heard as a consonant


@dataclass(frozen=True)
class Options:
    """What a request may change. None takes the model's default.

    Attributes:
        seed: same seed, same audio.
        speed: 0.5 (slow) to 2 (fast).
        pitch: multiplies the pitch of the voice, 0.5 to 2.
        steps, guidance, temperature: see tts.generators.base.SamplingOptions.
        language: espeak code, e.g. "en-us", "de", "fr-fr".
    """

    seed: int = 0
    speed: float = 1.0
    pitch: float = 1.0
    steps: int | None = None
    guidance: float | None = None
    temperature: float | None = None
    language: str | None = None

    def check(self) -> None:
        """UsageError when a value is out of range."""
        for name, low, high in (("speed", 0.5, 2.0), ("pitch", 0.5, 2.0)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} {value:g} is out of range: {low:g} to {high:g}")
        if self.steps is not None and not 1 <= self.steps <= 256:
            raise UsageError(f"steps {self.steps} is out of range: 1 to 256")
        if self.guidance is not None and not 0 <= self.guidance <= 20:
            raise UsageError(f"guidance {self.guidance:g} is out of range: 0 to 20")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise UsageError(f"temperature {self.temperature:g} is out of range: 0 to 2")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed {self.seed} is out of range: 0 to 2^63 - 1")


@dataclass(frozen=True)
class Span:
    """A word or phone and when it is said, in seconds from the start of the chunk."""

    text: str
    start: float
    end: float


@dataclass
class Chunk:
    """A piece of audio: float32 [N] at `sample_rate`; `text`, `words` and `phones` come with the
    first chunk of each sentence, times counted from the start of the whole output."""

    samples: NDArray[np.float32]
    sample_rate: int
    text: str = ""
    words: list[Span] = field(default_factory=list)
    phones: list[Span] = field(default_factory=list)


class TTS:
    """A loaded model. Requests do not change it, so threads may share it.

    Args:
        config: which checkpoints.
        device: "cpu", "cuda", or "auto" for cuda where there is one.
    """

    def __init__(self, config: ModelConfig, device: str = "auto"):
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.config, self.device = config, device
        self.generator = cast(Generator, load_module(config.generator, device))
        self.units = load_units(config.codec, device)
        self.durations = cast(DurationModel, load_module(config.durations, device))
        phrasing = load_module(config.phrasing, device) if config.phrasing else None
        self.phrasing = cast("PhrasingModel | None", phrasing)
        self.vocoder = cast(SourceFilterVocoder, load_module(config.vocoder, device))
        self.speaker = cast(SpeakerEncoder, load_module(config.speaker))
        self.sample_rate = self.vocoder.mel.sample_rate
        self._frontends: dict[str, Frontend] = {}

    @classmethod
    def load(cls, name: str = "default", device: str = "auto") -> "TTS":
        """Load a shipped model by name, or any model by the path of its YAML."""
        return cls(load_model_config(model_config(name)), device)

    def voice(
        self,
        source: "str | os.PathLike[str] | Voice | Reference | NDArray[np.generic] | BinaryIO",
    ) -> Voice:
        """A voice from a recording (path, array, file object) or a saved voice state.

        Raises:
            AudioError, UsageError: see tts.audio.reference.load_reference.
            VoiceError: a damaged voice state.
        """
        if isinstance(source, Voice):
            return source
        if isinstance(source, (str, os.PathLike)) and str(source).endswith(".safetensors"):
            return Voice.load(source)
        if isinstance(source, Reference):
            reference = source
        else:
            reference = load_reference(source, self.sample_rate)
        name = Path(source).stem if isinstance(source, (str, os.PathLike)) else "voice"
        return Voice.from_reference(reference, self.speaker, self.vocoder, name)

    def builtin(self, name: str) -> Voice:
        """A shipped voice by name; VoiceError names the nearest."""
        known = voice_names()
        if name not in known:
            raise VoiceError(f"unknown voice {name!r}{nearest(name, known)}")
        return Voice.load(root() / "checkpoints" / "voices" / f"{name}.safetensors")

    def _frontend(self, language: str | None) -> Frontend:
        code = language or self.config.language
        if code not in self._frontends:
            self._frontends[code] = Frontend(code)
        return self._frontends[code]

    def phonemize(self, text: str, language: str | None = None) -> list[Phones]:
        """Sentences as phone tokens; TextError when there is nothing to say."""
        return self._frontend(language)(text)

    def sentences(self, text: str, language: str | None = None) -> Iterator[Phones]:
        """`phonemize`, one sentence at a time: the first of a book does not wait for the last."""
        return self._frontend(language).sentences(text)

    def phrased(self, phones: Phones, voice: Voice, language: str | None = None) -> Phones:
        """A sentence with pauses placed where its text has no mark for long: by the model's
        phrasing, which knows one language only."""
        code = language or self.config.language
        if self.phrasing is None or code.split("-")[0] != self.config.language.split("-")[0]:
            return phones
        return with_phrasing(phones, self.phrasing, collate_voices([voice]).to(self.device))

    def _options(self, options: Options) -> SamplingOptions:
        given = {
            name: value
            for name in ("steps", "guidance", "temperature")
            if (value := getattr(options, name)) is not None
        }
        return replace(self.config.sampling, **given)

    def request(self, sentences: list[Phones], voices: list[Voice], speed: float = 1.0) -> Request:
        """What the generator is asked for: sentences with their durations, a voice each."""
        rows = [spoken_pauses(phones.ids, phones.mods) for phones in sentences]
        tokens = collate_tokens(rows).to(self.device)
        prompt = collate_voices(voices).to(self.device)
        durations = self.durations.predict(tokens, prompt, speed).clone()
        for row, (ids, _) in enumerate(rows):
            if ids[0] == SIL:
                durations[row, 0] = _EDGE_FRAMES[0]
            if ids[-1] == SIL:
                last = len(ids) - 1
                durations[row, last] = _EDGE_FRAMES[1]
                # A whole number of units, so that nothing is cut.
                durations[row, last] += -int(durations[row].sum()) % self.generator.patch
        return Request(tokens, prompt, durations)

    def _features(
        self, request: Request, seed: int, options: SamplingOptions
    ) -> Iterator[torch.Tensor]:
        """Features [1, t, C] of one sentence as the generator commits them."""
        state = self.units.start(request.prompt)
        rngs = [torch.Generator().manual_seed(seed)]
        left = int(request.frames[0])
        held: torch.Tensor | None = None
        for units in self.generator.stream(request, rngs, options):
            if held is not None:
                features, state = self.units.decode(held, state, False)
                left -= features.shape[1]
                yield features
            held = units
        assert held is not None
        features, state = self.units.decode(held, state, True)
        yield features[:, :left]

    @torch.inference_mode()
    def stream(
        self, text: str, voice: Voice, options: Options | None = None, chunk_frames: int = 25
    ) -> Iterator[Chunk]:
        """Speak `text`, sentence by sentence; the first chunk of a sentence is short.

        Args:
            chunk_frames: mel frames (20 ms) per chunk from the second on.
        """
        options = options or Options()
        options.check()
        offset = 0
        hop = self.vocoder.mel.hop
        fade = torch.linspace(0, 1, _FADE_FRAMES * hop, device=self.device)
        sampling = self._options(options)
        for number, phones in enumerate(self.sentences(text, options.language)):
            phones = self.phrased(phones, voice, options.language)
            request = self.request([phones], [voice], options.speed)
            assert request.durations is not None
            words, spans = spans_of(
                phones, request.durations[0].tolist(), hop / self.sample_rate,
                offset / self.sample_rate,
            )  # fmt: skip
            first = True
            features = self._features(request, options.seed + number, sampling)
            for wav in self._waveform(features, options.pitch, chunk_frames):
                if first:
                    wav[:, : len(fade)] *= fade[: wav.shape[1]]
                samples = wav[0].float().cpu().numpy()
                offset += len(samples)
                chunk = Chunk(samples, self.sample_rate)
                if first:
                    chunk.text, chunk.words, chunk.phones = phones.text, words, spans
                first = False
                yield chunk
            rest_seconds = phones.pause_after / options.speed
            pause = np.zeros(int(rest_seconds * self.sample_rate), dtype=np.float32)
            if len(pause):
                offset += len(pause)
                yield Chunk(pause, self.sample_rate)

    def _waveform(
        self, features: Iterator[torch.Tensor], pitch: float, chunk_frames: int
    ) -> Iterator[torch.Tensor]:
        """Features of a sentence to waveform pieces [1, n] that are not empty, the first one early,
        the end faded out."""
        state = None
        size = min(chunk_frames, _FIRST_FRAMES)
        waiting: torch.Tensor | None = None
        fade = torch.linspace(1, 0, _FADE_FRAMES * self.vocoder.mel.hop, device=self.device)
        for piece in features:
            waiting = piece if waiting is None else torch.cat([waiting, piece], 1)
            if state is None:
                state = self.vocoder.initial(1, waiting)
            # What comes last is kept for the end, where it is faded.
            while waiting.shape[1] > size:
                part, waiting = waiting[:, :size], waiting[:, size:]
                f0 = unpack_pitch(part[..., -EXTRA:])
                wav, state, _ = self.vocoder.chunk(part[..., :-EXTRA], state, f0, pitch)
                size = chunk_frames
                if wav.shape[1]:
                    yield wav
        if waiting is None or state is None:
            return
        f0 = unpack_pitch(waiting[..., -EXTRA:])
        wav, state, _ = self.vocoder.chunk(waiting[..., :-EXTRA], state, f0, pitch)
        wav = torch.cat([wav, self.vocoder.flush(1, state, pitch, given=True)], 1)
        count = min(len(fade), wav.shape[1])
        wav[:, wav.shape[1] - count :] *= fade[len(fade) - count :]
        yield wav

    def synthesize(self, text: str, voice: Voice, options: Options | None = None) -> "Audio":
        """Speak `text`; the concatenation of `stream`.

        Raises:
            TextError, UsageError: nothing to say, or an option out of range.
        """
        begin = time.perf_counter()
        first = None
        pieces: list[NDArray[np.float32]] = []
        words: list[Span] = []
        phones: list[Span] = []
        for chunk in self.stream(text, voice, options):
            if first is None:
                first = time.perf_counter() - begin
            pieces.append(chunk.samples)
            words.extend(chunk.words)
            phones.extend(chunk.phones)
        samples = np.concatenate(pieces)
        elapsed = time.perf_counter() - begin
        return Audio(samples, self.sample_rate, words, phones, first or 0.0, elapsed)


@dataclass
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


def spans_of(
    phones: Phones, frames: list[int], frame: float, offset: float
) -> tuple[list[Span], list[Span]]:
    """When each word and each phone of a sentence is said, in seconds."""
    ends = (np.concatenate([[0], np.cumsum(frames)]) * frame + offset).tolist()
    words = [Span(word, ends[first], ends[last]) for word, first, last in phones.words]
    ids, mods = spoken_pauses(phones.ids, phones.mods)
    names = [decode_phones([i], [m]) for i, m in zip(ids, mods, strict=True)]
    return words, [Span(n, a, b) for n, a, b in zip(names, ends, ends[1:], strict=False)]

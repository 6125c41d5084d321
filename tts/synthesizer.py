"""The synthesizer: a loaded model that turns text and a voice into audio."""

import logging
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self, Unpack

from tts.arguments import check_flag, check_number, check_whole
from tts.audio.loudness import Leveler
from tts.cancel import Cancellation
from tts.config import ModelConfig, load_model_config
from tts.devices import choose_device
from tts.errors import UsageError
from tts.generators.base import SamplingOptions
from tts.lifecycle import Lifecycle, check_config
from tts.pipeline.acoustic import AcousticModel
from tts.pipeline.assemble import assemble
from tts.pipeline.render import Renderer, Utterance
from tts.pipeline.voices import MAX_CALIBRATION, VoiceSource, encode_voice
from tts.progress import GivenText, Progress, TextProgress, check_frames, check_progress, told
from tts.resources import model_config
from tts.text.symbols import Phones
from tts.types import Audio, Chunk, Options, OptionValues, Stream, joined, options_of
from tts.voice.voice import Voice
from tts_codecs.nn.signal_stack import ensure_signal_stack

log = logging.getLogger(__name__)


class Synthesizer(Lifecycle):
    """A loaded model. Requests do not change it, so threads may share it.

    It can be used in a `with` block, which closes it at the end.

    Args:
        config: the checkpoints of the model, and its settings.
        device: "cpu", "cuda", "cuda:1", or "auto" for a GPU if there is one and the weights can be
            on it.

    Attributes:
        config, device: as given; device is "cpu" or "cuda".
        pipeline: the ports of the model; renderer: makes audio through them.
        capabilities: what the model can do; sample_rate: Hz of the audio.
        cancellation: stops what a thread computes with the model.

    Raises:
        UsageError: an unknown or missing device, int8 weights on another device than a CPU, or a
            name instead of a config (`TTS.load` takes names).
        CheckpointError, ConfigError: see tts.pipeline.assemble.
    """

    def __init__(self, config: ModelConfig, device: str = "auto"):
        config = check_config(config)
        device = choose_device(device, config.weights == "int8")
        self.config, self.device = config, device
        # oneDNN compiles kernels for every length of sentence. By default it and torch keep 1024 of
        # them each, and memory would grow over hundreds of requests. The variables are read when
        # kernels are first used in a process.
        for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
            os.environ.setdefault(cache, "64")
        ensure_signal_stack()  # Ctrl-C may come at any time
        self.cancellation = Cancellation()
        self.pipeline = assemble(config, device, self.cancellation)
        self.capabilities = self.pipeline.capabilities
        self.sample_rate = self.capabilities.sample_rate
        self.renderer = Renderer(config.name, self.pipeline, config.sampling, device)
        self._told: set[str] = set()  # warnings that are not repeated at every request

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.config.name!r} on {self.device}>"

    @property
    def acoustic(self) -> AcousticModel:
        """The networks of the model, for code that works below the pipeline.

        Raises:
            UsageError: a published model of others, which has other parts.
        """
        if not isinstance(self.pipeline.tuner, AcousticModel):
            raise UsageError(f"{self.config.name} is a model of others: it has other parts")
        return self.pipeline.tuner

    @property
    def int8(self) -> bool:
        """Whether the generator's weights are int8."""
        return self.config.weights == "int8"

    @classmethod
    def of(cls, config: ModelConfig, device: str = "auto") -> Self:
        """The model of a config; errors are those of `load`."""
        return cls(config, device)

    @classmethod
    def load(
        cls, name: str | os.PathLike[str] = "default", device: str = "auto", int8: bool = False
    ) -> Self:
        """Load a model.

        Args:
            name: a shipped model, the path of a YAML, a folder with a `model.yaml` in it, or
                `https://.../model.zip#sha256=...`, which is fetched once.
            device: "cpu", "cuda", "cuda:1", or "auto" for a GPU if there is one.
            int8: use weights of 8 bits, which are faster on a CPU (tts.quantize); a config may ask
                for them too.

        Raises:
            UsageError, ConfigError: an unknown name or key (the message has the nearest), or int8
                on another device than a CPU.
            CheckpointError: weights are missing, damaged, cannot be fetched, or are published by
                others (tts.published) and were not fetched yet.
        """
        if not isinstance(name, (str, os.PathLike)):
            raise UsageError(f"a model is loaded by name or path, not {type(name).__name__}")
        int8 = check_flag("int8", int8)
        config = load_model_config(model_config(os.fspath(name)))
        return cls.of(config.with_int8() if int8 else config, device)

    def voice(
        self,
        source: VoiceSource,
        transcript: str | None = None,
        *,
        adapt: bool = False,
        strength: float = 1.0,
        calibration: int | None = None,
        progress: Progress | None = None,
        enhance: bool = True,
    ) -> Voice:
        """Encode a voice, to speak in it any number of times.

        Args:
            source: the name of a built-in or added voice (`tts voices`), the path of a saved voice
                (.safetensors), or a recording of 1 to 60 s: path, binary file, bytes of a file,
                (array, rate), an Audio, or an array or tensor [N] or [C, N] at the model's rate; or
                a list of recordings of one person.
            transcript: the words of the recording, for models that need them; others only keep
                them with the voice.
            adapt: also adapt the model's weights to the voice (tts.tuning.adaptation), which takes
                some seconds.
            strength: of the adaptation, 0 to 1.
            calibration: rounds of calibration (tts.tuning.calibration), at most 20; by default the
                model's.
            progress: called during adaptation with (steps done, all steps); an exception that it
                raises stops the adaptation.
            enhance: remove noise and reverberation from recordings (tts.voice.enhancer); False
                keeps them in the voice.

        Raises:
            AudioError, UsageError: see tts.audio.reference.load_reference.
            UsageError: the model cannot be adapted, it needs a transcript, or an argument is out of
                range.
            VoiceError: an unknown name (the message has the nearest), a damaged voice file, too
                little speech to adapt to, or a saved voice that lacks what the model needs.
            TextError: the transcript is not valid Unicode.
        """
        self.check_open()
        adapt, enhance = check_flag("adapt", adapt), check_flag("enhance", enhance)
        strength = check_number("strength", strength, 0, 1)
        if calibration is not None:
            calibration = check_whole("calibration", calibration, 0, MAX_CALIBRATION)
        check_progress(progress)
        if adapt and not self.capabilities.adaptation:
            raise UsageError(f"voices of {self.config.name!r} cannot be adapted")
        voice = encode_voice(
            self.pipeline, source, transcript, adapt, strength, calibration, progress, enhance
        )
        self.pipeline.voices.check(voice)
        if (line := self.untuned(voice)) and line not in self._told:
            self._told.add(line)
            log.warning("%s", line)
        return voice

    def untuned(self, voice: Voice) -> str:
        """A line for the user if a voice was adapted to another model's weights only, so that this
        model speaks in it unadapted; empty otherwise."""
        tuner = self.pipeline.tuner
        return "" if tuner is None else tuner.untuned(voice)

    def phonemize(self, text: str, language: str | None = None) -> list[Phones]:
        """Sentences as phone tokens; TextError when there is nothing to say."""
        return list(self.sentences(text, language))

    def sentences(
        self,
        text: str | Iterable[str],
        language: str | None = None,
        markup: str = "none",
        emoji: bool = False,
    ) -> Iterator[Phones]:
        """As `phonemize`, but yields one sentence at a time, so that the first sentence of a book
        does not wait for the last.

        Args:
            markup: see `Options`; a text with markup is read whole before the first sentence.
            emoji: see `Options`.

        Raises:
            UsageError: the model reads no markup, or the language has no names for emoji.
            MarkupError: see tts.text.markup.parse_markup.
        """
        return self.pipeline.text.sentences(text, language or self.config.language, markup, emoji)

    def phrased(self, phones: Phones, voice: Voice, language: str | None = None) -> Phones:
        """The sentence with pauses in long stretches without punctuation, if the model has a
        phrasing model."""
        return self.pipeline.text.phrased(phones, voice, language or self.config.language)

    def utterances(
        self, text: str | Iterable[str], voice: Voice, options: Options
    ) -> Iterator[Utterance]:
        """The sentences of a request, one at a time; TextError when there is nothing to say."""
        sentences = self.sentences(text, options.language, options.markup, options.emoji)
        if options.takes and isinstance(text, str):
            # A take of a missing sentence is an error before the first sentence is said.
            known = list(sentences)
            options.check_takes(len(known))
            sentences = iter(known)
        return self.utterances_of(sentences, voice, options)

    def utterances_of(
        self, sentences: Iterable[Phones], voice: Voice, options: Options
    ) -> Iterator[Utterance]:
        """`utterances` of sentences that were read before. At their end a UsageError for takes of
        sentences that are not there."""
        count = 0
        for number, phones in enumerate(sentences):
            phones = self.phrased(phones, voice, options.language)
            yield Utterance(phones, voice, options, number)
            count = number + 1
        options.check_takes(count)

    def sampling(self, options: Options) -> SamplingOptions:
        """The model's sampling options with those that the request changes."""
        return self.renderer.options(options)

    def say(
        self,
        phones: Phones,
        voice: Voice,
        options: Options,
        number: int = 0,
        chunk_frames: int = 25,
    ) -> Iterator[Chunk]:
        """One sentence and the pause after it, see Renderer.stream.

        Args:
            number: of the sentence in its text, which its seed follows.
        """
        return self.renderer.stream(Utterance(phones, voice, options, number), chunk_frames)

    def pause(self, phones: Phones, options: Options) -> NDArray[np.float32]:
        """The silence after a sentence, [N]; pauses that markup sets do not follow the speed."""
        return self.renderer.pause(phones, options.speed)

    def stream(
        self,
        text: str | Iterable[str],
        voice: VoiceSource = "default",
        options: Options | None = None,
        *,
        chunk_frames: int = 25,
        progress: TextProgress | None = None,
        **values: Unpack[OptionValues],
    ) -> Stream:
        """Speak `text` sentence by sentence, at an even loudness (tts.audio.loudness). The first
        chunk of a sentence is short.

        Nothing is computed before the first chunk is requested, nor after `close`.

        Args:
            text: a string of any length, or an iterable of pieces, of which no more are taken than
                the next sentence needs.
            voice: as for `voice`.
            options, values: what differs from the model's defaults: `stream(t, v, seed=1)`.
            chunk_frames: mel frames (20 ms) per chunk from the second on.
            progress: called with (characters said, characters known so far) at every sentence.

        Raises:
            UsageError: an option is out of range; while iterating, a take of a sentence that is not
                there. AudioError, VoiceError: as `voice`.
            TextError: `text` is not text; while iterating, there is nothing to say.
        """
        chosen, given = options_of(options, values), GivenText(text)
        check_progress(progress)
        chunk_frames = check_frames(chunk_frames)
        speaker = self.voice(voice)

        def chunks() -> Iterator[Chunk]:
            offset, level = 0, Leveler(self.sample_rate)
            for utterance in self.utterances(given.source, speaker, chosen):
                begin = offset / self.sample_rate
                for chunk in self.renderer.stream(utterance, chunk_frames):
                    offset += len(chunk.samples)
                    chunk.samples, chunk.gain = chunk.levelled(level), None
                    yield chunk.later(begin)

        made = chunks() if progress is None else told(chunks(), given, progress)
        return Stream(made, self.cancellation)

    def synthesize(
        self,
        text: str | Iterable[str],
        voice: VoiceSource = "default",
        options: Options | None = None,
        *,
        progress: TextProgress | None = None,
        **values: Unpack[OptionValues],
    ) -> Audio:
        """Speak `text` and return all audio at once; arguments and errors are those of `stream`."""
        begin = time.perf_counter()
        first = 0.0
        chunks = []
        for chunk in self.stream(text, voice, options, progress=progress, **values):
            first = first or time.perf_counter() - begin
            chunks.append(chunk)
        audio = joined(chunks, self.sample_rate)
        return replace(audio, first_audio=first, elapsed=time.perf_counter() - begin)

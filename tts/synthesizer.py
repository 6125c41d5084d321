"""The way of one request: text, voice, durations, generator, vocoder, audio."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import Unpack

from tts.align.aligner import collate_tokens
from tts.align.durations import DurationModel, with_edges
from tts.align.pauses import spoken_pauses
from tts.align.phone_probe import PhoneProbe
from tts.align.phrasing import PhrasingModel, with_phrasing
from tts.align.prosody import held, inflected, paces, shaped
from tts.audio.loudness import Leveler
from tts.audio.reference import Reference
from tts.builder import checkpoint_folder, load_module, load_units
from tts.cancel import Cancellation
from tts.config import ModelConfig, load_model_config
from tts.devices import choose_device
from tts.errors import ConfigError, UsageError
from tts.facade import Facade, check_config
from tts.generators.base import Request, SamplingOptions, Spoken
from tts.generators.generator import Generator
from tts.progress import GivenText, TextProgress, check_frames, check_progress, told
from tts.quantize import check_int8, lay_out
from tts.resources import model_config
from tts.speech import Audio, Chunk, Options, OptionValues, Stream, joined, options_of, spans_of
from tts.text.frontend import Frontend
from tts.text.marked import marked_sentences
from tts.text.markup import parse_markup
from tts.text.phonemes import check_language
from tts.text.pieces import in_pieces
from tts.text.symbols import Phones
from tts.text.user_lexicon import UserLexicon
from tts.voice.adaptation import AdaptedGenerators, Progress
from tts.voice.encode import VoiceSource as VoiceSource
from tts.voice.encode import encode_voice
from tts.voice.profile import PhoneProfile, VoiceShifts
from tts.voice.speaker import SpeakerEncoder
from tts.voice.voice import Tuning, Voice, collate_voices
from tts_codecs.checkpoint import fingerprint
from tts_codecs.envelope import EXTRA, unpack_pitch
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

if TYPE_CHECKING:
    from tts.batch.rows import Row
    from tts.batch.worker import Result
    from tts.editing.edit import Edited, Source

FIRST_FRAMES = 12  # of the first chunk of a sentence: heard early
FADE_FRAMES = 3  # a noisy voice that starts at once is heard as a consonant


class TTS(Facade):
    """A loaded model. Requests do not change it, so threads may share it.

    Args:
        config: which checkpoints.
        device: "cpu", "cuda", "cuda:1", or "auto" for cuda where there is one and the weights can
            be there.

    A `with` block closes it, as `close` does.

    Attributes:
        timed: whether it knows when words are said; batched: whether sentences can share a batch.

    Raises:
        UsageError: an unknown device or one that is not there, int8 weights on another than a CPU,
            or a name in place of a config (`TTS.load` takes names).
    """

    timed = True
    batched = True

    def __init__(self, config: ModelConfig, device: str = "auto"):
        config = check_config(config)
        device = choose_device(device, config.weights == "int8")
        if config.weights == "int8":
            check_int8(device)
        self.config, self.device = config, device
        # Every length of sentence makes oneDNN compile kernels, of which it and torch above it keep
        # 1024 each otherwise: memory would grow for hundreds of requests. Read at their first use
        # in a process.
        for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
            os.environ.setdefault(cache, "64")
        self.cancellation = Cancellation()
        self._frontends: dict[str, Frontend] = {}
        self._load()

    def _load(self) -> None:
        """The parts of the config."""
        config, device = self.config, self.device
        if config.durations is None:
            raise ConfigError(f"the config of {config.name!r} names no durations")
        self.generator = cast(Generator, load_module(config.generator, device, "generator"))
        self.units = load_units(config.codec, device, self.generator.posterior)
        self.generator.check_units(self.units)
        self.durations = cast(DurationModel, load_module(config.durations, device, "durations"))
        placed = config.phrasing
        phrasing = load_module(placed, device, "phrasing") if placed else None
        self.phrasing = cast("PhrasingModel | None", phrasing)
        self.vocoder = cast(
            SourceFilterVocoder, load_module(config.vocoder, device, "source_filter_vocoder")
        )
        self.speaker = cast(SpeakerEncoder, load_module(config.speaker, kind="speaker"))
        self.shifts = self._shifts()
        self.adapted = AdaptedGenerators(
            config.generator, config.weights, device, self.cancellation.watch
        )
        self.sample_rate = self.vocoder.sample_rate
        lay_out(self.generator, config.weights, device)
        for network in (self.generator, self.durations, self.vocoder):
            self.cancellation.watch(network)

    def _shifts(self) -> VoiceShifts | None:
        config, device = self.config, self.device
        if config.profile is None or config.phone_probe is None:
            if config.normalised:
                raise ConfigError(f"{config.name!r} is normalised: name its profile, phone_probe")
            return None
        profile = cast(PhoneProfile, load_module(config.profile, device, "profile"))
        probe = cast(PhoneProbe, load_module(config.phone_probe, device, "phone_probe"))
        name = fingerprint(checkpoint_folder(config.generator))
        return VoiceShifts(profile, probe, config.normalised, name)

    @property
    def int8(self) -> bool:
        """Whether the generator's weights are int8."""
        return self.config.weights == "int8"

    @classmethod
    def of(cls, config: ModelConfig, device: str = "auto") -> "TTS":
        """The model of a config; errors as `load`."""
        if config.published is None:
            return cls(config, device)
        from tts.f5_synthesizer import F5TTS

        return F5TTS(config, device)

    @classmethod
    def load(
        cls, name: str | os.PathLike[str] = "default", device: str = "auto", int8: bool = False
    ) -> "TTS":
        """Load a model.

        Args:
            name: a shipped model, the path of a YAML, a folder with a `model.yaml` in it, or
                `https://.../model.zip#sha256=...`, which is fetched once.
            device: "cpu", "cuda", "cuda:1", or "auto" for cuda where there is one.
            int8: weights of 8 bits, faster on a CPU (tts.quantize); a config may say so itself.

        Raises:
            UsageError, ConfigError: unknown name or key, telling the nearest; int8 not on a CPU.
            CheckpointError: weights that are missing, damaged, cannot be fetched, or, of others
                (tts.published), were not yet.
        """
        if not isinstance(name, (str, os.PathLike)):
            raise UsageError(f"a model is loaded by name or path, not {type(name).__name__}")
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
    ) -> Voice:
        """A voice, encoded once.

        Args:
            source: the name of a built-in or added voice (`tts voices`), the path of a saved voice
                (.safetensors), or a recording of 1 to 60 s: path, binary file, bytes of a file,
                (array, rate), an Audio, or an array or tensor [N] or [C, N] at the model's rate; or
                a list of recordings of one person.
            transcript: what the recording says, for models that need it; others keep it.
            adapt: fit the model's weights to the voice too (tts.voice.adaptation), in some seconds.
            strength: of the adaptation, 0 to 1.
            calibration: rounds of calibration (tts.voice.calibration); by default the model's.
            progress: of the adaptation, called with (steps done, all steps); what it raises stops.

        Raises:
            AudioError, UsageError: see tts.audio.reference.load_reference.
            VoiceError: an unknown name, telling the nearest, a damaged voice file, or too little
                speech to adapt to.
            TextError: a transcript that is not valid Unicode.
        """
        return encode_voice(self, source, transcript, adapt, strength, calibration, progress)

    def encoded(self, reference: Reference, name: str) -> Voice:
        """A voice from a recording at the model's rate."""
        return Voice.from_reference(reference, self.speaker, self.vocoder, name)

    def adaptation_of(self, voice: Voice) -> Tuning | None:
        """What this model's weights were fitted to a voice with, if they were."""
        tuning = None if self.shifts is None else voice.tuning_for(self.shifts.generator)
        return tuning if tuning is not None and tuning.factors and tuning.strength else None

    def untuned(self, voice: Voice) -> str:
        """A line for the user where a voice was adapted to other weights than the model's, and
        speaks as it is; empty otherwise."""
        if self.adaptation_of(voice) or not any(each.factors for each in voice.tunings):
            return ""
        return (
            f"the voice {voice.name!r} was adapted to another generator than that of "
            f"{self.config.name!r}: it is used as it is"
        )

    def generator_for(self, voice: Voice) -> Generator:
        """What generates in a voice: the model's generator, or one adapted to the voice."""
        tuning = self.adaptation_of(voice)
        return self.generator if tuning is None else self.adapted(voice, tuning)

    def frontend(self, language: str | None = None) -> Frontend:
        """Text to phones in a language, with the user's lexicon."""
        code = language or self.config.language
        if code not in self._frontends:
            self._frontends[code] = Frontend(code, lexicon=UserLexicon(check_language(code)))
        return self._frontends[code]

    def phonemize(self, text: str, language: str | None = None) -> list[Phones]:
        """Sentences as phone tokens; TextError when there is nothing to say."""
        return list(self.sentences(text, language))

    def sentences(
        self, text: str | Iterable[str], language: str | None = None, markup: str = "none"
    ) -> Iterator[Phones]:
        """`phonemize`, one sentence at a time: the first of a book does not wait for the last.

        Args:
            markup: see `Options`; a text with markup is read whole before the first sentence.

        Raises:
            MarkupError: see tts.text.markup.parse_markup.
        """
        frontend = self.frontend(language)
        if markup in ("none", "plain"):
            return in_pieces(frontend.sentences(text, plain=markup == "plain"))
        marked = parse_markup(text, markup, frontend.lang)
        return in_pieces(marked_sentences(frontend, marked, plain=markup == "ssml"))

    def phrased(self, phones: Phones, voice: Voice, language: str | None = None) -> Phones:
        """A sentence with pauses placed where its text has no mark for long: by the model's
        phrasing, which knows one language only."""
        code = language or self.config.language
        if self.phrasing is None or code.split("-")[0] != self.config.language.split("-")[0]:
            return phones
        return with_phrasing(phones, self.phrasing, collate_voices([voice]).to(self.device))

    def sampling(self, options: Options) -> SamplingOptions:
        """The model's sampling with what the request changes."""
        given = {
            name: value
            for name in ("steps", "guidance", "temperature")
            if (value := getattr(options, name)) is not None
        }
        return replace(self.config.sampling, **given)

    def request(
        self,
        sentences: list[Phones],
        voices: list[Voice],
        speed: float | torch.Tensor = 1.0,
        shifted: bool = True,
    ) -> Request:
        """What the generator is asked for: sentences with their durations, a voice each.

        Args:
            speed: one for all or [B].
            shifted: with what the voices add to generated features.
        """
        rows = [spoken_pauses(phones.ids, phones.mods) for phones in sentences]
        tokens = collate_tokens(rows).to(self.device)
        prompt = collate_voices(voices).to(self.device)
        durations = self.durations.predict(tokens, prompt, paces(sentences, tokens, speed))
        durations = held(durations, sentences, self.vocoder.hop / self.sample_rate)
        durations = with_edges(durations, tokens, self.generator.patch)
        shift = None
        if shifted and self.shifts is not None:
            frames = int(durations.sum(1).max())
            shift = self.shifts.frames(voices, tokens, durations, frames)
        shift = inflected(shift, sentences, durations, self.generator.conditioner.channels)
        return Request(tokens, prompt, durations, shift=shift)

    def _features(
        self,
        generator: Generator,
        request: Request,
        seed: int,
        options: SamplingOptions,
        chunk_frames: int,
        spoken: Spoken,
    ) -> Iterator[torch.Tensor]:
        """Features [1, t, C] of one sentence as the generator commits them, decoded in groups of
        units of which each is enough for a chunk: a call per unit costs several times as much.
        `spoken` is filled: a pointer decides on the way how long each phone is."""
        state = self.units.start(request.prompt)
        rngs = [torch.Generator().manual_seed(seed)]
        begin = 0
        enough = min(chunk_frames, FIRST_FRAMES) + 1 + self.units.look_ahead
        held: list[torch.Tensor] = []
        for units in generator.stream(request, rngs, options, spoken=spoken):
            # Only what comes after them shows that they are not the last.
            if sum(part.shape[1] for part in held) * self.units.patch >= enough:
                features, state = self.units.decode(torch.cat(held, 1), state, False)
                yield request.shifted(features, begin)
                begin += features.shape[1]
                held, enough = [], chunk_frames
            held.append(units)
        features, state = self.units.decode(torch.cat(held, 1), state, True)
        frames = request.frames if spoken.durations is None else spoken.durations.sum(1)
        yield request.shifted(features[:, : int(frames[0]) - begin], begin)

    def say(
        self, phones: Phones, voice: Voice, options: Options, number: int = 0,
        chunk_frames: int = 25,
    ) -> Iterator[Chunk]:  # fmt: skip
        """One sentence and the pause after it, chunk by chunk; times count from its start.

        Args:
            number: of the sentence in its text, which its seed follows.
            chunk_frames: mel frames (20 ms) per chunk from the second on.
        """
        return shaped(self._say(phones, voice, options, number, chunk_frames), phones)

    @torch.inference_mode()
    def _say(
        self, phones: Phones, voice: Voice, options: Options, number: int, chunk_frames: int
    ) -> Iterator[Chunk]:
        hop = self.vocoder.hop
        request = self.request([phones], [voice], options.speed)
        assert request.durations is not None
        fade = torch.linspace(0, 1, FADE_FRAMES * hop, device=self.device)
        first, begun = True, 0
        seed, sampling = options.seed_of(number), self.sampling(options)
        generator, spoken = self.generator_for(voice), Spoken(request.durations)
        # Times that a pointer finds are known at the end only: one chunk waits for them there.
        late = generator.paces and sampling.tolerance > 1
        waiting: Chunk | None = None
        features = self._features(generator, request, seed, sampling, chunk_frames, spoken)
        for wav in self._waveform(features, options.pitch, chunk_frames):
            # A first chunk may be shorter than the fade.
            rising = fade[begun : begun + wav.shape[1]]
            wav[:, : len(rising)] *= rising
            begun += wav.shape[1]
            chunk = Chunk(wav[0].float().cpu().numpy(), self.sample_rate)
            if first:
                chunk.text = phones.text
                if not late:
                    self._time(chunk, phones, request.durations)
            first = False
            if waiting is not None:
                yield waiting
            waiting = chunk if late else None
            if not late:
                yield chunk
        if waiting is not None:
            assert spoken.durations is not None
            self._time(waiting, phones, spoken.durations)
            yield waiting
        pause = self.pause(phones, options)
        if len(pause):
            yield Chunk(pause, self.sample_rate)

    def _time(self, chunk: Chunk, phones: Phones, durations: torch.Tensor) -> None:
        """Write into a chunk when the words and phones of its sentence are said, as durations
        [1, S] in frames tell."""
        frame = self.vocoder.hop / self.sample_rate
        chunk.words, chunk.phones = spans_of(phones, durations[0].tolist(), frame)

    def pause(self, phones: Phones, options: Options) -> NDArray[np.float32]:
        """The silence after a sentence, [N]; exact where markup told it."""
        usual = phones.pause_after / options.speed
        seconds = phones.breaks.get(len(phones.words), usual)
        return np.zeros(int(seconds * self.sample_rate), np.float32)

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
        """Speak `text` sentence by sentence, levelled (tts.audio.loudness); the first chunk of a
        sentence is short.

        Nothing is computed before the first chunk is asked for, and nothing after `close`.

        Args:
            text: of any length, or an iterable of pieces, from which no more is taken than the
                next sentence needs.
            voice: as for `voice`.
            options, values: what differs from the model's defaults: `stream(t, v, seed=1)`.
            chunk_frames: mel frames (20 ms) per chunk from the second on.
            progress: called with (characters said, characters known so far) at every sentence.

        Raises:
            UsageError: an option out of range; AudioError, VoiceError: as `voice`.
            TextError: the text is none, at once; nothing to say, while iterating.
        """
        chosen, given = options_of(options, values), GivenText(text)
        check_progress(progress)
        chunk_frames = check_frames(chunk_frames)
        speaker = self.voice(voice)

        def chunks() -> Iterator[Chunk]:
            offset, level = 0, Leveler(self.sample_rate)
            sentences = self.sentences(given.source, chosen.language, chosen.markup)
            for number, phones in enumerate(sentences):
                phones = self.phrased(phones, speaker, chosen.language)
                begin = offset / self.sample_rate
                for chunk in self.say(phones, speaker, chosen, number, chunk_frames):
                    offset += len(chunk.samples)
                    chunk.samples, chunk.gain = chunk.levelled(level), None
                    yield chunk.later(begin)

        made = chunks() if progress is None else told(chunks(), given, progress)
        return Stream(made, self.cancellation)

    def _waveform(
        self, features: Iterator[torch.Tensor], pitch: float, chunk_frames: int
    ) -> Iterator[torch.Tensor]:
        """Features of a sentence to waveform pieces [1, n] that are not empty, the first one early,
        the end faded out."""
        state = None
        size = min(chunk_frames, FIRST_FRAMES)
        waiting: torch.Tensor | None = None
        fade = torch.linspace(1, 0, FADE_FRAMES * self.vocoder.hop, device=self.device)
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

    def synthesize(
        self,
        text: str | Iterable[str],
        voice: VoiceSource = "default",
        options: Options | None = None,
        *,
        progress: TextProgress | None = None,
        **values: Unpack[OptionValues],
    ) -> Audio:
        """Speak `text`; the concatenation of `stream`, which see for arguments and errors."""
        begin = time.perf_counter()
        first = 0.0
        chunks = []
        for chunk in self.stream(text, voice, options, progress=progress, **values):
            first = first or time.perf_counter() - begin
            chunks.append(chunk)
        audio = joined(chunks, self.sample_rate)
        return replace(audio, first_audio=first, elapsed=time.perf_counter() - begin)

    def edit(
        self,
        recording: "Source",
        said: str,
        wanted: str,
        options: Options | None = None,
        *,
        sample_rate: int | None = None,
        **values: Unpack[OptionValues],
    ) -> "Edited":
        """A recording with other words: what stays is the recording, sample for sample outside of
        cross-fades of 12 ms, new words are in its voice (tts.editing).

        Args:
            recording: path, binary file, or array [N] or [C, N], of up to 60 s; channels are
                averaged.
            said: its words; wanted: the words it is to say.
            sample_rate: Hz of an array; by default the model's.

        Raises:
            AlignmentError: it does not say these words. TextError: nothing to say.
            UsageError, AudioError: as `voice`; a model without a phone probe.
        """
        from tts.editing.edit import edit

        return edit(self, recording, said, wanted, options, sample_rate, **values)

    def extend(
        self,
        recording: "Source",
        text: str,
        said: str | None = None,
        options: Options | None = None,
        *,
        sample_rate: int | None = None,
        **values: Unpack[OptionValues],
    ) -> "Edited":
        """A recording that goes on with a text, in its voice, pace and room.

        Args:
            said: its words; without them its phones are read. Others, raises: as `edit`.
        """
        from tts.editing.extend import extend

        return extend(self, recording, text, said, options, sample_rate, **values)

    def batch(
        self,
        rows: "Iterable[Row | Mapping[str, Any] | Sequence[Any]]",
        out_dir: str | os.PathLike[str],
        *,
        workers: int = 1,
        format: str = "wav",
        timestamps: Sequence[str] = (),
        progress: "bool | Progress" = False,
    ) -> "list[Result]":
        """Say many rows into files `out_dir/ID.wav`; a run that was stopped goes on.

        Args:
            rows: (id, text[, voice[, options]]), mappings with the columns of `tts batch`, or
                tts.batch.rows.Row.
            workers: processes; 1 computes in this one, with this model.
            format: wav, flac, ogg, opus or mp3; timestamps: "srt", "json" or both.
            progress: a bar on standard error, or a function called with (rows done, all rows).

        Returns:
            a Result per row; what is wrong with a row is in its `error`.

        Raises:
            UsageError: ids that are not unique or no file names, or another run uses the folder.
            OutputError: the folder cannot be written.
        """
        from tts.batch.rows import make_rows
        from tts.batch.run import run_batch
        from tts.batch.worker import Settings

        settings = Settings(
            Path(out_dir), self.config, format, self.device, tuple(timestamps), int8=self.int8
        )
        return run_batch(
            make_rows(rows), settings, model=self, workers=workers, progress=progress
        ).results

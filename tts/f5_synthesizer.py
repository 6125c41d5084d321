"""F5-TTS behind the interface of `TTS`: letters instead of phones, and the recording of the voice
is continued, so that its words are needed too (tts.generators.f5)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import cast

import torch

from tts.audio.reference import Reference
from tts.audio.resample import resample
from tts.builder import load_module
from tts.errors import AudioError, TextError, UsageError, VoiceError
from tts.generators.f5 import F5Generator, F5Prompt
from tts.published import published_model
from tts.quantize import lay_out
from tts.speech import Chunk, Options
from tts.synthesizer import TTS, VoiceSource
from tts.text.chat import without_chat_marks
from tts.text.normalize import normalize
from tts.text.sentences import Sentence, split_complete, split_sentences
from tts.text.symbols import Phones
from tts.text.tracked import Tracked
from tts.text.user_lexicon import respelt
from tts.voice.adaptation import Progress
from tts.voice.speaker import SpeakerEncoder
from tts.voice.voice import RECORDING_RATE, Voice
from tts_codecs.vocoder.source_filter import SourceFilterVocoder
from tts_codecs.vocos import VocosCodec

#: seconds of a recording: a longer one would have to be cut, and its words with it
MAX_PROMPT = 12.0
#: seconds of recording and sentence together that are spoken well
MAX_TOGETHER = 22.0
_MIN_CHARS = 20
_FADE = 0.01  # seconds: against clicks at the edges of a sentence
_ANALYSIS = "vocoder"  # the shipped one, whose features the voices of all other models have


class F5TTS(TTS):
    """See `TTS`. Times of words and phones are not known, and pitch cannot be changed.

    Raises:
        CheckpointError: the weights are not fetched; the command is named.
    """

    timed = False
    batched = False

    def _load(self) -> None:
        config, device = self.config, self.device
        if config.published is not None:
            published_model(config.published).check_fetched()
        self.shifts = None
        self.f5 = cast(F5Generator, load_module(config.generator, device, "f5"))
        self.vocos = cast(VocosCodec, load_module(config.vocoder, device, "vocos"))
        self.speaker = cast(SpeakerEncoder, load_module(config.speaker, kind="speaker"))
        self.analysis = cast(SourceFilterVocoder, load_module(_ANALYSIS, device))
        self.sample_rate = self.f5.sample_rate
        lay_out(self.f5, config.weights, device)
        for network in (self.f5, self.vocos):
            self.cancellation.watch(network)

    def voice(
        self, source: VoiceSource, transcript: str | None = None, *, adapt: bool = False,
        strength: float = 1.0, calibration: int | None = None, progress: Progress | None = None,
    ) -> Voice:  # fmt: skip
        """A voice with its recording, encoded once; other models can speak in it too.

        Args:
            source: as for `TTS.voice`, of up to 12 s; transcript: its words, a must.

        Raises:
            UsageError: no words, or to be adapted. AudioError: longer.
            VoiceError: a saved voice without a recording.
        """
        if adapt:
            raise UsageError(f"voices of {self.config.name!r} cannot be adapted")
        voice = super().voice(source, transcript)
        self._check(voice)
        return voice

    def _check(self, voice: Voice) -> None:
        if voice.recording is None:
            raise VoiceError(
                f"the voice {voice.name!r} keeps no recording for {self.config.name} to continue: "
                "give --ref and --ref-text, or make it with `tts voices add NAME --ref FILE "
                f"--ref-text TEXT --model {self.config.name}`"
            )
        self.config.check_transcript(voice.transcript)

    def encoded(self, reference: Reference, name: str) -> Voice:
        if reference.seconds > MAX_PROMPT:
            raise AudioError(
                f"the recording has {reference.seconds:.1f} s of speech; {self.config.name} takes "
                f"{MAX_PROMPT:g} s at most: cut it, and its words"
            )
        rate = self.analysis.mel.sample_rate
        lower = replace(
            reference, samples=resample(reference.samples, RECORDING_RATE, rate), sample_rate=rate
        )
        voice = Voice.from_reference(lower, self.speaker, self.analysis, name)
        voice.recording = torch.from_numpy(reference.samples.copy())
        return voice

    def sentences(
        self, text: str | Iterable[str], language: str | None = None, markup: str = "none"
    ) -> Iterator[Phones]:
        """Sentences as text alone: ids, mods and words of the Phones are empty.

        Raises:
            UsageError: markup. TextError: nothing to say, or inline phonemes.
        """
        if markup not in ("none", "plain"):
            raise UsageError(f"{self.config.name} reads plain text: no markup, no [pause]")
        return self._plain_sentences(text, language, markup == "plain")

    def _plain_sentences(
        self, text: str | Iterable[str], language: str | None, plain: bool
    ) -> Iterator[Phones]:
        parts = [(text, 0.0)] if isinstance(text, str) else split_complete(text)
        empty = True
        for part, pause in parts:
            if "[[" in part:
                raise TextError(f"{self.config.name} reads letters, not [[phonemes]]")
            code = language or self.config.language
            if not plain:
                written = Tracked(part)
                without_chat_marks(written)
                part = written.text
            sentences = split_sentences(normalize(respelt(part, code), code))
            for sentence in sentences:
                if _spoken(sentence):
                    last = sentence is sentences[-1]
                    after = pause if last else sentence.pause_after
                    empty = False
                    yield Phones(text=sentence.text, pause_after=after)
        if empty:
            raise TextError("there is nothing to say")

    def phrased(self, phones: Phones, voice: Voice, language: str | None = None) -> Phones:
        """The sentence as it is: the model places its own pauses."""
        return phones

    def _prompt(self, voice: Voice) -> F5Prompt:
        self._check(voice)
        assert voice.recording is not None
        return self.f5.prompt(voice.recording, normalize(voice.transcript, self.config.language))

    def _pieces(self, text: str, prompt: F5Prompt, speed: float) -> list[Sentence]:
        """A sentence in parts that fit behind the prompt, at the pace of which they are said."""
        seconds = len(prompt.features) / self.f5.frame_rate
        size = (MAX_TOGETHER - seconds) * speed * len(prompt.text.encode()) / seconds
        limit = int(size * len(text) / len(text.encode()))
        return [s for s in split_sentences(text, max(_MIN_CHARS, limit)) if _spoken(s)]

    @torch.inference_mode()
    def say(
        self, phones: Phones, voice: Voice, options: Options, number: int = 0,
        chunk_frames: int = 25,
    ) -> Iterator[Chunk]:  # fmt: skip
        """One sentence and the pause after it, in one chunk each unless it is very long.

        Raises:
            UsageError, VoiceError: as `voice`; a pitch.
        """
        if options.pitch != 1.0:
            raise UsageError(f"{self.config.name} cannot change the pitch: leave it at 1")
        prompt = self._prompt(voice)
        rng = torch.Generator().manual_seed(options.seed_of(number))
        sampling = self.sampling(options)
        shown = phones.text
        pieces = self._pieces(phones.text, prompt, options.speed)
        for piece in pieces:
            mel, _ = self.f5.generate([prompt], [piece.text], [rng], sampling, options.speed)
            wav = self.vocos.decode(mel)[0, 0].float().cpu() * prompt.gain
            count = min(int(_FADE * self.sample_rate), len(wav))
            ramp = torch.linspace(0, 1, count)
            wav[:count] *= ramp
            wav[len(wav) - count :] *= ramp.flip(0)
            yield Chunk(wav.numpy(), self.sample_rate, shown)
            shown = ""
            after = phones.pause_after if piece is pieces[-1] else piece.pause_after
            pause = self.pause(Phones(pause_after=after), options)
            if len(pause):
                yield Chunk(pause, self.sample_rate)


def _spoken(sentence: Sentence) -> bool:
    return any(character.isalnum() for character in sentence.text)

"""F5-TTS in the ports of the pipeline: letters instead of phones, and the recording of the voice is
continued, so that its words are needed too."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from tts.audio.reference import Reference
from tts.audio.resample import resample
from tts.cancel import Cancellation
from tts.config import ModelConfig
from tts.errors import AudioError, TextError, UsageError, VoiceError
from tts.generators.base import SamplingOptions
from tts.generators.conditioning import AlignmentResult
from tts.pipeline.ports import Capabilities, Pipeline
from tts.published.f5.generator import F5Generator
from tts.published.f5.prompt import F5Prompt, speech_frames
from tts.quantize import prepare_weights
from tts.registry import load_module
from tts.text.chat import without_chat_marks
from tts.text.emoji_names import say_emoji
from tts.text.normalize import normalize
from tts.text.sentences import Sentence, split_complete, split_sentences
from tts.text.symbols import Phones
from tts.text.tracked import Tracked
from tts.text.user_lexicon import respelt
from tts.voice.judge import warnings_about
from tts.voice.speaker import SpeakerEncoder
from tts.voice.voice import RECORDING_RATE, Voice
from tts_codecs.vocoder.source_filter import SourceFilterVocoder
from tts_codecs.vocos import VocosCodec

#: seconds of a recording: a longer one would have to be cut, and its words with it
MAX_PROMPT = 12.0
#: seconds of recording and sentence together that are spoken well
MAX_TOGETHER = 22.0
_MIN_CHARS = 20
_FADE = 0.01  # seconds
_ANALYSIS = "vocoder"  # the shipped one, whose features the voices of all other models have


@dataclass(frozen=True)
class F5Request:
    """B texts with the recordings that they continue.

    Attributes:
        prompts, texts: of each row.
        frames: of each row, without its prompt.
    """

    prompts: list[F5Prompt]
    texts: list[str]
    frames: list[int]


class F5Model:
    """F5-TTS as text front end, voice encoder, length model and generator.

    Args:
        config: of the model; its `generator` is a checkpoint of kind "f5".

    Raises:
        CheckpointError: weights that are missing or damaged.
    """

    def __init__(self, config: ModelConfig, device: str, cancellation: Cancellation):
        self.config = config
        self.network = cast(F5Generator, load_module(config.generator, device, "f5"))
        self.speaker = cast(SpeakerEncoder, load_module(config.speaker, kind="speaker"))
        self.analysis = cast(SourceFilterVocoder, load_module(_ANALYSIS, device))
        prepare_weights(self.network, config.weights, device)
        cancellation.watch(self.network)

    def sentences(
        self,
        text: str | Iterable[str],
        language: str,
        markup: str = "none",
        emoji: bool = False,
    ) -> Iterator[Phones]:
        """Sentences one at a time, each with the pause that follows it in seconds. Text alone; ids,
        mods and words of the Phones are empty."""
        if markup not in ("none", "plain"):
            raise UsageError(f"{self.config.name} reads plain text: no markup, no [pause]")
        return self._sentences(text, language, markup == "plain", emoji)

    def _sentences(
        self, text: str | Iterable[str], language: str, plain: bool, emoji: bool
    ) -> Iterator[Phones]:
        parts = [(text, 0.0)] if isinstance(text, str) else split_complete(text, language)
        empty = True
        for part, pause in parts:
            if "[[" in part:
                raise TextError(f"{self.config.name} reads letters, not [[phonemes]]")
            written = Tracked(part)
            if not plain:
                without_chat_marks(written)
            if emoji:
                say_emoji(written, language)
            part = written.text
            said = normalize(respelt(part, language), language)
            sentences = split_sentences(said, lang=language)
            for sentence in sentences:
                if _spoken(sentence):
                    last = sentence is sentences[-1]
                    after = pause if last else sentence.pause_after
                    empty = False
                    yield Phones(text=sentence.text, pause_after=after)
        if empty:
            raise TextError("there is nothing to say")

    def phrased(self, sentence: Phones, voice: Voice, language: str) -> Phones:
        """The sentence with pauses where the voice would make them and the text has no mark. The
        model places its own pauses."""
        return sentence

    def encode(self, reference: Reference, name: str) -> Voice:
        """The voice of a recording at `Capabilities.recording_rate`. With the recording, of up to
        12 s; other models can speak in it too."""
        if reference.seconds > MAX_PROMPT:
            raise AudioError(
                f"the recording has {reference.seconds:.1f} s of speech; {self.config.name} takes "
                f"{MAX_PROMPT:g} s at most: cut it, and its words"
            )
        voice = Voice.from_reference(self._lower(reference), self.speaker, self.analysis, name)
        voice.recording = torch.from_numpy(reference.samples.copy())
        return voice

    def _lower(self, reference: Reference) -> Reference:
        """The recording at the rate of the voices of other models."""
        rate = self.analysis.mel.sample_rate
        samples = resample(reference.samples, RECORDING_RATE, rate)
        return replace(reference, samples=samples, sample_rate=rate)

    def warnings(self, reference: Reference, voice: Voice) -> list[str]:
        """What would make a poor voice of a recording, each with what helps (tts.voice.judge)."""
        return warnings_about(self._lower(reference), self.speaker)

    def enhanced(self, reference: Reference) -> Reference:
        """The recording as it is: the model continues it, with its room."""
        return reference

    def check(self, voice: Voice) -> None:
        """Whether the model can speak in a voice. It has to keep its recording, and the words of
        that."""
        if voice.recording is None:
            raise VoiceError(
                f"the voice {voice.name!r} keeps no recording for {self.config.name} to continue: "
                "give --ref and --ref-text, or make it with `tts voices add NAME --ref FILE "
                f"--ref-text TEXT --model {self.config.name}`"
            )
        self.config.check_transcript(voice.transcript)

    def prompt(self, voice: Voice) -> F5Prompt:
        """The recording and words of a voice, as the network takes them."""
        self.check(voice)
        assert voice.recording is not None
        words = normalize(voice.transcript, self.config.language)
        return self.network.prompt(voice.recording, words)

    def parts(self, sentence: Phones, voice: Voice, speed: float) -> list[Phones]:
        """A sentence in as many parts as it has to be generated in, most often one. Parts that fit
        behind the prompt, at the pace of which they are said."""
        prompt, text = self.prompt(voice), sentence.text
        seconds = len(prompt.features) / self.network.frame_rate
        size = (MAX_TOGETHER - seconds) * speed * len(prompt.text.encode()) / seconds
        limit = int(size * len(text) / len(text.encode()))
        split = split_sentences(text, max(_MIN_CHARS, limit), self.config.language)
        found = [each for each in split if _spoken(each)]
        parts = [Phones(text=each.text, pause_after=each.pause_after) for each in found]
        if parts:
            parts[-1].pause_after = sentence.pause_after
        return parts

    def request(
        self, sentences: Sequence[Phones], voices: Sequence[Voice], speed: Sequence[float]
    ) -> F5Request:
        """What the generator is asked for: B sentences, a voice and a speed (1 is normal, above is
        faster) each. A text takes as long per byte as the recording does."""
        prompts = [self.prompt(voice) for voice in voices]
        texts = [sentence.text.strip() for sentence in sentences]
        frames = [speech_frames(*each) for each in zip(prompts, texts, speed, strict=True)]
        return F5Request(prompts, texts, frames)

    def group(self, voice: Voice) -> str:
        """Names the weights that speak in a voice; voices of one name can share a batch. All voices
        have the same weights."""
        return ""

    def decides_lengths(self, options: SamplingOptions) -> bool:
        """Whether lengths of requests are estimates, and known with the last latents only. It keeps
        to the frames of the request."""
        return False

    def stream(
        self,
        request: F5Request,
        voice: Voice,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        alignment: AlignmentResult,
    ) -> Iterator[Tensor]:
        """Yield latents [B, u, *] from left to right, u >= 1, as they are final. All log-mel frames
        [B, T, 100] at once."""
        yield self.network.generate(
            request.prompts, request.texts, rngs, options, frames=request.frames
        )[0]


class F5Decoder:
    """Log-mel frames to waveform by Vocos; see Decoder."""

    def __init__(self, vocos: VocosCodec, sample_rate: int, frame_rate: float):
        self.vocos, self.sample_rate, self.frame_rate = vocos, sample_rate, frame_rate
        self.fade = _FADE

    def stream(
        self,
        latents: Iterator[Tensor],
        request: F5Request,
        alignment: AlignmentResult,
        pitch: float,
        chunk_frames: int,
    ) -> Iterator[tuple[Tensor, bool]]:
        """Yield the waveform of one sentence in pieces [n], n >= 1, and whether it is the last. All
        in one piece, as loud as the recording was."""
        (mel,) = latents
        yield self.vocos.decode(mel)[0, 0].float().cpu() * request.prompts[0].gain, True

    def rows(
        self, latents: Tensor, request: F5Request, alignment: AlignmentResult, pitch: float
    ) -> list[Tensor]:
        """Waveforms [N] of all rows of latents [B, U, *], each as long as the row itself; only of
        models with `Capabilities.batching`. Nothing asks for it, as sentences go one by one."""
        waves = []
        for row, (prompt, frames) in enumerate(zip(request.prompts, request.frames, strict=True)):
            wave = self.vocos.decode(latents[row : row + 1, :frames])[0, 0]
            waves.append(wave.float().cpu() * prompt.gain)
        return waves


def f5_pipeline(
    config: ModelConfig, device: str, cancellation: Cancellation
) -> Pipeline[F5Request]:
    """The pipeline of a config; errors as `F5Model`."""
    model = F5Model(config, device, cancellation)
    vocos = cast(VocosCodec, load_module(config.vocoder, device, "vocos"))
    cancellation.watch(vocos)
    decoder = F5Decoder(vocos, model.network.sample_rate, model.network.frame_rate)
    can = Capabilities(
        decoder.sample_rate,
        config.sample_rate,
        word_times=False,
        pitch=False,
        batching=False,
        needs_transcript=config.needs_transcript,
    )
    return Pipeline(model, model, model, model, decoder, can)


def _spoken(sentence: Sentence) -> bool:
    return any(character.isalnum() for character in sentence.text)

"""The pipeline of this project's own models: phones, durations, generator, and vocoder or codec.

The generator is of any family. Over source-filter features, or a codec of them, the source-filter
vocoder makes the waveform; over a codec of waveforms that codec does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from tts.audio.reference import Reference
from tts.cancel import Cancellation
from tts.config import ModelConfig
from tts.errors import ConfigError, UsageError
from tts.generators.base import Request, SamplingOptions
from tts.generators.conditioning import AlignmentResult
from tts.generators.external import External
from tts.generators.generator import Generator
from tts.generators.wave_space import WaveSpace
from tts.losses.phone import PhoneProbe
from tts.modules.voice_prompt import VoicePrompt
from tts.pipeline.feature_decoder import FeatureDecoder
from tts.pipeline.ports import Capabilities, Pipeline
from tts.pipeline.wave_decoder import WaveDecoder
from tts.progress import Progress
from tts.prosody.durations import DurationModel, with_edges
from tts.prosody.phrasing import PhrasingModel, with_phrasing
from tts.prosody.style import sentence_speeds, token_speeds, with_breaks, with_pitch
from tts.prosody.total_length import frames_per_phone, total_frames
from tts.quantize import prepare_weights
from tts.registry import load_latent_space, load_module
from tts.resources import checkpoint_folder
from tts.text.analysis import read_sentences
from tts.text.frontend import Frontend, Pauses
from tts.text.pauses import spoken_pauses
from tts.text.phonemes import check_language
from tts.text.symbols import Phones
from tts.text.tokens import TokenBatch, collate_tokens
from tts.text.user_lexicon import UserLexicon
from tts.tuning.adaptation import adapt
from tts.tuning.adapted_generators import AdaptedGenerators
from tts.tuning.calibration import calibrate
from tts.voice.enhancer import SpeechEnhancer
from tts.voice.judge import overlaps, speaks, warnings_about
from tts.voice.overlap import OverlapDetector
from tts.voice.profile import PhoneProfile, VoiceShifts
from tts.voice.speaker import SpeakerEncoder
from tts.voice.voice import Tuning, Voice, collate_voices
from tts_codecs.checkpoint import fingerprint
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


class AcousticModel:
    """The networks of a model, and all ports of its pipeline (tts.pipeline.ports) but the decoder.

    Args:
        config: which checkpoints; device: "cpu" or "cuda".
        cancellation: checked by the blocks of the networks, so that a request can be stopped.

    Raises:
        ConfigError: parts are missing or do not go together.
        CheckpointError: weights are missing or damaged.
    """

    def __init__(self, config: ModelConfig, device: str, cancellation: Cancellation):
        self.config, self.device = config, device
        self.generator = cast(Generator, load_module(config.generator, device, "generator"))
        if config.durations is None and self.aligned:
            raise ConfigError(f"the config of {config.name!r} names no durations")
        self.latent_space = load_latent_space(
            config.codec,
            device,
            self.generator.posterior,
            self.generator.patch,
            self.generator.strategy.merge,
            self.generator.latent_scale,
        )
        self.generator.check_latent_space(self.latent_space)
        self.external = self._external()
        self._durations = cast("DurationModel | None", self._loaded(config.durations, "durations"))
        self.phrasing = cast("PhrasingModel | None", self._loaded(config.phrasing, "phrasing"))
        self.vocoder = cast(
            SourceFilterVocoder, load_module(config.vocoder, device, "source_filter_vocoder")
        )
        self.speaker = cast(SpeakerEncoder, load_module(config.speaker, kind="speaker"))
        self.phone_probe = cast(
            "PhoneProbe | None", self._loaded(config.phone_probe, "phone_probe")
        )
        self.shifts = self._shifts()
        if config.overlap is not None and self.phone_probe is None:
            raise ConfigError(f"{config.name!r} names overlap: name its phone_probe")
        self.overlap = cast("OverlapDetector | None", self._loaded(config.overlap, "overlap"))
        self.enhancer = cast("SpeechEnhancer | None", self._loaded(config.enhancer, "enhancer"))
        self.adapted = AdaptedGenerators(
            config.generator, config.weights, device, cancellation.watch
        )
        self._frontends: dict[tuple[str, Pauses], Frontend] = {}
        prepare_weights(self.generator, config.weights, device)
        helper = None if self.external is None else self.external.generator
        codec = self.latent_space.waveform_codec
        for network in (self.generator, self._durations, self.vocoder, helper, codec):
            if network is not None:
                cancellation.watch(network)

    def _loaded(self, checkpoint: str | None, kind: str) -> nn.Module | None:
        """The network of a checkpoint that a config may leave out."""
        return load_module(checkpoint, self.device, kind) if checkpoint else None

    def _external(self) -> External | None:
        """The external model that the config names, ready to run beside the generator."""
        if self.config.external is None:
            return None
        other = cast(Generator, load_module(self.config.external, self.device, "generator"))
        prepare_weights(other, self.config.weights, self.device)
        external = External(other, self.config.external_sampling)
        external.check(self.generator)
        return external

    @property
    def aligned(self) -> bool:
        """Whether the generator needs the duration of each phone beforehand."""
        return self.generator.conditioner.text == "expanded"

    @property
    def durations(self) -> DurationModel:
        """The duration model.

        Raises:
            UsageError: the model has none.
        """
        if self._durations is None:
            raise UsageError(f"{self.config.name} has no model of durations")
        return self._durations

    def _shifts(self) -> VoiceShifts | None:
        config, device = self.config, self.device
        if self.latent_space.waveform_codec is not None:
            return None  # shifts are added to features, and here there are none
        untimed = config.durations is None or self.generator.conditioner.untimed
        if config.profile is None or self.phone_probe is None or untimed:
            if config.normalised:
                raise ConfigError(
                    f"{config.name!r} is normalised: name its profile, phone_probe and durations"
                )
            return None
        profile = cast(PhoneProfile, load_module(config.profile, device, "profile"))
        name = fingerprint(checkpoint_folder(config.generator))
        recognizer = cast("PhoneProbe | None", self._loaded(config.phone_recognizer, "phone_probe"))
        return VoiceShifts(profile, self.phone_probe, config.normalised, name, recognizer)

    # Text front end.

    def sentences(
        self,
        text: str | Iterable[str],
        language: str | None = None,
        markup: str = "none",
        emoji: bool = False,
    ) -> Iterator[Phones]:
        """Sentences one at a time, each with the pause that follows it in seconds. [[phonemes]] in
        the text are said as they are."""
        return read_sentences(self.frontend(language), text, markup, emoji)

    def frontend(self, language: str | None = None, pauses: Pauses = "marks") -> Frontend:
        """Text to phones in a language, with the user's lexicon."""
        code = language or self.config.language
        # Of another kind it may not even be looked up.
        if not isinstance(code, str) or (code, pauses) not in self._frontends:
            lexicon = UserLexicon(check_language(code))
            self._frontends[code, pauses] = Frontend(code, pauses, lexicon)
        return self._frontends[code, pauses]

    def phrased(self, sentence: Phones, voice: Voice, language: str) -> Phones:
        """The sentence with pauses where the voice would make them and the text has no mark; itself
        without a phrasing model or in another language than the model's."""
        if self.phrasing is None or language.split("-")[0] != self.config.language.split("-")[0]:
            return sentence
        return with_phrasing(sentence, self.phrasing, collate_voices([voice]).to(self.device))

    # Voices.

    def encode(self, reference: Reference, name: str) -> Voice:
        """The voice of a recording at `Capabilities.recording_rate`."""
        return Voice.from_reference(reference, self.speaker, self.vocoder, name)

    def warnings(self, reference: Reference, voice: Voice) -> list[str]:
        """Faults of a recording that would make a poor voice, each with what helps against it
        (tts.voice.judge)."""
        speech, overlap = True, False
        if self.phone_probe is not None:
            features = voice.features.to(self.device)[None]
            mask = features.new_ones(1, features.shape[1], 1)
            with torch.inference_mode():
                hidden = self.phone_probe.hidden(features, mask)
            speech = speaks(self.phone_probe, hidden, reference.seconds)
            if self.overlap is not None:
                overlap = overlaps(self.overlap, features, hidden)
        return warnings_about(reference, self.speaker, speech, overlap)

    @torch.inference_mode()
    def enhanced(self, reference: Reference) -> Reference:
        """The recording without its noise and room, where the model has an enhancer."""
        if self.enhancer is None:
            return reference
        samples = torch.from_numpy(reference.samples.copy()).to(self.device)
        return replace(reference, samples=self.enhancer(samples[None])[0].cpu().numpy())

    def check(self, voice: Voice) -> None:
        """Accept the voice: the model can speak in any."""

    def features(self, reference: Reference) -> Tensor:
        """Features [T, C] of a whole recording at `Capabilities.recording_rate`."""
        hop = self.vocoder.mel.hop
        samples = torch.from_numpy(reference.samples.copy())
        samples = samples[: len(samples) // hop * hop]
        with torch.inference_mode():
            found = self.vocoder.analyse(samples[None].to(self.device))[0][0]
        return found.clone()

    def adapt(
        self,
        voice: Voice,
        recordings: Sequence[Tensor],
        strength: float = 1.0,
        progress: Progress | None = None,
        transcript: str = "",
    ) -> Voice:
        """The voice with what fits the weights to it, see tts.tuning.adaptation.adapt."""
        return adapt(
            self, voice, recordings, strength=strength, progress=progress, transcript=transcript
        )

    def calibrate(
        self, voice: Voice, rounds: int | None = None, recordings: Sequence[Tensor] = ()
    ) -> Voice:
        """The calibrated voice, see tts.tuning.calibration.calibrate. Without `rounds` they are
        those of the config, which has fewer for adapted voices."""
        if rounds is None:
            rounds = self.config.calibration
            if self.adaptation_of(voice):
                rounds = min(rounds, self.config.adapted_calibration)
        return calibrate(self, voice, rounds, recordings)

    def adaptation_of(self, voice: Voice) -> Tuning | None:
        """The adaptation of a voice to this model's generator; None if it has none or its strength
        is 0."""
        tuning = None if self.shifts is None else voice.tuning_for(self.shifts.generator)
        return tuning if tuning is not None and tuning.factors and tuning.strength else None

    def untuned(self, voice: Voice) -> str:
        """A line for the user if a voice was adapted to another generator only, so that this model
        speaks in it unadapted; empty otherwise. Voices that were also calibrated for this model, as
        built-in ones are, need no such line."""
        fitted = None if self.shifts is None else voice.tuning_for(self.shifts.generator)
        if fitted is not None and (self.adaptation_of(voice) or fitted.shift is not None):
            return ""
        if not any(each.factors for each in voice.tunings):
            return ""
        return (
            f"the voice {voice.name!r} was adapted to another generator than that of "
            f"{self.config.name!r}: it is used as it is"
        )

    def generator_for(self, voice: Voice) -> Generator:
        """The generator that speaks in a voice: the model's, or one adapted to the voice."""
        tuning = self.adaptation_of(voice)
        return self.generator if tuning is None else self.adapted(voice, tuning)

    def contrast_of(self, voices: Sequence[Voice]) -> tuple[float, ...]:
        """`Request.contrast` of each voice: 1, or for an adapted voice the config's
        `adapted_contrast`, in proportion to the strength of its adaptation."""
        found = [self.adaptation_of(voice) for voice in voices]
        more = self.config.adapted_contrast - 1
        return tuple(1.0 if each is None else 1 + more * each.strength for each in found)

    # Length model.

    def parts(self, sentence: Phones, voice: Voice, speed: float) -> list[Phones]:
        """The sentence as one part: sentences of any length are generated whole."""
        return [sentence]

    def request(
        self,
        sentences: Sequence[Phones],
        voices: Sequence[Voice],
        speed: Sequence[float] | None = None,
        shifted: bool = True,
    ) -> Request:
        """The request of sentences, each in a voice, with predicted durations if the generator
        follows durations.

        Args:
            speed: of each sentence; by default 1.
            shifted: whether generated features get the shifts of the voices (tts.voice.profile).

        Raises:
            UsageError: markup that the model cannot follow.
        """
        rows = [spoken_pauses(phones.ids, phones.mods) for phones in sentences]
        tokens = collate_tokens(rows).to(self.device)
        prompt = collate_voices(list(voices)).to(self.device)
        rate = torch.tensor(speed or [1.0] * len(sentences), device=self.device)
        if self.generator.conditioner.untimed:
            return self._untimed_request(tokens, prompt, sentence_speeds(sentences, rate))
        if self._durations is None:
            return Request(tokens, prompt, pace=sentence_speeds(sentences, rate))
        durations = self.durations.predict(tokens, prompt, token_speeds(sentences, tokens, rate))
        durations = with_breaks(durations, sentences, self.vocoder.hop / self.vocoder.sample_rate)
        durations = with_edges(durations, tokens, self.generator.patch)
        if self.latent_space.waveform_codec is not None:
            if any(style.pitch != 1 for phones in sentences for style in phones.styles):
                raise UsageError(f"{self.config.name} cannot change the pitch of words")
            durations = self.latent_space.retimed(durations, tokens.mask[..., 0])
            return Request(tokens, prompt, durations)
        shift = None
        if shifted and self.shifts is not None:
            frames = int(durations.sum(1).max())
            shift = self.shifts.frames(voices, tokens, durations, frames)
        shift = with_pitch(shift, sentences, durations, self.generator.conditioner.channels)
        return Request(tokens, prompt, durations, shift=shift, contrast=self.contrast_of(voices))

    def _untimed_request(self, tokens: TokenBatch, prompt: VoicePrompt, rate: Tensor) -> Request:
        """A request with a total length per sentence but no duration of any phone."""
        total = total_frames(
            tokens, frames_per_phone(self.phone_probe, prompt), rate, self.generator.patch
        )
        total = self.latent_space.retimed(total[:, None], torch.ones_like(total[:, None]))
        return Request(tokens, prompt, frames=total[:, 0])

    # Generator.

    def group(self, voice: Voice) -> str:
        """A name of the weights that speak in a voice: voices of one name can share a batch. Each
        adapted voice has a name of its own."""
        return voice.sha256 if self.adaptation_of(voice) else ""

    def decides_lengths(self, options: SamplingOptions) -> bool:
        """Whether lengths are known only with the last latents: if a pointer has no durations, or
        may leave those of the request."""
        free = options.duration_tolerance > 1 or self._durations is None
        return self.generator.uses_pointer and free

    def stream(
        self,
        request: Request,
        voice: Voice,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        alignment: AlignmentResult,
    ) -> Iterator[Tensor]:
        """Yield latents [B, u, *] from left to right, u >= 1, as they are final."""
        return self.generator_for(voice).stream(
            request, rngs, options, alignment=alignment, external=self.external
        )


def acoustic_pipeline(
    config: ModelConfig, device: str, cancellation: Cancellation
) -> Pipeline[Request]:
    """The pipeline of a config; errors are those of AcousticModel."""
    model = AcousticModel(config, device, cancellation)
    space = model.latent_space
    decoder: WaveDecoder | FeatureDecoder
    if isinstance(space, WaveSpace):
        decoder = WaveDecoder(space)
    else:
        decoder = FeatureDecoder(space, model.vocoder)
    can = Capabilities(
        decoder.sample_rate,
        config.sample_rate,
        word_times=not model.generator.conditioner.untimed,
        pitch=space.waveform_codec is None,
        streaming=model.generator.strategy.streamed,
        adaptation=model.shifts is not None,
        needs_transcript=config.needs_transcript,
    )
    return Pipeline(model, model, model, model, decoder, can, model)

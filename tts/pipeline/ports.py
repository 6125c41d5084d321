"""Ports of the synthesis pipeline: the interfaces that a model implements to speak.

    text --TextFrontend--> sentences --LengthModel--> request --LatentGenerator--> latents
                                                          latents --Decoder--> waveform
    recording --VoiceEncoder--> voice, which the length model puts into the request

A request is of any type that the length model, the generator and the decoder of one model agree on;
the renderer (tts.pipeline.render) passes it on unread. All ports may be used by several threads at
once: state between the chunks of a sentence lives in the iterator that makes them, and ends with
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from tts.audio.reference import Reference
from tts.generators.base import SamplingOptions
from tts.generators.conditioning import AlignmentResult
from tts.progress import Progress
from tts.text.symbols import Phones
from tts.voice.voice import Voice

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
R_contra = TypeVar("R_contra", contravariant=True)


@dataclass(frozen=True)
class Capabilities:
    """What a loaded model can do; callers read it before they ask for something.

    Attributes:
        sample_rate: Hz of the audio it makes; recording_rate: Hz of the recordings it takes.
        word_times: whether it knows when words and phones are said.
        pitch: whether the pitch can be changed.
        batching: whether sentences of several texts and voices can be generated in one batch.
        streaming: whether audio comes before the whole sentence is generated.
        adaptation: whether its weights can be adapted to a voice.
        needs_transcript: whether it needs the transcript of a recording.
    """

    sample_rate: int
    recording_rate: int
    word_times: bool = True
    pitch: bool = True
    batching: bool = True
    streaming: bool = False
    adaptation: bool = False
    needs_transcript: bool = False


class TextFrontend(Protocol):
    """Text to sentences."""

    def sentences(
        self,
        text: str | Iterable[str],
        language: str,
        markup: str = "none",
        emoji: bool = False,
    ) -> Iterator[Phones]:
        """Yield the sentences of a text, each with the pause that follows it in seconds.

        Args:
            text: a string, or pieces of one, of which no more are taken than the next sentence
                needs.
            language: espeak code.
            markup: see tts.types.Options; a text with markup is read as a whole.
            emoji: whether the short names of emoji are spoken.

        Raises:
            UsageError: an unknown language, markup that the model does not read, or emoji in a
                language that has no names for them.
            MarkupError: see tts.text.markup.parse_markup.
            TextError: while iterating: there is nothing to say, or something cannot be said.
        """
        ...

    def phrased(self, sentence: Phones, voice: Voice, language: str) -> Phones:
        """The sentence with pauses where the voice would make them and the text has no mark."""
        ...


class VoiceEncoder(Protocol):
    """Recordings to voices."""

    def encode(self, reference: Reference, name: str) -> Voice:
        """The voice of a recording at `Capabilities.recording_rate`.

        Raises:
            AudioError: a recording that it cannot use.
        """
        ...

    def warnings(self, reference: Reference, voice: Voice) -> list[str]:
        """Faults of a recording that would make a poor voice, each with what helps against it
        (tts.voice.judge).

        Args:
            voice: the voice of this recording alone.
        """
        ...

    def enhanced(self, reference: Reference) -> Reference:
        """The recording without noise and reverberation; itself if the model cannot remove them."""
        ...

    def check(self, voice: Voice) -> None:
        """Check that the model can speak in a voice.

        Raises:
            VoiceError, UsageError: what the voice lacks, and how to add it.
        """
        ...


class LengthModel(Protocol[R_co]):
    """Sentences to requests, which hold the length of each sentence or at least an estimate."""

    def parts(self, sentence: Phones, voice: Voice, speed: float) -> list[Phones]:
        """Split a sentence into the parts that are generated one by one, most often one. The last
        part has the pause that follows the sentence."""
        ...

    def request(
        self, sentences: Sequence[Phones], voices: Sequence[Voice], speed: Sequence[float]
    ) -> R_co:
        """The request of B sentences, each with a voice and a speed (1 is normal, above is faster).

        Raises:
            VoiceError, UsageError: the model cannot speak in one of the voices.
        """
        ...


class LatentGenerator(Protocol[R_contra]):
    """Requests to latents: codes [B, U, K] or continuous latents [B, U, D]."""

    def group(self, voice: Voice) -> str:
        """A name of the weights that speak in a voice: voices of one name can share a batch."""
        ...

    def decides_lengths(self, options: SamplingOptions) -> bool:
        """Whether the lengths of a request are estimates, and the true ones are known only with the
        last latents."""
        ...

    def stream(
        self,
        request: R_contra,
        voice: Voice,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        alignment: AlignmentResult,
    ) -> Iterator[Tensor]:
        """Yield latents [B, u, *] from left to right, u >= 1, as soon as they are final.

        Args:
            voice: the voice of all rows, or of any row if they are of one group.
            rngs: one per row, so that a row does not depend on its batch.
            alignment: receives the durations [B, S], frames of each token, as soon as they are
                known, at the latest with the last latents; None in it if they never are.

        Raises:
            UsageError: options that the model does not have, or a sentence that is too long.
        """
        ...


class Decoder(Protocol[R_contra]):
    """Latents to waveform.

    Attributes:
        sample_rate: Hz; frame_rate: frames of `AlignmentResult.durations` in a second.
        fade: seconds of the ramps at both ends of a sentence.
    """

    sample_rate: int
    frame_rate: float
    fade: float

    def stream(
        self,
        latents: Iterator[Tensor],
        request: R_contra,
        alignment: AlignmentResult,
        pitch: float,
        chunk_frames: int,
    ) -> Iterator[tuple[Tensor, bool]]:
        """Yield the waveform of one sentence in pieces [n], n >= 1, each with whether it is the
        last.

        Args:
            latents: [1, u, *] each, of one row; taken only when they are needed.
            pitch: factor on the pitch of the voice.
            chunk_frames: frames in a piece; the first piece is shorter.
        """
        ...

    def rows(
        self, latents: Tensor, request: R_contra, alignment: AlignmentResult, pitch: float
    ) -> list[Tensor]:
        """Waveforms [N] of all rows of latents [B, U, *], each as long as its own row. Only models
        with `Capabilities.batching` need it."""
        ...


class Tuner(Protocol):
    """Adaptation and calibration of a model to a voice, for models that can do this."""

    def features(self, reference: Reference) -> Tensor:
        """Features [T, C] of a whole recording at `Capabilities.recording_rate`."""
        ...

    def adapt(
        self,
        voice: Voice,
        recordings: Sequence[Tensor],
        strength: float,
        progress: Progress | None,
        transcript: str,
    ) -> Voice:
        """The voice with an adaptation of the weights to it, see tts.tuning.adaptation.adapt."""
        ...

    def calibrate(
        self, voice: Voice, rounds: int | None, recordings: Sequence[Tensor] = ()
    ) -> Voice:
        """The calibrated voice, see tts.tuning.calibration.calibrate.

        Args:
            rounds: None takes those of the model's config.
            recordings: features [T, C] of each recording; by default those that the voice keeps.
        """
        ...

    def untuned(self, voice: Voice) -> str:
        """A line for the user if a voice was adapted to another model's weights only, so that this
        model speaks in it unadapted; empty otherwise."""
        ...


@dataclass(frozen=True)
class Pipeline(Generic[R]):
    """A model: its ports, its capabilities, and its tuner if it has one."""

    text: TextFrontend
    voices: VoiceEncoder
    lengths: LengthModel[R]
    generator: LatentGenerator[R]
    decoder: Decoder[R]
    capabilities: Capabilities
    tuner: Tuner | None = None

"""Ports of the synthesis pipeline: what a model has to offer so that everything can speak with it.

    text --TextFrontend--> sentences --LengthModel--> request --LatentGenerator--> latents
                                                          latents --Decoder--> waveform
    recording --VoiceEncoder--> voice, which the length model puts into the request

A request is what the length model, the generator and the decoder of one model share; the renderer
(tts.pipeline.render) hands it on without looking into it. Everything here is safe to be used by
threads at once: what a sentence needs from one call to the next lives in the iterator that makes
it, and is gone when that is closed.
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
    """What a loaded model can do, for callers to read before they ask for it.

    Attributes:
        sample_rate: Hz of the audio it makes; recording_rate: Hz of the recordings it takes.
        word_times: whether it knows when words and phones are said.
        pitch: whether its pitch can be changed.
        batching: whether sentences of several texts and voices can be computed together.
        streaming: whether audio comes before the whole sentence is generated.
        adaptation: whether its weights can be fitted to a voice.
        needs_transcript: whether it needs the words of a recording.
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
        """Sentences one at a time, each with the pause that follows it in seconds.

        Args:
            text: whole, or pieces of which no more are taken than the next sentence needs.
            language: espeak code.
            markup: see tts.types.Options; a text with markup is read whole at once.
            emoji: say the short names of emoji.

        Raises:
            UsageError: an unknown language, or markup that the model does not read, or emoji
                in a language that has no names for them.
            MarkupError: see tts.text.markup.parse_markup.
            TextError: nothing to say, or what cannot be said; while iterating.
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
        """What would make a poor voice of a recording, each with what helps (tts.voice.judge).

        Args:
            voice: that was made of it alone.
        """
        ...

    def enhanced(self, reference: Reference) -> Reference:
        """The recording without its noise and room, where the model can take them out; itself where
        it cannot."""
        ...

    def check(self, voice: Voice) -> None:
        """Whether the model can speak in a voice.

        Raises:
            VoiceError, UsageError: what it lacks, and how to give it.
        """
        ...


class LengthModel(Protocol[R_co]):
    """Sentences to requests, in which the length of each is decided or at least estimated."""

    def parts(self, sentence: Phones, voice: Voice, speed: float) -> list[Phones]:
        """A sentence in as many parts as it has to be generated in, most often one. The last one
        has the pause that follows the sentence."""
        ...

    def request(
        self, sentences: Sequence[Phones], voices: Sequence[Voice], speed: Sequence[float]
    ) -> R_co:
        """What the generator is asked for: B sentences, a voice and a speed (1 is normal, above is
        faster) each.

        Raises:
            VoiceError, UsageError: a voice that it cannot be said in.
        """
        ...


class LatentGenerator(Protocol[R_contra]):
    """Requests to latents: codes [B, U, K] or continuous latents [B, U, D]."""

    def group(self, voice: Voice) -> str:
        """Names the weights that speak in a voice; voices of one name can share a batch."""
        ...

    def decides_lengths(self, options: SamplingOptions) -> bool:
        """Whether lengths of requests are estimates, and known with the last latents only."""
        ...

    def stream(
        self,
        request: R_contra,
        voice: Voice,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        alignment: AlignmentResult,
    ) -> Iterator[Tensor]:
        """Yield latents [B, u, *] from left to right, u >= 1, as they are final.

        Args:
            voice: of all rows, or any of one group.
            rngs: one per row, so that a row does not depend on its batch.
            alignment: its `durations` [B, S], frames of each token, are filled where they are
                known, at the latest with the last latents.

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
        """Yield the waveform of one sentence in pieces [n], n >= 1, and whether it is the last.

        The state of the stream (what convolutions and overlapping windows still need) is kept in
        the iterator.

        Args:
            latents: of one row, each [1, u, *], taken as they are needed.
            pitch: factor on the pitch of the voice.
            chunk_frames: frames in a piece, of which the first is shorter.
        """
        ...

    def rows(
        self, latents: Tensor, request: R_contra, alignment: AlignmentResult, pitch: float
    ) -> list[Tensor]:
        """Waveforms [N] of all rows of latents [B, U, *], each as long as the row itself; only of
        models with `Capabilities.batching`."""
        ...


class Tuner(Protocol):
    """What brings a model nearer to a voice; of models that have one."""

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
        """The voice with what fits the weights to it, see tts.tuning.adaptation.adapt."""
        ...

    def calibrate(
        self, voice: Voice, rounds: int | None, recordings: Sequence[Tensor] = ()
    ) -> Voice:
        """The voice with what the model gets wrong about it, measured on features [T, C] of all
        recordings or on what the voice keeps of them, see tts.tuning.calibration.calibrate; None
        for as many rounds as the model's config says."""
        ...

    def untuned(self, voice: Voice) -> str:
        """A line for the user where a voice was adapted to other weights than the model's, and
        speaks as it is; empty otherwise."""
        ...


@dataclass(frozen=True)
class Pipeline(Generic[R]):
    """A model: its ports, what it can do, and what tunes it to a voice, if it has that."""

    text: TextFrontend
    voices: VoiceEncoder
    lengths: LengthModel[R]
    generator: LatentGenerator[R]
    decoder: Decoder[R]
    capabilities: Capabilities
    tuner: Tuner | None = None

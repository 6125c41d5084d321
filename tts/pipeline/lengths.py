"""Length models: how long a sentence and each of its phones is said.

Which one a model has follows from how its generator takes text (tts.generators.conditioner):

    DurationLengths   a model predicts the frames of each phone; FeatureLengths and CodecLengths are
                      for latents of features and of a codec of waveforms
    TotalLengths      the frames of a sentence alone, for generators that align by attention
    PointerLengths    none: a pointer finds the durations during generation
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tts.errors import UsageError
from tts.generators.base import Request
from tts.generators.latent_space import LatentSpace
from tts.losses.phone import PhoneProbe
from tts.modules.voice_prompt import VoicePrompt
from tts.prosody.durations import DurationModel, with_edges
from tts.prosody.style import sentence_speeds, token_speeds, with_breaks, with_pitch
from tts.prosody.total_length import frames_per_phone, total_frames
from tts.text.pauses import spoken_pauses
from tts.text.symbols import Phones
from tts.text.tokens import TokenBatch, collate_tokens
from tts.voice.profile import VoiceShifts, adaptation_of
from tts.voice.voice import Voice, collate_voices


@dataclass(frozen=True)
class Rows:
    """The B sentences of a request, each in a voice.

    Attributes:
        sentences, voices: B of each.
        tokens: [B, S] phones of the sentences; prompt: of the voices; speed: [B].
    """

    sentences: Sequence[Phones]
    voices: Sequence[Voice]
    tokens: TokenBatch
    prompt: VoicePrompt
    speed: Tensor


class PhoneLengths(ABC):
    """Base of the `LengthModel`s of phones: sentences of any length are generated whole.

    Args:
        device: of the requests.
    """

    def __init__(self, device: str):
        self.device = device

    def parts(self, sentence: Phones, voice: Voice, speed: float) -> list[Phones]:
        """The sentence as one part."""
        return [sentence]

    def request(
        self,
        sentences: Sequence[Phones],
        voices: Sequence[Voice],
        speed: Sequence[float] | None = None,
    ) -> Request:
        """The request of B sentences, each in a voice.

        Args:
            speed: of each sentence; by default 1.

        Raises:
            UsageError: markup that the model cannot follow.
        """
        phones = [spoken_pauses(sentence.ids, sentence.mods) for sentence in sentences]
        tokens = collate_tokens(phones).to(self.device)
        prompt = collate_voices(list(voices)).to(self.device)
        rate = torch.tensor(speed or [1.0] * len(sentences), device=self.device)
        return self.measured(Rows(sentences, voices, tokens, prompt, rate))

    @abstractmethod
    def measured(self, rows: Rows) -> Request:
        """The request of the rows, with its lengths."""


class DurationLengths(PhoneLengths):
    """Lengths by a model of durations.

    Args:
        durations: predicts the frames of each phone; frame: seconds of one.
        patch: frames per latent.
    """

    def __init__(self, durations: DurationModel, frame: float, patch: int, device: str):
        super().__init__(device)
        self.durations, self.frame, self.patch = durations, frame, patch

    def measured(self, rows: Rows) -> Request:
        """The request with durations [B, S], with the speeds and pauses that markup sets. Each row
        is a whole number of latents."""
        speeds = token_speeds(rows.sentences, rows.tokens, rows.speed)
        durations = self.durations.predict(rows.tokens, rows.prompt, speeds)
        durations = with_breaks(durations, rows.sentences, self.frame)
        return Request(rows.tokens, rows.prompt, with_edges(durations, rows.tokens, self.patch))


class TimbreCorrection:
    """What brings generated features nearer to those of a voice: the shift of each phone
    (tts.voice.profile), and in an adapted voice more contrast (tts_codecs.envelope.contrasted).

    Args:
        shifts: of voices; None for a model without them.
        adapted_contrast: factor on the contrast in a voice that is adapted with strength 1.
    """

    def __init__(self, shifts: VoiceShifts | None, adapted_contrast: float):
        self.shifts, self.adapted_contrast = shifts, adapted_contrast

    def shift_of(
        self, voices: Sequence[Voice], tokens: TokenBatch, durations: Tensor
    ) -> Tensor | None:
        """`Request.shift` of voices, [B, T, C], for durations [B, S]; None if there is none.

        Raises:
            VoiceError: a voice has a shift of other phones.
        """
        if self.shifts is None:
            return None
        return self.shifts.frames(voices, tokens, durations, int(durations.sum(1).max()))

    def contrast_of(self, voices: Sequence[Voice]) -> tuple[float, ...]:
        """`Request.contrast` of each voice: 1, or for an adapted voice more, in proportion to the
        strength of its adaptation."""
        found = [adaptation_of(voice, self.shifts) for voice in voices]
        more = self.adapted_contrast - 1
        return tuple(1.0 if each is None else 1 + more * each.strength for each in found)


class FeatureLengths(DurationLengths):
    """DurationLengths for generators of source-filter features, or of latents of them.

    Args:
        durations, frame, patch: see DurationLengths.
        channels: C of the features.
        timbre: what is added to them for each voice.
    """

    def __init__(
        self,
        durations: DurationModel,
        frame: float,
        patch: int,
        channels: int,
        timbre: TimbreCorrection,
        device: str,
    ):
        super().__init__(durations, frame, patch, device)
        self.channels, self.timbre = channels, timbre

    def measured(self, rows: Rows) -> Request:
        """The request with durations, and with the shift and contrast of each voice."""
        request = super().measured(rows)
        assert request.durations is not None
        shift = self.timbre.shift_of(rows.voices, rows.tokens, request.durations)
        shift = with_pitch(shift, rows.sentences, request.durations, self.channels)
        return replace(request, shift=shift, contrast=self.timbre.contrast_of(rows.voices))


class CodecLengths(DurationLengths):
    """DurationLengths for generators over a codec of waveforms, whose frames may have another rate.

    Args:
        durations, frame, patch: see DurationLengths.
        space: of the codec.
        name: of the model, for messages.
    """

    def __init__(
        self,
        durations: DurationModel,
        frame: float,
        patch: int,
        space: LatentSpace,
        name: str,
        device: str,
    ):
        super().__init__(durations, frame, patch, device)
        self.space, self.name = space, name

    def measured(self, rows: Rows) -> Request:
        """The request with durations in frames of the codec's latents."""
        if any(style.pitch != 1 for phones in rows.sentences for style in phones.styles):
            raise UsageError(f"{self.name} cannot change the pitch of words")
        request = super().measured(rows)
        assert request.durations is not None
        durations = self.space.retimed(request.durations, rows.tokens.mask[..., 0])
        return Request(rows.tokens, rows.prompt, durations)


class TotalLengths(PhoneLengths):
    """The length of a sentence by the pace of the voice (tts.prosody.total_length), for generators
    that align by attention.

    Args:
        phone_probe: reads the pace of a voice; None takes the usual one.
        patch: frames per latent.
        space: of the latents, whose frames may have another rate than features.
    """

    def __init__(self, phone_probe: PhoneProbe | None, patch: int, space: LatentSpace, device: str):
        super().__init__(device)
        self.phone_probe, self.patch, self.space = phone_probe, patch, space

    def measured(self, rows: Rows) -> Request:
        """The request with a total length per sentence but no duration of any phone."""
        pace = frames_per_phone(self.phone_probe, rows.prompt)
        speeds = sentence_speeds(rows.sentences, rows.speed)
        total = total_frames(rows.tokens, pace, speeds, self.patch)
        total = self.space.retimed(total[:, None], torch.ones_like(total[:, None]))
        return Request(rows.tokens, rows.prompt, frames=total[:, 0])


class PointerLengths(PhoneLengths):
    """No lengths but a pace, for generators whose pointer finds durations without a model."""

    def measured(self, rows: Rows) -> Request:
        """The request with the pace of each sentence."""
        return Request(rows.tokens, rows.prompt, pace=sentence_speeds(rows.sentences, rows.speed))

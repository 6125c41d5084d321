"""Phone profile: how each phone of a voice differs in its spectrum from the average speaker's.

A voice differs from the average one not only in its mean spectrum but phone by phone, and similar
phones differ alike. The deviation of a phone is estimated from a short recording by relevance MAP
(Gauvain and Lee 1994) with a kernel over phones: it is a mean over frames, weighted by the
posterior of each phone and by its similarity to the phone in question, and shrunk towards zero for
phones that are rare in the recording. No transcript is needed: the posteriors are those of a phone
probe.

If a generator is trained on features from which the deviations were subtracted, it need not learn
them; they are added to the features that it generates.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.errors import VoiceError
from tts.generators.voice_encoders import voice_mean
from tts.losses.phone import PhoneProbe
from tts.modules.voice_prompt import VoicePrompt
from tts.text.symbols import N_SYMBOLS, PAUSES
from tts.text.tokens import TokenBatch, token_index
from tts_codecs.envelope import EXTRA, envelope_part

if TYPE_CHECKING:
    from tts.voice.tuning import Tuning
    from tts.voice.voice import Voice

#: weights of the frames around one when shifts are smoothed over the borders of phones
SMOOTHING = (1.0, 2.0, 3.0, 2.0, 1.0)


class PhoneProfile(nn.Module):
    """Estimator of the deviation of each phone from the average speaker, [B, N, bands].

    Args:
        phones: ids of the N symbols that have a mean.
        bands: of the envelope.
        prior: relevance factor of MAP: how many frames the prior, no deviation, counts as.
    """

    index: Tensor
    mean: Tensor
    kernel: Tensor
    said: Tensor
    smoothing: Tensor

    def __init__(self, phones: list[int], bands: int = 80, prior: float = 2.0):
        super().__init__()
        self.prior, self.phones = prior, phones
        index = torch.full((N_SYMBOLS,), len(phones))
        index[torch.tensor(phones)] = torch.arange(len(phones))
        self.register_buffer("index", index, persistent=False)  # N stands for no deviation
        self.register_buffer("said", torch.tensor(phones), persistent=False)
        weights = torch.tensor(SMOOTHING)
        self.register_buffer("smoothing", weights / weights.sum(), persistent=False)
        self.register_buffer("mean", torch.zeros(len(phones), bands))
        self.register_buffer("kernel", torch.eye(len(phones)))

    @torch.no_grad()
    def sums(self, probe: PhoneProbe, prompt: VoicePrompt) -> tuple[Tensor, Tensor]:
        """Return the frames of each phone in prompts [B, N], and the sums of their envelopes
        [B, N, bands]."""
        features, lengths = prompt.features, prompt.lengths
        valid = torch.arange(features.shape[1], device=features.device) < lengths.unsqueeze(1)
        mask = valid.unsqueeze(-1).to(features.dtype)
        found = probe(features, mask).softmax(-1)[..., self.said] * mask
        return found.sum(1), torch.einsum("bpn,bpc->bnc", found, envelope_part(features))

    @torch.no_grad()
    def statistics(self, probe: PhoneProbe, prompt: VoicePrompt) -> tuple[Tensor, Tensor]:
        """Return the frames of each phone [B, N], and the sums of their deviations [B, N, bands]
        from the mean spectrum of the voice plus that of the phone."""
        count, total = self.sums(probe, prompt)
        average = envelope_part(voice_mean(prompt)) + self.mean
        return count, total - count.unsqueeze(-1) * average

    @torch.no_grad()
    def expected(self, count: Tensor, deviation: Tensor) -> Tensor:
        """Return the MAP estimate of the deviations [B, N, bands] from `statistics`."""
        near = torch.einsum("nm,bmc->bnc", self.kernel, deviation)
        return near / (count @ self.kernel.T + self.prior).unsqueeze(-1)

    def forward(self, probe: PhoneProbe, prompt: VoicePrompt) -> Tensor:
        """Return the deviations [B, N, bands] of the voices of a prompt."""
        return self.expected(*self.statistics(probe, prompt))

    def frames(self, shift: Tensor, tokens: TokenBatch, durations: Tensor, frames: int) -> Tensor:
        """Return deviations laid out in time, [B, frames, bands + 2].

        They are smoothed over phone boundaries, and 0 in pauses, in padding, and for pitch and
        voicing.

        Args:
            shift: [B, N, bands] of each phone.
            durations: [B, S] frames of each token; frames: T of the result.
        """
        table = F.pad(shift, (0, EXTRA, 0, 1))
        owner = token_index(durations, frames)
        place = self.index[tokens.ids.gather(1, owner)]
        place = place.masked_fill(
            torch.arange(frames, device=place.device) >= durations.sum(1, keepdim=True),
            len(self.phones),
        )
        found = table.gather(1, place.unsqueeze(-1).expand(-1, -1, table.shape[-1]))
        weights = self.smoothing.expand(found.shape[-1], 1, -1)
        smooth = F.conv1d(
            found.transpose(1, 2), weights, padding=len(SMOOTHING) // 2, groups=found.shape[-1]
        )
        return smooth.transpose(1, 2)


def spoken_phones() -> list[int]:
    """Return the ids of all symbols but pauses and special ones."""
    return [i for i in range(4, N_SYMBOLS) if i not in PAUSES]


class VoiceShifts:
    """The shift of each voice, which is added to generated features; computed once per voice.

    Args:
        profile: the phone profile; probe: gives the phone posteriors of recordings.
        normalised: whether the generator was trained on features without the deviations of the
            profile. If not, only voices that were calibrated have a shift (tts.tuning.calibration).
        generator: fingerprint of the generator's weights, to which tunings of voices belong.
        recognizer: reads the phones of recordings without a transcript, for adaptation and
            continuation; by default the probe, which is worse at it as it sees little context.
    """

    def __init__(
        self,
        profile: PhoneProfile,
        probe: PhoneProbe,
        normalised: bool,
        generator: str,
        recognizer: PhoneProbe | None = None,
    ):
        self.profile, self.probe, self.recognizer = profile, probe, recognizer or probe
        self.normalised, self.generator = normalised, generator

    @torch.inference_mode()
    def deviations(self, prompt: VoicePrompt) -> Tensor | None:
        """Return the deviations of the voices of prompts [B, N, bands], None if the generator makes
        them itself."""
        return self.profile(self.probe, prompt) if self.normalised else None

    @torch.inference_mode()
    def added(
        self, prompt: VoicePrompt, tokens: TokenBatch, durations: Tensor, frames: int
    ) -> Tensor | float:
        """Return `deviations` laid out in time, [B, frames, C]; 0 if there are none."""
        found = self.deviations(prompt)
        return 0.0 if found is None else self.profile.frames(found, tokens, durations, frames)

    def for_voice(self, voice: "Voice") -> Tensor | None:
        """Return the shift of a voice [N, bands] on the CPU, that of its calibration or else its
        deviations; None if it has neither.

        Raises:
            VoiceError: the shift is of another set of phones.
        """
        tuning = voice.tuning_for(self.generator)
        if tuning is not None and tuning.shift is not None:
            if tuning.shift.shape != self.profile.mean.shape:
                raise VoiceError(f"the voice {voice.name!r} has a shift of other phones")
            return tuning.shift
        if not self.normalised:
            return None
        key = self.generator
        if key not in voice.shifts:
            features, lengths = voice.features[None], torch.tensor([len(voice.features)])
            prompt = VoicePrompt(voice.speaker[None], features, lengths)
            found = self.deviations(prompt.to(self.profile.mean.device))
            assert found is not None
            voice.shifts[key] = found[0].cpu()
        return voice.shifts[key]

    @torch.inference_mode()
    def frames(
        self, voices: "Sequence[Voice]", tokens: TokenBatch, durations: Tensor, frames: int
    ) -> Tensor | None:
        """Return the shifts of voices laid out in time, [B, frames, C]; None if no voice has one.

        They are added to generated features."""
        found = [self.for_voice(voice) for voice in voices]
        if all(shift is None for shift in found):
            return None
        none = torch.zeros_like(self.profile.mean, device="cpu")
        table = torch.stack([none if shift is None else shift for shift in found])
        return self.profile.frames(table.to(durations.device), tokens, durations, frames)


def adaptation_of(voice: "Voice", shifts: VoiceShifts | None) -> "Tuning | None":
    """Return the adaptation of a voice to the generator that shifts belong to; None if it has none,
    its strength is 0, or the model has no shifts and cannot be adapted."""
    tuning = None if shifts is None else voice.tuning_for(shifts.generator)
    return tuning if tuning is not None and tuning.factors and tuning.strength else None

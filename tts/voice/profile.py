"""Phone profile: how a person says each phone, estimated from a short recording.

A voice differs from the average one not only by its mean spectrum but phone by phone, and similar
phones deviate alike. The deviation of each phone is a mean over the frames of the recording,
weighted by how likely each phone is there and how close it is to the phone asked for, shrunk
towards none where little was heard (relevance MAP, Gauvain and Lee 1994, with a kernel over
phones). Nothing is transcribed: the phones of the recording are the posteriors of a phone probe.

Generators that are trained on features from which this was subtracted do not have to learn it, and
it is added again to what they generate.
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
    from tts.voice.voice import Voice

#: weights of the frames around one when shifts are smoothed over the borders of phones
SMOOTHING = (1.0, 2.0, 3.0, 2.0, 1.0)


class PhoneProfile(nn.Module):
    """Prompt features to the deviation of each phone from the average speaker, [B, N, bands].

    Args:
        phones: ids of the N symbols that have a mean.
        bands: of the envelope.
        prior: count of frames that weighs as much as the belief in no deviation.
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
        """Frames of each phone in prompts [B, N], and the sums of their envelopes [B, N, bands]."""
        features, lengths = prompt.features, prompt.lengths
        valid = torch.arange(features.shape[1], device=features.device) < lengths.unsqueeze(1)
        mask = valid.unsqueeze(-1).to(features.dtype)
        found = probe(features, mask).softmax(-1)[..., self.said] * mask
        return found.sum(1), torch.einsum("bpn,bpc->bnc", found, envelope_part(features))

    @torch.no_grad()
    def statistics(self, probe: PhoneProbe, prompt: VoicePrompt) -> tuple[Tensor, Tensor]:
        """Frames of each phone [B, N], and the sum of their deviations from the voice's mean
        spectrum plus the phone's, [B, N, bands]."""
        count, total = self.sums(probe, prompt)
        average = envelope_part(voice_mean(prompt)) + self.mean
        return count, total - count.unsqueeze(-1) * average

    @torch.no_grad()
    def expected(self, count: Tensor, deviation: Tensor) -> Tensor:
        """Expected deviations [B, N, bands] from what `statistics` gave."""
        near = torch.einsum("nm,bmc->bnc", self.kernel, deviation)
        return near / (count @ self.kernel.T + self.prior).unsqueeze(-1)

    def forward(self, probe: PhoneProbe, prompt: VoicePrompt) -> Tensor:
        """Deviations [B, N, bands] of the voices of a prompt."""
        return self.expected(*self.statistics(probe, prompt))

    def frames(self, shift: Tensor, tokens: TokenBatch, durations: Tensor, frames: int) -> Tensor:
        """Shift of each frame [B, frames, bands + 2], smoothed over the borders of phones; nothing
        in pauses and past the end of a row, and none of pitch and voicing."""
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
    """Ids of symbols that are said."""
    return [i for i in range(4, N_SYMBOLS) if i not in PAUSES]


class VoiceShifts:
    """Shifts of the voices of one model, each computed once.

    Args:
        profile, probe: the phone profile and what reads the phones of a recording.
        normalised: whether the generator was trained on features less the profile; if not, voices
            have a shift only where one was found by calibration (tts.tuning.calibration).
        generator: fingerprint of the generator's weights, which tunings of voices are tied to.
        recognizer: reads recordings whose words nobody told, which voices are adapted to or that
            go on; by default the probe, which sees too few frames around to read well.
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
        """What the generator leaves to be added for prompts, [B, N, bands]; None for nothing."""
        return self.profile(self.probe, prompt) if self.normalised else None

    @torch.inference_mode()
    def added(
        self, prompt: VoicePrompt, tokens: TokenBatch, durations: Tensor, frames: int
    ) -> Tensor | float:
        """`deviations` of each frame [B, frames, C]; 0 for nothing."""
        found = self.deviations(prompt)
        return 0.0 if found is None else self.profile.frames(found, tokens, durations, frames)

    def of(self, voice: "Voice") -> Tensor | None:
        """Shift of a voice [N, bands] on the CPU, or None for none; VoiceError for one that is not
        of this profile's phones."""
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
        """What is added to generated features [B, frames, C]; None where no voice has a shift."""
        found = [self.of(voice) for voice in voices]
        if all(shift is None for shift in found):
            return None
        none = torch.zeros_like(self.profile.mean, device="cpu")
        table = torch.stack([none if shift is None else shift for shift in found])
        return self.profile.frames(table.to(durations.device), tokens, durations, frames)

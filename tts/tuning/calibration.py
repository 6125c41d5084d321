"""Calibration: the error of a generator in a voice is measured for each phone, and corrected.

Generators say each phone a little like the average speaker, most of all in voices unlike those of
the training data. This error can be measured without generating anything, since the regression
inside of a generator predicts the mean of what it generates. The same phone probe reads the phones
of that prediction and those of the recording. The smoothed difference of their mean features is the
shift of each phone, which is added to all features that are generated in the voice. As smoothing
leaves a part of the difference, this is repeated a few times.

Calibration takes a fraction of a second and no training steps, and costs nothing in synthesis.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from tts.errors import TextError
from tts.generators.base import Request
from tts.generators.generator import Generator
from tts.generators.voice_encoders import voice_mean
from tts.modules.voice_prompt import VoicePrompt
from tts.text.symbols import Phones
from tts.voice.profile import VoiceShifts
from tts.voice.tuning import Tuning
from tts.voice.voice import Voice


class CalibratedModel(Protocol):
    """A model as calibration sees it (tts.pipeline.acoustic.AcousticModel)."""

    shifts: VoiceShifts | None

    def sentences(self, text: str | Iterable[str]) -> Iterator[Phones]:
        """Sentences as phones."""
        ...

    def request(
        self, sentences: Sequence[Phones], voices: Sequence[Voice], *, shifted: bool
    ) -> Request:
        """The request of sentences, with or without the shifts of their voices."""
        ...

    def generator_for(self, voice: Voice) -> Generator:
        """The generator that speaks in a voice."""
        ...


#: sentences whose features are predicted; they have every phone of English in several contexts
SENTENCES = (
    "The judge chose a good book about measuring cloth in the royal house.",
    "Why should three young voyagers hurry back through the marsh?",
    "She owns a large yellow umbrella, and he fixes vintage watches.",
    "They would rather put both thumbs on the edge of the azure vase.",
    "Joy arrived with a huge bag of apples, cheese and warm bread.",
    "Our neighbour laughs at every foolish joke on the evening show.",
    "A quick path leads down past the church to the boat harbour.",
    "Usually the singing bird wakes us up before the first light of day.",
)

#: frames of a phone that the prediction has to contain for its error to count
LEAST_FRAMES = 3.0
#: frames by which errors are shrunk towards 0
PRIOR = 4.0


@torch.inference_mode()
def calibrate(
    model: CalibratedModel, voice: Voice, rounds: int, recordings: Sequence[Tensor] = ()
) -> Voice:
    """The voice with a shift for the generator that speaks in it: the model's, or the adapted one.

    The voice is returned unchanged if the model has no profile or cannot predict the sentences.

    Args:
        rounds: how often the error is measured, each time with the shift found so far.
        recordings: features [T, C] of each recording of the person; by default those that the voice
            keeps, which may be fewer.
    """
    shifts = model.shifts
    if shifts is None or rounds < 1:
        return voice
    try:
        sentences = [phones for text in SENTENCES for phones in model.sentences(text)]
    except TextError:
        return voice
    profile, probe = shifts.profile, shifts.probe
    request = model.request(sentences, [voice] * len(sentences), shifted=False)
    assert request.durations is not None
    before = voice.tuning_for(shifts.generator) or Tuning(shifts.generator)
    generator = model.generator_for(voice)
    if generator.conditioner.text != "expanded":
        return voice
    condition = generator.conditioner(request, generator.backbone)
    said = condition.prior_mean.unflatten(-1, (generator.patch, -1)).flatten(1, 2)
    said = said + voice_mean(request.prompt)
    lengths = request.frames

    def phone_sums(features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """How many frames each phone has, [N], and the sum of their features, [N, bands]."""
        prompt = VoicePrompt(request.prompt.speaker[: len(features)], features, lengths)
        count, total = profile.sums(probe, prompt)
        return count.sum(0), total.sum(0)

    whole = [each.to(said.device) for each in recordings] or [voice.features.to(said.device)]
    read = [phone_sums(each[None], torch.tensor([len(each)], device=said.device)) for each in whole]
    wanted, heard = (torch.stack(each).sum(0) for each in zip(*read, strict=True))
    target = heard / wanted.clamp_min(1e-6).unsqueeze(-1)
    found = shifts.for_voice(replace(voice, tunings=())) if shifts.normalised else None
    # Narrower than the kernel of the profile, since this is about single phones.
    kernel = profile.kernel.square()
    shift = torch.zeros_like(profile.mean) if found is None else found.to(said.device)
    for _ in range(rounds):
        table = shift.expand(len(said), -1, -1)
        added = profile.frames(table, request.tokens, request.durations, said.shape[1])
        count, total = phone_sums(said + added, lengths)
        # The mean of a phone that is hardly ever predicted is meaningless.
        weight = wanted * (count > LEAST_FRAMES)
        error = target - total / count.clamp_min(1e-6).unsqueeze(-1)
        near = kernel @ (weight.unsqueeze(-1) * error)
        shift = shift + near / (kernel @ weight + PRIOR).unsqueeze(-1)
    return voice.tuned(replace(before, shift=shift.half().float().cpu()))

"""Calibration: the error of a generator in a voice is measured for each phone and corrected.

Generators say each phone a little like the average speaker, most of all in voices unlike those of
the training data. This error can be measured without generating anything, since the regression
inside a generator predicts the mean of what it generates. The same phone probe reads the phones
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
    """The parts of a model that calibration uses (tts.pipeline.acoustic.AcousticModel).

    Attributes:
        shifts: phone probe and profile; None for a model without them.
    """

    shifts: VoiceShifts | None

    def sentences(self, text: str | Iterable[str]) -> Iterator[Phones]:
        """Return the sentences of a text as phones."""
        ...

    def request(self, sentences: Sequence[Phones], voices: Sequence[Voice]) -> Request:
        """Return the request of sentences, each in a voice."""
        ...

    def generator_for(self, voice: Voice) -> Generator:
        """Return the generator that speaks in a voice."""
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

#: frames of a phone from which on its error counts
MIN_FRAMES = 3.0
#: frames of evidence that count as much as the prior of no error
PRIOR_FRAMES = 4.0


@torch.inference_mode()
def calibrate(
    model: CalibratedModel, voice: Voice, rounds: int, recordings: Sequence[Tensor] = ()
) -> Voice:
    """Calibrate a voice for the generator that speaks in it: the model's, or the adapted one.

    Args:
        model: the model.
        voice: the voice.
        rounds: how often the error is measured, each time with the shift found so far.
        recordings: features [T, C] of each recording of the person; by default those that the voice
            keeps, which may be fewer.

    Returns:
        The voice with a shift of each phone. It is unchanged if the model has no profile or cannot
        predict the sentences.
    """
    shifts = model.shifts
    if shifts is None or rounds < 1:
        return voice
    try:
        sentences = [phones for text in SENTENCES for phones in model.sentences(text)]
    except TextError:
        return voice
    generator = model.generator_for(voice)
    if generator.conditioner.text != "expanded":
        return voice
    # Durations do not follow tunings, of which the one that is replaced may not even fit.
    untuned = replace(voice, tunings=())
    request = model.request(sentences, [untuned] * len(sentences))
    assert request.durations is not None
    predicted = _predict(generator, request)
    whole = [each.to(predicted.device) for each in recordings]
    recorded_count, recorded_mean = _phone_means(
        shifts, voice, whole or [voice.features.to(predicted.device)]
    )
    profile = shifts.profile
    # Narrower than the kernel of the profile, since this is about single phones.
    kernel = profile.kernel.square()
    start = shifts.for_voice(untuned) if shifts.normalised else None
    shift = torch.zeros_like(profile.mean) if start is None else start.to(predicted.device)
    for _ in range(rounds):
        table = shift.expand(len(predicted), -1, -1)
        added = profile.frames(table, request.tokens, request.durations, predicted.shape[1])
        prompt = VoicePrompt(request.prompt.speaker, predicted + added, request.frames)
        count, total = _phone_sums(shifts, prompt)
        # The mean of a phone that is hardly ever predicted is meaningless.
        weight = recorded_count * (count > MIN_FRAMES)
        error = recorded_mean - total / count.clamp_min(1e-6).unsqueeze(-1)
        smoothed = kernel @ (weight.unsqueeze(-1) * error)
        shift = shift + smoothed / (kernel @ weight + PRIOR_FRAMES).unsqueeze(-1)
    tuning = voice.tuning_for(shifts.generator) or Tuning(shifts.generator)
    return voice.tuned(replace(tuning, shift=shift.half().float().cpu()))


def _predict(generator: Generator, request: Request) -> Tensor:
    """Return the features [B, T, C] that the regression inside a generator predicts."""
    condition = generator.conditioner(request, generator.backbone)
    mean = condition.prior_mean.unflatten(-1, (generator.patch, -1)).flatten(1, 2)
    return mean + voice_mean(request.prompt)


def _phone_means(
    shifts: VoiceShifts, voice: Voice, recordings: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Return how many frames each phone has in recordings, [N], and the mean of their features,
    [N, bands].

    Args:
        shifts: phone probe and profile.
        voice: the voice.
        recordings: features [T, C] of each.
    """
    counts, totals = [], []
    for features in recordings:
        length = torch.tensor([len(features)], device=features.device)
        speaker = voice.speaker.to(features.device).expand(1, -1)
        count, total = _phone_sums(shifts, VoicePrompt(speaker, features[None], length))
        counts.append(count)
        totals.append(total)
    count, total = torch.stack(counts).sum(0), torch.stack(totals).sum(0)
    return count, total / count.clamp_min(1e-6).unsqueeze(-1)


def _phone_sums(shifts: VoiceShifts, prompt: VoicePrompt) -> tuple[Tensor, Tensor]:
    """Return how many frames each phone has in features, [N], and the sum of their features,
    [N, bands]."""
    count, total = shifts.profile.sums(shifts.probe, prompt)
    return count.sum(0), total.sum(0)

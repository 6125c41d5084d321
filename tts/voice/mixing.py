"""Interpolation of two voices.

The embedding moves along the great circle between both. The prompt has stretches of both voices in
proportion, each moved so that its mean envelope and mean pitch are those of the mixture. A
generator then hears one person, not two in turn.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tts.voice.tuning import Tuning
from tts_codecs.envelope import EXTRA, envelope_part

LEAST_FRAMES = 10  # of each voice in the prompt of a mixture
#: rank of the change of a weight, twice that of one voice (tts.tuning.adaptation). Without a limit
#: the files of mixtures of mixtures would grow without end
MOST_RANK = 48
#: notes of the voices that hold for their mixture too, and the separator of those of two voices
CREDITS, BETWEEN = ("source", "licence", "attribution", "consent"), "; "


def mixed_speaker(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Return the embedding between two [256] on their great circle, with the length between."""
    one, two = first / first.norm(), second / second.norm()
    length = torch.lerp(first.norm(), second.norm(), share)
    angle = math.acos(float((one @ two).clamp(-1, 1)))
    if math.sin(angle) < 1e-4:
        # Nearly the same vectors, or opposite ones, between which there is no shortest way.
        way = torch.lerp(one, two, share)
        return length * way / way.norm().clamp_min(1e-6)
    weights = math.sin((1 - share) * angle), math.sin(share * angle)
    return length * (weights[0] * one + weights[1] * two) / math.sin(angle)


def _means(features: Tensor) -> Tensor:
    """Return the mean of each channel [C] of features [T, C].

    That of the pitch is over voiced frames. The last channel, voicing, is 0, as it must not move.
    """
    means = features.mean(0)
    weight = features[:, -1].clamp(0, 1)
    if float(weight.sum()) > 1:
        means[-EXTRA] = (features[:, -EXTRA] * weight).sum() / weight.sum()
    means[-1] = 0
    return means


def mixed_prompt(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Return a prompt of frames of two prompts [T, C], in proportion where there are enough.

    It is as long as the longer one.
    """
    total = max(len(first), len(second))
    count = round(share * total)
    count = min(max(count, min(LEAST_FRAMES, len(second))), len(second))
    rest = min(max(total - count, min(LEAST_FRAMES, len(first))), len(first))
    one, two = _means(first), _means(second)
    middle = torch.lerp(one, two, share)
    return torch.cat([_loudest(first, rest) + middle - one, _loudest(second, count) + middle - two])


def _loudest(features: Tensor, count: int) -> Tensor:
    """Return the loudest stretch of `count` frames, which has the most speech."""
    energy = torch.cat([features.new_zeros(1), envelope_part(features).mean(1).cumsum(0)])
    start = int((energy[count:] - energy[: len(energy) - count]).argmax())
    return features[start : start + count]


def mixed_credits(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, str]:
    """Return sources, licences and attributions of two voices, each once."""
    found = {}
    for key in CREDITS:
        told = [str(notes[key]) for notes in (first, second) if notes.get(key)]
        # A mixture has those of several voices already.
        lines = dict.fromkeys(each for line in told for each in line.split(BETWEEN))
        if lines:
            found[key] = BETWEEN.join(lines)
    return found


def mixed_tunings(
    first: Sequence[Tuning], second: Sequence[Tuning], share: float
) -> tuple[Tuning, ...]:
    """Mix the tunings of two voices for each generator.

    A voice without a tuning for a generator adds nothing to it.

    Args:
        first, second: tunings of each voice.
        share: of the second voice, 0 to 1.
    """
    names = dict.fromkeys(each.generator for each in (*first, *second))
    mixed = []
    for name in names:
        fitted = [
            (tuning, part)
            for tunings, part in ((first, 1 - share), (second, share))
            for tuning in tunings
            if tuning.generator == name
        ]
        mixed.append(_tuning(name, fitted))
    return tuple(mixed)


def _tuning(name: str, fitted: list[tuple[Tuning, float]]) -> Tuning:
    """Return the weighted sum of tunings for one generator.

    A product of factors is a matrix of low rank, and the rank of a sum is the sum of the ranks. The
    mixture of two adapted voices is therefore exact; of a higher rank, the `MOST_RANK` largest
    singular values are kept.
    """
    shifts = [part * tuning.shift for tuning, part in fitted if tuning.shift is not None]
    # If only one voice has a shift, a model computes that of the mixture from its prompt.
    same = len(shifts) == 2 and shifts[0].shape == shifts[1].shape
    shift = shifts[0] + shifts[1] if same else None
    factors: dict[str, Tensor] = {}
    for tuning, part in fitted:
        amount = part * tuning.strength
        if not amount:
            continue
        for key, value in tuning.factors.items():
            if key.endswith(".a"):
                made = [factors[key], amount * value] if key in factors else [amount * value]
                factors[key] = torch.cat(made, 1)
            elif key.endswith(".b"):
                factors[key] = torch.cat([factors[key], value]) if key in factors else value
            else:
                factors[key] = factors[key] + amount * value if key in factors else amount * value
    for key in [key.removesuffix(".a") for key in factors if key.endswith(".a")]:
        one, two = f"{key}.a", f"{key}.b"
        if two in factors and factors[one].shape[1] > MOST_RANK:
            factors[one], factors[two] = _nearest(factors[one], factors[two])
    return Tuning(name, shift, factors, 1.0)


def _nearest(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return factors of rank `MOST_RANK` with the product nearest to a @ b."""
    (out, upper), (into, lower) = torch.linalg.qr(a.float()), torch.linalg.qr(b.float().T)
    u, s, v = torch.linalg.svd(upper @ lower.T, full_matrices=False)
    root = s[:MOST_RANK].sqrt()
    one, two = out @ u[:, :MOST_RANK] * root, into @ v[:MOST_RANK].T * root
    return one.to(a.dtype), two.T.contiguous().to(b.dtype)

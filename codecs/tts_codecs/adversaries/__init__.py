"""Waveform discriminators for adversarial training, and their names in YAML."""

from collections.abc import Callable, Mapping
from typing import Any

from tts_codecs.adversaries.bands import MelBandDiscriminator
from tts_codecs.adversaries.base import Adversaries, Adversary, Objective
from tts_codecs.adversaries.periods import MultiPeriodDiscriminator
from tts_codecs.adversaries.spectra import MultiResolutionDiscriminator
from tts_codecs.parts import build_part

ADVERSARIES: dict[str, Callable[..., Adversary]] = {
    "periods": MultiPeriodDiscriminator,
    "spectra": MultiResolutionDiscriminator,
    "bands": MelBandDiscriminator,
}


def build_adversaries(
    specs: Mapping[str, Mapping[str, Any]], rate: int, objective: Objective = "hinge"
) -> Adversaries:
    """Build discriminators. The keys of `specs` are names in ADVERSARIES, the values their
    arguments; `rate` is the sample rate in Hz.

    Raises:
        CodecError: no discriminator, an unknown name or argument (with the nearest known one), or
            an unknown objective.
    """
    made: dict[str, Adversary] = {}
    for kind, arguments in specs.items():
        given = {"rate": rate} if kind == "bands" else {}
        made[kind] = build_part(ADVERSARIES, {**arguments, "kind": kind}, "adversary", **given)
    return Adversaries(made, objective)


__all__ = [
    "ADVERSARIES",
    "Adversaries",
    "Adversary",
    "MelBandDiscriminator",
    "MultiPeriodDiscriminator",
    "MultiResolutionDiscriminator",
    "build_adversaries",
]

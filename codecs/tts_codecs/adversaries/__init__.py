"""Discriminators of waveforms, and the names a YAML gives them."""

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
    """The discriminators that the keys of `specs` name in ADVERSARIES; its values are their
    arguments.

    Raises:
        CodecError: none, an unknown name or argument (naming the nearest), or objective.
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

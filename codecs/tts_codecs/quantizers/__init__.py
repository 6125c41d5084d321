"""Quantizers: one contract (base.py), its implementations, and their names in YAML.

vq.py            one learned codebook; the search for the nearest entry; k-means
rvq.py           residual vector quantization
grouped.py       residual vector quantization of groups of channels
fsq.py           finite scalar quantization, and the same of groups of channels
residual_fsq.py  residual finite scalar quantization
lfq.py           lookup-free quantization
binned.py        quantization of single channels to evenly spaced values
identity.py      no quantization, for codecs of latents
"""

from collections.abc import Callable, Mapping
from typing import Any

from tts_codecs.parts import build_part
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput
from tts_codecs.quantizers.binned import BinnedQuantizer, ScalarQuantizer
from tts_codecs.quantizers.fsq import FSQ, GroupedFSQ
from tts_codecs.quantizers.grouped import GroupedRVQ
from tts_codecs.quantizers.identity import Identity
from tts_codecs.quantizers.lfq import LookupFreeQuantizer
from tts_codecs.quantizers.residual_fsq import ResidualFSQ
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.quantizers.vq import VectorQuantizer

QUANTIZERS: dict[str, Callable[..., Quantizer]] = {
    "vq": VectorQuantizer,
    "rvq": ResidualVQ,
    "fsq": FSQ,
    "grouped_fsq": GroupedFSQ,
    "grouped_rvq": GroupedRVQ,
    "residual_fsq": ResidualFSQ,
    "lfq": LookupFreeQuantizer,
    "scalar": ScalarQuantizer,
    "binned": BinnedQuantizer,
    "none": Identity,
}


def build_quantizer(spec: Mapping[str, Any]) -> Quantizer:
    """Build a quantizer. `kind` is a key of QUANTIZERS, and the other keys are its arguments.

    Raises:
        CodecError: an unknown kind or key, with the nearest known one, or invalid sizes.
    """
    made: Quantizer = build_part(QUANTIZERS, spec, "quantizer")
    return made


__all__ = [
    "FSQ",
    "QUANTIZERS",
    "BinnedQuantizer",
    "GroupedFSQ",
    "GroupedRVQ",
    "Identity",
    "LookupFreeQuantizer",
    "Quantizer",
    "QuantizerOutput",
    "ResidualFSQ",
    "ResidualVQ",
    "ScalarQuantizer",
    "VectorQuantizer",
    "build_quantizer",
]

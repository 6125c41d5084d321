"""Neural audio codecs that stream: tokenizers of waveforms, quantizers and a vocoder.

    import tts_codecs
    codec = tts_codecs.load("spectral")
    encoded = codec.encode(wav)      # wav [B, 1, N] at codec.info.sample_rate
    again = codec.decode(encoded)

The names below are imported when they are first used, so `import tts_codecs` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tts_codecs.base import Codec, CodecInfo, Encoded
    from tts_codecs.dac import DacCodec
    from tts_codecs.dmel import DMelCodec
    from tts_codecs.encodec import EncodecCodec
    from tts_codecs.encodec_48khz import SegmentedEncodecCodec
    from tts_codecs.errors import (
        CheckpointError,
        CodecError,
        MissingDependencyError,
        TTSError,
        UsageError,
    )
    from tts_codecs.mel_codec import FeatureCodec, MelCodec
    from tts_codecs.mimi import MimiCodec
    from tts_codecs.neural import NeuralCodec, build_codec
    from tts_codecs.quantizers import (
        FSQ,
        BinnedQuantizer,
        GroupedFSQ,
        GroupedRVQ,
        LookupFreeQuantizer,
        Quantizer,
        ResidualFSQ,
        ResidualVQ,
        ScalarQuantizer,
        VectorQuantizer,
        build_quantizer,
    )
    from tts_codecs.registry import load, names
    from tts_codecs.snac import SnacCodec
    from tts_codecs.spectral import SpectralCodec
    from tts_codecs.vocos import VocosCodec
    from tts_codecs.vocos_encodec import VocosEncodecCodec

_PLACES = {
    "tts_codecs.base": ("Codec", "CodecInfo", "Encoded"),
    "tts_codecs.dac": ("DacCodec",),
    "tts_codecs.dmel": ("DMelCodec",),
    "tts_codecs.encodec": ("EncodecCodec",),
    "tts_codecs.encodec_48khz": ("SegmentedEncodecCodec",),
    "tts_codecs.errors": (
        "CheckpointError", "CodecError", "MissingDependencyError", "TTSError", "UsageError",
    ),
    "tts_codecs.mel_codec": ("FeatureCodec", "MelCodec"),
    "tts_codecs.mimi": ("MimiCodec",),
    "tts_codecs.neural": ("NeuralCodec", "build_codec"),
    "tts_codecs.quantizers": (
        "BinnedQuantizer", "FSQ", "GroupedFSQ", "GroupedRVQ", "LookupFreeQuantizer", "Quantizer",
        "ResidualFSQ", "ResidualVQ", "ScalarQuantizer", "VectorQuantizer", "build_quantizer",
    ),
    "tts_codecs.registry": ("load", "names"),
    "tts_codecs.spectral": ("SpectralCodec",),
    "tts_codecs.snac": ("SnacCodec",),
    "tts_codecs.vocos": ("VocosCodec",),
    "tts_codecs.vocos_encodec": ("VocosEncodecCodec",),
}  # fmt: skip
_MODULES = {name: module for module, listed in _PLACES.items() for name in listed}

__all__ = [
    "BinnedQuantizer",
    "CheckpointError",
    "Codec",
    "CodecError",
    "CodecInfo",
    "DMelCodec",
    "DacCodec",
    "Encoded",
    "EncodecCodec",
    "FSQ",
    "FeatureCodec",
    "GroupedFSQ",
    "GroupedRVQ",
    "LookupFreeQuantizer",
    "MelCodec",
    "MimiCodec",
    "MissingDependencyError",
    "NeuralCodec",
    "Quantizer",
    "ResidualFSQ",
    "ResidualVQ",
    "ScalarQuantizer",
    "SegmentedEncodecCodec",
    "SnacCodec",
    "SpectralCodec",
    "TTSError",
    "UsageError",
    "VectorQuantizer",
    "VocosCodec",
    "VocosEncodecCodec",
    "build_codec",
    "build_quantizer",
    "load",
    "names",
]


#: names of earlier versions
_RENAMED = {"Units": "Encoded"}


def __getattr__(name: str) -> Any:
    name = _RENAMED.get(name, name)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

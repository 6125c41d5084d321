"""Streaming neural audio codecs: encoders and decoders of waveforms, quantizers and a vocoder.

    import tts_codecs
    codec = tts_codecs.load("spectral")
    encoded = codec.encode(wav)      # wav [B, 1, N] at codec.info.sample_rate
    again = codec.decode(encoded)

The names below are imported at their first use, so that `import tts_codecs` takes no time.

The contract and how codecs are found:

    base.py               the contract `Codec`, its data, and checks of tensors
    layered.py            codecs whose number of codebooks, and so bitrate, can be chosen
    bandwidth.py          bandwidths in names, as "rvq@1.0"
    registry.py           loading by name
    files.py              files of codes and latents
    errors.py             exceptions

The codecs:

    spectral.py           source-filter features as FSQ codes
    mel_codec.py          log-mels or source-filter features as latents
    dmel.py               log-mel bands rounded to a few levels
    latent.py             variational latents of source-filter features
    autoencoder.py        the networks of spectral.py and latent.py
    neural.py             trainable waveform codecs of an encoder, a quantizer and a decoder
    encodec.py, encodec_48khz.py, mimi.py, dac.py, snac.py, nanocodec.py, vocos.py, vocos_encodec.py
                          published codecs, for their published weights

Acoustic features:

    mel.py, mel_stream.py log-mel analysis, of whole waveforms and of streams
    envelope.py           source-filter features: mel envelope, pitch and voicing

Parts, each in a package: quantizers/, vocoder/, nn/ (layers, encoders, decoders) and adversaries/
(discriminators, with mel_discriminator.py and balancer.py for training).

Checkpoints and configuration:

    checkpoint.py         folders of checkpoints: config, weights, checksums
    packed.py             matrices of checkpoints in 8 bits
    construction.py       a bound on the size of networks that a config describes
    renamed.py            former names of weights and arguments
    parts.py, ranges.py, plain_yaml.py
                          parts that a YAML names, ranges of their arguments, YAML itself
    published.py, fetched.py, download.py, sources.py
                          published weights: detection, cache, download, addresses
    nanocodec_weights.py, nemo_archive.py
                          files of NanoCodec's weights
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
    from tts_codecs.nanocodec import NanoCodec
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
    "tts_codecs.nanocodec": ("NanoCodec",),
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
    "NanoCodec",
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

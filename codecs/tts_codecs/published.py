"""Weights of published codecs in one file: which codec they are is told by their tensors."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from tts_codecs.base import Codec
from tts_codecs.errors import CheckpointError

#: a tensor that only weights of the codec have
_MARKS = {
    "mimi": "quantizer.semantic_residual_vector_quantizer.input_proj.weight",
    "dac": "encoder.block.0.res_unit1.conv1.weight",
    "snac": "decoder.model.2.block.0.alpha",
    "encodec_48khz": "encoder.model.0.conv.norm.weight",
    "vocos_encodec": "feature_extractor.codebook_weights",
}
#: codebooks of the published DAC weights to their sample rate
_DAC_RATES = {12: 16000, 32: 24000, 9: 44100}


def load_file(path: str | Path, bandwidth: float | None = None) -> Codec:
    """A codec from published weights: Mimi, DAC (both as published for the library `transformers`),
    SNAC (as for the package `snac`, saved as safetensors), Vocos of EnCodec, EnCodec of 48 kHz, or
    else EnCodec of 24 kHz.

    Args:
        path: a file of safetensors, or the pickled one of EnCodec.
        bandwidth: kbit/s, of EnCodec and Vocos 6 by default, of the others all they have.

    Raises:
        CheckpointError: damaged, or weights of none of them.
        CodecError: a bandwidth the codec does not have.
        UsageError: any bandwidth for SNAC, which has one.
    """
    from tts_codecs.layered import use_bandwidth

    kind, books = _read(Path(path))
    if kind == "mimi":
        from tts_codecs.mimi import MimiCodec

        codec: Codec = MimiCodec.from_file(path)
    elif kind == "dac":
        from tts_codecs.dac import DacCodec

        if books not in _DAC_RATES:
            raise CheckpointError(f"{path}: DAC of {books} codebooks; known are 9, 12 and 32")
        codec = DacCodec.from_file(path, _DAC_RATES[books])
    elif kind == "snac":
        from tts_codecs.snac import SnacCodec

        codec = SnacCodec.from_file(path)
    elif kind == "vocos_encodec":
        from tts_codecs.vocos_encodec import VocosEncodecCodec

        # The bandwidth decides on which of its weights are read.
        return VocosEncodecCodec.from_file(path, 6.0 if bandwidth is None else bandwidth)
    elif kind == "encodec_48khz":
        from tts_codecs.encodec_48khz import SegmentedEncodecCodec

        codec = SegmentedEncodecCodec.from_file(path)
    else:
        from tts_codecs.encodec import EncodecCodec

        codec = EncodecCodec.from_file(path)
    if bandwidth is not None:
        use_bandwidth(codec, bandwidth, str(path))
    return codec


def is_weights(path: str | Path) -> bool:
    """Whether a file is one of published weights, or a pickled one, which is not looked into."""
    path = Path(path)
    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
    except (SafetensorError, OSError):
        return path.suffix in (".th", ".bin")
    return not names <= {"codes", "latents"}


def _read(path: Path) -> tuple[str, int]:
    """Kind of the weights, and how many quantizers there are; "" for none of _MARKS."""
    if path.suffix != ".safetensors":
        return "", 0
    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
    except (SafetensorError, OSError):
        return "", 0  # told by who reads all of it
    found = [kind for kind, mark in _MARKS.items() if mark in names]
    end = ".codebook.weight"
    return (found[0] if found else ""), sum(name.endswith(end) for name in names)

"""Loading of published weights from a file: the codec is recognised by the names of its tensors."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from tts_codecs.base import Codec
from tts_codecs.errors import CheckpointError
from tts_codecs.sources import ARCHIVE

#: name of a tensor that only the weights of this codec contain
_MARKS = {
    "mimi": "quantizer.semantic_residual_vector_quantizer.input_proj.weight",
    "dac": "encoder.block.0.res_unit1.conv1.weight",
    "snac": "decoder.model.2.block.0.alpha",
    "encodec_48khz": "encoder.model.0.conv.norm.weight",
    "nanocodec": "audio_decoder.post_conv.conv.bias",
    "vocos_encodec": "feature_extractor.codebook_weights",
}
#: codebooks of the published DAC weights to their sample rate
_DAC_RATES = {12: 16000, 32: 24000, 9: 44100}


def load_file(path: str | Path, bandwidth: float | None = None) -> Codec:
    """Load a codec from published weights: Mimi or DAC (as published for the library
    `transformers`), SNAC (as for the package `snac`, saved as safetensors), NanoCodec (an archive
    of NeMo, or its state dict saved as safetensors), Vocos of EnCodec codes, EnCodec at 48 kHz, or
    else EnCodec at 24 kHz.

    Args:
        path: a safetensors file, a `.nemo` archive, or the pickled file of EnCodec.
        bandwidth: kbit/s; by default 6 for EnCodec and Vocos, and the highest one for others.

    Raises:
        CheckpointError: damaged weights, or weights of another model.
        CodecError: a bandwidth that the codec does not have.
        UsageError: a bandwidth is given for SNAC or NanoCodec, which have only one.
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
    elif kind == "nanocodec":
        from tts_codecs.nanocodec import NanoCodec

        codec = NanoCodec.from_file(path)
    elif kind == "vocos_encodec":
        from tts_codecs.vocos_encodec import VocosEncodecCodec

        # The bandwidth determines which of its weights are read.
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
    """Whether a file contains published weights. Pickled files and archives are not opened, and
    count as weights."""
    path = Path(path)
    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
    except (SafetensorError, OSError):
        return path.suffix in (".th", ".bin", ARCHIVE)
    return not names <= {"codes", "latents"}


def _read(path: Path) -> tuple[str, int]:
    """Kind of the weights, "" if none of _MARKS fits, and number of codebooks of DAC."""
    if path.suffix == ARCHIVE:
        return "nanocodec", 0
    if path.suffix != ".safetensors":
        return "", 0
    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
    except (SafetensorError, OSError):
        return "", 0  # reading the weights raises the error
    found = [kind for kind, mark in _MARKS.items() if mark in names]
    end = ".codebook.weight"
    return (found[0] if found else ""), sum(name.endswith(end) for name in names)

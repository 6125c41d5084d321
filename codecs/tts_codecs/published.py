"""Loading of published weights from a file: the codec is recognised by the names of its tensors."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from tts_codecs.base import Codec
from tts_codecs.checkpoint import CONFIG
from tts_codecs.download import file_sha256
from tts_codecs.errors import CheckpointError
from tts_codecs.fetched import CODECS
from tts_codecs.sources import ARCHIVE

#: name of a tensor that only the weights of this codec contain
_MARKS = {
    "mimi": "quantizer.semantic_residual_vector_quantizer.input_proj.weight",
    "dac": "encoder.block.0.res_unit1.conv1.weight",
    "snac": "decoder.model.2.block.0.alpha",
    "encodec_48khz": "encoder.model.0.conv.norm.weight",
    "nanocodec": "audio_decoder.post_conv.conv.bias",
    "vocos_encodec": "feature_extractor.codebook_weights",
    # The last, as the weights of 48 kHz contain it as well.
    "encodec": "quantizer.vq.layers.0._codebook.embed",
}
#: published codecs that are pickles, and their kind
_PICKLES = {"encodec_24khz": "encodec", "snac_24khz": "snac"}
#: codebooks of the published DAC weights to their sample rate
_DAC_RATES = {12: 16000, 32: 24000, 9: 44100}


def load_file(path: str | Path, bandwidth: float | None = None) -> Codec:
    """Load a codec from published weights: EnCodec at 24 or 48 kHz, Vocos of EnCodec codes, SNAC
    (all of these as for their packages), Mimi or DAC (as for the library `transformers`), or
    NanoCodec.

    Args:
        path: the state dict as a safetensors file; for NanoCodec also NeMo's archive; for EnCodec
            at 24 kHz and SNAC also the published pickle, which is only read if its checksum is the
            pinned one.
        bandwidth: kbit/s; by default 6 for EnCodec and Vocos, and the highest one for others.

    Raises:
        CheckpointError: damaged weights, or weights of another model.
        CodecError: a bandwidth that the codec does not have.
        UsageError: a bandwidth is given for SNAC or NanoCodec, which have only one.
    """
    from tts_codecs.layered import use_bandwidth

    kind, books = _read(Path(path))
    digest = None
    if not kind:
        kind, digest = _pickled(Path(path))
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

        codec = SnacCodec.from_file(path, digest)
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

        codec = EncodecCodec.from_file(path, sha256=digest)
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


def _pickled(path: Path) -> tuple[str, str]:
    """Kind and checksum of a published pickle of weights; CheckpointError for any other file."""
    kinds = {CODECS[name].file.sha256: kind for name, kind in _PICKLES.items()}
    digest = file_sha256(path)
    if digest not in kinds:
        raise CheckpointError(
            f"{path}: not a safetensors file of weights, nor the published pickle of EnCodec or "
            "SNAC; others are not read as pickles"
        )
    return kinds[digest], digest


def _read(path: Path) -> tuple[str, int]:
    """Kind of the weights, "" for a pickle, and number of codebooks of DAC.

    Raises:
        CheckpointError: a safetensors file that is damaged, or of something else.
    """
    if path.suffix == ARCHIVE:
        return "nanocodec", 0
    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
    except (SafetensorError, OSError) as error:
        if path.suffix == ".safetensors":
            raise CheckpointError(f"{path}: cannot be read as weights ({error})") from error
        return "", 0
    found = [kind for kind, mark in _MARKS.items() if mark in names]
    if found:
        return found[0], sum(name.endswith(".codebook.weight") for name in names)
    if names <= {"codes", "latents"}:
        raise CheckpointError(f"{path}: a file of codes, not the weights of a codec")
    if (path.parent / CONFIG).is_file():
        raise CheckpointError(f"{path}: a part of a checkpoint: give its folder {path.parent}")
    raise CheckpointError(
        f"{path}: not weights of this model or any other that is known: EnCodec, Vocos of EnCodec "
        "codes, Mimi, DAC, SNAC or NanoCodec"
    )

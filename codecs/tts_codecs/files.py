"""File format of codes and latents: safetensors, with all that decoding needs in the metadata.

tensor: "codes" [T, K] int16 or int32, or "latents" [T, D] float32
metadata: format "tts-codes 1", codec, weights (their checksum), sample_rate, hop, samples
"""

import json
import struct
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from tts_codecs.base import CodecInfo, Encoded
from tts_codecs.errors import CodecError

FORMAT = "tts-codes 1"
_TENSORS = {"codes": (torch.int16, torch.int32), "latents": (torch.float32,)}


@dataclass(frozen=True)
class CodedFile:
    """Contents of a file of codes or latents.

    Attributes:
        encoded: codes [1, T, K] int64 or latents [1, T, D] float32.
        kind: "codes" or "latents".
        codec: name or folder of the checkpoint that encoded them.
        weights: checksum of that checkpoint's weights, or "".
        sample_rate: Hz of the waveform.
        hop: samples per frame.
        samples: length of the waveform in samples; it ends within the last frame.
    """

    encoded: Tensor
    kind: str
    codec: str
    weights: str
    sample_rate: int
    hop: int
    samples: int


def pack_encoded(
    encoded: Encoded, info: CodecInfo, samples: int, codec: str, weights: str = ""
) -> bytes:
    """Serialise the frames of one recording; `unpack_encoded` is the inverse.

    Args:
        encoded: frames of a single row.
        info: description of the codec.
        samples: length of the waveform in samples.
        codec: name or folder of the codec's checkpoint.
        weights: checksum of its weights.

    Raises:
        CodecError: more than one row.
    """
    if len(encoded.data) != 1:
        raise CodecError(f"a file holds one recording, not {len(encoded.data)}")
    data = encoded.data[0].cpu()
    if info.kind == "codes":
        data = data.to(torch.int16 if info.codebook_size <= 2**15 else torch.int32)
    metadata = {
        "format": FORMAT, "codec": codec, "weights": weights, "hop": str(info.hop),
        "sample_rate": str(info.sample_rate), "samples": str(samples),
    }  # fmt: skip
    return _with_sorted_header(save({info.kind: data.contiguous()}, metadata))


def _with_sorted_header(data: bytes) -> bytes:
    """A safetensors file with the keys of its header sorted, so that equal contents give equal
    files. The library's own order of metadata keys changes from process to process."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":"))
    line = header.encode()
    line += b" " * (-len(line) % 8)  # aligned to 8 bytes, as the library does
    return struct.pack("<Q", len(line)) + line + data[8 + size :]


def unpack_encoded(data: bytes, name: str = "the file") -> CodedFile:
    """Read a file that `pack_encoded` wrote; `name` stands for it in error messages.

    Raises:
        CodecError: another kind of file, a damaged one, or another version of the format.
    """
    try:
        tensors = load(data)
        (size,) = struct.unpack("<Q", data[:8])
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__")
    # KeyError: a dtype that safetensors knows and PyTorch does not.
    except (SafetensorError, struct.error, ValueError, AttributeError, KeyError) as error:
        raise CodecError(f"{name}: not a file of codes, or damaged") from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise CodecError(f"{name}: not a file of codes ({FORMAT})")
    kind = next(iter(tensors), "")
    if len(tensors) != 1 or kind not in _TENSORS:
        raise CodecError(f"{name}: holds {sorted(tensors)}, not codes or latents")
    encoded = tensors[kind]
    try:
        rate, hop, samples = (int(metadata[key]) for key in ("sample_rate", "hop", "samples"))
        codec, weights = metadata["codec"], metadata["weights"]
    except (KeyError, ValueError) as error:
        raise CodecError(f"{name}: damaged metadata ({error})") from error
    if encoded.dim() != 2 or encoded.dtype not in _TENSORS[kind] or min(encoded.shape) < 1:
        raise CodecError(f"{name}: {kind} of shape {tuple(encoded.shape)}, {encoded.dtype}")
    if min(rate, hop) < 1 or not (len(encoded) - 1) * hop < samples <= len(encoded) * hop:
        raise CodecError(f"{name}: {len(encoded)} frames of {hop} samples are not {samples} long")
    encoded = encoded.long() if kind == "codes" else encoded
    return CodedFile(encoded[None], kind, codec, weights, rate, hop, samples)

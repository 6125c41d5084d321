"""Format of voice files: safetensors with notes in the header, which are read strictly.

A voice file may come from anybody, so nothing in it is trusted. It must be a regular file of
bounded size, with a small header, the tensors of a voice and no others, in half precision, of
plausible shapes and values, and a checksum over all of it.
"""

import hashlib
import json
import math
import os
import re
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tts.errors import DamagedVoiceError, VoiceError

FORMAT = "tts-voice-3"
#: the format before, without tunings and with a checksum of the values alone
OLDER = "tts-voice-2"
SPEAKER = 256
#: channels of features, 80 bands and 2 of the pitch (tts_codecs.envelope, which needs PyTorch)
CHANNELS = 82
MAX_BYTES = 16 << 20
MAX_HEADER = 256 << 10
MAX_FRAMES = 600
MAX_RECORDING = 61 * 24000
#: limits of the values of each kind of tensor, far above those of any voice
LARGEST = {"speaker": 8.0, "features": 16.0, "recording": 16.0, "shift": 16.0, "factors": 64.0}
#: largest side of a factor
MAX_SIDE = 8192
MAX_TUNINGS = 16
_TUNED = re.compile(r"\d{1,2}\.(shift|factors\.[A-Za-z0-9_.]{1,200})")
NOTES = (str, int, float, bool, type(None))

Tensors = dict[str, NDArray[np.generic]]


def digest(tensors: Tensors, notes: dict[str, str]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of the tensors and over all notes but
    the checksum."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        # Types have their names in PyTorch, which wrote the first files.
        found.update(f"{name} torch.{tensor.dtype} {tensor.shape}\n".encode())
        found.update(tensor.tobytes())
    for key, value in sorted(notes.items()):
        if key != "sha256":
            found.update(f"{key}\n{value}\n".encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def older_digest(tensors: Tensors, transcript: str) -> str:
    """Return the checksum of the format `OLDER`."""
    found = hashlib.sha256()
    for name in ("speaker", "features", "recording"):
        if name in tensors:
            found.update(tensors[name].tobytes())
    if "recording" in tensors:
        found.update(transcript.encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def encode(tensors: Tensors, notes: dict[str, str]) -> bytes:
    """Return the bytes of a voice file: tensors in half precision, notes, and their checksum.

    Raises:
        VoiceError: `decode` would refuse the file.
    """
    half: Tensors = {
        name: np.ascontiguousarray(value, dtype=np.float16) for name, value in tensors.items()
    }
    notes = {"format": FORMAT, **notes}
    data = b""
    if not (problem := _problem(half)):
        data = save(half, notes | {"sha256": digest(half, notes)})
        problem = _too_much(data) or _untold(notes)
    if problem:
        raise VoiceError(f"this voice cannot be kept: {problem}")
    return data


def _too_much(data: bytes) -> str:
    """Return what the file has too much of, "" for nothing."""
    if len(data) > MAX_BYTES:
        least = math.ceil(len(data) / (1 << 20))
        return f"its file would be of {least} MB; {MAX_BYTES >> 20} MB are the most"
    if int.from_bytes(data[:8], "little") > MAX_HEADER:
        return f"its notes take more than {MAX_HEADER >> 10} kB"
    return ""


def _untold(notes: dict[str, str]) -> str:
    """Return what is wrong with the notes of a voice, "" for nothing."""
    try:
        tunings_of(notes, "")
        notes_of(notes.get("meta", "{}"), "")
    except DamagedVoiceError as error:
        return str(error).partition(" is damaged: ")[2]
    return ""


def printable(text: str, limit: int = 64) -> str:
    """Return a text without control characters, shortened to `limit` characters."""
    return "".join(c for c in text if c.isprintable())[:limit].strip()


def decode(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, str]]:
    """Read a voice file and return its tensors in float32 and its notes.

    Raises:
        VoiceError: the file is missing or of another format.
        DamagedVoiceError: it is not a voice file, was cut off or edited, or has invalid values.
    """
    name = os.fspath(path)
    data = _bytes(Path(path))
    notes = _header(data, name)
    if notes.get("format") not in (FORMAT, OLDER):
        raise VoiceError(f"{name!r} is not a voice file of this version ({FORMAT})")
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DamagedVoiceError(f"{name!r} is not a voice file, or damaged: {error}") from error
    problem = _problem(tensors)
    if problem:
        raise DamagedVoiceError(f"{name!r} is damaged: {problem}")
    if notes["format"] == FORMAT:
        right = digest(tensors, notes)
    else:
        # The first voices were saved without a checksum.
        right = older_digest(tensors, notes.get("transcript", ""))
        notes.setdefault("sha256", right)
    if notes.get("sha256") != right:
        raise DamagedVoiceError(f"{name!r} is damaged: its values differ from its checksum")
    fitted = len(tunings_of(notes, name))
    if any(int(key.split(".")[0]) >= fitted for key in tensors if _TUNED.fullmatch(key)):
        raise DamagedVoiceError(f"{name!r} is damaged: it does not tell what it was fitted to")
    label = notes.get("name", "")
    if not label.isprintable() or len(label) > 255:
        raise DamagedVoiceError(f"{name!r} is damaged: its name cannot be printed")
    return {key: value.astype(np.float32) for key, value in tensors.items()}, notes


def notes_of(text: str, name: str) -> dict[str, Any]:
    """Parse the notes on the source of a voice, a flat JSON object.

    Raises:
        DamagedVoiceError: they are none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedVoiceError(f"{name!r} is damaged: its notes are not JSON") from error
    # Python reads NaN, and too large numbers as infinite, but no other parser would read them back.
    right = isinstance(found, dict) and all(
        isinstance(value, NOTES) and not (isinstance(value, float) and not math.isfinite(value))
        for value in found.values()
    )
    if not right:
        raise DamagedVoiceError(f"{name!r} is damaged: its notes are not names and values")
    return found


def tunings_of(notes: dict[str, str], name: str) -> list[tuple[str, float]]:
    """Return the generator and the strength of each tuning in the notes.

    Raises:
        DamagedVoiceError: they are not valid, or too many.
    """
    try:
        found = json.loads(notes.get("tunings", "[]"))
        fitted = [(generator, float(strength)) for generator, strength in found]
        right = all(isinstance(g, str) and 0 <= s <= 1 for g, s in fitted)
    except (ValueError, TypeError, OverflowError, RecursionError):
        right = False
    if not right:
        raise DamagedVoiceError(f"{name!r} is damaged: it does not tell what it was fitted to")
    if len(fitted) > MAX_TUNINGS:
        raise DamagedVoiceError(
            f"{name!r} is damaged: it is fitted to {len(fitted)} models; {MAX_TUNINGS} are the most"
        )
    return fitted


def _bytes(path: Path) -> bytes:
    """Read a regular file of bounded size; pipes and devices are not read."""
    try:
        # Opening a FIFO that nobody writes to would block.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise VoiceError(f"no voice file {os.fspath(path)!r}") from error
    except (OSError, ValueError) as error:
        raise DamagedVoiceError(f"cannot read the voice file {os.fspath(path)!r}") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise DamagedVoiceError(f"{os.fspath(path)!r} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if found.st_size > MAX_BYTES:
            raise DamagedVoiceError(f"{os.fspath(path)!r} is too large for a voice file")
        return file.read(MAX_BYTES + 1)


def _header(data: bytes, name: str) -> dict[str, str]:
    """Return the notes in the header of a safetensors file, checked before the rest is parsed."""
    if len(data) < 8:
        raise DamagedVoiceError(f"{name!r} is not a voice file, or damaged: it is cut off")
    (size,) = struct.unpack("<Q", data[:8])
    if size > min(MAX_HEADER, len(data) - 8):
        raise DamagedVoiceError(f"{name!r} is not a voice file, or damaged: a wrong header")
    try:
        header = json.loads(data[8 : 8 + size])
    except (ValueError, RecursionError) as error:
        raise DamagedVoiceError(f"{name!r} is not a voice file, or damaged: {error}") from error
    notes = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(notes, dict):
        raise VoiceError(f"{name!r} is not a voice file of this version ({FORMAT})")
    if not all(isinstance(value, str) for value in notes.values()):
        raise DamagedVoiceError(f"{name!r} is damaged: notes that are no text")
    return notes


def _problem(tensors: Tensors) -> str:
    """Return what is wrong with the tensors of a voice, "" for nothing."""
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    frames = shapes.get("features", (0,))
    if shapes.get("speaker") != (SPEAKER,) or len(frames) != 2 or frames[1] != CHANNELS:
        return "unexpected shapes"
    if not 1 <= frames[0] <= MAX_FRAMES:
        return f"{frames[0]} frames of features; a voice has 1 to {MAX_FRAMES}"
    for name, shape in shapes.items():
        if tensors[name].dtype not in (np.float16, np.float32):
            return f"{name} is {tensors[name].dtype}"
        if name in ("speaker", "features"):
            continue
        if name == "recording":
            if len(shape) != 1 or not 1 <= shape[0] <= MAX_RECORDING:
                return "a recording of an unexpected shape"
        elif _TUNED.fullmatch(name) and name.endswith(".shift"):
            if len(shape) != 2 or not 1 <= shape[0] <= 1024 or shape[1] != CHANNELS - 2:
                return "a shift of an unexpected shape"
        elif _TUNED.fullmatch(name):
            if not 1 <= len(shape) <= 2 or max(shape, default=0) > MAX_SIDE or 0 in shape:
                return "factors of an unexpected shape"
        else:
            return f"it holds {printable(name)!r}"
    for name, shape in shapes.items():
        whole, _, side = name.rpartition(".")
        if side in ("a", "b") and _TUNED.fullmatch(name):
            other = shapes.get(f"{whole}.{'b' if side == 'a' else 'a'}", ())
            if len(shape) != 2 or len(other) != 2 or shape[side == "a"] != other[side == "b"]:
                return f"the factors of {printable(whole)!r} do not belong together"
    for name, value in tensors.items():
        values = value.astype(np.float32)
        if not np.isfinite(values).all():
            return "values that are not finite"
        kind = name.split(".")[1] if _TUNED.fullmatch(name) else name
        if float(np.abs(values).max()) > LARGEST[kind]:
            return f"{name} has values no voice has"
    return ""

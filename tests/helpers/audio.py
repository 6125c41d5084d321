"""Signals that pass for speech, and files of them."""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tts.audio import decode as decode_module
from tts.audio.containers import ContainerSource
from tts.audio.decode import Decoded, decode_source

RATE = 16000
# The environment of a process that imports what this one does.
WITH_PATH = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def talk(seconds: float, rate: int = RATE, level: float = 0.2) -> np.ndarray:
    """A harmonic tone in bursts of 0.35 s with pauses of 0.15 s."""
    t = np.arange(int(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 6))
    return (level * tone * ((t % 0.5) < 0.35)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    kind = {"opus": "OGG"}.get(path.suffix[1:])
    sf.write(path, samples, rate, format=kind, subtype="OPUS" if kind else subtype)
    return path


CONTAINERS = {
    "m4a": ("ipod", "aac"), "mp4": ("mp4", "aac"), "mov": ("mov", "aac"), "aac": ("adts", "aac"),
    "webm": ("webm", "libopus"), "mka": ("matroska", "flac"),
    "avi": ("avi", "mp2"), "3gp": ("3gp", "aac"), "oga": ("ogg", "flac"),
}  # fmt: skip


def contained(path: Path, samples: np.ndarray, rate: int, live: bool = False) -> Path:
    """A container with [N] or [N, 2] samples; a live one tells no length, as MediaRecorder's."""
    av = pytest.importorskip("av")
    kind, codec = CONTAINERS[path.suffix[1:]]
    options = {"live": "1"} if live and kind == "webm" else {}
    if live and kind in ("mp4", "ipod"):
        options = {"movflags": "frag_keyframe+empty_moov"}
    layout = "stereo" if samples.ndim == 2 else "mono"
    with av.open(str(path), "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        data = np.ascontiguousarray(np.atleast_2d(samples.T)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(data, format="fltp", layout=layout)
        frame.sample_rate = rate
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode containers in this process: to start one for each file takes time."""

    def here(*arguments: Any) -> Decoded:
        return decode_module.decode_file(*arguments[:5], False, *arguments[5:])

    monkeypatch.setattr(decode_module, "decode_apart", here)


def untouched() -> Iterator[np.ndarray]:
    """Speech that must not be asked for."""
    raise AssertionError("the synthesis was started in vain")
    yield


def read(data: bytes, format: str, count: int = 0) -> np.ndarray:
    """Samples of a stream; `count` of them for FLAC, whose header does not know it."""
    if format in ("pcm", "wav"):
        return np.frombuffer(data[44 if format == "wav" else 0 :], "<i2") / 32768
    if format == "flac" and count:
        bits = int.from_bytes(data[18:26], "big")
        assert bits & ((1 << 36) - 1) == 0
        data = data[:18] + (bits | count).to_bytes(8, "big") + data[26:]
    if format == "aac":
        found = decode_source(
            ContainerSource(io.BytesIO(data), "it", "aac", "AAC"), "it", 0, 60, []
        )
        assert found.rate == 16000
        return found.samples
    samples, rate = sf.read(io.BytesIO(data))
    assert rate == 16000
    return samples

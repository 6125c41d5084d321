"""Recordings as phones and browsers write them, and files without a size."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.helpers.audio import CONTAINERS, RATE, contained, talk
from tts.audio import decode as decode_module
from tts.audio import sandbox
from tts.audio.reference import load_reference
from tts.errors import AudioError


@pytest.mark.parametrize(
    ("suffix", "live"), [*((each, False) for each in CONTAINERS), ("webm", True), ("mp4", True)]
)
def test_containers_of_phones_and_browsers(tmp_path: Path, suffix: str, live: bool) -> None:
    rate = 48000 if suffix == "webm" else 44100
    path = contained(tmp_path / f"voice.{suffix}", talk(3, rate), rate, live)
    voice = load_reference(path)
    assert 2.7 < voice.seconds <= 3.2 and "only" not in " ".join(voice.warnings)
    expected = load_reference(talk(3)).samples
    n = min(expected.size, voice.samples.size)
    spectra = [np.abs(np.fft.rfft(x[:n]))[: n // 16] for x in (expected, voice.samples)]
    assert np.corrcoef(spectra)[0, 1] > 0.9


def test_video_is_left_alone_and_stereo_mixed(tmp_path: Path) -> None:
    both = np.stack([talk(2, 44100), -talk(2, 44100)], axis=1)
    voice = load_reference(contained(tmp_path / "voice.m4a", both, 44100))
    assert 1.7 < voice.seconds < 2.3


@pytest.mark.parametrize("suffix", ["m4a", "aac", "webm", "3gp"])
def test_a_minute_with_what_encoders_add_is_a_minute(suffix: str, tmp_path: Path) -> None:
    rate = 16000  # where what they add is longest
    path = contained(tmp_path / f"minute.{suffix}", talk(60, rate), rate)
    whole, voice = load_reference(path, entire=True), load_reference(path)
    assert 59.9 < whole.seconds < 60.25 and 59.0 < voice.seconds <= 60.0
    assert not any("long" in line for line in (*whole.warnings, *voice.warnings))
    path = contained(tmp_path / f"longer.{suffix}", talk(60.4, rate), rate)
    with pytest.raises(AudioError, match=r"(60\.\d|more than 60) s long; 60 s are the most"):
        load_reference(path, entire=True)


def test_containers_have_limits_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = contained(tmp_path / "long.m4a", talk(61), 8000)
    voice = load_reference(path)
    assert voice.seconds <= 60.0 and "only the first 60 s" in " ".join(voice.warnings)
    path = contained(tmp_path / "hour.mka", np.zeros(31 * 60 * 8000), 8000)
    with pytest.raises(AudioError, match="31 minutes long"):
        load_reference(path)
    with pytest.raises(AudioError, match="hour.mka.*MB"):
        monkeypatch.setattr(sandbox, "MAX_BYTES", 1000)
        load_reference(path)


def test_containers_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = contained(tmp_path / "voice.m4a", talk(2, 44100), 44100)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"M4A.*pip install 'tts\[formats\]'.*ffmpeg"):
        with path.open("rb") as handle:
            decode_module.decode_file(handle, "voice.m4a", 1.0, 60.0, [], sandbox=False)


@pytest.mark.parametrize("suffix", ["m4a", "webm"])
def test_damaged_containers(tmp_path: Path, suffix: str) -> None:
    rate = 48000
    data = contained(tmp_path / f"voice.{suffix}", talk(2, rate), rate).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(30):
        damaged = np.frombuffer(data, np.uint8).copy()
        where = rng.integers(0, len(data) if rng.random() < 0.5 else 400, size=4)
        damaged[where] = rng.integers(0, 256, size=4)
        handle = io.BytesIO(damaged[: rng.integers(60, len(data))].tobytes())
        try:
            found = decode_module.decode_file(handle, "it", 0.1, 60.0, [], sandbox=False)
            assert np.isfinite(found.samples).all()
        except AudioError as exc:
            assert "\n" not in str(exc)


@pytest.mark.parametrize("kind", ["wav", "aiff", "au"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_headers_without_a_size(kind: str, subtype: str) -> None:
    buffer = io.BytesIO()
    sf.write(buffer, talk(2), RATE, format=kind.upper(), subtype=subtype)
    data = bytearray(buffer.getvalue())
    expected = load_reference(io.BytesIO(bytes(data))).samples
    if kind == "wav":
        at = data.index(b"data")
        data[4:8] = data[at + 4 : at + 8] = bytes(4)
    elif kind == "aiff":
        at, common = data.index(b"SSND"), data.index(b"COMM")
        data[4:8] = data[at + 4 : at + 8] = data[common + 10 : common + 14] = bytes(4)
    else:
        data[8:12] = bytes(4)
    assert np.array_equal(load_reference(io.BytesIO(bytes(data))).samples, expected)

"""Work and memory that a recording takes are bounded, whatever it holds."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.helpers.audio import RATE, decoded_here, talk, write
from tts.audio import decode as decode_module
from tts.audio import reference as reference_module
from tts.audio.reference import load_reference
from tts.errors import AudioError

_MEASURE = """
import sys
import numpy as np
from tts.audio import decode
from tts.audio.reference import load_reference
from tts.errors import AudioError

decode.MAX_DECODED_VALUES = 25_000_000  # of 100 MB; the second file holds more

def peak():  # of this program image; ru_maxrss would carry over the parent's peak
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))

noise = np.random.default_rng(0).standard_normal(96000).astype(np.float32) * 0.1
load_reference(noise, array_rate=48000)  # imports and first-use allocations
before = peak()
for path in sys.argv[1:]:
    try:
        result = f"{load_reference(path).seconds:.1f} s"
    except AudioError as exc:
        result = str(exc)
    print((peak() - before) / 1024, result)
np.ones(30_000_000)
print((peak() - before) / 1024, "control")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_compressed_bombs_stay_small(tmp_path: Path) -> None:
    cases = [  # seconds, rate, channels, sound in it, result
        (3600, 8000, 1, False, "60 minutes"),
        (100, 48000, 8, False, "silent"),
        (61, 48000, 8, True, "60.0 s"),
    ]
    paths = []
    for seconds, rate, channels, loud, _ in cases:
        block = np.zeros((10 * rate, channels), dtype=np.int16)
        if loud:
            block[:: rate // 100] = 8000
        paths.append(str(tmp_path / f"{len(paths)}.flac"))
        with sf.SoundFile(paths[-1], "w", rate, channels, compression_level=0.0) as sound:
            for at in range(0, seconds, 10):
                sound.write(block[: (seconds - at) * rate])
    lines = subprocess.run(
        [sys.executable, "-c", _MEASURE, *paths],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    ).stdout.splitlines()
    *results, control = lines
    for (*_, words), line in zip(cases, results, strict=True):
        assert words in line
        assert float(line.split()[0]) < 100.0, line
    assert float(control.split()[0]) > 200.0  # the measure sees 240 MB


def test_work_limit_on_wide_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "MAX_DECODED_VALUES", 100_000)
    path = write(tmp_path / "wide.wav", np.stack([talk(2)] * 4, axis=1))
    with pytest.raises(AudioError, match="make it mono"):
        load_reference(path)


def test_pipes_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_module, "MAX_STDIN_BYTES", 3_000_000)

    class Endless(io.RawIOBase):
        sent = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.sent += size
            return bytes(size)

    pipe = Endless()
    with pytest.raises(AudioError, match="more than 3 MB"):
        load_reference(pipe)  # type: ignore[arg-type]
    assert pipe.sent <= 5_000_000


def test_long_recordings_are_trimmed_with_a_message(tmp_path: Path) -> None:
    path = write(tmp_path / "long.flac", talk(61.5))
    voice = load_reference(path)
    assert 59.0 < voice.seconds <= 60.0 and voice.seconds_in == pytest.approx(61.5)
    assert any("only the first 60 s" in line for line in voice.warnings)
    again = load_reference(talk(61.5))
    assert again.warnings and 59.0 < again.seconds <= 60.0


@pytest.mark.parametrize("tail", ["silence", "noise of a room", "silence, then speech"])
@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_silence_beyond_the_limit_is_no_reason_for_a_message(
    tmp_path: Path, suffix: str, tail: str
) -> None:
    rest = np.zeros(70 * RATE)
    if tail == "noise of a room":
        rest += np.random.default_rng(0).normal(0, 1e-3, rest.shape)
    if tail == "silence, then speech":
        rest = np.concatenate([rest, talk(3)])
    voice = load_reference(write(tmp_path / f"tail.{suffix}", np.concatenate([talk(5), rest])))
    warned = any("only the first 60 s" in line for line in voice.warnings)
    assert warned == (tail == "silence, then speech"), voice.warnings
    assert voice.seconds_in == pytest.approx(5 + rest.size / RATE, abs=0.2)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_random_damage_is_a_clear_error_or_a_voice(
    tmp_path: Path,
    suffix: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded_here(monkeypatch)
    data = write(tmp_path / f"voice.{suffix}", talk(1.5)).read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(6):
        damaged = np.frombuffer(data, np.uint8).copy()
        where = rng.integers(0, len(data) if rng.random() < 0.5 else 100, size=4)
        damaged[where] = rng.integers(0, 256, size=4)
        try:
            voice = load_reference(io.BytesIO(damaged[: rng.integers(60, len(data))].tobytes()))
            outcomes.add(bool(np.isfinite(voice.samples).all()))
        except AudioError as exc:
            assert "\n" not in str(exc)
    assert False not in outcomes
    assert "Traceback" not in capfd.readouterr().err

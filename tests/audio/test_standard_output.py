"""Speech on standard output: it leaves while it is made, alone, and not to a terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tests.helpers.audio import RATE, WITH_PATH, untouched
from tts.audio.formats import FORMATS, wav_stream_header
from tts.audio.writer import check_writable, encode_audio, write_audio
from tts.errors import UsageError

_PIPE = """
import sys, numpy as np
from tts.audio.writer import write_audio
from tts.errors import TTSError
def chunks():
    for i in range(int(sys.argv[2])):
        yield np.full(4000, 0.25, np.float32)
try:
    write_audio("-", chunks(), 16000, sys.argv[1])
except TTSError as exc:
    sys.exit(f"{type(exc).__name__}: {exc}")
"""


def run_pipe(format: str, count: int, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _PIPE, format, str(count)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=WITH_PATH, **options)


@pytest.mark.parametrize("format", FORMATS)
def test_audio_leaves_before_the_last_of_it_is_made(format: str) -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    got = bytearray()

    def chunks() -> Iterator[np.ndarray]:
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
        for _ in range(6):
            yield noise  # 32 kB at most, which a pipe holds
            with suppress(BlockingIOError):
                got.extend(os.read(read, 1 << 16))

    assert write_audio(f"/dev/fd/{write}", chunks(), RATE, format) == 6 * RATE
    assert len(got) > 4000
    os.close(write)
    os.close(read)


@pytest.mark.parametrize("format", FORMATS)
def test_a_redirected_file_has_its_length(format: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        assert run_pipe(format, 5, stdout=file).wait(60) == 0
    got, rate = sf.read(path, dtype="float32")
    assert rate == RATE and abs(len(got) - 20_000) <= (2400 if format == "mp3" else 0)
    if format in ("wav", "flac"):
        whole = encode_audio(np.full(20_000, 0.25, np.float32), RATE, format)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("format", ["wav", "ogg"])
def test_standard_output_carries_audio_alone(format: str) -> None:
    process = run_pipe(format, 3, stdout=subprocess.PIPE)
    data, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == b""
    got, rate = sf.read(io.BytesIO(data), dtype="float32")
    assert rate == RATE and got.shape == (12000,)
    if format == "wav":
        assert data[:44] == wav_stream_header(RATE)
        np.testing.assert_allclose(got, 0.25, atol=1e-4)


def test_a_closed_pipe_ends_in_one_line() -> None:
    process = run_pipe("wav", 10**6, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(44)
    process.stdout.close()
    assert process.wait(timeout=60) == 1
    lines = process.stderr.read().decode().splitlines()
    process.stderr.close()
    assert lines == ["OutputError: standard output: the reader closed the pipe"]


def test_terminals_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    try:
        with open(slave, "w", closefd=False) as terminal:
            monkeypatch.setattr(sys, "stdout", terminal)
            with pytest.raises(UsageError, match="terminal"):
                check_writable("-")
            with pytest.raises(UsageError, match="terminal"):
                write_audio("-", untouched(), RATE)
            monkeypatch.undo()
    finally:
        os.close(master)
        os.close(slave)


# ---- plots -----------------------------------------------------------------------------------

"""Speech out: round trips, nothing left after any failure, plots."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tests.helpers.audio import RATE, WITH_PATH, untouched
from tts.audio import files
from tts.audio.formats import FORMATS, limit_peaks, to_pcm16
from tts.audio.plots import save_mel_plot
from tts.audio.writer import check_writable, encode_audio, write_audio
from tts.errors import MissingDependencyError, OutputError, TextError, UsageError


def tone(seconds: float, level: float = 0.4) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 220 * t)).astype(np.float32)


def pieces(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, samples.size, size):
        yield samples[start : start + size]


def listing(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# ---- round trips -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("size", [None, 777, 50_000])
def test_round_trip(tmp_path: Path, suffix: str, size: int | None) -> None:
    path, samples = tmp_path / f"out.{suffix}", tone(2.6)
    written = write_audio(path, samples if size is None else pieces(samples, size), RATE)
    assert written == samples.size and listing(tmp_path) == [path.name]
    got, rate = sf.read(path, dtype="float32")
    assert rate == RATE and abs(got.size - samples.size) <= (0 if suffix != "mp3" else 1200)
    if suffix in ("wav", "flac"):
        np.testing.assert_allclose(got, samples, atol=1.1 / 32767)
    else:
        n = min(got.size, samples.size)
        assert np.corrcoef(got[:n], samples[:n])[0, 1] > 0.98


def test_streamed_and_whole_files_are_equal(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    samples = tone(2.5, level=1.6)  # beyond full scale
    write_audio("-", samples, RATE)
    piped = np.frombuffer(capfdbinary.readouterr().out[44:], "<i2")
    for suffix in ("wav", "flac"):
        write_audio(a := tmp_path / f"a.{suffix}", samples, RATE)
        write_audio(b := tmp_path / f"b.{suffix}", pieces(samples, 997), RATE)
        assert encode_audio(samples, RATE, suffix) == a.read_bytes() == b.read_bytes()
        assert np.array_equal(sf.read(a, dtype="int16")[0], piped)


def test_long_vorbis_at_48k_does_not_crash_the_library(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from tts.audio.writer import write_audio\n"
        "write_audio(sys.argv[1], np.zeros(48000 * 70, np.float32), 48000)"
    )
    path = tmp_path / "long.ogg"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=WITH_PATH)
    assert sf.info(path).frames == 48000 * 70


def test_tensors_are_accepted(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    write_audio(tmp_path / "a.wav", torch.from_numpy(tone(1))[None].requires_grad_(), RATE)
    assert sf.info(tmp_path / "a.wav").frames == RATE


def test_peaks_are_bent_not_wrapped() -> None:
    samples = np.linspace(-4, 4, 2001, dtype=np.float32)
    limited = limit_peaks(samples)
    most = 10 ** (-1 / 20)  # -1 dBFS
    assert np.abs(limited).max() < most and (np.diff(limited) >= 0).all()
    quiet = np.abs(samples) <= 0.85
    assert np.array_equal(limited[quiet], samples[quiet])
    pcm = np.frombuffer(to_pcm16(samples), "<i2")
    assert pcm[0] == -pcm[-1] and np.abs(pcm / 32768).max() < most


# ---- nothing is left behind ------------------------------------------------------------------


def failing(error: BaseException) -> Iterator[np.ndarray]:
    yield tone(1.5)
    raise error


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("old", [None, b"older take"])
@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (RuntimeError("boom\nsecond line"), OutputError, "boom"),
        (TextError("nothing to say"), TextError, "nothing to say"),
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
        (OSError(28, "No space left on device"), OutputError, "disk is full"),
    ],
)
def test_a_failure_leaves_no_file_and_keeps_the_old_one(
    tmp_path: Path,
    suffix: str,
    old: bytes | None,
    error: BaseException,
    raised: type[BaseException],
    words: str,
) -> None:
    path = tmp_path / f"out.{suffix}"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(raised, match=words) as caught:
        write_audio(path, failing(error), RATE)
    assert "\n" not in str(caught.value)
    assert listing(tmp_path) == ([] if old is None else [path.name])
    assert old is None or path.read_bytes() == old


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([tone(1), np.full(9, np.nan, np.float32)], "not finite at sample 16000"),
        ([np.full(9, np.inf, np.float32)], "not finite at sample 0"),
        ([], "no audio"),
        ([np.zeros(0, np.float32)], "no audio"),
        ([np.zeros((2, 9), np.float32)], r"shape \[N\]"),
        ([np.zeros(9, np.int16)], r"not int16"),
    ],
)
def test_wrong_samples_are_refused(tmp_path: Path, chunks: list[np.ndarray], words: str) -> None:
    with pytest.raises(OutputError, match=words):
        write_audio(tmp_path / "out.wav", chunks, RATE)
    assert listing(tmp_path) == []


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("room", [0, 30, 3000])
def test_a_full_disk_leaves_no_file(
    tmp_path: Path, suffix: str, room: int, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """The raw file takes `room` bytes, then fails as a full disk does: short write, then ENOSPC."""
    real = os.fdopen

    class Full:
        def __init__(self, handle: Any) -> None:
            self.handle, self.left = handle, room

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.handle.close()

        def write(self, data: memoryview) -> int:
            if self.left == 0:
                raise OSError(28, "No space left on device")
            done = self.handle.write(data[: self.left])
            self.left -= done
            return done

        def __getattr__(self, name: str) -> Any:
            return getattr(self.handle, name)

    monkeypatch.setattr(files.os, "fdopen", lambda *a, **k: Full(real(*a, **k)))
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    with pytest.raises(OutputError, match="disk is full"):
        write_audio(tmp_path / f"out.{suffix}", pieces(noise, 4000), RATE)
    assert listing(tmp_path) == []
    assert "Traceback" not in capfd.readouterr().err


def test_a_size_limit_of_the_system_leaves_no_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    code = (
        "import sys, numpy as np; from tts.audio.writer import write_audio\n"
        "try: write_audio(sys.argv[1], np.zeros(64000, np.float32), 16000)\n"
        "except Exception as exc: print(type(exc).__name__, exc)"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path / "out.wav")],
        capture_output=True,
        text=True,
        env=env,
        preexec_fn=limit,
    )
    assert done.stdout.startswith("OutputError") and "larger than the system allows" in done.stdout
    assert done.stderr == "" and listing(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("format", ["wav", "flac"])
def test_devices_are_written_to_and_never_replaced(format: str) -> None:
    with pytest.raises(OutputError, match="No space left"):
        write_audio("/dev/full", tone(1), RATE, format=format)
    assert write_audio(os.devnull, tone(1), RATE, format=format) == RATE
    assert not Path(os.devnull).is_file() and not Path("/dev/full").is_file()


def test_the_source_is_closed_when_writing_fails(tmp_path: Path) -> None:
    closed = []

    def source() -> Iterator[np.ndarray]:
        try:
            while True:
                yield np.full(10, np.nan, np.float32)
        finally:
            closed.append(True)

    with pytest.raises(OutputError):
        write_audio(tmp_path / "out.wav", source(), RATE)
    assert closed == [True]


def test_modes_and_links_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.wav", tmp_path / "link.wav"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_audio(link, tone(1), RATE)
    assert link.is_symlink() and sf.info(real).frames == RATE
    assert real.stat().st_mode & 0o777 == 0o640


# ---- checks before synthesis -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "folder"),
        ("out.xyz", "wav, flac, ogg, opus, mp3"),
        ("out", "no extension"),
        ("folder.wav", "is a folder"),
        ("missing/out.wav", "does not exist"),
        ("file.txt/out.wav", "not a (folder|usable)"),
        ("a\0.wav", "not a usable file name|null"),
        ("x" * 300 + ".wav", "(?i)too long|longer"),
    ],
)
def test_unusable_paths_are_refused_before_synthesis(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file.txt").touch()
    before = listing(tmp_path)
    path = f"{tmp_path}/{name}"
    for call in (
        lambda: check_writable(path, format=None if "out" in name or name == "out" else "wav"),
        lambda: write_audio(path, untouched(), RATE, None if "out" in name else "wav"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            call()
        assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    assert listing(tmp_path) == before


def test_protected_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # root may write anywhere: the answer of the system is replaced
        monkeypatch.setattr(files.os, "access", lambda *_: False)
    tmp_path.chmod(0o555)
    with pytest.raises(OutputError, match="permission denied") as caught:
        write_audio(tmp_path / "out.wav", untouched(), RATE)
    tmp_path.chmod(0o755)
    assert caught.value.exit_code == 1


def test_rates_and_formats_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="opus cannot hold"):
        check_writable(tmp_path / "out.opus", 44100)
    with pytest.raises(UsageError, match="format 'aac'"):
        check_writable("-", format="aac")
    check_writable(tmp_path / "OUT.WAV", 12345)
    check_writable(tmp_path / "take.1", RATE, format="flac")
    assert listing(tmp_path) == []


# ---- standard output -------------------------------------------------------------------------


def test_plot_is_a_picture_with_the_phones(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    mel = np.random.default_rng(0).normal(size=(80, 60))
    mel[0, 0] = -np.inf
    path = tmp_path / "mel.png"
    save_mel_plot(path, mel, ["h", "ə", "l", "oʊ", "$"], [10, 10, 20, 10, 5], "a $ title")
    plain = tmp_path / "plain.svg"
    save_mel_plot(plain, mel, frames_per_second=62.5)
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000
    assert b"<svg" in plain.read_bytes()[:2000]
    assert listing(tmp_path) == ["mel.png", "plain.svg"]


def test_plot_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mel = np.zeros((80, 10))
    for arguments, words in [
        (("a.gif", mel), "png, svg, pdf"),
        (("a.png", mel[0]), "n_mels"),
        (("a.png", mel, ["a"]), "together"),
        (("a.png", mel, ["a"], [11]), "do not fit"),
        (("missing/a.png", mel), "does not exist"),
    ]:
        with pytest.raises(UsageError, match=words):
            save_mel_plot(tmp_path / arguments[0], *arguments[1:])  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="pip install matplotlib"):
        save_mel_plot(tmp_path / "a.png", mel)
    assert listing(tmp_path) == []

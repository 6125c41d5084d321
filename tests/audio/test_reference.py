"""References in, speech out: every bad input, bounded memory, atomic files, exact round trips."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from tests.helpers.audio import RATE, decoded_here, talk, write
from tts.audio import decode as decode_module
from tts.audio.level import cut_at_pause, normalize_level, split_active, trim_silence
from tts.audio.reference import load_reference
from tts.audio.resample import _converter, resample
from tts.audio.sniff import seems_to_be
from tts.errors import AudioError, UsageError


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros(2 * RATE), RATE, "silent"),
        (np.full(2 * RATE, 0.5), RATE, "silent"),  # a constant offset only
        (1e-4 * talk(2), RATE, "silent"),
        (np.concatenate([talk(0.1), np.zeros(2 * RATE)]), RATE, "silent but for"),
        (talk(0.9), RATE, r"only 0\.90 s long"),
        (np.zeros(0), RATE, "0 frames"),
        (np.zeros(100), 1, "1 Hz"),
        (np.zeros(100), 2**31 - 1, "2147483647 Hz"),
        (talk(2, 7999), 7999, "7999 Hz"),
        (np.zeros((100, 1024)), RATE, "1024 channels"),
        (np.where(np.arange(2 * RATE) == 20000, np.nan, talk(2)), RATE, "not finite"),
        (np.where(np.arange(2 * RATE) == 20000, np.inf, talk(2)), RATE, "not finite"),
        (1e30 * talk(2), RATE, "not sound"),
    ],
)
def test_unusable_recordings_are_refused_by_name(
    tmp_path: Path, samples: np.ndarray, rate: int, words: str
) -> None:
    path = tmp_path / "voice.wav"
    write(path, samples, rate, "FLOAT")
    with pytest.raises(AudioError, match=words) as caught:
        load_reference(path)
    assert "voice.wav" in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_code == 1
    if samples.ndim == 1:
        with pytest.raises(AudioError, match=words):
            load_reference(samples.astype(np.float32), array_rate=rate)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
        (b"\0\0\0 ftypM4A \0\0\0\0", "M4A"),
        (b"\x1aE\xdf\xa3" + bytes(99), "WebM"),
        (b"PK\x03\x04rest", "ZIP"),
        ("dear diary, caf\u00e9".encode() * 100, "a text file"),
        (b"<html><body>404", "web page"),
        (b'{"a": 1}', "JSON"),
        (b"RIFF\xff\0\0\0WAVEjunk", "damaged WAV"),
        (bytes(range(1, 256)) * 4, "unknown binary"),
    ],
)
def test_other_files_are_named(
    tmp_path: Path, content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded_here(monkeypatch)
    for name in ("voice.wav", "voice.raw"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(AudioError, match=words):
            load_reference(path)
    with pytest.raises(AudioError, match=words):
        load_reference(io.BytesIO(content))


def test_a_character_cut_at_the_end_is_still_text() -> None:
    assert seems_to_be(b"a" * 511 + "\u00e9".encode()[:1]) == "a text file"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.wav", "not found"),
        (".", "is a folder"),
        ("https://example.org/a.wav", "URL"),
        ("a\0b.wav", "cannot be read"),
        (os.devnull, "device"),
    ],
)
def test_wrong_arguments_are_usage_errors(source: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        load_reference(source)
    assert caught.value.exit_code == 2


def test_text_files_and_objects_are_usage_errors() -> None:
    for source in (io.StringIO("x"), 3):
        with pytest.raises(UsageError, match="binary file"):
            load_reference(source)  # type: ignore[arg-type]


def test_wrong_array_shapes() -> None:
    for array in (np.zeros((2, 3, 4), np.float32), np.zeros(32000, complex), np.array(["a"])):
        with pytest.raises(AudioError, match="numbers expected"):
            load_reference(array)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_formats_by_path_bytes_and_stdin(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / f"voice.{suffix}", talk(3))
    voice = load_reference(path)
    assert voice.samples.dtype == np.float32 and voice.samples.ndim == 1
    assert voice.sample_rate == RATE and not voice.warnings
    expected = load_reference(talk(3)).samples
    n = min(expected.size, voice.samples.size)
    spectra = [np.abs(np.fft.rfft(x[:n]))[: n // 16] for x in (expected, voice.samples)]
    assert np.corrcoef(spectra)[0, 1] > 0.95
    assert np.array_equal(load_reference(io.BytesIO(path.read_bytes())).samples, voice.samples)
    with path.open("rb") as handle:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(handle))
        assert np.array_equal(load_reference("-").samples, voice.samples)


def test_block_decoding_equals_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "BLOCK_VALUES", 5000)
    for suffix in ("flac", "ogg", "opus", "mp3"):
        path = write(tmp_path / f"voice.{suffix}", talk(4))
        voice = load_reference(path, trim=False, target_dbfs=None)
        whole, _ = sf.read(path, dtype="float32")
        assert np.abs(voice.samples - whole).max() < 1e-4, suffix


def test_fifo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    path, fifo = write(tmp_path / "voice.flac", talk(2)), tmp_path / "pipe"
    os.mkfifo(fifo)
    with subprocess.Popen(["cp", "--", str(path), str(fifo)]):
        assert np.array_equal(load_reference(fifo).samples, load_reference(path).samples)
    monkeypatch.setattr("tts.audio.reference.PIPE_WAIT", 0.05)
    with pytest.raises(UsageError, match="nobody writes"):
        load_reference(fifo)


def test_stereo_is_the_mean_and_arrays_of_any_kind_agree(tmp_path: Path) -> None:
    left, right = talk(2), talk(2, level=0.1)[::-1].copy()
    path = write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    plain = {"trim": False, "target_dbfs": None}
    mixed = load_reference(path, **plain).samples  # type: ignore[arg-type]
    np.testing.assert_allclose(mixed, (left + right) / 2, atol=1e-6)
    for array in (np.stack([left, right]), np.stack([left, right], axis=1).astype(np.float64)):
        same = load_reference(array, **plain).samples  # type: ignore[arg-type]
        np.testing.assert_allclose(same, mixed, atol=1e-6)
    integers = (talk(2) * 32768).astype(np.int16)
    got = load_reference(integers, **plain).samples  # type: ignore[arg-type]
    np.testing.assert_allclose(got, talk(2), atol=1 / 32768)
    unsigned = np.uint8(128 + talk(2) * 100)
    got = load_reference(unsigned, **plain).samples  # type: ignore[arg-type]
    np.testing.assert_allclose(got, talk(2) * 100 / 128, atol=1 / 100)


def test_the_input_array_is_not_changed() -> None:
    samples = talk(2) + 0.1
    before = samples.copy()
    load_reference(samples)
    assert np.array_equal(samples, before)


def test_damaged_files_give_what_they_hold(tmp_path: Path) -> None:
    path = write(tmp_path / "voice.mp3", talk(4))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    voice = load_reference(path)
    assert 1.5 < voice.seconds < 3.5
    assert any("ends early" in line or "damaged" in line for line in voice.warnings)


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2)])
def test_a_flac_gives_all_that_is_before_its_damage(
    rate: int, channels: int, tmp_path: Path
) -> None:
    samples = np.stack([talk(8, rate)] * channels, axis=1)
    path = write(tmp_path / "voice.flac", samples, rate)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    warnings: list[str] = []
    with path.open("rb") as file:
        found = decode_module.decode_file(file, "it", 1, 60, warnings)
    assert 3.5 < len(found.samples) / rate < 4.5
    np.testing.assert_allclose(found.samples, samples[: len(found.samples), 0], atol=1e-4)
    assert len(warnings) == 1 and f"damaged after {len(found.samples) / rate:.1f} s" in warnings[0]


def test_doubtful_recordings_carry_warnings() -> None:
    assert "clipped" in " ".join(load_reference(np.clip(talk(3, level=3.0), -1, 1)).warnings)
    assert "very quiet" in " ".join(load_reference(talk(3, level=0.003)).warnings)
    short = np.concatenate([talk(0.8), np.zeros(RATE, np.float32)])
    assert "of sound" in " ".join(load_reference(short).warnings)


@pytest.mark.parametrize("scale", [-1.0, -0.6, -1.5])
@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_cancel_are_turned(tmp_path: Path, scale: float, channels: int) -> None:
    wave = talk(2)
    both = np.stack([wave, scale * wave] * (channels // 2), axis=1)
    path = write(tmp_path / "inverted.wav", both, subtype="FLOAT")
    for source in (path, both):
        voice = load_reference(source, trim=False, target_dbfs=None)
        ratio = abs(float(voice.samples @ wave / (wave @ wave)))
        assert ratio == pytest.approx((1 - scale) / 2, abs=0.01)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("lead", [58.0, 61.0, 75.0, 130.0])
def test_silence_before_speech_is_passed_over(tmp_path: Path, lead: float, noise: float) -> None:
    rng = np.random.default_rng(0)
    wave = np.concatenate([np.zeros(int(lead * RATE), np.float32), talk(8)])
    wave += noise * rng.standard_normal(wave.size).astype(np.float32)
    wave[: RATE // 10] += 0.1 * rng.standard_normal(RATE // 10).astype(np.float32) * (noise > 0)
    for suffix in ("flac", "mp3") if lead == 75.0 else ("flac",):
        voice = load_reference(write(tmp_path / f"late.{suffix}", wave))
        assert 7.0 < voice.seconds < 10.0, suffix
        assert voice.seconds_in == pytest.approx(lead + 8, abs=0.2)
        assert "are left out" in " ".join(voice.warnings)
    assert 7.0 < load_reference(wave).seconds < 10.0


def test_filters_made_once_resample_alike() -> None:
    samples = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    _converter.cache_clear()
    with torch.inference_mode():
        first = resample(samples, 44100, RATE)
    assert np.array_equal(resample(samples, 44100, RATE), first)
    assert _converter.cache_info().hits == 1
    assert not any(buffer.is_inference() for buffer in _converter(441, 160).buffers())
    assert not np.array_equal(resample(samples, 48000, RATE)[:1000], first[:1000])


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 24000, 44100, 48000, 96000, 192000])
def test_resampling_is_accurate_across_pieces(rate: int) -> None:
    t = np.arange(int(9.3 * rate)) / rate  # longer than two pieces
    got = resample(np.sin(2 * np.pi * 1000 * t).astype(np.float32), rate, RATE)
    assert got.size == -(-t.size * RATE // rate)
    want = np.sin(2 * np.pi * 1000 * np.arange(got.size) / RATE)
    inner = slice(RATE // 10, -RATE // 10)
    assert np.abs(got[inner] - want[inner]).max() < 1e-4  # 80 dB and better
    if rate > 2 * RATE:
        above = resample(np.sin(2 * np.pi * 9000 * t).astype(np.float32), rate, RATE)
        assert np.abs(above[inner]).max() < 1e-4  # no alias


def test_equal_rates_leave_samples_untouched(tmp_path: Path) -> None:
    path = write(tmp_path / "voice.wav", talk(2), subtype="FLOAT")
    assert np.array_equal(load_reference(path, trim=False, target_dbfs=None).samples, talk(2))


def test_odd_rates_keep_pitch_and_memory() -> None:
    t = np.arange(44101 * 2) / 44101
    got = resample(np.sin(2 * np.pi * 1000 * t).astype(np.float32), 44101, RATE)
    assert abs(got.size - 2 * RATE) < 20
    peak = np.argmax(np.abs(np.fft.rfft(got * np.hanning(got.size)))) * RATE / got.size
    assert abs(peak - 1000) < 1.0


@pytest.mark.parametrize("level", [0.003, 0.2, 3.0])
def test_active_level_is_fixed_whatever_the_pauses(level: float) -> None:
    pause = np.zeros(2 * RATE, np.float32)
    loud = normalize_level(talk(2, level=level) + 0.05 * level)
    padded = normalize_level(np.concatenate([pause, talk(2, level=level), pause]))
    for samples in (loud, padded):
        kept = samples[np.abs(samples) > 1e-3]
        assert 20 * np.log10(np.sqrt(np.mean(kept**2))) == pytest.approx(-26, abs=0.7)
    assert abs(float(padded.mean())) < 1e-6


def test_level_never_clips_and_refuses_silence() -> None:
    spiky = talk(2, level=0.001)
    spiky[5000] = 1.0
    assert np.abs(normalize_level(spiky, -10)).max() <= 0.951
    with pytest.raises(AudioError, match="silent"):
        normalize_level(np.zeros(RATE, np.float32))


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_silence_is_found_and_cut(noise: float) -> None:
    rng = np.random.default_rng(0)
    samples = np.zeros(6 * RATE, np.float32)
    samples[2 * RATE : 4 * RATE] = talk(2)
    samples[RATE // 2 : RATE // 2 + 200] = 0.5  # a click
    samples += (noise * rng.standard_normal(samples.size)).astype(np.float32)
    (start, end), *rest = split_active(samples, RATE)
    assert not rest
    assert start == pytest.approx(2 * RATE, abs=400) and end == pytest.approx(3.85 * RATE, abs=400)
    trimmed = trim_silence(samples, RATE)
    assert trimmed.size == pytest.approx(2.05 * RATE, abs=800)
    assert len(split_active(samples, RATE, min_gap=0.1)) == 4  # the bursts


def test_trim_to_ends_in_a_pause() -> None:
    cut = cut_at_pause(talk(10), RATE, 3.0)
    assert 2.2 * RATE < cut.size <= 3 * RATE
    assert np.abs(cut[-160:]).max() < 1e-3
    assert load_reference(talk(10), trim_to=3.0).seconds <= 3.0
    assert cut_at_pause(talk(2), RATE, 3.0).size == 2 * RATE


def test_wave_module_reads_a_streamed_header() -> None:
    from tts.audio.formats import to_pcm16, wav_stream_header

    data = wav_stream_header(RATE) + to_pcm16(talk(1))
    got, rate = sf.read(io.BytesIO(data), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(got, talk(1), atol=1e-4)
    with wave.open(io.BytesIO(data)) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (RATE, 1, 2)
        assert len(reader.readframes(10**9)) == 2 * RATE


class Temporary:
    """As a SpooledTemporaryFile of Python 3.10, which does not say whether it can be gone back
    in."""

    def __init__(self, data: bytes):
        file = io.BytesIO(data)
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def test_files_that_do_not_tell_whether_they_seek(tmp_path: Path) -> None:
    path = write(tmp_path / "voice.flac", talk(2))
    expected, data = load_reference(path).samples, path.read_bytes()
    once = Temporary(data)
    del once.seek, once.tell
    for file in (Temporary(data), once):
        assert np.array_equal(load_reference(file).samples, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["the array", "the recording"])
def test_arrays_are_called_as_they_are_told(name: str) -> None:
    with pytest.raises(AudioError, match=f"^{name}: silent"):
        load_reference(np.zeros(16000, np.float32), array_name=name)


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "RIFX"])
def test_recordings_that_were_cut_off_are_told(kind: str, tmp_path: Path) -> None:
    path, endian = tmp_path / "voice.snd", "BIG" if kind == "RIFX" else "FILE"
    format = "WAV" if kind == "RIFX" else kind
    sf.write(path, talk(4), RATE, "PCM_16", format=format, endian=endian)
    assert not load_reference(path).warnings
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert f"{str(path)!r}: is cut off: 2.0 of the 4.0 s its header tells" in (
        load_reference(path).warnings
    )


def test_a_size_that_stands_for_none_is_not_one_that_was_cut_off() -> None:
    from tts.audio.formats import to_pcm16, wav_stream_header

    for size in (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000):
        data = wav_stream_header(RATE)[:40] + size.to_bytes(4, "little") + to_pcm16(talk(2))
        assert not load_reference(io.BytesIO(data)).warnings

"""Resampling, mel and text front end: their share of a request, and of what they are made of."""

import contextlib

import torch
import torchaudio

from benchmarks.harness.requests import SENTENCE
from benchmarks.harness.row import Context, Costs, Goal, Row, close, finite, per_unit
from tts import TTS
from tts.audio.resample import resample
from tts.text.frontend import Frontend
from tts_codecs.mel import MelConfig, log_mel

SECONDS = 6


def prepare(context: Context) -> Row:
    """A request with a new recording of 6 s at 44.1 kHz, and its parts."""
    tts = TTS.load("default", context.device)
    config: MelConfig = tts.acoustic.vocoder.mel
    rng = torch.Generator().manual_seed(0)
    recording = 0.1 * torch.randn(44100 * SECONDS, generator=rng)
    rate = tts.config.sample_rate
    samples = resample(recording.numpy(), 44100, rate)
    wav = torch.from_numpy(samples)[None, : 16000 * SECONDS]
    frontend = Frontend("en-us")
    voice = tts.voice(samples)
    # Sentences are new to caches, as those of users are.
    numbers = iter(range(10**9))

    def request() -> float:
        tts.synthesize(SENTENCE, tts.voice(resample(recording.numpy(), 44100, rate)))
        return 1

    def text() -> float:
        return float(len(list(frontend.sentences(f"{SENTENCE} {next(numbers)}")))) ** 0

    def check() -> None:
        assert abs(len(samples) - 16000 * SECONDS) <= 1
        wanted = torchaudio.functional.resample(recording, 44100, 16000)
        count = min(len(wanted), len(samples))
        middle = slice(1000, count - 1000)
        assert (wanted[middle] - wav[0, :count][middle]).square().mean().sqrt() < 0.02
        finite(log_mel(wav, config), 1, 50 * SECONDS, config.n_mels)
        with contextlib.closing(tts.stream(SENTENCE, voice)) as stream:
            first = torch.from_numpy(next(stream).samples)
        close(first, torch.from_numpy(next(tts.stream(SENTENCE, voice)).samples), 0.0)

    mel = torchaudio.transforms.MelSpectrogram(
        config.sample_rate, config.n_fft, hop_length=config.hop, n_mels=config.n_mels
    )
    runs = {
        "whole request": request,
        "resampling": lambda: float(
            len(resample(recording.numpy(), 44100, tts.config.sample_rate)) > 0
        ),
        "mel": lambda: float(len(log_mel(wav, config))),
        "text front end": text,
        "torchaudio resample": lambda: float(
            len(torchaudio.functional.resample(recording, 44100, 16000)) > 0
        ),
        "torchaudio mel": lambda: float(len(mel(wav))),
    }
    phonemizer = context.peer("phonemizer", _phonemizer)
    if phonemizer is not None:
        runs["phonemizer"] = lambda: float(
            len(phonemizer.phonemize([f"{SENTENCE} {next(numbers)}"]))
        )

    def share(costs: Costs) -> float:
        parts = ("resampling", "mel", "text front end")
        return sum(per_unit(costs, part) for part in parts) / per_unit(costs, "whole request")

    return Row(
        "Front end: 6 s of recording at 44.1 kHz, 10 words",
        "request",
        runs,
        check,
        [Goal("resampling, mel and text, share of a request", share, 0.02, at_least=False)],
        "The text front end also normalises and splits sentences; the number in each text keeps "
        "its caches out of it.",
    )


def _phonemizer():  # type: ignore[no-untyped-def]
    import espeakng_loader
    from phonemizer.backend import EspeakBackend

    EspeakBackend.set_library(espeakng_loader.get_library_path())
    return EspeakBackend("en-us", with_stress=True)

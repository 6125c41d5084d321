"""The detector of two people at once: fitted to a corpus of people who are one tone each."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from tts.data.overlap import write_overlap
from tts.errors import DataError
from tts.losses.phone import PhoneProbe
from tts.registry import load_module
from tts.voice.judge import overlaps
from tts.voice.overlap import OverlapDetector, statistics

RATE, HOP, BANDS = 16000, 320, 16


@dataclass
class _Item:
    speaker: str
    samples: int


class _Tones:
    """A corpus in which everybody is a tone that comes and goes."""

    def __init__(self, speakers: int):
        self.folder = Path("tones")
        self.items = [_Item(f"s{n % speakers}", 4 * RATE) for n in range(2 * speakers)]

    def samples(self, index: int) -> np.ndarray:
        rng = np.random.default_rng(index)
        time = np.arange(4 * RATE) / RATE
        tone = np.sin(2 * np.pi * (300 + 450 * (index % (len(self.items) // 2))) * time)
        return tone * (0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(2, 4) * time))


class _Bands:
    """Log energies of bands in place of the vocoder's analysis, and how many are loud."""

    mel = SimpleNamespace(hop=HOP)

    def analyse(self, wav: Tensor) -> tuple[Tensor, Tensor]:
        frames = wav.view(1, -1, HOP)
        power = torch.fft.rfft(frames).abs().square()[..., :160].view(1, -1, BANDS, 10).mean(-1)
        loud = (power > 0.05 * power.amax(-1, keepdim=True)).float().sum(-1, keepdim=True)
        found = torch.cat([power.clamp_min(1e-4).log()[..., 1:], loud], -1)
        return found, found


def test_fitted_on_mixtures_it_tells_them_from_single_speakers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    probe = PhoneProbe(BANDS, 8, 1).eval()
    vocoder: Any = _Bands()
    corpus: Any = _Tones(12)
    steps: list[tuple[int, int]] = []
    fit = write_overlap(
        corpus,
        vocoder,
        probe,
        tmp_path / "made",
        clips=96,
        alarms=0.1,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert fit.clips == 96 and steps[-1] == (96, 96)
    assert fit.detection_rate > 0.7 and fit.false_alarm_rate <= 0.15

    made = cast(OverlapDetector, load_module(tmp_path / "made", kind="overlap"))

    def told(*tones: int, seconds: float = 4.0) -> bool:
        levels = [corpus.samples(tone) for tone in tones]
        samples = torch.tensor(sum(levels) / 2, dtype=torch.float32)[: int(seconds * RATE)]
        features = vocoder.analyse(samples[None])[0]
        return overlaps(made, features, probe.hidden(features, torch.ones(1, 1, 1)))

    assert told(1, 8) and told(3, 10)
    assert not told(1) and not told(8)
    assert not told(1, 8, seconds=2.0), "too short to be told"


def test_statistics_hold_for_a_recording_that_is_said_twice() -> None:
    probe = PhoneProbe(BANDS, 8, 1).eval()
    features = torch.randn(1, 200, BANDS)
    with torch.no_grad():
        longer = torch.cat([features, features], 1)
        once, twice = (
            statistics(each, probe.hidden(each, torch.ones(1, each.shape[1], 1)))
            for each in (features, longer)
        )
    assert once.shape == (3 * (BANDS + 8),)
    assert torch.allclose(once, twice, atol=0.05)


def test_a_corpus_of_few_speakers_is_refused(tmp_path: Path) -> None:
    corpus: Any = _Tones(3)
    with pytest.raises(DataError, match="3 speakers"):
        write_overlap(corpus, cast(Any, _Bands()), PhoneProbe(BANDS, 8, 1), tmp_path / "no", 16)
    assert not (tmp_path / "no").exists()

"""Training of the overlapped-speech detector (tts.voice.overlap) on mixtures from a corpus.

Half of the clips have two speakers; the second is 6 dB louder to 8 dB softer than the first, and
speaks most of the time. The other half have one speaker: clean, in noise, with reverberation, or
with tones. A quarter of the speakers is held out, to set the threshold and to measure the accuracy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import fftconvolve

from tts.audio.reference import load_reference
from tts.data.corpus import Corpus
from tts.errors import DataError
from tts.losses.phone import PhoneProbe
from tts.voice.overlap import OverlapDetector, statistics
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

SECONDS = 3.0, 6.0  # range of the duration of clips
LOUDER_DB, SOFTER_DB = -6.0, 8.0  # range of the level of the first speaker over the second
HELD_OUT = 0.25  # fraction of the speakers
WEIGHT_DECAY = 0.03
_RATE = 16000
_CHORD = 131, 165, 196, 220, 262, 330, 392, 440, 523, 659  # Hz


@dataclass(frozen=True)
class Fit:
    """Accuracy of a detector on held-out speakers.

    Attributes:
        clips: number of clips of both kinds.
        detection_rate: fraction of clips with overlap that are detected.
        false_alarm_rate: fraction of clips of a single speaker that are detected.
    """

    clips: int
    detection_rate: float
    false_alarm_rate: float


class _Clips:
    """Draws clips of one and of two speakers from a corpus."""

    def __init__(self, corpus: Corpus, seed: int):
        self.corpus = corpus
        self.rng = np.random.default_rng(seed)
        self.by_speaker: dict[str, list[int]] = {}
        for at, item in enumerate(corpus.items):
            if item.samples >= SECONDS[0] * _RATE:
                self.by_speaker.setdefault(item.speaker, []).append(at)
        names = sorted(self.by_speaker)
        held = max(2, round(HELD_OUT * len(names)))
        if len(names) < held + 2:
            raise DataError(f"{corpus.folder}: {len(names)} speakers of 3 s and more; at least 4")
        order = self.rng.permutation(len(names))
        self.names = [[names[n] for n in order[held:]], [names[n] for n in order[:held]]]

    def draw(self, held: bool) -> tuple[np.ndarray, bool]:
        """Draw samples [N] at 16 kHz, and whether two speakers overlap in them. `held` says whether
        from the held-out speakers."""
        rng = self.rng
        names = self.names[held]
        first, second = rng.choice(len(names), 2, replace=False)
        samples = self._of(names[first], int(rng.uniform(*SECONDS) * _RATE))
        if rng.random() < 0.5:
            other = self._of(names[second], len(samples))
            start = int(rng.integers(len(samples) - len(other) + 1))
            level = 10 ** (-rng.uniform(LOUDER_DB, SOFTER_DB) / 20)
            samples = samples.copy()
            samples[start : start + len(other)] += level * other
            if rng.random() < 0.3:
                samples = samples + self._noise(len(samples)) * 10 ** (-rng.uniform(10, 30) / 20)
            return (self._room(samples) if rng.random() < 0.3 else samples), True
        kind = int(rng.integers(4))
        if kind == 0:
            samples = samples + self._noise(len(samples)) * 10 ** (-rng.uniform(0, 25) / 20)
        elif kind == 1:
            samples = self._room(samples)
        return samples, False

    def _of(self, speaker: str, count: int) -> np.ndarray:
        """At most so many samples of a speaker, of power 1."""
        utterances = self.by_speaker[speaker]
        samples = self.corpus.samples(utterances[int(self.rng.integers(len(utterances)))])
        start = int(self.rng.integers(max(0, len(samples) - count) + 1))
        cut = samples[start : start + count].astype(np.float64)
        return cut / max(1e-4, float(np.sqrt(np.mean(cut**2))))

    def _noise(self, count: int) -> np.ndarray:
        rng = self.rng
        kind = rng.integers(3)
        noise = rng.standard_normal(count)
        if kind == 1:  # falls with frequency
            noise = np.cumsum(noise)
            noise -= noise.mean()
        elif kind == 2:
            time = np.arange(count) / _RATE
            notes = rng.choice(_CHORD, 4)
            noise = np.sum([rng.random() * np.sin(2 * np.pi * f * time) for f in notes], axis=0)
            noise *= 1 + 0.5 * np.sign(np.sin(4 * np.pi * time))
        return noise / np.sqrt(np.mean(noise**2))

    def _room(self, samples: np.ndarray) -> np.ndarray:
        size = int(_RATE * self.rng.uniform(0.15, 1.0))
        echo = self.rng.standard_normal(size) * np.exp(-6.9 * np.arange(size) / size)
        echo *= self.rng.uniform(0.3, 1.5) / np.sqrt(np.sum(echo**2))
        echo[0] += 1
        reverberant = fftconvolve(torch.from_numpy(samples), torch.from_numpy(echo))
        return reverberant[: len(samples)].numpy()


def write_overlap(
    corpus: Corpus,
    vocoder: SourceFilterVocoder,
    probe: PhoneProbe,
    folder: str | Path,
    clips: int = 1600,
    alarms: float = 0.02,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fit:
    """Train a detector and write its checkpoint.

    Args:
        corpus: of the clips.
        vocoder, probe: compute the features of the detector.
        folder: of the checkpoint.
        clips: number of clips of both kinds together.
        alarms: false alarm rate on held-out speakers, which sets the threshold.
        seed: of the random numbers.
        progress: called with (clips done, all).

    Returns:
        the accuracy on held-out speakers.

    Raises:
        DataError: the corpus has too few speakers.
    """
    source = _Clips(corpus, seed)
    rows: list[Tensor] = []
    overlaps: list[bool] = []
    held_out: list[bool] = []
    for at in range(clips):
        held_out.append(at % 4 == 0)
        samples, overlap = source.draw(held_out[-1])
        rows.append(_statistics(vocoder, probe, samples))
        overlaps.append(overlap)
        progress(at + 1, clips)
    features, label = torch.stack(rows), torch.tensor(overlaps, dtype=torch.float32)
    test = torch.tensor(held_out)
    detector = _fit(features[~test], label[~test])
    with torch.no_grad():
        scores = detector(features[test])
        single = scores[label[test] < 1]
        detector.bias.sub_(torch.quantile(single, 1 - alarms))
        scores = detector(features[test]) > 0
    save_checkpoint(folder, detector, "overlap", {"size": features.shape[1]})
    return Fit(
        clips,
        float(scores[label[test] > 0].float().mean()),
        float(scores[label[test] < 1].float().mean()),
    )


@torch.inference_mode()
def _statistics(vocoder: SourceFilterVocoder, probe: PhoneProbe, samples: np.ndarray) -> Tensor:
    level = (0.5 * samples / np.abs(samples).max()).astype(np.float32)
    reference = load_reference(level, _RATE, array_rate=_RATE)
    hop = vocoder.mel.hop
    wav = torch.from_numpy(np.ascontiguousarray(reference.samples))
    features = vocoder.analyse(wav[: len(wav) // hop * hop][None])[0]
    mask = features.new_ones(1, features.shape[1], 1)
    return statistics(features, probe.hidden(features, mask)).clone()


def _fit(features: Tensor, label: Tensor) -> OverlapDetector:
    detector = OverlapDetector(features.shape[1])
    detector.mean.copy_(features.mean(0))
    detector.deviation.copy_(features.std(0) + 1e-3)
    optimizer = torch.optim.LBFGS(detector.parameters(), max_iter=200)

    def closure() -> float:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(detector(features), label)
        loss = loss + WEIGHT_DECAY * detector.weight.square().sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    return detector

"""Batches of waveforms with what is known of them: distorted copies, phones of its frames."""

from collections.abc import Collection

import numpy as np
import torch

from tts.align.aligner import with_optional_pauses
from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.data.segments import read_durations
from tts.text.pauses import is_pause
from tts.text.symbols import SIL
from tts.train.auxiliaries import NOTHING
from tts.train.distortions import distorted
from tts.train.tasks.vocoder import speaker_weights


class WaveBatches:
    """Rows of `samples` samples of a corpus, each at a level of its own.

    Args:
        hop: samples of a frame of the codec, for the labels.
        distort: share of the rows whose `heard` is distorted; 0 leaves that out.
        labelled: phones too, which need durations.json.
        held_out: speakers that are left out.

    Raises:
        DataError: no utterance is long enough, none is left by held_out, or no durations where
            they are needed. UsageError: held_out names nobody.
    """

    def __init__(
        self,
        corpus: Corpus,
        batch_size: int,
        samples: int,
        hop: int,
        distort: float = 0.0,
        labelled: bool = False,
        held_out: Collection[str] = (),
    ):
        self.corpus, self.batch_size, self.samples, self.hop = corpus, batch_size, samples, hop
        self.distort = distort
        self.durations = read_durations(corpus) if labelled else None
        # Utterances are cut at frames of the corpus; enough of them for those of the codec.
        self.frames = -(-samples // corpus.hop)
        self.usable, self.weights = speaker_weights(corpus, self.frames, held_out)

    def draw(self, rng: np.random.Generator) -> Batch:
        """wav [B, N]; heard [B, N] where some rows are distorted; labels [B, T] of frames (NOTHING
        for none), phones [B, P] in their order and phone_counts [B]."""
        rows, labels = [], []
        for index in rng.choice(self.usable, self.batch_size, p=self.weights):
            start = int(rng.integers(0, self.corpus.frames(int(index)) - self.frames + 1))
            wav = self.corpus.audio(int(index), start, self.frames)[: self.samples]
            rows.append(np.clip(wav * 10 ** (rng.uniform(-10, 6) / 20), -1, 1))
            if self.durations is not None:
                labels.append(self._labels(int(index), start))
        batch: Batch = {"wav": torch.from_numpy(np.stack(rows)).float()}
        if self.distort:
            heard = [distorted(r, rng) if rng.random() < self.distort else r for r in rows]
            batch["heard"] = torch.from_numpy(np.stack(heard)).float().clamp(-1, 1)
        if labels:
            batch |= self._phones(labels)
        return batch

    def _labels(self, index: int, start: int) -> np.ndarray:
        """Phone and place in the utterance of each frame, [T, 2]; NOTHING past the known ones."""
        assert self.durations is not None
        item = self.corpus.items[index]
        tokens, _, _ = with_optional_pauses(item.phones, item.mods, item.words)
        # Which pause it is only its length tells.
        phones = np.array([SIL if is_pause(token) else token for token in tokens])
        lengths = self.durations.get(item.id, [0] * len(phones))
        places = np.repeat(np.arange(len(phones)), lengths)
        known = np.stack([phones[places], places], 1)
        frames = np.arange(self.samples // self.hop)
        frames = start + (frames * self.hop + self.hop // 2) // self.corpus.hop
        found = np.full((len(frames), 2), NOTHING)
        inside = frames < len(known)
        found[inside] = known[frames[inside]]
        return found

    def _phones(self, rows: list[np.ndarray]) -> Batch:
        """The label part of a batch from rows of `_labels`."""
        orders = []
        for row in rows:
            known = row[row[:, 0] != NOTHING]
            begins = np.flatnonzero(np.diff(known[:, 1], prepend=-1))
            orders.append(torch.from_numpy(known[begins, 0]))
        return {
            "labels": torch.from_numpy(np.stack([row[:, 0] for row in rows])),
            "phones": torch.nn.utils.rnn.pad_sequence(orders, batch_first=True),
            "phone_counts": torch.tensor([len(order) for order in orders]),
        }

"""Batches of waveforms for waveform codecs, with distorted copies and phone labels of frames."""

from collections.abc import Collection, Sequence

import numpy as np
import torch

from tts.align.aligner import with_optional_pauses
from tts.audio.resample import resample
from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.data.segments import read_durations
from tts.data.wide import WideRecordings
from tts.text.pauses import is_pause
from tts.text.symbols import SIL
from tts.train.auxiliaries import IGNORE_INDEX
from tts.train.distortions import distort
from tts.train.sampling import crop_weights, random_gain


class WaveformBatches:
    """Random crops of the utterances of a corpus, each with a random gain.

    Args:
        samples: length of a crop.
        hop: samples of a frame of the codec, for which labels are made.
        rate: sample rate of the crops in Hz, to which the utterances are resampled.
        wide: recordings of that rate, of which `wide_rows` rows of a batch are. They have no
            labels.
        distort: probability with which a row of "heard" is distorted; 0 leaves "heard" out, unless
            `narrowed` is above 0.
        narrowed: probability with which a wide row is "heard" without the band that the corpus
            lacks. Above 0 "band" of rows of the corpus is their own, else that of all rows.
        labelled: whether to add phone labels, which needs the durations.json of the corpus.
        held_out: speakers that are left out.

    Raises:
        DataError: no utterance is long enough, none is left by held_out, or durations are needed
            and missing.
        UsageError: held_out names a speaker that the corpus does not have.
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
        rate: int | None = None,
        wide: WideRecordings | None = None,
        wide_rows: int = 0,
        narrowed: float = 0.0,
    ):
        self.corpus, self.batch_size, self.samples, self.hop = corpus, batch_size, samples, hop
        self.distort, self.rate = distort, rate or corpus.sample_rate
        self.wide, self.wide_rows, self.narrowed = wide, wide_rows, narrowed
        self.durations = read_durations(corpus) if labelled else None
        # Crops begin at frames of the corpus, whose hop may differ from that of the codec.
        self.frames = -(-samples * corpus.sample_rate // (self.rate * corpus.hop))
        self.usable, self.weights = crop_weights(corpus, self.frames, held_out)

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch.

        Returns:
            "wav" [B, N], clean; "heard" [B, N], in which some rows are distorted or have no upper
            band; "band" [B], the frequency in Hz up to which a row tells what is to be learned;
            "labels" [B, T], the phone of each frame or IGNORE_INDEX; "phones" [B, P], the sequence
            of phones, and "phone_counts" [B], how many they are.
        """
        rows, labels = [], []
        # With `narrowed` rows of the corpus do not tell what is above their band.
        whole = self.rate / 2
        known = min(self.rate, self.corpus.sample_rate) / 2 if self.narrowed else whole
        band = [known] * (self.batch_size - self.wide_rows) + [whole] * self.wide_rows
        for index in rng.choice(self.usable, self.batch_size - self.wide_rows, p=self.weights):
            start = int(rng.integers(0, self.corpus.frames(int(index)) - self.frames + 1))
            wav = self.corpus.audio(int(index), start, self.frames)
            wav = resample(wav, self.corpus.sample_rate, self.rate)[: self.samples]
            rows.append(np.clip(wav * random_gain(rng), -1, 1))
            if self.durations is not None:
                labels.append(self._frame_labels(int(index), start))
        for _ in range(self.wide_rows):
            assert self.wide is not None
            wav = self.wide.crop(rng, self.samples)
            rows.append(np.clip(wav * random_gain(rng), -1, 1))
            if self.durations is not None:
                labels.append(np.full((self.samples // self.hop, 2), IGNORE_INDEX))
        if self.wide_rows:
            # Discriminators see the first rows alone, which have to be of both kinds.
            order = _interleaved(self.batch_size - self.wide_rows, self.wide_rows)
            rows = [rows[place] for place in order]
            labels = [labels[place] for place in order] if labels else []
            band = [band[place] for place in order]
        batch: Batch = {
            "wav": torch.from_numpy(np.stack(rows)).float(),
            "band": torch.tensor(band),
        }
        heard = rows
        if self.distort:
            heard = [distort(row, rng) if rng.random() < self.distort else row for row in heard]
        if self.narrowed:
            heard = [
                self._narrowed(row) if hertz > known and rng.random() < self.narrowed else row
                for row, hertz in zip(heard, band, strict=True)
            ]
        if heard is not rows:
            batch["heard"] = torch.from_numpy(np.stack(heard)).float().clamp(-1, 1)
        if labels:
            batch |= self._phone_labels(labels)
        return batch

    def _narrowed(self, row: np.ndarray) -> np.ndarray:
        """A row without the band that the corpus lacks."""
        narrow = resample(row.astype(np.float32), self.rate, self.corpus.sample_rate)
        return resample(narrow, self.corpus.sample_rate, self.rate)[: len(row)]

    def _frame_labels(self, index: int, start: int) -> np.ndarray:
        """Phone and its position in the utterance for each frame of a crop, [T, 2]; IGNORE_INDEX
        where the alignment has ended."""
        assert self.durations is not None
        item = self.corpus.items[index]
        tokens, _, _ = with_optional_pauses(item.phones, item.mods, item.words)
        # Pauses of all lengths sound alike, so they share one label.
        phones = np.array([SIL if is_pause(token) else token for token in tokens])
        durations = self.durations.get(item.id, [0] * len(phones))
        positions = np.repeat(np.arange(len(phones)), durations)
        aligned = np.stack([phones[positions], positions], 1)
        # The label is that of the corpus frame at the middle of a codec frame.
        frames = np.arange(self.samples // self.hop)
        middle = (frames * self.hop + self.hop // 2) * self.corpus.sample_rate // self.rate
        frames = start + middle // self.corpus.hop
        labels = np.full((len(frames), 2), IGNORE_INDEX)
        inside = frames < len(aligned)
        labels[inside] = aligned[frames[inside]]
        return labels

    def _phone_labels(self, rows: list[np.ndarray]) -> Batch:
        """The entries "labels", "phones" and "phone_counts" of a batch from rows of
        `_frame_labels`."""
        sequences = []
        for row in rows:
            labelled = row[row[:, 0] != IGNORE_INDEX]
            first_frames = np.flatnonzero(np.diff(labelled[:, 1], prepend=-1))
            sequences.append(torch.from_numpy(labelled[first_frames, 0]))
        return {
            "labels": torch.from_numpy(np.stack([row[:, 0] for row in rows])),
            "phones": torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True),
            "phone_counts": torch.tensor([len(sequence) for sequence in sequences]),
        }


def _interleaved(first: int, second: int) -> Sequence[int]:
    """Places of `first` rows, which are followed by `second` others, in an order that mixes both as
    evenly as possible."""
    places = np.concatenate([(np.arange(n) + 0.5) / max(n, 1) for n in (first, second)])
    order: list[int] = np.argsort(places, kind="stable").tolist()
    return order

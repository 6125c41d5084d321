"""Training task of the aligner, and the alignment of a corpus in two passes.

The aligner has a Gaussian for each token and finds phones roughly, without labels from outside. A
phone classifier (PhoneProbe) that is trained on this alignment places them better: it sees few
frames at once, so that it cannot learn where boundaries were placed wrongly. The second pass aligns
by its posteriors divided by priors, as hybrid speech recognizers do (Bourlard & Morgan 1994), and
may be repeated.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.align.aligner import Aligner, with_optional_pauses
from tts.align.mas import monotonic_alignment
from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.errors import DataError
from tts.losses.phone import PhoneProbe
from tts.text.pauses import is_pause
from tts.text.symbols import N_SYMBOLS, SIL, SYMBOLS, VOWELS
from tts.text.tokens import TokenBatch, collate_tokens
from tts.train.task import Logs
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.mel import MelConfig, log_mel


def alignment_batch(corpus: Corpus, indices: list[int], mel_config: MelConfig) -> Batch:
    """Make a batch of whole utterances.

    Args:
        indices: of the utterances.

    Returns:
        "ids", "mods" [B, S] and "lengths" [B] of the tokens; "optional" [B, S], which of them are
        pauses that may be skipped; "speaker" [B, 256], "mel" [B, T, 80] and "frames" [B].
    """
    rows, flags, mels, speakers = [], [], [], []
    for index in indices:
        item = corpus.items[index]
        ids, mods, optional = with_optional_pauses(item.phones, item.mods, item.words)
        rows.append((ids, mods))
        flags.append(optional)
        mels.append(log_mel(torch.from_numpy(corpus.audio(index))[None], mel_config)[0])
        speakers.append(torch.from_numpy(corpus.speaker(index)))
    tokens = collate_tokens(rows)
    optional_mask = torch.zeros(tokens.ids.shape, dtype=torch.bool)
    for row, flag in enumerate(flags):
        optional_mask[row, : len(flag)] = torch.tensor(flag)
    return {
        "ids": tokens.ids,
        "mods": tokens.mods,
        "lengths": tokens.lengths,
        "optional": optional_mask,
        "speaker": torch.stack(speakers),
        "mel": nn.utils.rnn.pad_sequence(mels, batch_first=True),
        "frames": torch.tensor([len(m) for m in mels]),
    }


def alignable(corpus: Corpus) -> list[int]:
    """Indices of the utterances with at least five phones, and with more frames than phones."""
    return [i for i, item in enumerate(corpus.items) if 4 < len(item.phones) < corpus.frames(i)]


class AlignerTask:
    """Training of the aligner on whole utterances, in batches of similar length.

    Args:
        model: arguments of Aligner.
        pool: batches that are sorted by length together; more give less padding.

    Raises:
        DataError: no utterance has more frames than phones.
    """

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 8,
        pool: int = 6,
    ):
        self.corpus, self.batch_size = corpus, batch_size
        self.arguments = dict(model or {})
        self.aligner = Aligner(**self.arguments)
        self.modules: dict[str, nn.Module] = {"aligner": self.aligner}
        self.groups = {"aligner": ["aligner"]}
        self.mel = MelConfig()
        self.usable = np.array(alignable(corpus))
        if not len(self.usable):
            raise DataError(f"{corpus.folder} has no utterance with more frames than phones")
        self.pool = max(1, min(pool, len(self.usable) // batch_size))

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw utterances of similar length."""
        count = min(self.batch_size * self.pool, len(self.usable))
        chosen = rng.choice(self.usable, count, replace=False)
        drawn = sorted(chosen.tolist(), key=self.corpus.frames)
        at = int(rng.integers(0, self.pool)) * self.batch_size
        return alignment_batch(self.corpus, drawn[at : at + self.batch_size], self.mel)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield the squared error along the best path."""
        tokens = TokenBatch(batch["ids"], batch["mods"], batch["lengths"])
        loss, durations = self.aligner.loss(
            tokens, batch["speaker"], batch["mel"], batch["frames"], batch["optional"]
        )
        pauses = durations[batch["optional"]].sum() / durations.sum()
        yield "aligner", loss, {"mse": loss.detach(), "pause_share": pauses.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Write the weights of the aligner."""
        save_checkpoint(folder, self.aligner, "aligner", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Log nothing."""


@torch.no_grad()
def align_corpus(corpus: Corpus, aligner: Aligner, batch_size: int = 16) -> dict[str, list[int]]:
    """Align all `alignable` utterances of a corpus.

    Returns:
        frames of each token of `with_optional_pauses`, by the id of the utterance.
    """
    mel = MelConfig()
    usable = sorted(alignable(corpus), key=corpus.frames)
    aligned: dict[str, list[int]] = {}
    for at in range(0, len(usable), batch_size):
        indices = usable[at : at + batch_size]
        batch = alignment_batch(corpus, indices, mel)
        tokens = TokenBatch(batch["ids"], batch["mods"], batch["lengths"])
        durations, _, _ = aligner.align(
            tokens, batch["speaker"], batch["mel"], batch["frames"], batch["optional"]
        )
        for row, index in enumerate(indices):
            count = int(tokens.lengths[row])
            aligned[corpus.items[index].id] = durations[row, :count].tolist()
    return aligned


#: factor on the log priors that are subtracted from log posteriors; 1 would favor rare phones
_PRIOR_WEIGHT = 0.5


@torch.no_grad()
def refine_corpus(
    corpus: Corpus, probe: PhoneProbe, durations: dict[str, list[int]], batch_size: int = 32
) -> dict[str, list[int]]:
    """Align a corpus again, by a phone probe.

    Args:
        probe: a phone probe, trained on `durations`.
        durations: as of `align_corpus`; only the priors of the phones are taken from them.

    Returns:
        durations of the same utterances, as of `align_corpus`.
    """
    counts = np.ones(N_SYMBOLS)
    rows = {}
    for index, item in enumerate(corpus.items):
        if item.id in durations:
            ids, mods, optional = with_optional_pauses(item.phones, item.mods, item.words)
            phones = [SIL if is_pause(i) else i for i in ids]
            rows[index] = (phones, optional)
            np.add.at(counts, phones, durations[item.id])
    log_prior = torch.from_numpy(np.log(counts / counts.sum())).float()
    refined: dict[str, list[int]] = {}
    order = sorted(rows, key=corpus.frames)
    for at in range(0, len(order), batch_size):
        indices = order[at : at + batch_size]
        unpadded = [torch.from_numpy(np.array(corpus.features(i), np.float32)) for i in indices]
        features = nn.utils.rnn.pad_sequence(unpadded, batch_first=True)
        frames = torch.tensor([len(each) for each in unpadded])
        mask = (torch.arange(features.shape[1]) < frames.unsqueeze(1)).float().unsqueeze(-1)
        log_ratio = (probe(features, mask).log_softmax(-1) - _PRIOR_WEIGHT * log_prior).numpy()
        size = max(len(rows[i][0]) for i in indices)
        scores = np.zeros((len(indices), size, features.shape[1]), np.float32)
        optional_mask = np.zeros((len(indices), size), bool)
        for row, index in enumerate(indices):
            ids, optional = rows[index]
            scores[row, : len(ids)] = log_ratio[row][:, ids].T
            optional_mask[row, : len(ids)] = optional
        lengths = np.array([len(rows[i][0]) for i in indices])
        path = monotonic_alignment(scores, lengths, frames.numpy(), optional_mask)
        for row, index in enumerate(indices):
            refined[corpus.items[index].id] = path[row, : lengths[row]].tolist()
    return refined


_VOICELESS = tuple(at for at, symbol in enumerate(SYMBOLS) if symbol in set("sʃfθptkh"))
_SONOROUS = tuple(at for at, symbol in enumerate(SYMBOLS) if symbol in VOWELS | set("mnŋlɹwj"))


def voicing_agreement(corpus: Corpus, durations: dict[str, list[int]]) -> tuple[float, float]:
    """Compare an alignment with the voicing of the features, which aligners do not see.

    Returns:
        the share of frames of voiceless obstruents that are unvoiced, and the share of frames of
        vowels and sonorants that are voiced.
    """
    hits, counts = np.zeros(2), np.zeros(2)
    for index, item in enumerate(corpus.items):
        if item.id in durations:
            ids, _, _ = with_optional_pauses(item.phones, item.mods, item.words)
            labels = np.repeat(ids, durations[item.id])
            voiced = np.asarray(corpus.features(index))[: len(labels), -1] > 0
            for at, (phones, expected) in enumerate(((_VOICELESS, False), (_SONOROUS, True))):
                frames = np.isin(labels, phones)
                hits[at] += (voiced[frames] == expected).sum()
                counts[at] += frames.sum()
    voiceless, sonorous = hits / np.maximum(counts, 1)
    return float(voiceless), float(sonorous)

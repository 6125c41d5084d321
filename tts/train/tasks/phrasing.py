"""Training task of the phrase-break model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tts.data.batch import Batch, prompt_of
from tts.data.corpus import Corpus
from tts.data.punctuation import PunctuationCorpus
from tts.data.segments import Utterance, load_utterances
from tts.errors import DataError
from tts.prosody.phrasing import (
    NONE,
    PAUSE_TOKENS,
    PhrasingModel,
    WordBatch,
    words_of,
)
from tts.text.frontend import Frontend
from tts.text.pauses import is_pause
from tts.train.parts import option_of_data
from tts.train.task import Logs
from tts.train.tasks.phrasing_scores import choose_prior, place_all, rule_pauses, scores
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import CHANNELS

_BREAKS = {token: kind for kind, token in PAUSE_TOKENS.items()}
#: smallest and largest number of frames of a voice prompt
_PROMPT_FRAMES = (100, 300)
#: utterances that a speaker who is held out has at least
_HOLDOUT_UTTERANCES = 10


@dataclass
class PhrasedUtterance:
    """An utterance as words.

    Attributes:
        index: in the corpus.
        words: a batch of one row of W words.
        breaks: [W] NONE, SHORT or LONG, the pause before each word.
    """

    index: int
    words: WordBatch
    breaks: Tensor


def pauses_before(utterance: Utterance, starts: Sequence[int]) -> list[int]:
    """Find the pauses before the words of an aligned utterance.

    Args:
        starts: [W] first token of each word, counted without pauses but for one at the beginning.

    Returns:
        NONE, SHORT or LONG for each word, [W].
    """
    breaks: dict[int, int] = {}
    phones = 0
    for token in utterance.tokens.ids:
        if is_pause(token):
            breaks[phones] = _BREAKS.get(token, NONE)
        else:
            phones += 1
    return [breaks.get(start - 1, NONE) for start in starts]


def collate(rows: Sequence[tuple[WordBatch, Tensor]]) -> dict[str, Tensor]:
    """Pad rows of one text each to a batch: "names", "parts", "sizes", "words" (their number) and
    "breaks"."""
    pad = torch.nn.utils.rnn.pad_sequence
    return {
        "names": pad([w.names[0] for w, _ in rows], batch_first=True),
        "parts": pad([w.parts[0] for w, _ in rows], batch_first=True),
        "sizes": pad([w.sizes[0] for w, _ in rows], batch_first=True),
        "words": torch.cat([w.lengths for w, _ in rows]),
        "breaks": pad([breaks for _, breaks in rows], batch_first=True),
    }


def _cut(row: PhrasedUtterance, first: int, last: int) -> tuple[WordBatch, Tensor]:
    """The words `first` to `last` of an utterance, without a break before the first."""
    part = slice(first, last)
    words = row.words
    breaks = row.breaks[part].clone()
    breaks[0] = NONE
    return (
        WordBatch(
            words.names[:, part],
            words.parts[:, part],
            words.sizes[:, part],
            torch.tensor([len(breaks)]),
        ),
        breaks,
    )


class PhrasingTask:
    """Training of the phrase-break model on utterances and on parts of them from pause to pause.

    Args:
        model: arguments of PhrasingModel.
        holdout: number of speakers that are not trained on. The exported prior is chosen so that
            the model places as many pauses as these speakers make, and their scores are in the
            exported config.yaml. With 0 the prior is that of `model`.
        text: folder of plain text with punctuation (*.txt), which is learned from too.
        text_rows: passages of text in a batch.
        language: espeak code of the transcripts.

    Raises:
        DataError: too few speakers can be held out, there is no text, or the corpus was prepared in
            another language.
    """

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 32,
        holdout: int = 5,
        text: str = "",
        text_rows: int = 48,
        language: str = "en-us",
    ):
        self.corpus, self.batch_size = corpus, batch_size
        self.arguments = dict(model or {})
        self.model = PhrasingModel(**self.arguments)
        self.modules: dict[str, nn.Module] = {"phrasing": self.model}
        self.groups = {"phrasing": ["phrasing"]}
        with option_of_data("options.text"):
            self.text = PunctuationCorpus(text, language) if text else None
        rows = self._read(language)
        self.by_speaker: dict[str, list[PhrasedUtterance]] = {}
        for row in rows:
            self.by_speaker.setdefault(corpus.items[row.index].speaker, []).append(row)
        candidates = sorted(
            s for s, own in self.by_speaker.items() if len(own) >= _HOLDOUT_UTTERANCES
        )
        if holdout and len(candidates) <= holdout:
            raise DataError(
                f"{len(candidates)} speakers have {_HOLDOUT_UTTERANCES} utterances: hold out fewer"
            )
        stride = len(candidates) // max(1, holdout)
        self.held_out = set(candidates[::stride][:holdout] if holdout else [])
        speakers = [corpus.items[row.index].speaker for row in rows]
        self.rows = [row for row, s in zip(rows, speakers, strict=True) if s not in self.held_out]
        self.held_out_rows = [
            row for row, s in zip(rows, speakers, strict=True) if s in self.held_out
        ]
        sizes = np.array([len(row.breaks) for row in self.rows], dtype=float)
        self.weights = sizes / sizes.sum()
        self.text_rows = text_rows
        keys = [row.words.names[0] for row in self.rows]
        if self.text is not None:
            keys.append(self.text.keys)
        self.model.learn_words(torch.cat(keys).numpy())

    def _read(self, language: str) -> list[PhrasedUtterance]:
        """The utterances of two words and more."""
        frontend = Frontend(language, pauses="none")
        rows = []
        for utterance in load_utterances(self.corpus):
            item = self.corpus.items[utterance.index]
            phones = frontend.one(item.text)
            if [start for _, start, _ in phones.words] != item.words:
                raise DataError(f"{item.id}: was not prepared in language {language!r}")
            breaks = torch.tensor(pauses_before(utterance, item.words))
            rows.append(PhrasedUtterance(utterance.index, words_of(phones), breaks))
        return [row for row in rows if len(row.breaks) > 1]

    def _prompt(
        self, row: PhrasedUtterance, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], int]:
        """Features [T, C] of another utterance of the speaker, and its index; of the same utterance
        if there is no other."""
        own = self.by_speaker[self.corpus.items[row.index].speaker]
        index = row.index
        while len(own) > 1 and index == row.index:
            index = own[int(rng.integers(len(own)))].index
        total = self.corpus.frames(index)
        length = min(total, int(rng.integers(*_PROMPT_FRAMES)))
        # A voice keeps the loudest seconds of a long recording, which have few pauses.
        starts = rng.integers(0, total - length + 1, 3)
        parts = [self.corpus.features(index, int(start), length) for start in starts]
        return max(parts, key=lambda part: float(part.mean())), index

    def _collate(
        self,
        rows: Sequence[PhrasedUtterance],
        cuts: Sequence[tuple[int, int]],
        rng: np.random.Generator,
        drop_voice: float,
    ) -> Batch:
        """Make a batch of the `cuts` (first and last word) of rows.

        `drop_voice` is the probability with which a row has zeros for a voice.
        """
        prompts, speakers = [], []
        for row in rows:
            single = len(self.by_speaker[self.corpus.items[row.index].speaker]) == 1
            if single or rng.random() < drop_voice:
                # A prompt from the same utterance would have the pauses to predict.
                prompts.append(torch.zeros(_PROMPT_FRAMES[0], CHANNELS))
                speakers.append(torch.zeros(self.corpus.speaker(row.index).shape))
                continue
            features, index = self._prompt(row, rng)
            prompts.append(torch.from_numpy(features))
            speakers.append(torch.from_numpy(self.corpus.speaker(index)))
        return {
            **collate([_cut(row, *cut) for row, cut in zip(rows, cuts, strict=True)]),
            "prompt_features": torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True),
            "prompt_frames": torch.tensor([len(p) for p in prompts]),
            "speaker": torch.stack(speakers),
        }

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw a batch.

        Returns:
            "names" [B, W], "parts" [B, W, 4], "sizes" [B, W, 3], "words" [B], "breaks" [B, W];
            "speaker" [B, 256], "prompt_features" [B, P, C], "prompt_frames" [B]; with text also
            "text", a dict of the first five.
        """
        rows = [self.rows[i] for i in rng.choice(len(self.rows), self.batch_size, p=self.weights)]
        cuts = []
        for row in rows:
            ends = [0, *row.breaks.nonzero()[:, 0].tolist(), len(row.breaks)]
            first, last = 0, len(ends) - 1
            if rng.random() < 0.6:
                first, last = sorted(rng.choice(len(ends), 2, replace=False).tolist())
            cuts.append((ends[first], ends[last]))
        batch = self._collate(rows, cuts, rng, drop_voice=0.1)
        if self.text is not None:
            batch["text"] = collate(self.text.draw(rng, self.text_rows))
        return batch

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield the cross entropy of the pauses of speakers plus that of the marks of texts."""
        loss = self.model.loss(_words(batch), prompt_of(batch), batch["breaks"])
        logs = {"phrasing": loss.detach()}
        if "text" in batch:
            device = batch["breaks"].device
            text = {name: value.to(device) for name, value in batch["text"].items()}
            marks = self.model.loss(_words(text), None, text["breaks"])
            logs["marks"] = marks.detach()
            loss = loss + marks
        yield "phrasing", loss, logs

    def export(self, folder: Path, step: int) -> None:
        """Write the weights with the prior and the scores on the held-out speakers."""
        arguments = dict(self.arguments)
        extra: dict[str, Any] = {}
        if self.held_out_rows:
            tables = self.tables()
            truth = [row.breaks.tolist() for row in self.held_out_rows]
            prior = choose_prior(tables, truth)
            arguments["prior"] = [round(value, 3) for value in prior]
            extra["holdout"] = {
                "speakers": sorted(self.held_out),
                "model": scores(place_all(tables, prior), truth),
                "rule": scores([rule_pauses(row.words) for row in self.held_out_rows], truth),
            }
        save_checkpoint(folder, self.model, "phrasing", arguments, step=step, **extra)

    def tables(self) -> list[NDArray[np.float32]]:
        """Compute `PhrasingModel.table` of every held-out utterance, prompted by another one."""
        rng = np.random.default_rng(0)
        self.model.eval()
        tables: list[NDArray[np.float32]] = []
        try:
            for at in range(0, len(self.held_out_rows), 16):
                rows = self.held_out_rows[at : at + 16]
                whole = [(0, len(row.breaks)) for row in rows]
                batch = self._collate(rows, whole, rng, drop_voice=0.0)
                device = self.model.known.device
                table = self.model.table(_words(batch).to(device), prompt_of(batch).to(device))
                tables.extend(
                    one[:last, :last].cpu().numpy()
                    for one, (_, last) in zip(table, whole, strict=True)
                )
        finally:
            self.model.train()
        return tables

    def sample(self, writer: Any, step: int) -> None:
        """Log nothing."""


def _words(batch: Batch) -> WordBatch:
    return WordBatch(batch["names"], batch["parts"], batch["sizes"], batch["words"])

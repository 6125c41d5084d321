"""Training task of the phrase-break model, and how well it does on speakers held out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.data.punctuation import PunctuationCorpus
from tts.data.segments import Utterance, load_utterances
from tts.errors import DataError
from tts.prosody.phrasing import (
    LONG,
    NONE,
    PAUSE_TOKENS,
    SHORT,
    PhrasingModel,
    WordBatch,
    place_pauses,
    word_key,
    words_of,
)
from tts.text.frontend import Frontend
from tts.text.pauses import is_pause
from tts.train.parts import option_of_data
from tts.train.task import Logs
from tts.train.tasks.generator import prompt_of
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import CHANNELS

_KINDS = {token: kind for kind, token in PAUSE_TOKENS.items()}
_PROMPT = (100, 300)  # frames
_ESTABLISHED = 10  # utterances of a speaker worth holding out


@dataclass
class Phrased:
    """An utterance as words: its index in the corpus, its words (B = 1), what stands before
    each."""

    index: int
    words: WordBatch
    before: Tensor


def pauses_before(utterance: Utterance, starts: Sequence[int]) -> list[int]:
    """NONE, SHORT or LONG before each word of an aligned utterance.

    Args:
        starts: first token of each word among phones with `<sil>` at both edges only.
    """
    found: dict[int, int] = {}
    spoken = 0
    for token in utterance.tokens.ids:
        if is_pause(token):
            found[spoken] = _KINDS.get(token, NONE)
        else:
            spoken += 1
    return [found.get(start - 1, NONE) for start in starts]


def collate(rows: Sequence[tuple[WordBatch, Tensor]]) -> dict[str, Tensor]:
    """names, parts, sizes, words (how many) and before of rows with B = 1, padded."""
    pad = torch.nn.utils.rnn.pad_sequence
    return {
        "names": pad([w.names[0] for w, _ in rows], batch_first=True),
        "parts": pad([w.parts[0] for w, _ in rows], batch_first=True),
        "sizes": pad([w.sizes[0] for w, _ in rows], batch_first=True),
        "words": torch.cat([w.lengths for w, _ in rows]),
        "before": pad([before for _, before in rows], batch_first=True),
    }


def _cut(row: Phrased, first: int, last: int) -> tuple[WordBatch, Tensor]:
    part = slice(first, last)
    words = row.words
    before = row.before[part].clone()
    before[0] = NONE
    return (
        WordBatch(
            words.names[:, part],
            words.parts[:, part],
            words.sizes[:, part],
            torch.tensor([len(before)]),
        ),
        before,
    )


class PhrasingTask:
    """Whole utterances and parts of them from pause to pause.

    Args:
        holdout: speakers that are not trained on; with them the exported prior is set so that as
            many pauses are placed as they make, and config.yaml says how many are right. With 0
            the prior is the one given in `model`.
        text: folder of plain text with punctuation (*.txt), learned from beside the speech.
        text_rows: stretches of text per batch.
        language: espeak code of the transcripts.
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
        self.by_speaker: dict[str, list[Phrased]] = {}
        for row in rows:
            self.by_speaker.setdefault(corpus.items[row.index].speaker, []).append(row)
        many = sorted(s for s, own in self.by_speaker.items() if len(own) >= _ESTABLISHED)
        if holdout and len(many) <= holdout:
            raise DataError(f"{len(many)} speakers have {_ESTABLISHED} utterances: hold out fewer")
        self.held = set(many[:: len(many) // holdout][:holdout] if holdout else [])
        speakers = [corpus.items[row.index].speaker for row in rows]
        self.rows = [row for row, s in zip(rows, speakers, strict=True) if s not in self.held]
        self.others = [row for row, s in zip(rows, speakers, strict=True) if s in self.held]
        sizes = np.array([len(row.before) for row in self.rows], dtype=float)
        self.weights = sizes / sizes.sum()
        self.text_rows = text_rows
        keys = [row.words.names[0] for row in self.rows]
        if self.text is not None:
            keys.append(self.text.keys)
        self.model.learn_words(torch.cat(keys).numpy())

    def _read(self, language: str) -> list[Phrased]:
        frontend = Frontend(language, pauses="none")
        rows = []
        for utterance in load_utterances(self.corpus):
            item = self.corpus.items[utterance.index]
            phones = frontend.one(item.text)
            if [start for _, start, _ in phones.words] != item.words:
                raise DataError(f"{item.id}: was not prepared in language {language!r}")
            before = torch.tensor(pauses_before(utterance, item.words))
            rows.append(Phrased(utterance.index, words_of(phones), before))
        return [row for row in rows if len(row.before) > 1]

    def _prompt(self, row: Phrased, rng: np.random.Generator) -> tuple[NDArray[np.float32], int]:
        """Features of another utterance of the speaker, and which; of the same where there is no
        other."""
        own = self.by_speaker[self.corpus.items[row.index].speaker]
        index = row.index
        while len(own) > 1 and index == row.index:
            index = own[int(rng.integers(len(own)))].index
        total = self.corpus.frames(index)
        length = min(total, int(rng.integers(*_PROMPT)))
        # Of a long recording a voice keeps the loudest seconds, which have few pauses.
        starts = rng.integers(0, total - length + 1, 3)
        parts = [self.corpus.features(index, int(start), length) for start in starts]
        return max(parts, key=lambda part: float(part.mean())), index

    def _collate(
        self,
        rows: Sequence[Phrased],
        cuts: Sequence[tuple[int, int]],
        rng: np.random.Generator,
        blind: float,
    ) -> Batch:
        prompts, speakers = [], []
        for row in rows:
            single = len(self.by_speaker[self.corpus.items[row.index].speaker]) == 1
            if single or rng.random() < blind:
                # Its own pauses would give them away.
                prompts.append(torch.zeros(_PROMPT[0], CHANNELS))
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
        """names [B, W], parts [B, W, 4], sizes [B, W, 3], words [B], before [B, W]; speaker
        [B, 256], prompt_features [B, P, C], prompt_frames [B]."""
        rows = [self.rows[i] for i in rng.choice(len(self.rows), self.batch_size, p=self.weights)]
        cuts = []
        for row in rows:
            ends = [0, *row.before.nonzero()[:, 0].tolist(), len(row.before)]
            first, last = 0, len(ends) - 1
            if rng.random() < 0.6:
                first, last = sorted(rng.choice(len(ends), 2, replace=False).tolist())
            cuts.append((ends[first], ends[last]))
        batch = self._collate(rows, cuts, rng, blind=0.1)
        if self.text is not None:
            batch["text"] = collate(self.text.draw(rng, self.text_rows))
        return batch

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Cross entropy over boundaries, of the speakers and of the writers."""
        loss = self.model.loss(_words(batch), prompt_of(batch), batch["before"])
        logs = {"phrasing": loss.detach()}
        if "text" in batch:
            device = batch["before"].device
            part = {name: value.to(device) for name, value in batch["text"].items()}
            marks = self.model.loss(_words(part), None, part["before"])
            logs["marks"] = marks.detach()
            loss = loss + marks
        yield "phrasing", loss, logs

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights with the prior and the scores of the speakers held out."""
        arguments = dict(self.arguments)
        extra: dict[str, Any] = {}
        if self.others:
            tables = self.tables()
            truth = [row.before.tolist() for row in self.others]
            prior = choose_prior(tables, truth)
            arguments["prior"] = [round(value, 3) for value in prior]
            extra["holdout"] = {
                "speakers": sorted(self.held),
                "model": scores(place_all(tables, prior), truth),
                "rule": scores([rule_pauses(row.words) for row in self.others], truth),
            }
        save_checkpoint(folder, self.model, "phrasing", arguments, step=step, **extra)

    def tables(self) -> list[NDArray[np.float32]]:
        """`PhrasingModel.table` of every utterance held out, spoken by another of its speaker."""
        rng = np.random.default_rng(0)
        self.model.eval()
        found: list[NDArray[np.float32]] = []
        try:
            for at in range(0, len(self.others), 16):
                rows = self.others[at : at + 16]
                whole = [(0, len(row.before)) for row in rows]
                batch = self._collate(rows, whole, rng, blind=0.0)
                device = self.model.known.device
                table = self.model.table(_words(batch).to(device), prompt_of(batch).to(device))
                found.extend(
                    one[:last, :last].cpu().numpy()
                    for one, (_, last) in zip(table, whole, strict=True)
                )
        finally:
            self.model.train()
        return found

    def sample(self, writer: Any, step: int) -> None:
        """Nothing to hear."""


def _words(batch: Batch) -> WordBatch:
    return WordBatch(batch["names"], batch["parts"], batch["sizes"], batch["words"])


def place_all(tables: Sequence[NDArray[np.float32]], prior: tuple[float, float]) -> list[list[int]]:
    """`place_pauses` of texts without any mark."""
    return [place_pauses(table, [False] * len(table), prior) for table in tables]


def choose_prior(
    tables: Sequence[NDArray[np.float32]], truth: Sequence[Sequence[int]]
) -> tuple[float, float]:
    """The prior with which there are as many short and as many long pauses as in `truth`."""
    wanted = sum(kind != NONE for row in truth for kind in row)
    wanted_long = sum(kind == LONG for row in truth for kind in row)

    def search(
        start: float, width: float, goal: int, count: Callable[[float], int], steps: int
    ) -> float:
        low, high = start - width, start + width
        for _ in range(steps):
            middle = (low + high) / 2
            low, high = (middle, high) if count(middle) < goal else (low, middle)
        return (low + high) / 2

    def pauses(prior: tuple[float, float], at_least: int) -> int:
        return sum(kind >= at_least for row in place_all(tables, prior) for kind in row)

    short = longer = 0.0
    for width, steps in ((3.0, 7), (0.5, 6)):
        gap = longer - short
        short = search(short, width, wanted, lambda v: pauses((v, v + gap), 1), steps)  # noqa: B023
        at = short
        longer = search(short + gap, width, wanted_long, lambda v: pauses((at, v), LONG), steps)  # noqa: B023
    return short, longer


def scores(placed: Sequence[Sequence[int]], truth: Sequence[Sequence[int]]) -> dict[str, float]:
    """Precision, recall and F1 of pause or none, pauses per boundary placed and real, and the
    share of long ones among them."""
    a = np.concatenate([row[1:] for row in placed])
    b = np.concatenate([row[1:] for row in truth])
    both, ours, real = (int(np.sum(x)) for x in ((a > 0) & (b > 0), a > 0, b > 0))
    found = {
        "precision": both / max(ours, 1),
        "recall": both / max(real, 1),
        "f1": 2 * both / max(ours + real, 1),
        "rate": ours / len(a),
        "real_rate": real / len(b),
        "long_share": int(np.sum(a == LONG)) / max(ours, 1),
        "real_long_share": int(np.sum(b == LONG)) / max(real, 1),
    }
    return {name: round(value, 4) for name, value in found.items()}


_JOINING = frozenset(
    word_key(word)
    for word in "and but or nor for so as if because when while where which who that than".split()
)


def rule_pauses(words: WordBatch) -> list[int]:
    """What to do without a model: a pause before a joining word when four words were said since the
    last, and after ten words anyway."""
    placed = [NONE] * int(words.lengths[0])
    last = 0
    for at, key in enumerate(words.names[0].tolist()):
        if at - last >= 10 or (at - last >= 4 and key in _JOINING):
            placed[at], last = SHORT, at
    return placed

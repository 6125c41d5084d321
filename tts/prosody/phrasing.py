"""Phrase-break model: predicts pauses in text without punctuation.

Phrase breaks depend on syntax and rhythm, so that the model sees the words, their lengths, and the
distance to the last pause (as the predictors of Black and Taylor, 1997). As the distance enters
only in the last layers, dynamic programming finds the best pauses of a whole sentence exactly.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tts.modules.voice_prompt import VoicePrompt
from tts.text.pauses import COMMA, PERIOD
from tts.text.symbols import PAUSES, SYMBOLS, VOWELS, Phones
from tts_codecs.envelope import envelope_part
from tts_codecs.nn.convnext import ConvNeXt

#: the pause before a word
NONE, SHORT, LONG = 0, 1, 2
PAUSE_TOKENS = {SHORT: COMMA, LONG: PERIOD}
_VOWEL_IDS = frozenset(SYMBOLS.index(symbol) for symbol in VOWELS)
_REPEATED = 20.0  # penalty on the logits of a pause between a word and its repetition
_PARTS = 4
_BUCKETS = 1024
_NO_KEY = 2**32  # larger than any CRC-32


@dataclass
class WordBatch:
    """A padded batch of texts as words.

    Attributes:
        names: [B, W] int64, `word_key` of each word.
        parts: [B, W, 4] int64, hashes of its first and last letters (`spelling`).
        sizes: [B, W, 3] float: 1, number of phones, number of syllables.
        lengths: [B] number of words.
    """

    names: Tensor
    parts: Tensor
    sizes: Tensor
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """A mask [B, W, 1]: 1 for words, 0 for padding."""
        index = torch.arange(self.names.shape[1], device=self.names.device)
        return (index < self.lengths.unsqueeze(1)).unsqueeze(-1).float()

    def to(self, device: torch.device | str) -> "WordBatch":
        """A copy with its tensors on `device`."""
        return WordBatch(
            self.names.to(device),
            self.parts.to(device),
            self.sizes.to(device),
            self.lengths.to(device),
        )


def _letters(text: str) -> str:
    """The letters, digits and apostrophes of a word, in lower case."""
    return "".join(c for c in text.lower() if c.isalnum() or c == "'").strip("'")


def word_key(text: str) -> int:
    """Hash a word by CRC-32 of its letters in lower case, so that no list of words is stored."""
    return zlib.crc32(_letters(text).encode())


def spelling(text: str) -> list[int]:
    """Hash the beginning and the endings of a word into buckets.

    They indicate the part of speech, also of words that are not in the training data.
    """
    word = _letters(text)
    pieces = (word[:3], word[-2:], word[-3:], word[-4:])
    return [n * _BUCKETS + zlib.crc32(piece.encode()) % _BUCKETS for n, piece in enumerate(pieces)]


def words_of(phones: Phones) -> WordBatch:
    """The words of one sentence, as a batch of one row."""
    sizes = [
        (1, last - first, max(1, sum(i in _VOWEL_IDS for i in phones.ids[first:last])))
        for _, first, last in phones.words
    ]
    return WordBatch(
        torch.tensor([[word_key(text) for text, _, _ in phones.words]]),
        torch.tensor([[spelling(text) for text, _, _ in phones.words]]),
        torch.tensor([sizes], dtype=torch.float32),
        torch.tensor([len(phones.words)]),
    )


def habits(prompt: VoicePrompt) -> Tensor:
    """Measure the pauses of prompts: the share of silence, and the number of pauses of at least 100
    ms and of at least 360 ms per second, [B, 3]."""
    index = torch.arange(prompt.features.shape[1], device=prompt.features.device)
    valid = index < prompt.lengths.unsqueeze(1)
    level = envelope_part(prompt.features).mean(-1).masked_fill(~valid, -torch.inf)
    # A difference of 2 of the normalized log-mel spectrum is about 38 dB.
    silent = valid & (level < level.amax(1, keepdim=True) - 2.0)
    count = silent.long().cumsum(1)
    run = count - count.masked_fill(silent, 0).cummax(1).values
    frames = prompt.lengths.clamp_min(1)
    return torch.stack(
        [silent.sum(1) / frames, *((run == n).sum(1) * 50 / frames for n in (5, 18))], -1
    )


class PhrasingModel(nn.Module):
    """Distribution over no pause, a short and a long one before each word.

    Args:
        vocabulary: number of words with an embedding (see `learn_words`); others are represented by
            their first and last letters only.
        forget: probability with which training treats a word as unknown.
        prior: added to the logits of a short and of a long pause when pauses are placed, so that
            there are as many as speakers make.
        least: smallest number of words between two marks (or ends of the sentence) for pauses to be
            placed.
        most: largest number of words between two pauses that are placed.
    """

    def __init__(
        self,
        vocabulary: int = 2048,
        dim: int = 96,
        blocks: int = 3,
        kernel: int = 5,
        style: int = 32,
        speaker_dim: int = 256,
        dropout: float = 0.2,
        forget: float = 0.15,
        prior: tuple[float, float] = (0.0, 0.0),
        least: int = 8,
        most: int = 16,
    ):
        super().__init__()
        self.prior, self.least, self.most = prior, least, most
        self.forget = forget
        self.known: Tensor
        self.register_buffer("known", torch.full((vocabulary,), _NO_KEY, dtype=torch.int64))
        self.names = nn.Embedding(vocabulary + 1, dim)  # the last one is for all other words
        self.parts = nn.Embedding(_PARTS * _BUCKETS, dim)
        for table in (self.names, self.parts):
            nn.init.normal_(table.weight, std=0.2)
        self.sizes = nn.Linear(3, dim)
        self.cond = nn.Sequential(nn.Linear(speaker_dim + 3, style), nn.GELU(), nn.Dropout(dropout))
        self.blocks = nn.ModuleList(
            ConvNeXt(dim, 3 * dim, kernel, style, dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.boundary = nn.Linear(2 * dim + style, dim)
        self.distance = nn.Linear(6, dim)
        self.head = nn.Linear(dim, 3)
        # Punctuation is learned as a second task, since there is far more text than speech.
        self.marks = nn.Linear(dim, 3)
        self.writer = nn.Parameter(torch.zeros(style))

    def learn_words(self, keys: Sequence[int] | NDArray[np.int64]) -> None:
        """Choose the words with an embedding: the most frequent ones that occur at least twice.

        Args:
            keys: `word_key` of every word of the corpus.
        """
        found, counts = np.unique(np.asarray(keys, dtype=np.int64), return_counts=True)
        order = np.argsort(-counts, kind="stable")[: len(self.known)]
        chosen = np.sort(found[order][counts[order] > 1])
        self.known.fill_(_NO_KEY)
        self.known[: len(chosen)] = torch.from_numpy(chosen)

    def _boundaries(self, words: WordBatch, prompt: VoicePrompt | None) -> Tensor:
        """Encode the boundary before each word without earlier pauses, [B, W, dim]."""
        other = len(self.known)
        index = torch.searchsorted(self.known, words.names).clamp(max=other - 1)
        names = torch.where(self.known[index] == words.names, index, other)
        if self.training:
            forgotten = torch.rand(names.shape, device=names.device) < self.forget
            names = names.masked_fill(forgotten, other)
        x = self.names(names) + self.parts(words.parts).sum(2) + self.sizes(words.sizes.log1p())
        x = self.dropout(x)
        if prompt is None:
            cond = self.writer.expand(len(x), -1)
        else:
            cond = self.cond(torch.cat([prompt.speaker * 8, habits(prompt)], -1))
        mask = words.mask
        for block in self.blocks:
            x = block(x, mask, cond)
        x = self.norm(x) * mask
        previous = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        voice = cond.unsqueeze(1).expand(-1, x.shape[1], -1)
        return self.boundary(torch.cat([previous, x, voice], -1))

    def _score(self, head: nn.Linear, boundaries: Tensor, past: Tensor, left: Tensor) -> Tensor:
        """Compute logits [..., 3] of boundaries [..., dim].

        Args:
            past: distance to the last pause; left: to the end of the sentence; [..., 3] in words,
                phones and syllables.
        """
        distance = self.distance(torch.cat([past, left], -1).clamp_min(0).log1p())
        return head(self.dropout(F.gelu(boundaries + distance)))

    @staticmethod
    def _starts(words: WordBatch) -> tuple[Tensor, Tensor]:
        """Distances from the beginning and to the end of the sentence for each word, [B, W, 3]."""
        sizes = words.sizes * words.mask
        ends = sizes.cumsum(1)
        starts = ends - sizes
        return starts, ends[:, -1:] - starts

    def forward(self, words: WordBatch, prompt: VoicePrompt | None, breaks: Tensor) -> Tensor:
        """Compute logits [B, W, 3] of the pause before each word, given earlier pauses.

        Logits of the first word have no meaning.

        Args:
            prompt: voice of the speaker; None for punctuation of text.
            breaks: [B, W] int64, NONE, SHORT or LONG before each word.
        """
        head = self.marks if prompt is None else self.head
        index = torch.arange(breaks.shape[1], device=breaks.device).expand_as(breaks)
        last = index.masked_fill(breaks == NONE, 0).cummax(1).values
        last = F.pad(last[:, :-1], (1, 0))
        starts, left = self._starts(words)
        past = starts - starts.gather(1, last.unsqueeze(-1).expand(-1, -1, 3))
        return self._score(head, self._boundaries(words, prompt), past, left)

    def loss(self, words: WordBatch, prompt: VoicePrompt | None, breaks: Tensor) -> Tensor:
        """Compute the cross entropy of pauses; arguments are those of `forward`."""
        mask = words.mask[..., 0] > 0
        mask[:, 0] = False
        return F.cross_entropy(self(words, prompt, breaks)[mask], breaks[mask])

    @torch.inference_mode()
    def table(self, words: WordBatch, prompt: VoicePrompt) -> Tensor:
        """Compute logits [B, W, W, 3] for all positions of the last pause: entry (j, k) is for the
        pause before word k if the last pause is before word j (or j = 0)."""
        starts, left = self._starts(words)
        past = starts.unsqueeze(1) - starts.unsqueeze(2)
        boundaries = self._boundaries(words, prompt).unsqueeze(1)
        return self._score(self.head, boundaries, past, left.unsqueeze(1).expand_as(past))


def place_pauses(
    table: NDArray[np.float32],
    marked: Sequence[bool],
    prior: tuple[float, float],
    least: int = 1,
    most: int = 1000,
) -> list[int]:
    """Find the most likely pauses of a sentence, by dynamic programming over the last pause.

    Args:
        table: [W, W, 3], a row of `PhrasingModel.table`.
        marked: whether the text has punctuation before each word, which is kept.
        prior, least, most: see `PhrasingModel`.

    Returns:
        NONE, SHORT or LONG for each word; NONE for marked words, which have a pause.
    """
    count = len(marked)
    logits = table[:count, :count].astype(np.float64) + (0.0, *prior)
    scores = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    ends = [0, *(k for k in range(1, count) if marked[k]), count]
    free = np.zeros(count, dtype=bool)
    for first, last in zip(ends, ends[1:], strict=False):
        free[first + 1 : last] = last - first >= least
    # best[j]: the best score with the last pause before word j; previous[j]: the pause before.
    best = np.full(count, -np.inf)
    best[0] = 0.0
    previous = np.zeros(count, dtype=int)
    for k in range(1, count):
        if free[k] or marked[k]:
            candidates = best[:k] + scores[:k, k, 1:].max(-1)
            previous[k] = int(np.argmax(candidates))
            best[k] = candidates[previous[k]]
        if marked[k]:
            best[:k] = -np.inf
        elif free[k]:
            best[:k] += scores[:k, k, NONE]
            best[: max(0, k - most + 1)] = -np.inf
    placed = [NONE] * count
    at = int(np.argmax(best))
    while at > 0:
        if free[at]:
            placed[at] = SHORT + int(np.argmax(scores[previous[at], at, 1:]))
        at = int(previous[at])
    return placed


def with_phrasing(phones: Phones, model: PhrasingModel, prompt: VoicePrompt) -> Phones:
    """Add pauses to a sentence where its text has many words without punctuation.

    Pauses are added as the tokens of "," and "." between words. Punctuation of the text is kept,
    and a sentence that needs no pauses is returned as it is.

    Args:
        prompt: of one row, on the device of the model.
    """
    words = phones.words
    marked = [False] + [
        any(i in PAUSES for i in phones.ids[last:first])
        for (_, _, last), (_, first, _) in zip(words, words[1:], strict=False)
    ]
    table = model.table(words_of(phones).to(prompt.speaker.device), prompt)[0].cpu().numpy()
    # Training texts have punctuation in repetitions such as "ha, ha, ha", so that the model would
    # place a pause after each word.
    word_phones = [phones.ids[first:last] for _, first, last in words]
    for at in range(1, len(words)):
        if word_phones[at] == word_phones[at - 1]:
            table[:, at, 1:] -= _REPEATED
    placed = place_pauses(table, marked, model.prior, model.least, model.most)
    if not any(placed):
        return phones
    ids, mods = list(phones.ids), list(phones.mods)
    spans = list(words)
    for at in reversed(range(len(words))):
        if placed[at]:
            first = words[at][1]
            ids.insert(first, PAUSE_TOKENS[placed[at]])
            mods.insert(first, 0)
    shift = 0
    for at, (text, first, last) in enumerate(words):
        shift += placed[at] != NONE
        spans[at] = (text, first + shift, last + shift)
    return replace(phones, ids=ids, mods=mods, words=spans)

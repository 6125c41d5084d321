"""Punctuated text as training data of phrasing: punctuation is mostly where readers pause, and
there is far more text than aligned speech."""

import re
from pathlib import Path

import numpy as np
import torch

from tts.data.texts import texts_in
from tts.errors import DataError
from tts.prosody.phrasing import LONG, NONE, SHORT, WordBatch, spelling, word_key
from tts.text.normalize import normalize

# Hyphens separate words, since transcripts of speech have none.
_TOKEN = re.compile(r"(?P<word>[^\W_](?:[^\W_]|'(?=[^\W_]))*)|(?P<long>[.?!;:—…])|(?P<short>[,()])")
_VOWELS = re.compile(r"[aeiouy]+")


class PunctuationCorpus:
    """Draws passages of text as words, with the kind of punctuation before each word.

    Args:
        folder: plain text files (*.txt), read in order of their names.
        language: espeak code, for the spoken form of numbers and abbreviations.

    Raises:
        DataError: no text in the folder, or a file that is not UTF-8.
    """

    def __init__(self, folder: str | Path, language: str = "en-us"):
        keys: list[int] = []
        parts: list[list[int]] = []
        sizes: list[tuple[int, int, int]] = []
        breaks: list[int] = []
        cache: dict[str, tuple[int, list[int], tuple[int, int, int]]] = {}
        for written in texts_in(folder):
            text = normalize(written, language).lower()
            pending = LONG
            for match in _TOKEN.finditer(text):
                word = match["word"]
                if word is None:
                    pending = max(pending, LONG if match["long"] else SHORT)
                    continue
                if word not in cache:
                    # Letters and groups of vowels approximate phones and syllables.
                    size = (1, len(word), max(1, len(_VOWELS.findall(word))))
                    cache[word] = (word_key(word), spelling(word), size)
                key, part, size = cache[word]
                keys.append(key)
                parts.append(part)
                sizes.append(size)
                breaks.append(pending)
                pending = NONE
        if not keys:
            raise DataError(f"no text in {folder}: it should hold .txt files")
        self.keys = torch.tensor(keys)
        self.parts = torch.tensor(parts)
        self.sizes = torch.tensor(sizes, dtype=torch.float32)
        self.breaks = torch.tensor(breaks)
        self.starts = self.breaks.nonzero()[:, 0].numpy()

    def draw(
        self, rng: np.random.Generator, count: int, words: tuple[int, int] = (15, 45)
    ) -> list[tuple[WordBatch, torch.Tensor]]:
        """Draw `count` passages (B = 1 each), from one punctuation mark to the first one after a
        random number of words in the range `words`."""
        rows = []
        for first in rng.choice(self.starts, count):
            target = int(first) + int(rng.integers(words[0], words[1] + 1))
            at = min(int(np.searchsorted(self.starts, target)), len(self.starts) - 1)
            # Very long sentences are truncated.
            last = min(int(self.starts[at]), int(first) + 2 * words[1])
            part = slice(int(first), max(last, int(first) + 2))
            breaks = self.breaks[part].clone()
            breaks[0] = NONE
            batch = WordBatch(
                self.keys[None, part],
                self.parts[None, part],
                self.sizes[None, part],
                torch.tensor([len(breaks)]),
            )
            rows.append((batch, breaks))
        return rows

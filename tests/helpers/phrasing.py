"""Small phrasing models, and sentences as they read them."""

from __future__ import annotations

import random

import torch

from tts.prosody.phrasing import (
    PhrasingModel,
    WordBatch,
    word_key,
)
from tts.text.symbols import SIL, SYMBOLS, Phones

TEXT = (
    "the old man sat down by the fire and his daughter brought him a cup of tea because "
    "the wind had turned to the north and nobody wanted to walk home"
)


def phones_of(text: str, marks: dict[int, str] | None = None) -> Phones:
    """Made-up phones for each word, a mark before the words of `marks`."""
    rng = random.Random(len(text))
    found = Phones([SIL], [0], text=text)
    for at, word in enumerate(text.split()):
        if marks and at in marks:
            found.ids.append(SYMBOLS.index(marks[at]))
            found.mods.append(0)
        first = len(found.ids)
        found.ids += [rng.randint(20, 60) for _ in word]
        found.mods += [rng.randint(0, 3) for _ in word]
        found.words.append((word, first, len(found.ids)))
    found.ids.append(SIL)
    found.mods.append(0)
    return found


def tiny(**changes: object) -> PhrasingModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PhrasingModel(
            **{"vocabulary": 16, "dim": 16, "blocks": 1, "style": 8, "speaker_dim": 6, **changes}  # type: ignore[arg-type]
        )
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" not in name:
                    weight.add_(torch.randn(weight.shape) * 0.3)
        model.learn_words([word_key(w) for w in TEXT.split()])
    return model.eval()


def padded(rows: list[WordBatch]) -> WordBatch:
    pad = torch.nn.utils.rnn.pad_sequence
    return WordBatch(
        *(
            pad([getattr(r, n)[0] for r in rows], batch_first=True)
            for n in ("names", "parts", "sizes")
        ),
        torch.cat([r.lengths for r in rows]),
    )

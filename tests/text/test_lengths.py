"""Usual lengths of phones and pauses."""

import pytest
import torch

from tts.text.lengths import (
    FRAMES,
    PAUSE_FRAMES,
    spread_by_length,
    spread_evenly,
    usual_frames,
)
from tts.text.pauses import COMMA, PERIOD
from tts.text.symbols import MODS, SIL, SYMBOLS
from tts.text.tokens import TokenBatch, collate_tokens, token_index

LONG = next(at for at, (_, mark, _) in enumerate(MODS) if mark)


def phones(*rows: str) -> TokenBatch:
    return collate_tokens([([SYMBOLS.index(s) for s in row], [0] * len(row)) for row in rows])


def test_pauses_are_longer_than_phones_and_vowels_than_the_shortest_consonants() -> None:
    tokens = phones("sɑmtə", "n")
    found = usual_frames(tokens, torch.tensor([4.0, 5.0]))
    s, a, m, t, schwa = found[0].tolist()
    assert s == a > m == 4.0 > t > schwa > 0
    assert found[1].tolist() == [5.0, 0, 0, 0, 0]
    tokens.mods[0, 1] = LONG
    assert usual_frames(tokens, torch.tensor([4.0, 5.0]))[0, 1] > a
    pauses = usual_frames(
        collate_tokens([([SIL, COMMA, PERIOD], [0] * 3)]), torch.tensor([4.0])
    ).tolist()[0]
    assert pauses == [PAUSE_FRAMES[each] for each in (SIL, COMMA, PERIOD)]


def test_the_average_phone_of_english_has_the_average_length() -> None:
    said = "ðəstɔːɹɪəvðəoʊldfɪʃɚmənænddɪsiːɪznoʊnɪnɛvɹivɪlɪdʒəlɔŋðəkoʊst".replace("ː", "")
    assert float(usual_frames(phones(said), torch.tensor([1.0])).mean()) == pytest.approx(
        1, abs=0.1
    )


@pytest.mark.parametrize(
    ("rows", "frames"),
    [(["smət"], [16]), (["mɑn", "ðətəd"], [10, 31]), (["əəəəəə", "s"], [4, 9]), (["əsəsəsə"], [7])],
)
def test_tokens_fill_the_frames_by_their_lengths(rows: list[str], frames: list[int]) -> None:
    tokens = phones(*rows)
    durations = spread_by_length(tokens, torch.tensor(frames))
    usual = usual_frames(tokens, torch.full((len(rows),), FRAMES))
    assert durations.sum(1).tolist() == frames
    for row, wanted, length, count in zip(durations, usual, map(len, rows), frames, strict=True):
        assert not row[length:].any()
        if count >= length:
            assert row[:length].min() >= 1, "each is said"
        share = wanted / wanted.sum() * count
        assert (row - share).abs().max() < max(1.6, length / 4)
        own = token_index(row[None, :length], count)[0]
        assert own.tolist() == sorted(own.tolist()), "in the order of the text"


@pytest.mark.parametrize(
    ("lengths", "frames"), [([4], [8]), ([3, 5], [10, 31]), ([6, 1], [4, 9]), ([7], [7])]
)
def test_tokens_spread_evenly_fill_their_frames(lengths: list[int], frames: list[int]) -> None:
    tokens = collate_tokens([([1] * length, [0] * length) for length in lengths])
    durations = spread_evenly(tokens, torch.tensor(frames))
    assert durations.shape == (len(lengths), max(lengths))
    assert durations.sum(1).tolist() == frames
    for row, length, count in zip(durations, lengths, frames, strict=True):
        assert row[:length].max() - row[:length].min() <= 1
        assert not row[length:].any()
        own = token_index(row[None, :length], count)[0]
        assert own.tolist() == sorted(own.tolist()), "in the order of the text"

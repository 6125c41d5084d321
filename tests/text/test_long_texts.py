"""Long and strange texts take linear work, and no letter of them is lost."""

import random
import time
from collections.abc import Callable

import pytest

from tts.errors import UsageError
from tts.text.frontend import Frontend
from tts.text.normalize import normalize
from tts.text.sentences import split_sentences
from tts.text.tracked import Tracked


@pytest.fixture(scope="module")
def english() -> Frontend:
    return Frontend("en-us")


@pytest.mark.parametrize("limit", [20, 50, 220])
def test_no_sentence_is_over_the_limit_and_no_letter_is_lost(limit: int) -> None:
    draw = random.Random(limit)
    text = "".join(draw.choice("ab cd, e. fgh\u0301;\n") for _ in range(3000)) + "z" * 700
    pieces = split_sentences(text, limit)
    assert max(len(s.text) for s in pieces) <= limit
    assert "".join("".join(s.text.split()) for s in pieces) == "".join(text.split())


def test_long_sentences_are_cut_at_clauses_first() -> None:
    text = "word " * 20 + "here, " + "word " * 20 + "there"
    assert [s.text[-5:] for s in split_sentences(text, 120)] == ["here,", "there"]
    with pytest.raises(UsageError, match="at least"):
        split_sentences(text, 3)


def _growth(work: Callable[[str], object], unit: str, size: int) -> float:
    """Time of 4 × size over the time of size: 4 if linear, 16 if quadratic."""

    def best(n: int) -> float:
        text = (unit * n)[:n]
        times = []
        for _ in range(2):
            start = time.process_time()
            work(text)
            times.append(time.process_time() - start)
        return min(times)

    best(100)
    return best(4 * size) / max(best(size), 2e-3)


@pytest.mark.parametrize(
    "unit",
    ["a", "1", ".", "A.", "a@", "1,", "Dr. St. ", "12345 ", "\u0301", "1/", "1:", "$1", "אב ", "😀",
     "http://", "a-", "(", "\n", "May ", "'", "[[", "! "],
)  # fmt: skip
def test_normalisation_and_splitting_are_linear(unit: str) -> None:
    assert _growth(lambda text: split_sentences(normalize(text)), unit, 2_000) < 9


@pytest.mark.parametrize("unit", ["the cat of the house. ", "x", "好", "אב "])
def test_phonemes_are_linear(english: Frontend, unit: str) -> None:
    def fresh(text: str) -> None:
        english.phonemizer._words.clear()
        english(text)

    assert _growth(fresh, unit, 800) < 9


def test_a_hundred_thousand_characters(english: Frontend) -> None:
    text = ("It was $5 on May 3rd, said Dr. Lee of the FBI. " * 2200)[:100_000]
    start = time.process_time()
    assert len(split_sentences(normalize(text))) > 2000
    # 0.6 s where this was written; the bound leaves room for a slow, busy machine.
    assert time.process_time() - start < 6


@pytest.mark.parametrize("text", ["1" * 2000, "1/2" * 700, "$9,999,999.99 " * 140, "½" * 2000])
def test_places_of_words_take_linear_work(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number is said in thousands of characters, each of which stands for all of the number."""
    looked = 0
    span = Tracked.span

    def counted(self: Tracked, first: int, last: int) -> tuple[int, int]:
        nonlocal looked
        looked += last - first
        return span(self, first, last)

    monkeypatch.setattr(Tracked, "span", counted)
    assert list(Frontend("en-us").sentences(text))
    assert looked < 60 * len(text)

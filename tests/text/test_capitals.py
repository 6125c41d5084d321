"""English words in capitals among others, down to their phones: capitals_en.tsv."""

from pathlib import Path

import pytest

from tts.text.capital_words import INITIALISMS, RESPELT, WORDS
from tts.text.english_capitals import is_word
from tts.text.frontend import Frontend
from tts.text.normalize import normalize

_TABLE = Path(__file__).parent / "capitals_en.tsv"
ROWS = [line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines()[1:]]


@pytest.mark.parametrize(("written", "plain"), ROWS, ids=[written for written, _ in ROWS])
def test_capitals_have_the_phones_and_word_bounds_of_plain_writing(
    written: str, plain: str
) -> None:
    english = Frontend("en-us")
    found, wanted = english.one(written), english.one(plain)
    assert str(found) == str(wanted)
    bounds = [(first, last) for _, first, last in found.words]
    assert bounds == [(first, last) for _, first, last in wanted.words]


@pytest.mark.parametrize("emphasised", ["BIG", "OFF", "NOT", "PIN", "RIGHTS"])
def test_an_emphasised_word_is_one_word_with_the_place_of_its_writing(emphasised: str) -> None:
    said = Frontend("en-us").one(f"It was {emphasised} here.")
    assert said.words[2][0] == emphasised.lower() and len(said.words) == 4
    assert said.spans[2] == (7, 7 + len(emphasised))


def test_nothing_in_capitals_longer_than_a_letter_is_left_for_espeak() -> None:
    for word in sorted(WORDS | INITIALISMS | RESPELT.keys()):
        said = normalize(f"see the {word} there")
        assert not any(len(part) > 1 and part.isupper() for part in said.split()), said


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("WORLD EIGHTH RHYTHM PSYCHOLOGY SQUARE GRAPHS JUDGMENT ANXIOUSLY PLAYER YOUTH", True),
        ("HTTPS NAACP UNHCR LGBTQ CSIRO NHTSA UCSF OECD ESPN IEEE XHTML", False),
    ],
)
def test_unknown_capitals_are_words_where_their_letters_can_stand_in_one(
    words: str, read: bool
) -> None:
    assert [word for word in words.split() if is_word(word) is not read] == []

"""Which words are the same."""

import pytest

from tts.editing.plan import same_word


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u0915\u093e", "\u0915\u0940"),
        ("\u0b95\u0bbe", "\u0b95\u0bbf"),
        ("\u0995\u09be", "\u0995\u09bf"),
        ("\u0643\u064e\u062a\u064e\u0628", "\u0643\u064f\u062a\u0650\u0628"),
        ("cafe\u0301", "cafe"),
    ],
)
def test_vowel_signs_make_other_words(one: str, other: str) -> None:
    assert same_word(one) != same_word(other)
    assert same_word(one) == same_word(f'"{one}!"')


def test_words_are_the_same_however_they_are_typed() -> None:
    assert same_word("Cafe\u0301,") == same_word("caf\u00e9")
    assert same_word("'Don't'") == "don't" != same_word("dont")

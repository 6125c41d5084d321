"""Names and dishes of other languages in English: foreign_names.tsv."""

import pytest

from tts.text.foreign_names import _table, said_abroad
from tts.text.frontend import Frontend
from tts.text.phonemes import Phonemizer
from tts.text.symbols import encode_phones


def test_every_entry_is_of_phones_that_exist() -> None:
    dropped: list[str] = []
    for word, phones in _table().items():
        assert encode_phones(phones, dropped)[0], word
        assert "ˈ" in phones, word
    assert dropped == [] and len(_table()) >= 250


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("Tchaikovsky wrote it.", "tʃaɪkˈɔfski"),
        ("We saw Versailles.", "vɛɹsˈaɪ"),
        ("Eat the gnocchi now.", "njˈoʊki"),
        ("Gnocchi is good.", "njˈoʊki"),
        ("He met Xi today.", "ʃˈiː"),
        ("It is Jürgen.", "jˈɜːɡən"),
        ("It is Jurgen.", "jˈɜːɡən"),
        ("This is Putin's house.", "pˈuːtɪnz"),
        ("Two croissants please.", "kɹəsˈɑːnts"),
        ("It is in Łódź now.", "wˈuːdʒ"),
        ("He met Nguyễn today.", "wˈɪn"),
        ("Two versus three.", "vˈɜːsəs"),
        ("Two vs. three.", "vˈɜːsəs"),
        ("He used to work.", "jˈuːst"),
    ],
)
def test_names_reach_the_phones(text: str, phones: str) -> None:
    assert phones in str(Frontend("en-us").one(text)).split()


def test_a_name_needs_its_capital_and_an_accent_that_tells_words_apart() -> None:
    assert said_abroad("xi") is None and said_abroad("degas") is None
    assert said_abroad("Jesús") and not said_abroad("Jesus")
    assert said_abroad("grâce") and not said_abroad("grace")
    assert said_abroad("gras") and not said_abroad("grass")


def test_letters_with_rare_marks_are_read_and_not_named() -> None:
    assert "lˈɛɾɚ" not in str(Phonemizer("en-us").phonemize_words("Ngọc ate Gdańskian phở here"))

"""Where the sentences of a text end, told from the dots of short forms and from figures."""

import pytest

from tts.text.normalize import normalize
from tts.text.sentences import split_complete, split_sentences


def _said(text: str, lang: str = "en") -> list[str]:
    return [each.text for each in split_sentences(normalize(text, lang), lang=lang)]


@pytest.mark.parametrize(
    "text",
    [
        # a company, and a clause that no title begins
        "He works at Acme Inc. Sales rose.",
        "It was sold to Acme Ltd. Customers complained.",
        "She left Ford Motor Co. Production stopped.",
        # spelled letters
        "The plan was made by the CIA. Congress objected.",
        "He was on TV. Fans cheered.",
        "He left at 5 p.m. Police came.",
        "It has vitamin C. Doctors like it.",
        # words that begin sentences
        "I love N.Y. It's great.",
        "He moved to the U.S. That's where he met her.",
        "He works at Acme Inc. Yesterday he left.",
        "She lives on Main St. Don't call.",
        "They left the U.S. Meanwhile, prices rose.",
    ],
)
def test_two_sentences(text: str) -> None:
    assert len(_said(text)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "Shares of Apple Inc. Chief Executive Tim Cook fell.",
        "Google Inc. President Larry Page left.",
        "Acme Inc. Board of Directors met.",
        "The U.S. Army went home.",
        "Dr. Don Smith came.",
        "J. R. Smith came.",
    ],
)
def test_one_sentence(text: str) -> None:
    assert len(_said(text)) == 1


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("fr", "Il y en a 7. Elle part."),
        ("fr", "Le soleil se lève à l'est. Il brille."),
        ("fr", "Il a raté son vol. Elle attend."),
        ("es", "Vamos al mar. Luego comemos."),
        ("pt", "Estamos no mar. Depois vamos."),
        ("sv", "Jag vet det. Han kom hem."),
        ("en", "We drove to the av. Nobody came."),
    ],
)
def test_a_short_form_of_another_language_ends_a_sentence(lang: str, text: str) -> None:
    assert len(_said(text, lang)) == 2
    if not any(c.isdigit() for c in text):
        assert len(list(split_complete([text, " "], lang))) == 2


@pytest.mark.parametrize(
    ("lang", "text", "said"),
    [
        ("en", "Don't stop. 3 people died.", ["Don't stop.", "Three people died."]),
        ("en", "Really? $5 is much!", ["Really?", "Five dollars is much!"]),
        ("de", "Er ging. 3 Leute blieben.", ["Er ging.", "Drei Leute blieben."]),
        ("fr", "C'est fini. 3 restent.", ["C'est fini.", "Trois restent."]),
        # these the figures belong to
        ("en", "See chap. 4 of it.", ["See chap. four of it."]),
        ("en", "Play Op. 27 now.", ["Play Op. twenty-seven now."]),
        ("de", "Siehe Ziff. 3 oben.", ["Siehe Ziff. drei oben."]),
        ("en", "Lot 5, Blk. 3 of it", ["Lot five, Blk. three of it"]),
        ("en", "See Reg. & rules.", ["See Reg. and rules."]),
        # said by someone
        ("en", '"Wait!" 3 men shouted.', ['"Wait!" three men shouted.']),
    ],
)
def test_figures_begin_a_sentence(lang: str, text: str, said: list[str]) -> None:
    assert _said(text, lang) == said


def test_a_mark_after_a_dot_goes_on() -> None:
    assert len(_said("Voir le tél. : le voici.", "fr")) == 1

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
        # letters with dots, and a clause, where what is before can be a sentence
        "It did well in the U.S. Sales rose.",
        "in the U.S. Sales rose",
        "She moved to the U.K. Prices are high there.",
        "He works for the U.N. Delegates met.",
        "It is in Washington, D.C. Lawmakers met there.",
        "He flew to L.A. Nobody met him.",
        "She has a Ph.D. Students like her.",
        "He earned his M.B.A. Companies called.",
        "Rome fell in 44 B.C. Caesar died then.",
        "They live in Boston, Mass. Police came.",
        "It opens at nine a.m. Customers wait.",
        # a unit
        "It weighs 8 oz. Coke weighs more.",
        "He is 6 ft. Bob is 5 ft.",
        "The pole is 9 in. Cut it.",
        "Add 2 tbsp. Stir well.",
        "He drank the 8 oz. He left.",
        # what answers a question, or names nothing that could be the phrase of a clause
        "He lives in the U.S. I do not.",
        "At 5 p.m. He left.",
        "I met him at 5 p.m. Dan was late.",
        "It took 5 min. Nobody came.",
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
        "Books by J.K. Rowling sell well.",
        "The U.S. Supreme Court ruled.",
        "He serves in the U.S. Army now.",
        "It came from the U.S. Census Bureau today.",
        "He met the U.S. Olympic team again.",
        "He met a U.S. Navy officer there.",
        "He said U.S. Treasury yields rose.",
        "He likes the L.A. Lakers very much.",
        "In the U.S. Apple sells phones.",
        "She moved from Washington, D.C. to Paris.",
        "He drank an 8 oz. Coke.",
        "The 12 oz. Pepsi is cold.",
        "They cut a 6 ft. Christmas tree.",
        "I saw a 27 in. Samsung monitor.",
        "Add 2 tbsp. Worcestershire sauce and 3 tsp. Dijon mustard.",
        "Add 8 oz. Philadelphia cheese.",
        "He took a 7 p.m. Zoom call.",
        "They took the 9 a.m. Amtrak train.",
        "I ordered two 16 oz. Starbucks lattes.",
        # a phrase that the sentence or a clause opens with
        "In the U.S. Sales rose.",
        "In the U.S. I saw a bear.",
        "In the U.K. I've seen it.",
        "In Washington, D.C. I saw him.",
        "In Boston, Mass. I saw him.",
        "At 5 p.m. I left.",
        "At 9 a.m. John called.",
        "From 9 a.m. to 5 p.m. Dan works.",
        "At approx. 5 p.m. Dan left.",
        "At Acme Inc. I learned a lot.",
        "On Main St. I fell.",
        "In Dec. John left.",
        "He said that in the U.S. Apple sells well.",
        "I think that by 5 p.m. Dan was late.",
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

"""English as it is written and as it is said, by kinds: normalise_en.tsv."""

import re
import time
from pathlib import Path

import pytest

from tts.text.frontend import Frontend
from tts.text.homograph_readings import READINGS
from tts.text.homographs import reading
from tts.text.normalize import clean, normalize

_TABLE = Path(__file__).parent / "normalise_en.tsv"
ROWS = [
    line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines()[1:] if line.strip()
]
_SENTENCES = Path(__file__).parent / "homographs_en.tsv"
HOMOGRAPHS = [line.split("\t") for line in _SENTENCES.read_text(encoding="utf-8").splitlines()[1:]]
KINDS = list(dict.fromkeys(kind for kind, _, _ in ROWS))


def _words(text: str) -> str:
    """Lower-case words without marks; "twenty-one" is two and "C D's" is "c ds"."""
    return " ".join(re.findall(r"[^\W_]+", text.lower().replace("'", "")))


def test_table_is_large_and_has_no_row_twice() -> None:
    assert len(ROWS) >= 600 and len(KINDS) >= 15
    assert len({written for _, written, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_is_read_as_it_is_said(kind: str) -> None:
    wrong = [
        f"{written!r}: {_words(normalize(written))!r}, not {_words(said)!r}"
        for of, written, said in ROWS
        if of == kind and _words(normalize(written)) != _words(said)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_is_read_the_same_inside_of_a_sentence(kind: str) -> None:
    wrong = [
        f"{written!r}: {_words(normalize(f'so, {written}'))!r}, not {_words(said)!r}"
        for of, written, said in ROWS
        if of == kind
        and of not in ("capitals",)
        and _words(normalize(f"so, {written}")) != _words(f"so, {said}")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # a short form that ends a sentence keeps its full stop
        ("Turn left on Main St. Then go.", "Turn left on Main street. Then go."),
        ("We live on 5th St. It is quiet.", "We live on fifth street. It is quiet."),
        ("I live on Elm Dr.", "I live on Elm drive."),
        ("He is from Oz. She is too.", "He is from Oz. She is too."),
        ("Wait a sec.", "Wait a sec."),
        ("Ford Motor Co. He works there.", "Ford Motor company. He works there."),
        ("It is at 8 p.m. EST.", "It is at eight P M E S T."),
        ("He ran 5 mi. Then he slept.", "He ran five miles. Then he slept."),
        ("It grew by 3 oz.", "It grew by three ounces."),
        ("She has a Ph.D. He does not.", "She has a P H D. He does not."),
        ("We met in Boston, Mass. It rained.", "We met in Boston, Massachusetts. It rained."),
        ("It shuts at 7 p.m. Bring a coat.", "It shuts at seven P M. Bring a coat."),
        ("It shuts at 7 p.m. Monday is free.", "It shuts at seven P M. Monday is free."),
        ("He runs Acme Corp. She does not.", "He runs Acme corporation. She does not."),
        # one inside of a sentence has none
        ("At 7 p.m. Friday we go.", "At seven P M Friday we go."),
        ("from 5 p.m. Monday to Friday", "from five P M Monday to Friday"),
        ("Apple Inc. Chief Executive Cook", "Apple incorporated Chief Executive Cook"),
        ("Toyota Motor Corp. President Sato", "Toyota Motor corporation President Sato"),
        ("Brown v. Board of Education", "Brown versus Board of Education"),
        ("Main St. Apt. 4", "Main street apartment four"),
        ("12 Oak St. NW", "twelve Oak street N W"),
        ("Sr. Manager", "senior Manager"),
        ("Mr. and Mrs. Lee", "mister and missus Lee"),
        ("Mr. A. Smith", "mister A. Smith"),
        ("See Fig. A now.", "See figure A now."),
        ("Add 2 tsp. salt.", "Add two teaspoons salt."),
        ("Natl. Park", "national Park"),
        ("I saw St. John.", "I saw saint John."),
    ],
)
def test_full_stops_end_sentences_and_no_short_forms(written: str, said: str) -> None:
    assert normalize(written) == said


@pytest.mark.parametrize(
    "unit",
    ["1", "ﷺ", "(", "[", "{", "-", "–", "$", "€1", "1-", "1/", "1:", "1°", "A", "A.", "AB ", "A'S ",
     "a_", "#a", "2^", "x^", "a²", "₀", "<b>", "*", "`", "|", "> ", "~", "1−", "CO2", "1.", "𝟏",
     "1/2 ", "1/2-", "1,00,", "1,", "1/20", "A St. ", "sec. ", "Apt. 1A ", "1 in x ", "1 ft 1 in ",
     "John 1:1 ", "80s and ", "1:100 ", "$1k/yr ",
     "U.S. Aa b ", "1 oz. A ", "1 1/2 in. A", "12/3 ", "by 1 wicket 20-1 ",
     "I.\n", "XX.\n", "A 5k, ", "DON'T A ", "US AND ", "used to ", "5st ", "5★"],
)  # fmt: skip
def test_no_text_of_4096_characters_is_slow(unit: str) -> None:
    text = (unit * 4096)[:4096]
    normalize(text[:64])
    start = time.process_time()
    normalize(text)
    # At most 0.7 s where this was written (a ligature of 18 letters); the bound leaves room.
    assert time.process_time() - start < 3


def test_homographs_sound_as_the_sentence_wants() -> None:
    wrong = []
    for sentence, word, wanted in HOMOGRAPHS:
        words = re.findall(r"[\w']+|[^\w\s]", sentence)
        at = [w.lower() for w in words].index(word)
        found = reading(words, at)
        sounds = READINGS[word]
        if found is None or sounds[found] != sounds[wanted]:
            wrong.append(f"{sentence} {word}: {found}, not {wanted}")
    assert len(HOMOGRAPHS) >= 300 and len({word for _, word, _ in HOMOGRAPHS}) >= 60
    # 358 of 359 where this was written.
    assert len(wrong) <= 0.03 * len(HOMOGRAPHS), "\n".join(wrong)


def test_homographs_reach_the_phones() -> None:
    english = Frontend("en-us")
    assert "klˈoʊz" in str(english.one("Close the door."))
    assert "klˈoʊs" in str(english.one("Stay close to me."))
    assert "ɹˈɛd" in str(english.one("I read it yesterday."))
    assert "lˈɛd" in str(english.one("It is made of lead."))
    assert "ɛkspˈoːɹts" in str(english.one("The company exports cars."))


@pytest.mark.parametrize(
    ("sentence", "word", "wanted"),
    [
        ("They lead the way with lead pipes.", "lead", "verb metal"),
        ("I have to lead a project about lead poisoning.", "lead", "verb metal"),
        ("She had a tear in her eye and a tear in her dress.", "tear", "noun verb"),
        ("The tear in her dress made her shed a tear.", "tear", "verb noun"),
        ("The bass player caught a bass.", "bass", "music fish"),
        ("He caught a bass and played the bass.", "bass", "fish music"),
        ("He used to say what it is used to cut.", "used", "habit verb"),
    ],
)
def test_each_occurrence_of_a_word_is_read_by_its_own_neighbours(
    sentence: str, word: str, wanted: str
) -> None:
    words = re.findall(r"[\w']+|[^\w\s]", sentence)
    found = [reading(words, at) for at, each in enumerate(words) if each.lower() == word]
    assert found == wanted.split()


@pytest.mark.parametrize("gap", ["\n", "  ", " \n  ", "\t", "\u00a0", "\r\n"])
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "It cost $5_million."),
        ("en", "It is 5_km away."),
        ("en", "It is at 10:30_pm now."),
        ("en", "World War_II was long."),
        ("en", "Henry_VIII died."),
        ("en", "On May_5 he came."),
        ("en", "It has 20_°C."),
        ("en", "On 3_May 2024."),
        ("en", "On Oct._5, 2024."),
        ("en", "by Dr._Smith"),
        ("en", "the U.S._Army"),
        ("de", "Es kostet 5_Mio. Euro."),
        ("de", "Am 3._Mai 2024."),
        ("de", "Es sind 20_°C."),
        ("fr", "Il est 10_h 30."),
        ("fr", "Louis_XIV est mort."),
        ("es", "Son 5_km."),
        ("pl", "To 5_km."),
    ],
)
def test_any_blank_within_a_paragraph_is_one(language: str, text: str, gap: str) -> None:
    assert normalize(text.replace("_", gap), language) == normalize(
        text.replace("_", " "), language
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "I. Introduction\n\nII. Methods\n\nIII. Results",
            "one. Introduction\n\ntwo. Methods\n\nthree. Results",
        ),
        ("IV. Results\n\nV. Talk", "four. Results\n\nfive. Talk"),
        ("II. METHODS\n\nIII. RESULTS", "two. methods\n\nthree. results"),
        ("ii. second,\niii. third", "two. second,\nthree. third"),
        ("IV) Results", "four) Results"),
        ("III: Results", "three: Results"),
        ("II.A. Data", "two A. Data"),
        ("I\n\nIt rained.\n\nII\n\nHe went.", "one\n\nIt rained.\n\ntwo\n\nHe went."),
        # letters, initials and words
        ("I. Introduction", "I. Introduction"),
        ("C. Smith\n\nD. Jones", "C. Smith\n\nD. Jones"),
        ("V. S. Naipaul wrote it.", "V S Naipaul wrote it."),
        ("IV: fluids", "I V: fluids"),
        ("Mix. It well.", "Mix. It well."),
        ("Xi. He left.", "Xi. He left."),
        ("It is I.\n\nYou came.", "It is I.\n\nYou came."),
    ],
)
def test_roman_numerals_of_headings_are_numbers(written: str, said: str) -> None:
    assert normalize(written) == said


def test_blank_lines_stay() -> None:
    assert normalize("It cost $5\n \nmillion.") == "It cost five dollars\n\nmillion."
    assert normalize("Milk,\n5 apples") == "Milk,\nfive apples"


def test_escape_sequences_of_terminals_are_not_read() -> None:
    text = "\x1b[1;31mred\x1b[0m and \x1b]0;a title\x07blue, [31m]"
    assert clean(text) == "red and blue, [31m]"

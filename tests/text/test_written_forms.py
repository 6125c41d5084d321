"""Numbers, dates, amounts and units of English, written and spoken."""

import random

import pytest

from tts.text.normalize import normalize
from tts.text.numbers import cardinal, ordinal, plural, roman, year

CASES = [
    ("It costs $12.50.", "It costs twelve dollars and fifty cents."),
    ("£3bn", "three billion pounds"),
    ("€5 and $1 and $0.99", "five euros and one dollar and ninety-nine cents"),
    ("$3.5 million", "three point five million dollars"),
    ("£1.01", "one pound and one penny"),
    ("¥500", "five hundred yen"),
    ("50 USD", "fifty U S dollars"),
    ("2024-05-03", "May third, twenty twenty-four"),
    ("2024-99-03", "twenty twenty-four ninety-nine zero three"),
    ("May 3rd", "May third"),
    ("on May 3, 2024 we", "on May third, twenty twenty-four we"),
    ("3 May 2024", "the third of May, twenty twenty-four"),
    ("3/5/2024", "March fifth, twenty twenty-four"),
    ("25/12/1999", "December twenty-fifth, nineteen ninety-nine"),
    ("Sept. 11, 2001", "September eleventh, two thousand one"),
    ("10:30", "ten thirty"),
    ("at 5pm.", "at five P M."),
    ("5:05 p.m. today", "five oh five P M today"),
    ("10:00", "ten o'clock"),
    ("13:00", "thirteen hundred"),
    ("15:45:30", "fifteen forty-five and thirty seconds"),
    ("5 km", "five kilometers"),
    ("1 kg", "one kilogram"),
    ("30%", "thirty percent"),
    ("20°C", "twenty degrees Celsius"),
    ("-5 °C", "minus five degrees Celsius"),
    ("25°", "twenty-five degrees"),
    ("3.5GHz", "three point five gigahertz"),
    ("60 km/h", "sixty kilometers per hour"),
    ("100 m²", "one hundred square meters"),
    ("1/2 cup", "one half cup"),
    ("2 1/2 cups", "two and a half cups"),
    ("5½ inches", "five and a half inches"),
    ("3/4", "three quarters"),
    ("24/7", "twenty-four seven"),
    ("555-123-4567", "five five five, one two three, four five six seven"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("Chapter IV", "Chapter four"),
    ("Henry VIII", "Henry the eighth"),
    ("Queen Elizabeth I spoke", "Queen Elizabeth the first spoke"),
    ("World War II", "World War two"),
    ("Rocky II", "Rocky two"),
    ("And I said", "And I said"),
    ("Dr. Smith", "doctor Smith"),
    ("Elm Dr. is near", "Elm drive is near"),
    ("Mr. and Mrs. Jones", "mister and missus Jones"),
    ("St. John lives on Main St.", "saint John lives on Main street."),
    ("e.g. this, i.e. that", "for example this, that is that"),
    ("cats vs. dogs", "cats versus dogs"),
    ("pears, etc.", "pears, et cetera."),
    ("pears, etc. are", "pears, et cetera are"),
    ("the FBI and NASA", "the F B I and nasa"),
    ("the U.S. army", "the U S army"),
    ("I said NO", "I said no"),
    ("the CDs", "the C D's"),
    ("Ph.D. student", "P H D student"),
    ("J. R. R. Tolkien", "J R R Tolkien"),
    ("No. 5", "number five"),
    ("No. I won't.", "No. I won't."),
    ("me@example.com", "me at example dot com"),
    ("https://www.example.com/a-b.", "W W W dot example dot com slash a dash b."),
    ("visit example.org, now", "visit example dot org, now"),
    ("A & B", "A and B"),
    ("5 + 3 = 8", "five plus three equals eight"),
    ("#1 fan", "number one fan"),
    ("@home", "at home"),
    ("hi 😀👩‍👩‍👧 there", "hi there"),
    ("1st 2nd 23rd 100th", "first second twenty-third one hundredth"),
    ("in 1905, 2005 and 2024", "in nineteen oh five, two thousand five and twenty twenty-four"),
    ("the 1980s, the '90s", "the nineteen eighties, the nineties"),
    ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
    ("3.14159", "three point one four one five nine"),
    (".5", "zero point five"),
    ("-3", "minus three"),
    ("007", "zero zero seven"),
    ("1.2.3", "one point two point three"),
    ("mp3 and B2B", "M P three and B two B"),
    ("1914–1918", "nineteen fourteen to nineteen eighteen"),
    ("10-15 people", "ten to fifteen people"),
    ("well-known", "well-known"),
    ("wait - what", "wait — what"),
    ("wow!!! really???", "wow! really?"),
    ("um...", "um…"),
    ("“quoted” ‘text’", "\"quoted\" 'text'"),
    ("ﬁne ＡＢＣ１２", "fine A B C twelve"),
    ("٣ cats", "three cats"),
    ("a\0b\x07", "ab"),
    ("\u202eabc\u202c\ufeff", "abc"),
    ("x\u00a0y", "x y"),
    ("9" * 40, " ".join(["nine"] * 40)),
]


@pytest.mark.parametrize(("written", "spoken"), CASES, ids=[c[0][:20] for c in CASES])
def test_normalize(written: str, spoken: str) -> None:
    assert normalize(written) == spoken


@pytest.mark.parametrize(("written", "spoken"), CASES[:-1], ids=[c[0][:20] for c in CASES[:-1]])
def test_normalize_inside_of_a_sentence(written: str, spoken: str) -> None:
    assert normalize(f"so, {written}") == f"so, {spoken}"


def test_languages_without_rules_keep_numbers() -> None:
    assert normalize("Det kostar 12,50 €.", "sv") == "Det kostar 12,50 €."
    assert normalize("你好，世界。", "cmn") == "你好, 世界."


@pytest.mark.peer
def test_numbers_equal_inflect() -> None:
    inflect = pytest.importorskip("inflect")
    engine = inflect.engine()
    draw = random.Random(2)
    for n in [0, 12, 13, 20, 40, 85, 100, 999, 1000, *(draw.randrange(10**12) for _ in range(2))]:
        words = engine.number_to_words(n, andword="").replace(",", "")
        assert cardinal(n) == " ".join(words.split())
        assert ordinal(n) == " ".join(engine.ordinal(words).split())
    for name in ("foot", "inch", "meter", "watt", "century", "thirty", "square meter"):
        assert plural(name) == engine.plural(name)


def test_numbers_agree_with_their_parts() -> None:
    for n in [0, 7, 10, 13, 21, 100, 999, 1000, 10**6, 10**9 + 1]:
        assert ordinal(n) != cardinal(n)
        assert "and" not in cardinal(n).replace("thousand", "")
    assert [year(y) for y in (1066, 1900, 2000, 2010)] == [
        "ten sixty-six",
        "nineteen hundred",
        "two thousand",
        "twenty ten",
    ]
    assert (roman("XLII"), roman("IIX"), roman("IC")) == (42, None, None)

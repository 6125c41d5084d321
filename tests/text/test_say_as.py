"""The words that `<say-as>` reads a text by."""

import pytest

from tts.errors import UsageError
from tts.text.say_as import say_as


@pytest.mark.parametrize(
    ("form", "text", "language", "said"),
    [
        ("mdy", "05/03/2024", "fr", "2024-05-03"),
        ("dmy", "05.03.24", "de", "2024-03-05"),
        ("dmy", "05.03.69", "de", "1969-03-05"),
        ("yyyymmdd", "20240503", "it", "2024-05-03"),
        ("yyyymmdd", "20240503", "en-us", "May third, twenty twenty-four"),
        ("", "03.05.2024", "de", "03.05.2024"),
        ("y", "2024", "de", "2024"),
    ],
)
def test_dates_have_their_format_in_every_language(
    form: str, text: str, language: str, said: str
) -> None:
    assert say_as(text, "date", form, language).strip() == said
    if language != "en-us":
        for wrong, other in (("31/31/2000", "dmy"), ("05/03", "dm")):
            with pytest.raises(UsageError):
                say_as(wrong, "date", other, language)


def test_letters_are_spelt_with_their_marks() -> None:
    hindi = "\u0939\u093f\u0928\u094d\u0926\u0940"
    assert say_as(hindi, "characters", "", "hi").split() == [
        "\u0939\u093f",
        "\u0928\u094d",
        "\u0926\u0940",
    ]
    assert say_as("e\u0301a-", "characters", "", "fr").split() == ["\u00e9", "a"]
    assert say_as("e\u0301-", "characters", "", "en-us").split() == ["\u00c9", "dash"]


@pytest.mark.parametrize(
    ("kind", "text", "language", "said"),
    [
        ("telephone", "1-800-FLOWERS", "en-us", "one, eight zero zero, flowers"),
        ("telephone", "555-0199 ext. 12", "en-us",
         "five five five, zero one nine nine, extension one two"),
        ("telephone", "555-0199 x12", "en-us",
         "five five five, zero one nine nine, extension one two"),
        ("telephone", "1 (800) XYZ BKR", "en-us", "one, eight zero zero, xyz, B K R"),
        ("telephone", "+49 30", "en-us", "plus four nine, three zero"),
        ("telephone", "*69#", "en-us", "star six nine, pound"),
        ("telephone", "0800 TAXI 12", "de", "0 8 0 0, TAXI, 1 2"),
        ("digits", "-3.14", "en-us", "minus three point one four"),
        ("digits", ".5", "en-us", "point five"),
        ("digits", "1,234", "en-us", "one two three four"),
        ("digits", "555-01 99", "en-us", "five five five zero one nine nine"),
        ("digits", "-3,14", "de", "-3,14"),
        ("digits", "2024", "de", "2 0 2 4"),
        ("digits", "1.234.567", "de", "1 2 3 4 5 6 7"),
        ("time", "2'30\"", "en-us", "two minutes and thirty seconds"),
        ("time", "1\u20321\u2033", "en-us", "one minute and one second"),
        ("time", "2\u2019", "en-us", "two minutes"),
        ("time", "30\"", "en-us", "thirty seconds"),
        ("time", "1'21''", "en-us", "one minute and twenty-one seconds"),
        ("time", "noon", "en-us", "noon"),
    ],
)  # fmt: skip
def test_all_of_what_say_as_holds_is_said(kind: str, text: str, language: str, said: str) -> None:
    assert " ".join(say_as(text, kind, "", language).split()) == said


@pytest.mark.parametrize(
    ("kind", "text"),
    [("digits", "A12"), ("digits", "12%"), ("digits", "1-"), ("telephone", "12@3"),
     ("telephone", "ext."), ("telephone", "12="), ("telephone", "1_2")],
)  # fmt: skip
@pytest.mark.parametrize("language", ["en-us", "de"])
def test_what_say_as_cannot_say_is_refused(kind: str, text: str, language: str) -> None:
    with pytest.raises(UsageError):
        say_as(text, kind, "", language)

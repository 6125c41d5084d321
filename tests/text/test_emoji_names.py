"""Names of emoji: right words, places in the text, time, languages without names."""

import pytest

from tts.errors import TextError, UsageError
from tts.text.emoji_names import say_emoji
from tts.text.frontend import Frontend
from tts.text.tracked import Tracked
from tts.types import Options


def _named(text: str, lang: str = "en-us") -> str:
    tracked = Tracked(text)
    say_emoji(tracked, lang)
    return tracked.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Great job 👍", "Great job, thumbs up"),
        ("👍", "thumbs up"),
        ("Great job 👍!", "Great job, thumbs up!"),
        ("Great job! 👍 Thanks.", "Great job! thumbs up, Thanks."),
        ("so 😂😂 😂 funny", "so, face with tears of joy, funny"),
        ("👍🏽 and 👍🏿", "thumbs up, and, thumbs up"),
        ("👩🏽‍💻 at work", "woman technologist, at work"),
        ("we 👨‍👩‍👧 went", "we, family man woman girl, went"),
        ("I ❤ it, I ❤️ it", "I, red heart, it, I, red heart, it"),
        ("made in 🇫🇷", "made in, flag of France"),
        ("press 1️⃣ now", "press 1 now"),
        ("(😀)", "(grinning face)"),
        ("one ☀️\ntwo", "one, sun\ntwo"),
        ("🎉🥳", "party popper, partying face"),
        ("© 2020 Acme™, 5 → 6, a‼ b", "© 2020 Acme™, 5 → 6, a‼ b"),
        ("naïve café, no emoji", "naïve café, no emoji"),
        ("می‌خواهم", "می‌خواهم"),
    ],
)
def test_names(text: str, said: str) -> None:
    assert _named(text) == said


def test_names_in_the_language_of_the_text() -> None:
    assert _named("Super 👍🏽", "de") == "Super, daumen hoch"
    assert _named("Bravo 👍", "fr-fr") == "Bravo, pouce vers le haut"


def test_a_name_stands_for_the_characters_of_its_emoji() -> None:
    text = "Great 👍🏽 job"
    phones = next(Frontend("en-us").sentences(text, emoji=True))
    assert [text[a:b].strip() for a, b in phones.spans] == ["Great", "👍🏽", "👍🏽", "job"]


def test_silent_unless_asked() -> None:
    frontend = Frontend("en-us")
    silent = next(frontend.sentences("Great 👍 job."))
    asked = next(frontend.sentences("Great 👍 job.", emoji=True))
    assert [word.lower() for word, *_ in silent.words] == ["great", "job"]
    assert [word.lower() for word, *_ in asked.words] == ["great", "thumbs", "up", "job"]


def test_a_language_without_names_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"names of emoji are not there in 'pl'.*\ben\b"):
        _named("Super 👍", "pl")
    with pytest.raises(UsageError, match="names of emoji"):
        Options(language="nl", emoji=True).check()
    assert _named("bez znaku", "pl") == "bez znaku"


@pytest.mark.parametrize("piece", ["😂a", "😂", "☎ ", "\ufe0f", "\u200d👍"])
def test_long_rows_keep_every_other_character(piece: str) -> None:
    said = _named(f"start {piece * 2000} end")
    assert said.startswith("start") and said.endswith("end")
    assert said.count("a, face with tears of joy") == (1999 if piece == "😂a" else 0)


def test_text_of_emoji_alone_tells_how_they_are_said() -> None:
    frontend = Frontend("en-us")
    with pytest.raises(TextError, match=r"silent without --emoji \(emoji=True\)"):
        list(frontend.sentences("👍🇩🇪"))
    assert [each.text for each in frontend.sentences("👍", emoji=True)] == ["thumbs up"]
    for text, emoji in (("©", True), ("...", False)):
        with pytest.raises(TextError) as found:
            list(frontend.sentences(text, emoji=emoji))
        assert "--emoji" not in str(found.value)

"""The user's lexicon: what is kept, and that every surface says it."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tts import TTS
from tts.cli.main import run
from tts.errors import UsageError
from tts.text.user_lexicon import add_word, lexicon_path, read_lexicon, remove_word, respelt

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


def said(tts: TTS, text: str, markup: str = "none", language: str | None = None) -> str:
    return " ".join(str(phones) for phones in tts.sentences(text, language, markup))


def test_words_are_said_as_they_are_told(tts: TTS) -> None:
    before = tts.synthesize("The gif is here.").samples
    was = said(tts, "The gif is here.")
    add_word("en-us", "gif", "[[dʒˈɪf]]")  # a loaded model reads it
    assert said(tts, "The gif is here.") == was.replace("ɡˈɪf", "dʒˈɪf") != was
    assert "dʒˈɪf" in said(tts, "GIF and Gif.") and "ɡˈɪf" not in said(tts, "GIF and Gif.")
    assert "dʒˈɪfs" in said(tts, "The gif's size.")
    assert "dʒ" not in said(tts, "a gift, gifs")  # whole words only
    assert "ɡˈɪf" in said(tts, "[[ɡˈɪf]]")  # what is given in the text stays
    (phones,) = tts.sentences("The gif is here.")
    assert [word for word, _, _ in phones.words] == ["The", "gif", "is", "here"]
    assert phones.spans == [(0, 3), (4, 7), (8, 10), (11, 15)]
    assert "dʒˈɪf" not in said(tts, "The gif is here.", language="de")
    remove_word("en-us", "gif")
    np.testing.assert_array_equal(tts.synthesize("The gif is here.").samples, before)


def test_other_words_capitals_and_several_words(tts: TTS) -> None:
    add_word("en-us", "Worcester", "wooster")
    add_word("en-us", "kubectl", "cube control")
    add_word("en-us", "los  angeles", "L A")
    assert said(tts, "Worcester runs kubectl.") == said(tts, "Wooster runs cube control.")
    assert said(tts, "worcester") != said(tts, "wooster")  # with a capital: exactly so
    assert said(tts, "in Los  Angeles now") == said(tts, "in L A now")
    source = "Run <emphasis>kubectl</emphasis> now."
    (phones,) = tts.sentences(source, markup="ssml")
    assert [source[a:b] for a, b in phones.spans] == ["Run", "kubectl", "kubectl", "now"]
    assert [style.gain > 0 for style in phones.styles] == [False, True, True, False]
    pieces = list(tts.sentences(iter(["Run kub", "ectl now. ", "And go."])))
    assert str(pieces[0]) == said(tts, "Run cube control now.")


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("o'brien", "O\u2019Brien"),
        ("o\u2019brien", "o'brien"),
        ("caf\u00e9", "cafe\u0301"),
        ("cafe\u0301", "Caf\u00e9"),
        ("sky-fi", "sky\u2011fi"),
        ("sky\u2010fi", "Sky-fi"),
    ],
)
def test_words_are_found_however_they_are_typed(tts: TTS, word: str, written: str) -> None:
    add_word("en-us", word, "one two")
    assert said(tts, f"See {written} now.") == said(tts, "See one two now.")
    assert respelt(f"See {written} now.", "en-us") == "See one two now."


@pytest.mark.parametrize("written", ["istanbul", "\u0130stanbul", "\u0131stanbul", "ISTANBUL"])
def test_dotted_and_dotless_letters_do_not_stop_a_text(tiny_home: Path, written: str) -> None:
    add_word("tr", "istanbul", "x")
    assert respelt(f"{written} ve", "tr") == "x ve"
    add_word("tr", "\u017fu", "y")  # a letter that only a pattern takes for another
    assert respelt("su", "tr") in ("su", "y")


@pytest.mark.parametrize(
    ("word", "as_said"),
    [("#1", "number one"), ("# x", "y"), ("", "x"), ("...", "x"), ("a[b", "x"), ("x", ""),
     ("x", "[[]]"), ("x", "[[🙂]]"), ("x", "a [[b]] c"), ("x" * 300, "y"), ("x", "y" * 300)],
)  # fmt: skip
def test_entries_that_make_no_sense(tiny_home: Path, word: str, as_said: str) -> None:
    with pytest.raises(UsageError) as error:
        add_word("en-us", word, as_said)
    assert "\n" not in str(error.value)
    assert not lexicon_path("en-us").exists()


def test_damaged_files_name_the_line(tts: TTS) -> None:
    add_word("en-us", "gif", "jif")
    path = lexicon_path("en-us")
    path.write_text("# mine\n\ngif\tjif\nbroken\n")
    with pytest.raises(UsageError, match="line 4"):
        tts.synthesize("Hello.")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        tts.synthesize("Hello.")


def test_commands(tiny_home: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run(["lexicon", "list"]) == 0
    assert "no words" in capsys.readouterr().err
    assert run(["lexicon", "add", "GIF", "jif"]) == 0
    assert run(["lexicon", "add", "tomato", "--phones", "təmˈɑːtoʊ", "-l", "en-gb"]) == 0
    assert read_lexicon("en-gb") == {"tomato": "[[təmˈɑːtoʊ]]"}
    assert run(["lexicon", "add", "GIF", "gif"]) == 2
    assert "--force" in capsys.readouterr().err
    assert run(["lexicon", "add", "GIF", "gif", "--force"]) == 0
    capsys.readouterr()
    assert run(["lexicon", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"GIF": "gif"}
    assert run(["lexicon", "remove", "GiF"]) == 2
    assert "did you mean 'GIF'" in capsys.readouterr().err
    assert run(["lexicon", "remove", "GIF"]) == 0 and read_lexicon("en-us") == {}
    assert run(["lexicon", "add", "x"]) == 2
    assert run(["lexicon", "add", "x", "y", "-l", "klingonese"]) == 2
    assert "unknown language" in capsys.readouterr().err


def test_entries_of_several_at_once_are_all_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="empty"):
        remove_word("xx", "word0")
    add_word("xx", "first", "one")
    words = [f"word{n}" for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda word: add_word("xx", word, "said"), words))
        assert sorted(read_lexicon("xx")) == sorted(["first", *words])
        list(pool.map(lambda word: remove_word("xx", word), words))
    assert read_lexicon("xx") == {"first": "one"}
    assert [path.name for path in (tmp_path / "tts" / "lexicon").iterdir()] == ["xx.tsv"]

"""The user's lexicon: what is kept, and that every surface says it."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tts import TTS
from tts.cli.main import run
from tts.errors import UsageError
from tts.text.user_lexicon import (
    add_word,
    check_said,
    lexicon_path,
    read_lexicon,
    remove_word,
    respelt,
)

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


@pytest.mark.parametrize(
    ("language", "word", "text", "expected"),
    [
        ("en-us", "Don", "Don't do it, Don.", "Don't do it, X."),
        ("en-us", "Don", "Don\u2019s and Don\u02bct", "X\u2019s and Don\u02bct"),
        ("en-us", "won", "I won't. I won", "I won't. I X"),
        ("en-us", "we", "We're here, we 've", "We're here, X 've"),
        ("en-us", "o", "It is five o'clock", "It is five o'clock"),
        ("en-us", "clock", "It is five o\u2019clock", "It is five o\u2019clock"),
        ("en-us", "t", "I don't", "I don't"),
        ("en-us", "gif", "the 'gif' and gif's", "the 'X' and X's"),
        ("en-us", "o'clock", "five o\u2019clock", "five X"),
        ("en-us", "5", "5.25 km, 1.5, 5:30, 4/5, 1,5, 5.", "5.25 km, 1.5, 5:30, 4/5, 1,5, X."),
        ("en-us", "5", "It is 5, or 5. 6", "It is X, or X. 6"),
        ("en-us", "3d", "1.3d 3d-film", "1.3d X-film"),
        ("en-us", "5 km", "5 km and 5.5 km", "X and 5.5 km"),
        ("en-gb", "we", "we'll", "we'll"),
        ("fr", "eau", "l'eau et l\u2019eau", "l'X et l\u2019X"),
        ("fr", "l", "l'eau", "X'eau"),
        ("it", "acqua", "l'acqua dell'acqua", "l'X dell'X"),
        ("de", "Bahn", "Bahnhof, die Bahn", "Bahnhof, die X"),
        ("cmn", "\u4f60\u597d", "\u4f60\u597d\u5417", "X\u5417"),
        ("cmn", "gif", "\u6211gif\u4f60 gifs", "\u6211X\u4f60 gifs"),
        ("cmn", "5G", "\u75285G\u7f51 5Gs", "\u7528X\u7f51 5Gs"),
        ("ja", "\u6771\u4eac", "\u6771\u4eac\u306f", "X\u306f"),
        ("ja", "\u30c6\u30b9\u30c8", "\u5927\u30c6\u30b9\u30c8\u3067", "\u5927X\u3067"),
        ("th", "\u0e44\u0e17\u0e22", "\u0e04\u0e44\u0e17\u0e22\u0e23", "\u0e04X\u0e23"),
    ],
)  # fmt: skip
def test_only_whole_words_are_meant(
    tiny_home: Path, language: str, word: str, text: str, expected: str
) -> None:
    add_word(language, word, "X")
    assert respelt(text, language) == expected


def test_the_longest_entry_is_taken(tiny_home: Path) -> None:
    for word, as_said in (("5", "A"), ("5 km", "B"), ("5 km run", "C"), ("\u4f60", "D")):
        add_word("en-us", word, as_said)
    assert respelt("5, 5 km, a 5 km run, \u4f60\u597d", "en-us") == "A, B, a C, D\u597d"


@pytest.mark.parametrize(
    ("phones", "told"), [("zzz###", "#"), ("a+b_c", r"\+, _"), ("@", "@"), ("t5@", "@")]
)
def test_signs_that_are_no_phones_are_named(phones: str, told: str) -> None:
    with pytest.raises(UsageError, match=rf"is not IPA \(.*{told}\)$"):
        check_said(f"[[{phones}]]")

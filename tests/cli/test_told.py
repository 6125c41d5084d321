"""What the commands tell of options that name nothing, and of what they take."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.cli import Captured, no_output, one_line, speak
from tts import TTS
from tts.batch.table import COLUMNS
from tts.cli.main import run
from tts.errors import UsageError

TWO = "One two. Three four."


@pytest.mark.parametrize("text", [TWO, "one"])
@pytest.mark.parametrize("take", ["3=7", "9999999=0"])
def test_a_take_of_no_sentence(
    text: str, take: str, tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    assert speak(tmp_path, "--take", "1=5", "--take", take, text=text) == 2
    one_line(capfd, f"sentence {take.split('=')[0]}", "one" if text == "one" else "2 sentences")
    assert no_output(tmp_path)


def test_a_take_of_no_sentence_in_python(tiny_home: Path, tmp_path: Path) -> None:
    def pieces() -> Iterator[str]:
        yield from ("One two. ", "Three four.")

    tts = TTS.load("default", "cpu")
    for text in (TWO, pieces()):
        with pytest.raises(UsageError, match="sentence 9"):
            tts.synthesize(text, takes=((2, 5), (9, 77)))
    stream = tts.stream(TWO, takes=((9, 77),))
    with pytest.raises(UsageError, match="2 sentences"):
        next(stream)
    (row,) = tts.batch([("a", TWO, "default", {"takes": ((9, 77),)})], tmp_path / "out")
    assert "sentence 9" in row.error
    assert tts.synthesize(TWO, takes=((2, 5),)).seconds > 0


@pytest.mark.parametrize("command", ["synthesize", "batch"])
def test_an_unknown_format_names_no_output_that_nobody_gave(
    command: str, tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("text\nHello.\n")
    given = [str(table), "--out", str(tmp_path / "out")]
    if command == "synthesize":
        given = ["Hello.", "-o", "-"]
    assert run([command, *given, "--format", "xyz"]) == 2
    assert "'-'" not in one_line(capfd, "'xyz'", "wav, flac")


def test_the_help_of_a_batch_names_all_columns(capfd: Captured) -> None:
    assert run(["batch", "--help"]) == 0
    told = capfd.readouterr().out.replace(",", " ").replace(":", " ").split()
    assert set(COLUMNS) <= set(told)


def test_phones_that_are_none_are_told_once(
    tiny_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Say [[a@]] and [[a@]] and [[a"
    for quiet, count in (([], 2), (["-q"], 0)):
        out = str(tmp_path / "out.wav")
        assert run(["synthesize", text, "-o", out, *quiet]) == 0
        told = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
        assert len(told) == count, told
        if told:
            assert told[0] == "tts: warning: [[a@]]: '@' is no phone and is left out"


def test_a_batch_tells_all_bad_rows_up_to_ten(
    tiny_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for bad in (1, 2, 12):
        table = tmp_path / f"{bad}.csv"
        rows = [f"r{n},Hello.,nobody{n}" for n in range(bad)]
        table.write_text("\n".join(["id,text,voice", "good,Hello.,default", *rows]))
        assert run(["batch", str(table), "--out", str(tmp_path / f"out{bad}")]) == 1
        told = capsys.readouterr().err.splitlines()
        shown = [line for line in told if line.startswith("row ")]
        assert len(shown) == min(bad, 10)
        assert all(f"row r{n}: " in line and f"nobody{n}" in line for n, line in enumerate(shown))
        rows = "1 row" if bad == 1 else f"{bad} rows"
        assert told[-1].startswith(f"{rows} failed") and ("10 are" in told[-1]) == (bad > 10)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["synthesize", "- one"], "goes after \"--\": tts synthesize -- '- one'"),
        (["phonemize", "-5"], 'goes after "--": tts phonemize -- -5'),
        (["continue", "x.wav", "-5 is cold"], "tts continue -- '-5 is cold'"),
        (["help"], "there is: tts --help"),
        (["version"], "there is: tts --version"),
        (["Hello there."], "No such command 'Hello there.'; to say a text: tts synthesize 'Hello"),
    ],
)
def test_text_that_was_taken_for_something_else(
    arguments: list[str], told: str, capfd: Captured
) -> None:
    assert run(arguments) == 2
    one_line(capfd, told)


@pytest.mark.parametrize(
    "arguments",
    [["synthesize", "hi", "--sped", "2"], ["sythesize", "hi"], ["foo", "bar"], ["voices", "-5"]],
)
def test_no_hint_about_texts_where_there_is_none(arguments: list[str], capfd: Captured) -> None:
    assert run(arguments) == 2
    line = capfd.readouterr().err
    assert "goes after" not in line and "to say a text" not in line


@pytest.mark.parametrize("command", ["synthesize", "phonemize"])
@pytest.mark.parametrize("quiet", [False, True])
def test_the_name_of_a_file_as_text_is_told(
    command: str, quiet: bool, tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    book = tmp_path / "my book.txt"
    book.write_text("Once upon a time.")
    more = ["-o", str(tmp_path / "out.wav")] if command == "synthesize" else []
    assert run([command, str(book), *more, *(["-q"] if quiet else [])]) == 0
    told = f"--text-file {str(book)!r}" in capfd.readouterr().err
    assert told != quiet
    assert run([command, "my book.txt", *more]) == 0
    assert "--text-file" not in capfd.readouterr().err, "there is no such file here"


@pytest.mark.parametrize(
    ("name", "near"), [("my voice", "my_voice"), ("Jörg", "Jorg"), ("-a", "a"), ("日本", "")]
)
def test_a_name_that_no_voice_may_have_tells_one_like_it(
    name: str, near: str, tiny_home: Path, capfd: Captured
) -> None:
    source = str(tiny_home / "checkpoints" / "voices" / "default.safetensors")
    assert run(["voices", "import", "--", source, name]) == 2
    line = one_line(capfd, "a to z")
    assert (f"such as {near!r}" in line) == bool(near) and ("such as" in line) == bool(near)
    if near:
        assert run(["voices", "import", source, near]) == 0

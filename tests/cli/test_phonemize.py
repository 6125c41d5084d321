"""`tts phonemize`: what will be said is what the model is given."""

import json
from pathlib import Path

import pytest

from tests.helpers.cli import Captured, one_line
from tts import TTS
from tts.cli.main import run
from tts.text.user_lexicon import add_word

SSML = "Run <emphasis>GIF</emphasis>. <break time='1s'/> Go."


@pytest.mark.parametrize(
    ("text", "options", "values"),
    [
        ("Dr. Smith paid $5. Then he left.", [], {}),
        ("A GIF of [[təmˈɑːtoʊ]].", [], {}),
        ("Great job 👍", ["--emoji"], {"emoji": True}),
        (SSML, ["--ssml"], {"markup": "ssml"}),
        (SSML, ["--plain"], {"markup": "plain"}),
        ("Wait [pause 1] here.", ["--markup", "pauses"], {"markup": "pauses"}),
        ("Am 3. Mai.", ["--language", "de"], {"language": "de"}),
    ],
)
def test_it_shows_what_the_model_is_given(
    text: str, options: list[str], values: dict[str, str], tiny_home: Path, capfd: Captured
) -> None:
    add_word("en-us", "gif", "[[dʒˈɪf]]")
    expected = list(TTS.load("default", "cpu").sentences(text, **values))  # type: ignore[arg-type]
    capfd.readouterr()
    assert run(["phonemize", text, "-q", *options]) == 0
    out = capfd.readouterr().out
    assert out == "\n".join(f"{each.text}\n{each}\n" for each in expected)
    assert run(["phonemize", text, "-q", "--json", *options]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["model"] == "default" and told["language"] == values.get("language", "en-us")
    assert [row["text"] for row in told["sentences"]] == [each.text for each in expected]
    for row, each in zip(told["sentences"], expected, strict=True):
        assert row["phones"] == str(each)
        assert [word["text"] for word in row["words"]] == [word for word, _, _ in each.words]
        assert [tuple(word["at"]) for word in row["words"]] == each.spans


def test_it_needs_no_weights(tiny_home: Path, capfd: Captured) -> None:
    for file in (tiny_home / "checkpoints").rglob("model.safetensors"):
        file.unlink()
    assert run(["phonemize", "Say [[a@]]."]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("Say") and "'@' is no phone" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["..."], "nothing to say"),
        (["Hi", "--model", "defaul"], "did you mean 'default'"),
        (["Hi", "--language", "xx"], "xx"),
        (["Hi", "--ssml", "--plain"], "give one of"),
        (["Hi", "--markup", "html"], "html"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], told: str, tiny_home: Path, capfd: Captured
) -> None:
    assert run(["phonemize", *arguments]) == 2
    one_line(capfd, told)

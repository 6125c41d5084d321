"""Recordings and voices as commands are given them: several, mixed up, and as their own output."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.cli import TEXT, Captured, Recording, no_output, one_line, speak
from tts import TTS
from tts.audio.writer import check_writable
from tts.cli.main import run
from tts.errors import UsageError
from tts.voice.store import user_folder
from tts.voice.voice import Voice


@pytest.fixture
def saved(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The voice `me`, saved, and as the file `me.safetensors` in the current folder."""
    monkeypatch.chdir(tmp_path)
    user_folder().mkdir(parents=True)
    path = user_folder() / "me.safetensors"
    shutil.copy(tiny_home / "checkpoints/voices/default.safetensors", path)
    shutil.copy(path, "me.safetensors")
    return path


@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_recordings_make_the_voice(
    count: int, tiny_home: Path, tmp_path: Path, capfd: Captured, recording: Recording
) -> None:
    paths = [str(recording(f"{n}.wav", 2 + n, gain=0.1 * (n + 1))) for n in range(count)]
    given = [each for path in paths for each in ("--ref", path)]
    assert speak(tmp_path, *given, "--provenance", "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert told["voice"] == (paths if count > 1 else paths[0])
    record = json.loads((tmp_path / "out.wav.provenance.json").read_text())
    same = TTS.load("default", "cpu").voice(list(paths))
    assert record["voice_sha256"] == same.sha256
    assert speak(tmp_path, *given, "--ref", str(tmp_path / "no.wav")) == 2
    one_line(capfd, "no.wav")


def test_standard_input_is_one_recording(tiny_home: Path, tmp_path: Path, capfd: Captured) -> None:
    assert speak(tmp_path, "--ref", "-", "--ref", "-") == 2
    one_line(capfd, "standard input")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["synthesize", TEXT, "--voice", "my.wav"], "use --ref my.wav"),
        (["synthesize", TEXT, "--voice", "none.mp3"], "use --ref none.mp3"),
        (["synthesize", TEXT, "--voice", "bare"], "use --ref bare"),
        (["synthesize", TEXT, "--ref", "me"], "use --voice me"),
        (["synthesize", TEXT, "--ref", "my.wav", "--ref", "me"], "use --voice me"),
        (["synthesize", TEXT, "--ref", "default"], "use --voice default"),
        (["synthesize", TEXT, "--ref", "me.safetensors"], "use --voice me.safetensors"),
        (["voices", "add", "you", "--ref", "me.safetensors"], "import me.safetensors you"),
        (["voices", "add", "you", "--ref", "me"], "saved voice"),
        (["voices", "show", "my.wav"], "add NAME --ref my.wav"),
        (["voices", "sample", "my.wav", "-o", "out.wav"], "add NAME --ref my.wav"),
        (["voices", "mix", "me", "my.wav", "both"], "add NAME --ref my.wav"),
        (["voices", "export", "my.wav", "a.safetensors"], "add NAME --ref my.wav"),
        (["voices", "import", "my.wav", "you"], "add you --ref my.wav"),
        (["voices", "import", "none.safetensors"], "none.safetensors"),
        (["voices", "show", "none.safetensors"], "none.safetensors"),
    ],
)
def test_recordings_and_voices_mixed_up(
    arguments: list[str],
    word: str,
    saved: Path,
    tmp_path: Path,
    capfd: Captured,
    recording: Recording,
) -> None:
    recording("my.wav").with_name("bare").write_bytes((tmp_path / "my.wav").read_bytes())
    assert run(arguments) == 2
    one_line(capfd, word)
    assert no_output(tmp_path)


def test_a_recording_called_like_a_voice_is_one(
    saved: Path, tmp_path: Path, recording: Recording
) -> None:
    recording("my.wav").rename(tmp_path / "me")
    assert speak(tmp_path, "--ref", "me") == 0


@pytest.mark.parametrize("name", ["me", "me.safetensors", "./me.safetensors"])
def test_voices_by_name_and_as_files(
    name: str, saved: Path, tmp_path: Path, capfd: Captured
) -> None:
    assert run(["voices", "show", name, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["kind"] == ("added" if name == "me" else "file") and told["name"] == name
    assert os.path.samefile(told["path"], saved if name == "me" else "me.safetensors")
    assert run(["voices", "show", name]) == 0
    assert run(["voices", "sample", name, "-o", "out.wav"]) == 0
    assert run(["voices", "mix", name, "default", "both"]) == 0
    assert run(["voices", "export", name, "again.safetensors"]) == 0
    assert Path("again.safetensors").read_bytes() == saved.read_bytes()


def test_a_voice_file_is_imported(saved: Path, tmp_path: Path, capfd: Captured) -> None:
    assert run(["voices", "import", "me.safetensors", "you"]) == 0
    before, after = Voice.load(saved), Voice.load(saved.with_stem("you"))
    assert after.name == "you" and after.sha256 == before.sha256 and after.meta == before.meta
    assert "consent" in capfd.readouterr().err
    assert run(["voices", "import", "me.safetensors"]) == 2  # its name is that of the file
    one_line(capfd, "'me'", "--force")
    saved.write_bytes(b"older")
    assert run(["voices", "import", "me.safetensors", "--force"]) == 0
    assert Voice.load(saved).sha256 == before.sha256
    capfd.readouterr()
    for name in ("default", "a b", "../x"):
        assert run(["voices", "import", "me.safetensors", name]) == 2
        one_line(capfd)
    Path("me.safetensors").write_bytes(b"nothing")
    assert run(["voices", "import", "me.safetensors", "new"]) == 1
    one_line(capfd, "damaged")


def _same(path: Path) -> Path:
    return path


def _relative(path: Path) -> Path:
    return Path(os.path.relpath(path))


def _symbolic(path: Path) -> Path:
    link = path.with_stem("link")
    link.symlink_to(path)
    return link


def _hard(path: Path) -> Path:
    link = path.with_stem("link")
    link.hardlink_to(path)
    return link


@pytest.mark.parametrize("name", [_same, _relative, _symbolic, _hard])
@pytest.mark.parametrize(
    "command",
    [
        ["synthesize", TEXT, "--ref", "IN", "-o", "OUT"],
        ["synthesize", TEXT, "--ref", "OTHER", "--ref", "IN", "-o", "OUT"],
        ["edit", "IN", "--from", "one", "--to", "two", "-o", "OUT"],
        ["continue", "IN", "more", "-o", "OUT"],
        ["codec", "encode", "IN", "-o", "OUT"],
        ["codec", "decode", "IN", "-o", "OUT"],
    ],
)
def test_no_output_replaces_what_is_read(
    command: list[str],
    name: Callable[[Path], Path],
    tiny_home: Path,
    tmp_path: Path,
    capfd: Captured,
    recording: Recording,
) -> None:
    mine = recording("mine.wav")
    before = mine.read_bytes()
    places = {"IN": str(mine), "OUT": str(name(mine)), "OTHER": str(recording("other.wav"))}
    assert run([places.get(each, each) for each in command]) == 2
    one_line(capfd, "would replace", places["OUT"])
    assert mine.read_bytes() == before


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (["codec", "encode", "IN", "-o", "x.wav"], "codes"),
        (["codec", "encode", "IN", "-o", "x.JSON"], "codes"),
        (["synthesize", TEXT, "--format", "mp3", "-o", "x.wav"], "mp3"),
        (["synthesize", TEXT, "--format", "wav", "-o", "x.ogg"], "wav"),
        (["synthesize", TEXT, "--format", "wav", "-o", "x.srt"], "wav"),
        (["synthesize", TEXT, "--format", "flac", "-o", "x.safetensors"], "flac"),
        (["eval", "cases", "TSV", "-o", "x.wav"], "case list"),
        (["eval", "cases", "TSV", "-o", "x.tsv"], "case list"),
        (["batch", "CSV", "--out", "x.wav"], "folder"),
        (["eval", "--cases", "cases.json", "--model", "default", "-o", "x.md"], "folder"),
    ],
)
def test_no_file_has_the_name_of_another_kind(
    command: list[str],
    kind: str,
    tiny_home: Path,
    tmp_path: Path,
    capfd: Captured,
    recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    table, rows = tmp_path / "list", tmp_path / "rows.csv"
    table.write_text("path\tspeaker\ttext\n")
    rows.write_text(f"text\n{TEXT}\n")
    places = {"IN": str(recording("mine.wav")), "TSV": str(table), "CSV": str(rows)}
    assert run([places.get(each, each) for each in command]) == 2
    one_line(capfd, "has the name of", kind)
    assert not list(tmp_path.glob("x.*"))


def test_names_that_say_nothing_else_are_taken(tmp_path: Path) -> None:
    for name, format in [
        ("a.bin", "mp3"), ("a", "flac"), ("a.ogg", "opus"), ("a.opus", "opus"), ("a.WAV", "wav"),
        ("a.wave", "wav"), ("a.1", "ogg"), ("a.oga", "ogg"),
    ]:  # fmt: skip
        check_writable(tmp_path / name, format=format)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["codec", "encode", "gone.wav", "-o", "c.safetensors"], "recording not found"),
        (["codec", "encode", "https://a.b/c.wav", "-o", "c.safetensors"], "recording "),
        (["continue", "gone.wav", TEXT, "-o", "c.wav"], "recording not found"),
        (["continue", ".", TEXT, "-o", "c.wav"], "is a folder"),
        (["edit", "gone.wav", "--from", "a", "--to", "b", "-o", "c.wav"], "recording not found"),
        (["synthesize", TEXT, "--ref", "gone.wav", "-o", "c.wav"], "recording not found"),
    ],
)
def test_what_is_not_there_is_called_a_recording(
    command: list[str],
    told: str,
    tiny_home: Path,
    tmp_path: Path,
    capfd: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(command) == 2
    assert "reference" not in one_line(capfd, told)
    assert not list(tmp_path.glob("c.*"))


def test_outputs_do_not_replace_each_other(
    tiny_home: Path, tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.srt").write_text("old")
    (tmp_path / "link.vtt").symlink_to("old.srt")
    (tmp_path / "hard.json").hardlink_to("old.srt")
    for given in (
        ["-o", "a.wav", "--timestamps", "x.srt", "--timestamps", str(tmp_path / "x.srt")],
        ["-o", "a.wav", "--timestamps", "b.srt", "--timestamps", "./b.srt"],
        ["-o", "a.wav", "--timestamps", "old.srt", "--timestamps", "link.vtt"],
        ["-o", "a.wav", "--timestamps", "old.srt", "--timestamps", "hard.json"],
        ["-o", "a.wav", "--timestamps", "a.wav.provenance.json", "--provenance"],
    ):
        assert run(["synthesize", TEXT, *given]) == 2, given
        one_line(capfd, "two outputs")
    assert (tmp_path / "old.srt").read_text() == "old" and not list(tmp_path.glob("[abx].*"))
    assert run(["synthesize", TEXT, "-o", "a.wav", "--timestamps", "a.srt", "--provenance"]) == 0


def test_nothing_beside_the_audio_replaces_what_is_read(
    saved: Path, tmp_path: Path, capfd: Captured
) -> None:
    text = tmp_path / "text.srt"
    text.write_text(TEXT)
    assert run(["synthesize", "--text-file", "text.srt", "--timestamps", "text.srt"]) == 2
    one_line(capfd, "text.srt")
    link = tmp_path / "me.wav"
    link.symlink_to(tmp_path / "me.safetensors")
    for command in (["synthesize", TEXT, "--voice"], ["voices", "sample"]):
        assert run([*command, "me.safetensors", "-o", "me.wav"]) == 2
        one_line(capfd, "me.wav")
    assert run(["voices", "export", "./me.safetensors", "me.safetensors", "--force"]) == 2
    one_line(capfd, "me.safetensors")
    assert text.read_text() == TEXT and Voice.load("me.safetensors")


def test_no_row_of_a_batch_replaces_what_is_read(
    tiny_home: Path, tmp_path: Path, capfd: Captured, recording: Recording
) -> None:
    mine = recording("b.wav")
    before = mine.read_bytes()
    table = tmp_path / "rows.csv"
    table.write_text("id,text,ref\na,Hello.,b.wav\nb,Good bye.,\n")
    assert run(["batch", str(table), "--out", str(tmp_path)]) == 2
    one_line(capfd, "b.wav")
    with pytest.raises(UsageError, match="would replace"):
        TTS.load("default", "cpu").batch([("b", "Hello.", mine)], tmp_path)
    (tmp_path / "manifest.jsonl").write_text('{"text": "Hello."}\n')
    assert run(["batch", str(tmp_path / "manifest.jsonl"), "--out", str(tmp_path)]) == 2
    one_line(capfd, "manifest.jsonl")
    assert mine.read_bytes() == before
    assert run(["batch", str(table), "--out", str(tmp_path / "out"), "-q"]) == 0


def test_shipped_names_are_taken_for_weights(tiny_home: Path, tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    shutil.copytree(tiny_home / "checkpoints" / "flow", mine)
    assert run(["models", "average", "flow", str(mine), "-o", str(out)]) == 0
    assert (out / "model.safetensors").is_file()

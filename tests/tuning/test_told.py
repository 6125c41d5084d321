"""What is told of adapted voices on every surface: words that were not used, other generators."""

import json
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.tuning import TEXT, fitted
from tts import TTS
from tts.cli.main import run
from tts.tuning.adaptation import AdaptationOptions

UNFIT = "the given transcript does not fit what is heard: the voice was adapted without it"
SAID = "Words that nobody says."


@pytest.fixture
def unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick adaptations, to which no transcript fits."""
    quick = partial(AdaptationOptions, steps=1, rows=1, frames=60)
    monkeypatch.setattr("tts.tuning.adaptation.AdaptationOptions", quick)
    monkeypatch.setattr("tts.tuning.adaptation.align_transcript", lambda *_: None)


@pytest.mark.usefixtures("unfit")
def test_words_that_were_not_used_in_python(
    model: TTS, recording: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = recording(seconds=4.0)
    assert UNFIT in model.voice(path, SAID, adapt=True).warnings
    assert UNFIT in caplog.text
    two = model.voice([path, path], SAID, adapt=True).warnings
    assert any("is used with one recording only" in line for line in two)
    for voice in (model.voice(path, SAID), model.voice(path, adapt=True)):
        assert not any("transcript" in line for line in voice.warnings)


@pytest.mark.usefixtures("unfit")
def test_words_that_were_not_used_in_commands_and_batches(
    home: Path, tmp_path: Path, recording: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    path = str(recording(seconds=4.0))
    words = ["--ref", path, "--ref-text", SAID, "--adapt"]
    for command in (["voices", "add", "anna"], ["synthesize", TEXT, "-o", str(tmp_path / "a.wav")]):
        assert run([*command, *words]) == 0
        assert capfd.readouterr().err.count(f"tts: warning: {UNFIT}\n") == 1
    rows = [
        {"id": name, "text": TEXT, "ref": path, "ref_text": SAID, "adapt": adapt}
        for name, adapt in (("a", "yes"), ("b", "yes"), ("c", "no"))
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "said"
    assert run(["batch", str(tmp_path / "rows.jsonl"), "--out", str(out)]) == 0
    assert f"tts: warning: row a and 1 more: {UNFIT}\n" in capfd.readouterr().err
    listed = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [UNFIT in each["warnings"] for each in listed] == [True, True, False]


def test_an_adapted_voice_is_not_adapted_again(
    model: TTS, recording: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have learned from more speech than it keeps."""
    quick = partial(AdaptationOptions, steps=1, rows=1, frames=60)
    monkeypatch.setattr("tts.tuning.adaptation.AdaptationOptions", quick)
    voice = model.voice(recording(seconds=4.0), adapt=True)
    again = model.voice(voice, adapt=True)
    assert any("adapted to this model already" in line for line in again.warnings)
    assert again.sha256 == voice.sha256
    instant = model.voice(recording(seconds=4.0))
    assert model.voice(instant, adapt=True).sha256 != instant.sha256


def test_what_speaks_against_a_recording_is_told_before_the_training(
    home: Path,
    recording: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        sys.stderr.write("training\n")
        raise KeyboardInterrupt

    monkeypatch.setattr("tts.pipeline.acoustic.adapt", stopped)
    monkeypatch.setattr(
        "tts.pipeline.prompt_encoder.PromptEncoder.warnings",
        lambda *_: ["seems to hold two people"],
    )
    path = str(recording("two.wav", seconds=4.0))
    for command in (["voices", "add", "anna"], ["synthesize", TEXT, "-q"], ["synthesize", TEXT]):
        assert run([*command, "--ref", path, "--adapt"]) == 130
        told = capfd.readouterr().err.split("training")[0]
        assert told.count("seems to hold two people") == ("-q" not in command)


@pytest.mark.usefixtures("unfit")
def test_words_that_were_not_used_on_the_server(
    home: Path, tmp_path: Path, recording: Callable[..., Path]
) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    from tts.serve.app import ServeSettings, create_app

    app = create_app([TTS.load("default", "cpu")], ServeSettings(voices=tmp_path / "voices"))
    form = {"name": "berta", "consent": "true", "adapt": "yes", "ref_text": SAID}
    with testclient.TestClient(app, base_url="http://localhost") as client:
        with recording(seconds=4.0).open("rb") as file:
            answer = client.post("/v1/audio/voices", data=form, files={"audio_sample": file})
    assert UNFIT in json.loads(answer.text.strip().rpartition("data: ")[2])["warnings"]


def test_a_voice_of_another_generator(
    model: TTS,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = "was adapted to another generator than that of 'default'"
    path = tmp_path / "fitted.safetensors"
    voice = fitted(model, 3)
    tuning: Any = voice.tunings[0]
    other = voice.tuned(type(tuning)("another", None, tuning.factors, 1.0))
    alone = type(voice)(**{**vars(other), "tunings": other.tunings[-1:], "name": "müde"})
    alone.save(path)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            model.synthesize(TEXT, path)
    assert caplog.text.count(told) == 1, "told once, and not at every request"
    for command in (
        ["voices", "sample", str(path), "--text", TEXT, "-o", str(tmp_path / "s.wav")],
        ["synthesize", TEXT, "--voice", str(path), "-o", str(tmp_path / "t.wav")],
    ):
        assert run(command) == 0
        assert capfd.readouterr().err.count(told) == 1
    (result,) = model.batch([("a", TEXT, str(path))], tmp_path / "out")
    assert told in result.warnings[0]

    testclient = pytest.importorskip("fastapi.testclient")
    from tts.serve.app import ServeSettings, create_app

    (tmp_path / "voices").mkdir()
    path.rename(tmp_path / "voices/tired.safetensors")
    app = create_app([model], ServeSettings(voices=tmp_path / "voices"))
    with testclient.TestClient(app, base_url="http://localhost") as client:
        body = {"input": TEXT, "voice": "tired", "response_format": "pcm"}
        answer = client.post("/v1/audio/speech", json=body)
        assert answer.status_code == 200 and told in answer.headers["X-TTS-Warning"]
        body = {**body, "input": "<speak>Hi</speak>", "voice": "default"}
        line = client.post("/v1/audio/speech", json=body).headers["X-TTS-Warning"]
        assert line.startswith("'<speak>' is read as words")
        body = {**body, "input": TEXT}
        assert "X-TTS-Warning" not in client.post("/v1/audio/speech", json=body).headers

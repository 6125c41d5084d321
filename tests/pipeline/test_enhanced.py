"""Voices of models that take noise and the room out of recordings."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.evaluation import fakes, four_speakers
from tts import TTS
from tts.batch.rows import Row, make_rows
from tts.cli.main import run
from tts.eval import command
from tts.eval.cases import build_cases, save_cases
from tts.voice.enhancer import SpeechEnhancer
from tts.voice.voice import Voice
from tts_codecs.checkpoint import save_checkpoint


@pytest.fixture
def enhancing_home(tiny_home: Path) -> Path:
    """The tiny model with an enhancer that turns the lower bands down."""
    arguments = {"bands": 16, "dim": 8, "blocks": 1, "kernel": 3}
    enhancer = SpeechEnhancer(**arguments)
    torch.nn.init.constant_(enhancer.out.bias[:8], -5.0)
    save_checkpoint(tiny_home / "checkpoints/enhancer", enhancer, "enhancer", arguments)
    path = tiny_home / "configs/models/default.yaml"
    path.write_text(path.read_text() + "enhancer: enhancer\n")
    return tiny_home


def test_a_voice_does_not_have_what_is_taken_out(
    enhancing_home: Path,
    tiny_home_master: Path,
    monkeypatch: pytest.MonkeyPatch,
    recording: Callable[..., Path],
) -> None:
    model = TTS.load("default", "cpu")
    source = recording()
    voice, kept = model.voice(source), model.voice(source, enhance=False)
    assert voice.features.shape == kept.features.shape
    assert float(voice.features[:, :20].mean()) < float(kept.features[:, :20].mean()) - 0.5
    assert not torch.allclose(voice.speaker, kept.speaker)
    monkeypatch.setenv("TTS_HOME", str(tiny_home_master))
    assert TTS.load("default", "cpu").voice(source).sha256 == kept.sha256


def test_the_command_line_can_leave_it_out(
    enhancing_home: Path, recording: Callable[..., Path], tmp_path: Path
) -> None:
    source = str(recording())
    for name, more in (("without", []), ("with", ["--no-enhance"])):
        assert run(["voices", "add", name, "--ref", source, *more]) == 0
    model = TTS.load("default", "cpu")
    features = {name: model.voice(name).features for name in ("with", "without")}
    assert torch.equal(features["with"], model.voice(source, enhance=False).features.half().float())
    assert not torch.equal(features["with"], features["without"])
    said = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for out, more in zip(said, ([], ["--no-enhance"]), strict=True):
        assert run(["synthesize", "Hello.", "--ref", source, "-o", str(out), *more]) == 0
    assert said[0].read_bytes() != said[1].read_bytes()


def test_rows_of_a_batch_can_leave_it_out(
    enhancing_home: Path, recording: Callable[..., Path], tmp_path: Path
) -> None:
    model, source = TTS.load("default", "cpu"), recording()
    row: dict[str, Any] = {"text": "Hello.", "ref": str(source)}
    results = model.batch(
        [row | {"id": "plain"}, row | {"id": "kept", "enhance": False}, row | {"id": "again"}],
        tmp_path / "speech",
    )
    plain, kept, again = (result.voice_sha256 for result in results)
    assert (plain, kept) == (model.voice(source).sha256, model.voice(source, enhance=False).sha256)
    assert plain == again != kept, "the two kinds of voice of one recording are told apart"
    table = tmp_path / "rows.csv"
    table.write_text(
        f"id,text,ref,enhance\nyes,Hello.,{source},yes\nno,Hello.,{source},No\n"
        f"none,Hello.,{source},\nslip,Hello.,{source},maybe\nbuilt,Hello.,,no\n"
    )
    assert run(["batch", str(table), "--out", str(tmp_path / "said")]) == 1
    made = {each.stem: each.read_bytes() for each in (tmp_path / "said").glob("*.wav")}
    assert set(made) == {"yes", "no", "none"}
    assert made["yes"] == made["none"] != made["no"]


def test_what_a_row_says_of_it_is_part_of_what_it_depends_on() -> None:
    row = Row("a", "Hello.", Path("x.wav"))
    assert row.key({}) != replace(row, enhance=False).key({})
    named, plain = make_rows(
        [{"text": "Hello.", "enhance": "no"}, {"text": "Hello.", "enhance": ""}]
    )
    assert "enhance" in named.problem and not plain.problem and plain.enhance


def test_a_server_can_leave_it_out(
    enhancing_home: Path, recording: Callable[..., Path], tmp_path: Path
) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    from tts.serve.app import ServeSettings, create_app

    model, source = TTS.load("default", "cpu"), recording()
    app = create_app([model], ServeSettings(voices=tmp_path / "voices"))
    with testclient.TestClient(app, base_url="http://localhost") as client:

        def sent(name: str, **more: str) -> Any:
            form = {"name": name, "consent": "true", **more}
            data = source.read_bytes()
            return client.post("/v1/audio/voices", data=form, files={"audio_sample": data})

        for name, more in (
            ("with", {}),
            ("same", {"enhance": "true"}),
            ("kept", {"enhance": "no"}),
        ):
            assert sent(name, **more).status_code == 201
        slip = sent("slip", enhance="perhaps")
        assert slip.status_code == 400 and "enhance" in slip.json()["error"]["message"]
    features = {
        name: Voice.load(tmp_path / f"voices/{name}.safetensors").features
        for name in ("with", "same", "kept")
    }
    assert torch.equal(features["with"], features["same"])
    assert torch.equal(features["kept"], model.voice(source, enhance=False).features.half().float())
    assert not torch.equal(features["kept"], features["with"])


def test_the_demo_can_leave_it_out(
    enhancing_home: Path, recording: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gradio")
    from tts_demo.studio import Studio
    from tts_demo.wish import Wish

    studio = Studio(["default"], "cpu")
    model, source = studio.model("default"), recording()
    wish = Wish("Hello.", "default", None, str(source))
    try:
        enhanced = studio.voice(model, wish, "s")[0]
        kept = studio.voice(model, replace(wish, enhance=False), "s")[0]
        assert torch.equal(kept.features, model.voice(source, enhance=False).features)
        assert not torch.equal(kept.features, enhanced.features)
        monkeypatch.setattr(TTS, "voice", pytest.fail)
        assert studio.voice(model, replace(wish, text="Other words."), "s")[0] is enhanced
    finally:
        studio.close()


def test_an_evaluation_can_leave_it_out(
    enhancing_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = four_speakers(tmp_path, 2.0)
    save_cases(build_cases(table, speakers=2, sentences=1), tmp_path / "cases.json")
    monkeypatch.setattr(command, "load_metrics", lambda *_, **__: fakes())
    asked: list[bool] = []
    encode = TTS.voice

    def voice(self: TTS, source: Any, *more: Any, enhance: bool = True, **values: Any) -> Voice:
        asked.extend([enhance] * (not isinstance(source, Voice)))
        return encode(self, source, *more, enhance=enhance, **values)

    monkeypatch.setattr(TTS, "voice", voice)
    given = ["eval", "--cases", str(tmp_path / "cases.json"), "-o", str(tmp_path / "out")]
    given += ["--model", "default", "--plots", "0"]
    for more, wanted in (([], True), (["--no-enhance"], False)):
        asked.clear()
        assert run([*given, *more]) == 0
        assert asked and set(asked) == {wanted}, "items of the other kind are not taken"
        report = json.loads((tmp_path / "out/default/report.json").read_text())
        assert report["settings"]["enhance"] is wanted
    assert run([*given, "--no-enhance", "--publish"]) == 2

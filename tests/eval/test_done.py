"""Evaluations that were stopped: what is taken from the run before, and what is made again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.helpers.evaluation import RATE, FakeWords, fakes, four_speakers, tone
from tts.eval import run
from tts.eval.cases import CaseList, build_cases
from tts.eval.metrics import Metrics
from tts.eval.report import Report
from tts.eval.run import evaluate, recordings_of, resynthesis


@pytest.fixture
def cases(tmp_path: Path) -> CaseList:
    return build_cases(four_speakers(tmp_path), 3, 2)


class Voice:
    """Says every text as a tone of its own and counts; stops at the item `until`."""

    def __init__(self, until: int = 99, stop: type[BaseException] = KeyboardInterrupt) -> None:
        self.said: list[str] = []
        self.until, self.stop = until, stop

    def __call__(self, text: str, reference: Path, seed: int) -> tuple[Any, ...]:
        if len(self.said) == self.until:
            raise self.stop
        self.said.append(text)
        hertz = 100.0 + 7 * (sum(map(ord, text)) % 50) + seed
        return tone(hertz, 0.5), RATE, 0.25, (("a", 0.2), ("b", 0.5))


def without_times(report: Report) -> Any:
    found = json.loads(json.dumps(report.to_json()))
    for row in found["rows"]:
        del row["compute_seconds"], row["processor_seconds"]
    for sides in (found["summary"], *found["by_speaker"].values()):
        for side in sides.values():
            side.pop("rtf", None), side.pop("processor_rtf", None)
    return found


def test_a_run_that_was_stopped_goes_on(cases: CaseList, tmp_path: Path) -> None:
    whole = evaluate(cases, Voice(), fakes(), tmp_path / "whole", plots=0, made_of="w")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        evaluate(cases, Voice(4), fakes(), out, plots=0, made_of="w")
    lines = (out / "items.jsonl").read_text().splitlines()
    assert len(lines) == 4 and not (out / "report.json").exists()
    # It was killed while the fifth line was written.
    with (out / "items.jsonl").open("a") as file:
        file.write(lines[0][:40])
    told: list[str] = []
    voice, metrics = Voice(), fakes()
    report = evaluate(cases, voice, metrics, out, plots=0, made_of="w", tell=told.append)
    assert voice.said == [case.text for case in cases.cases[4:]]
    # Two that are made, and the real recording of the last: the other was measured before.
    assert isinstance(metrics.words, FakeWords) and metrics.words.heard == 3
    assert told == ["model: 4 of 6 items are those of an earlier run with the same settings"]
    assert without_times(report) == without_times(whole)
    kept = [json.loads(line)["row"] for line in lines]
    assert [row.compute_seconds for row in report.rows[:4]] == [
        row["compute_seconds"] for row in kept
    ]
    for each in (tmp_path / "whole" / "wav").iterdir():
        assert (out / "wav" / each.name).read_bytes() == each.read_bytes()
    # What is whole is not made again either, but where it is asked for.
    assert evaluate(cases, Voice(0), fakes(), out, plots=0, made_of="w").rows == report.rows
    evaluate(cases, again := Voice(), fakes(), out, plots=0, made_of="w", again=True)
    assert len(again.said) == 6
    assert len((out / "items.jsonl").read_text().splitlines()) == 12


def other_text(cases: CaseList, made: dict[str, Any], out: Path) -> CaseList:
    first, *rest = cases.cases
    return replace(cases, cases=(replace(first, text="another text is said here"), *rest))


def other_recording(cases: CaseList, made: dict[str, Any], out: Path) -> None:
    soundfile.write(cases.root / cases.cases[0].real, tone(777.0), RATE)


def damaged_audio(cases: CaseList, made: dict[str, Any], out: Path) -> None:
    path = out / "wav" / f"{cases.cases[0].id}.wav"
    path.write_bytes(path.read_bytes()[:-2])


def missing_audio(cases: CaseList, made: dict[str, Any], out: Path) -> None:
    (out / "wav" / f"{cases.cases[0].id}.wav").unlink()


def damaged_line(cases: CaseList, made: dict[str, Any], out: Path) -> None:
    path = out / "items.jsonl"
    path.write_text(path.read_text().replace('"wav":', '"waw":', 1))


@pytest.mark.parametrize(
    "change", [other_text, other_recording, damaged_audio, missing_audio, damaged_line]
)
def test_an_item_that_is_another_now_is_made_again(
    cases: CaseList, tmp_path: Path, change: Callable[..., CaseList | None]
) -> None:
    out = tmp_path / "out"
    evaluate(cases, Voice(), fakes(), out, plots=0, made_of="w")
    now = change(cases, {}, out) or cases
    evaluate(now, voice := Voice(), fakes(), out, plots=0, made_of="w")
    texts = [case.text for case in now.cases]
    expected = {texts[0]}
    if change is other_recording:
        # It may be the reference or the other recording of another item as well.
        name = now.cases[0].real
        expected |= {c.text for c in now.cases if name in (c.real, c.reference, c.other)}
    assert set(voice.said) == expected


class OtherWords(FakeWords):
    name = "other words"


@pytest.mark.parametrize(
    "change",
    [
        {"made_of": "other weights"},
        {"seed": 1},
        {"settings": {"speed": 2.0}},
        {"name": "other"},
        {"metrics": Metrics(OtherWords(), *list(vars(fakes()).values())[1:3])},
        {"made_of": ""},
        {"code": "other code"},
    ],
    ids=lambda change: "-".join(change),
)
def test_other_settings_are_not_mixed_up(
    cases: CaseList, tmp_path: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"metrics": fakes(), "plots": 0, "made_of": "w"}
    evaluate(cases, Voice(), out_dir=tmp_path / "out", **given)
    if "code" in change:
        code = change["code"]
        monkeypatch.setattr(run, "code_checksum", lambda: code)
        change = {}
    now = given | change
    evaluate(cases, voice := Voice(), out_dir=tmp_path / "out", **now)
    assert len(voice.said) == 6
    # Nor is what the second run replaced taken for that of the first.
    if change.get("seed"):
        evaluate(cases, voice := Voice(), out_dir=tmp_path / "out", **given)
        assert len(voice.said) == 6


def test_more_cases_take_those_that_are_there(cases: CaseList, tmp_path: Path) -> None:
    given: dict[str, Any] = {"metrics": fakes(), "plots": 0, "made_of": "w"}
    out = tmp_path / "out"
    evaluate(cases, Voice(), out_dir=out, limit=3, settings={"limit": 3}, **given)
    evaluate(cases, voice := Voice(), out_dir=out, settings={"limit": None}, **given)
    assert len(voice.said) == 3


def test_what_failed_is_tried_again(cases: CaseList, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = evaluate(cases, Voice(2, RuntimeError), fakes(), out, plots=0, made_of="w")
    assert report.summary()["made"]["failures"] == 4
    report = evaluate(cases, voice := Voice(), fakes(), out, plots=0, made_of="w")
    assert len(voice.said) == 4 and report.summary()["made"]["failures"] == 0


def test_resynthesis_goes_on(cases: CaseList, tmp_path: Path) -> None:
    calls: list[int] = []

    def codec(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return samples, rate

    recordings = recordings_of(cases)
    with pytest.raises(KeyboardInterrupt):
        resynthesis(codec, recordings, fakes(), tmp_path / "out", plots=0, made_of="w")
    report = resynthesis(codec, recordings, fakes(), tmp_path / "out", plots=0, made_of="w")
    assert len(calls) == 7 and not any(row.failure for row in report.rows)
    assert all(row.made.own_similarity == pytest.approx(1) for row in report.rows)


def test_pictures_of_kept_items_have_their_phones(
    cases: CaseList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plots = pytest.importorskip("tts.audio.plots")
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save_mel_plot", lambda *given, **_: drawn.append(given[2]))
    for _ in range(2):
        evaluate(cases, Voice(), fakes(), tmp_path / "out", plots=2, made_of="w")
    assert drawn == [["a", "b"]] * 4

"""Evaluation: metrics, cases, runs. Tiny random weights and fake metrics; nothing is downloaded."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests.helpers.evaluation import RATE, FakeWords, fakes, four_speakers, tone
from tts.errors import DataError, UsageError
from tts.eval import run
from tts.eval.cases import CaseList, build_cases, load_cases, main, save_cases, spread
from tts.eval.command import EvalOptions, run_cli
from tts.eval.metrics import Metrics, read_audio
from tts.eval.paired import comparison
from tts.eval.report import (
    Report,
    Row,
    Scores,
    interval,
    published,
    summarize,
)
from tts.eval.run import evaluate, recordings_of, resynthesis


@pytest.fixture
def tsv(tmp_path: Path) -> Path:
    return four_speakers(tmp_path)


def test_cases_are_by_others_distinct_and_seeded(tsv: Path) -> None:
    built = build_cases(tsv, speakers=4, sentences=3)
    assert len(built.cases) == 12 and len({case.text for case in built.cases}) == 12
    for case in built.cases:
        assert case.real_speaker != case.speaker
        assert case.reference != case.other
        assert case.reference.startswith(f"s{case.speaker}-")
        assert case.other.startswith(f"s{case.speaker}-")
        assert int(case.reference[3]) + 3 <= 9
    for speaker in {case.speaker for case in built.cases}:
        mine = [case for case in built.cases if case.speaker == speaker]
        assert len({case.real_speaker for case in mine}) == 3
        assert len({case.other for case in mine}) == 3
    assert build_cases(tsv, 4, 3).cases == built.cases
    assert build_cases(tsv, 4, 3, seed=1).cases != built.cases


def test_cases_do_not_depend_on_row_order(tsv: Path) -> None:
    before = build_cases(tsv, 4, 3).cases
    head, *rows = tsv.read_text("utf-8").splitlines()
    tsv.write_text("\n".join([head, *reversed(rows)]) + "\n", "utf-8")
    assert build_cases(tsv, 4, 3).cases == before


def test_cases_survive_the_file_and_bad_files_are_named(tsv: Path, tmp_path: Path) -> None:
    path = tmp_path / "lists" / "cases.json"
    path.parent.mkdir()
    assert main([str(tsv), "-o", str(path), "--speakers", "4", "--sentences", "3"]) == 0
    loaded = load_cases(path)
    assert loaded.cases == build_cases(tsv, 4, 3).cases
    assert json.loads(path.read_text("utf-8"))["root"] == ".."
    (tmp_path / loaded.cases[0].real).unlink()
    with pytest.raises(DataError, match=loaded.cases[0].real):
        load_cases(path)
    path.write_text("{}", "utf-8")
    with pytest.raises(DataError, match="not a case list"):
        load_cases(path)
    with pytest.raises(DataError, match="none.json: No such file.*tts eval cases"):
        load_cases(tmp_path / "none.json")
    assert main([str(tsv), "-o", str(path), "--speakers", "9"]) == 1


def test_a_table_of_training_is_enough(tmp_path: Path) -> None:
    """Whatever program wrote it; lengths are those of the recordings."""
    lines = [line.split("\t") for line in four_speakers(tmp_path, 3.2).read_text().splitlines()]
    bare = [[path, speaker, text] for path, speaker, _, _, text in lines]
    tables = {
        "plain.tsv": "\n".join("\t".join(row) for row in bare),
        "windows.tsv": "\ufeff" + "\r\n".join("\t".join(row) for row in bare) + "\r\n\r\n",
        "quoted.csv": "\n".join(",".join(f'"{field}"' for field in row) for row in bare),
    }
    found = []
    for name, content in tables.items():
        (tmp_path / name).write_bytes(content.encode())
        found.append(build_cases(tmp_path / name, 4, 3).cases)
    assert found[0] == found[1] == found[2] and len(found[0]) == 12
    (tmp_path / "s1-0.wav").write_bytes(b"no audio")
    with pytest.raises(DataError, match=r"plain.tsv line 2: .*s1-0.wav: its length cannot be read"):
        build_cases(tmp_path / "plain.tsv", 4, 3)
    for row in ("a.wav\t1\tx\ty", "a.wav\t1", "\t1\tx"):
        (tmp_path / "bad.tsv").write_text(f"path\tspeaker\ttext\n{row}\n")
        with pytest.raises(DataError, match=r"bad.tsv line 2"):
            build_cases(tmp_path / "bad.tsv", 4, 3)


def test_a_limit_takes_speakers_in_turn(tsv: Path) -> None:
    cases = build_cases(tsv, 4, 3).cases
    assert [case.speaker for case in spread(cases, 4)] == ["1", "2", "3", "4"]
    assert spread(cases, None) == list(cases)


def a_voice(text: str, reference: Path, seed: int) -> tuple[np.ndarray, int, float | None]:
    """Speaks every text as a tone 50 Hz above the reference, at another sample rate."""
    samples, _ = soundfile.read(reference)
    hertz = float(np.abs(np.fft.rfft(samples, RATE)).argmax()) + 50
    return tone(hertz, 1.0, 24_000), 24_000, 0.25


@pytest.fixture
def cases(tsv: Path) -> CaseList:
    return build_cases(tsv, 4, 3)


def test_evaluation_scores_made_and_real(cases: CaseList, tmp_path: Path) -> None:
    report = evaluate(cases, a_voice, fakes(), tmp_path / "out", name="m", seed=7, plots=0)
    total = report.summary()
    assert total["made"]["wer"] == pytest.approx(2 / 6) == total["real"]["wer"]
    assert total["made"]["similarity"] == pytest.approx(0.95, abs=0.003)
    assert total["real"]["similarity"] > 0.99
    assert total["made"]["quality"] == 4.0 and total["made"]["first_audio_seconds"] == 0.25
    assert 0 < total["made"]["rtf"] < 1 and total["made"]["failures"] == 0
    # tones of 101 to 408 Hz: the mean distance of four voices 100 Hz apart is 167 Hz
    assert report.chance_similarity == pytest.approx(1 - 0.167, abs=0.01)
    assert set(report.by_speaker()) == {"1", "2", "3", "4"}
    content = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert content["seed"] == 7 and content["metrics"]["wer"] == "fake words"
    assert content["summary"]["made"]["wer"] == total["made"]["wer"]
    for row in content["rows"]:
        assert soundfile.info(tmp_path / "out" / row["wav"]).samplerate == 24_000
    assert "| m | 12 | 0 | 33.3 %" in report.markdown()


class Slow:
    """Says what `a_voice` says, of references that take long to be read."""

    def __init__(self) -> None:
        self.prepared: list[Path] = []

    def prepare(self, reference: Path) -> None:
        time.sleep(0.2)
        self.prepared.append(reference)
        if len(self.prepared) == 1:
            raise RuntimeError("no voice in it")

    def __call__(self, text: str, reference: Path, seed: int) -> tuple[Any, ...]:
        assert reference == self.prepared[-1]
        return a_voice(text, reference, seed)


def test_what_is_prepared_is_not_timed(
    cases: CaseList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow()
    report = evaluate(cases, slow, fakes(), tmp_path / "out", limit=3, plots=0)
    assert len(slow.prepared) == 3
    # Where that fails, it is the item that failed.
    first, *rest = report.rows
    assert "no voice in it" in str(first.failure) and not any(row.failure for row in rest)
    assert all(row.compute_seconds and row.compute_seconds < 0.2 for row in rest)

    def read_slowly(path: Path) -> tuple[np.ndarray, int]:
        time.sleep(0.2)
        return read_audio(path)

    monkeypatch.setattr(run, "read_audio", read_slowly)
    made = resynthesis(
        lambda x, rate: (x, rate), recordings_of(cases, 2), fakes(), tmp_path / "codec", plots=0
    )
    assert all((row.compute_seconds or 1) < 0.2 for row in made.rows)


def test_failures_are_counted_and_named(cases: CaseList, tmp_path: Path) -> None:
    bad = {case.text: number for number, case in enumerate(cases.cases[:4])}

    def voice(text: str, reference: Path, seed: int) -> tuple[np.ndarray, int, float | None]:
        if bad.get(text) == 0:
            raise RuntimeError("out of breath")
        if bad.get(text) == 1:
            return np.zeros(0), RATE, None
        if bad.get(text) == 2:
            return np.full(RATE, np.inf), RATE, None
        if bad.get(text) == 3:
            return np.zeros(RATE), RATE, None
        return a_voice(text, reference, seed)

    report = evaluate(cases, voice, fakes(), tmp_path / "out", plots=0)
    made = report.summary()["made"]
    assert made["failures"] == 3 and made["items"] == 12
    assert made["wer"] == pytest.approx((3 * 6 + 9 * 2) / (12 * 6))
    assert made["wer_of_made"] == pytest.approx(2 / 6)
    assert made["notes"] == 1 and made["quality_items"] == 8
    table = report.markdown()
    assert "out of breath" in table and "silence has no quality" in table and "| 3 |" in table


def test_a_missing_metric_is_a_dash_with_its_reason(cases: CaseList, tmp_path: Path) -> None:
    metrics = Metrics(words=FakeWords(), missing={"quality": "not here", "similarity": "nor here"})
    report = evaluate(cases, a_voice, metrics, tmp_path / "out", name="m", limit=2, plots=0)
    line = next(line for line in report.markdown().splitlines() if line.startswith("| m |"))
    assert line.split(" | ")[4:6] == ["-", "-"]
    assert "quality: - (not here)" in report.markdown()
    assert report.summary()["made"]["similarity"] is None


def test_real_recordings_are_measured_once(cases: CaseList, tmp_path: Path) -> None:
    first = fakes()
    before = evaluate(cases, None, first, tmp_path / "out", plots=0)
    again = fakes()
    after = evaluate(cases, None, again, tmp_path / "out", plots=0)
    assert isinstance(first.words, FakeWords) and isinstance(again.words, FakeWords)
    assert first.words.heard == 12 and again.words.heard == 0
    assert before.summary()["real"] == after.summary()["real"]
    changed = cases.root / cases.cases[0].real
    soundfile.write(changed, tone(777), RATE)  # other content: measured anew
    evaluate(cases, None, again, tmp_path / "out", plots=0)
    assert again.words.heard == 1


def test_resynthesis_tells_own_from_another_recording(cases: CaseList, tmp_path: Path) -> None:
    recordings = recordings_of(cases)
    report = resynthesis(lambda x, rate: (x, rate), recordings, fakes(), tmp_path / "out", plots=0)
    made, real = report.summary()["made"], report.summary()["real"]
    assert made["own_similarity"] == pytest.approx(1, abs=1e-6)
    assert made["similarity"] == pytest.approx(real["similarity"]) and made["similarity"] < 1
    assert made["wer"] == real["wer"]
    assert "ECAPA own" in report.markdown()

    def shift(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
        return tone(900, 0.5), rate

    lost = resynthesis(shift, recordings, fakes(), tmp_path / "lost", plots=0).summary()["made"]
    assert lost["own_similarity"] < 0.8 and lost["similarity"] < 0.8


def test_word_error_is_errors_over_words_not_a_mean_of_rates() -> None:
    rows = [
        Row("a", "s", "", made=Scores(errors=0, words=30)),
        Row("b", "s", "", made=Scores(errors=5, words=10)),
    ]
    assert summarize(rows, "made")["wer"] == pytest.approx(5 / 40)


def test_the_interval_holds_the_figure_and_narrows() -> None:
    def figure(scores: object) -> float | None:
        values = [score.similarity for score in scores]  # type: ignore[attr-defined]
        return float(np.mean(values)) if None not in values else None

    values = np.random.default_rng(0).normal(0.5, 0.1, 200)
    few = interval([Scores(similarity=float(v)) for v in values[:10]], figure)
    many = interval([Scores(similarity=float(v)) for v in values], figure)
    assert few is not None and many is not None
    assert few[0] < np.mean(values[:10]) < few[1] and many[0] < np.mean(values) < many[1]
    # the standard error of 200 draws is 0.1 / sqrt(200): 95 % are 0.028 wide
    assert many[1] - many[0] == pytest.approx(0.028, rel=0.25) and few[1] - few[0] > 0.06
    assert interval([Scores(similarity=0.5)], figure) is None


def test_options_run_every_model_and_restore_threads(cases: CaseList, tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    save_cases(cases, path)
    options = EvalOptions(
        cases=path,
        out_dir=tmp_path / "out",
        models=("one", "a/two", "b/two"),
        limit=4,
        progress=False,
        plots=0,
    )
    threads = torch.get_num_threads()
    reports = run_cli(options, load_synthesizer=lambda name: a_voice, metrics=fakes())
    assert torch.get_num_threads() == threads
    assert [report.name for report in reports] == ["one", "a/two", "b/two"]
    assert (tmp_path / "out" / "a_two" / "report.md").is_file()
    assert str(tmp_path) not in (tmp_path / "out" / "one" / "report.json").read_text("utf-8")
    with pytest.raises(UsageError):
        run_cli(EvalOptions(cases=path, out_dir=tmp_path / "o", resynthesis=True))


def test_names_of_any_script_are_files_of_their_own(tsv: Path, tmp_path: Path) -> None:
    names = {"1": "Анна", "2": "Иван", "3": "ann b", "4": "ann_b"}
    head, *rows = (line.split("\t") for line in tsv.read_text("utf-8").splitlines())
    for row in rows:
        row[1] = names[row[1]]
    tsv.write_text("\n".join("\t".join(row) for row in [head, *rows]) + "\n", "utf-8")
    cases = build_cases(tsv, 4, 1)
    report = evaluate(cases, a_voice, fakes(), tmp_path / "out", plots=0)
    assert len({row.wav for row in report.rows}) == 4
    assert {row.wav for row in report.rows} >= {"wav/Анна-0.wav", "wav/Иван-0.wav"}
    assert len(list((tmp_path / "out" / "wav").iterdir())) == 4
    for row in report.rows:
        said, _ = read_audio(tmp_path / "out" / str(row.wav))
        wanted = a_voice(row.text, cases.root / cases.cases[report.rows.index(row)].reference, 0)
        np.testing.assert_allclose(said, wanted[0], atol=1e-3)
    path = tmp_path / "cases.json"
    save_cases(cases, path)
    models = ("a b/two", "a_b/two", "Two", "жук", "лук")
    options = EvalOptions(
        cases=path, out_dir=tmp_path / "o", models=models, progress=False, plots=0
    )
    run_cli(options, load_synthesizer=lambda name: a_voice, metrics=fakes())
    found = [json.loads(each.read_text("utf-8"))["name"] for each in tmp_path.glob("o/*/*.json")]
    assert sorted(found) == sorted(models)


def test_a_recording_that_is_named_twice_is_not_compared_with_itself(tsv: Path) -> None:
    head, *rows = tsv.read_text("utf-8").splitlines()
    tsv.write_text("\n".join([head, *rows, *(f"./{row}" for row in rows)]) + "\n", "utf-8")
    for case in build_cases(tsv, 4, 5).cases:
        assert Path(case.reference) != Path(case.other)


def test_pictures_of_a_few_items(cases: CaseList, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report = evaluate(cases, a_voice, fakes(), tmp_path / "out", plots=2, limit=4)
    assert len(list((tmp_path / "out" / "plots").glob("*.png"))) == 2
    assert report.notes == []


def test_a_comparison_has_a_line_for_each_model() -> None:
    def report(name: str, errors: int) -> Report:
        row = Row("a", "s", "one two", wav="a.wav", seconds=1.0, compute_seconds=0.5)
        row.made = Scores(errors=errors, words=2, similarity=0.5, quality=3.0)
        row.real = Scores(errors=0, words=2, similarity=0.7, quality=3.5)
        return Report(name, [row], chance_similarity=0.1)

    reports = [report("one", 1), report("two", 2)]
    lines = comparison(reports).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:5]] == ["one", "two", "real recordings"]
    assert "50.0 %" in lines[2] and "100.0 %" in lines[3] and "0.100" in lines[-1]
    kept = published(reports[0])
    assert kept["wer"] == 0.5 and kept["rtf"] == 0.5 and kept["real"]["similarity"] == 0.7


def test_models_are_compared_on_what_both_have() -> None:
    def report(name: str, similarity: list[float | None], errors: int) -> Report:
        rows = []
        for number, each in enumerate(similarity):
            made = Scores(errors=errors, words=10, similarity=each, quality=3.0)
            rows.append(Row(str(number), "s", "words", made, wav="a.wav"))
        return Report(name, rows)

    # The second fails where the voice is hard, which raises its mean and not what is compared.
    table = comparison(
        [report("one", [0.9, 0.1, 0.8, 0.7], 1), report("two", [0.8, None, 0.7, 0.6], 2)]
    )
    assert "| two | 4 |" in table and "0.700" in table and "0.625" in table
    (line,) = (line for line in table.splitlines() if line.startswith("| two less one"))
    assert line == (
        "| two less one | +10.0 [+10.0, +10.0] | +0.00 [+0.00, +0.00] | -0.10 [-0.10, -0.10] |"
    )
    assert "WER points [95 %]" in table

"""Batches: rows, plans, sentences together and alone, stopping anywhere, workers."""

import hashlib
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from tts import TTS, Options
from tts.batch.grouping import GROUP_CHARS, GROUP_ROWS, group_rows
from tts.batch.rows import Row, make_rows
from tts.batch.run import run_batch
from tts.batch.worker import RowSynthesizer, Settings
from tts.cli.main import run
from tts.errors import UsageError
from tts.pipeline.render import MAX_UTTERANCES, Utterance

Recording = Callable[..., Path]
SENTENCES = (
    "Hello.",
    "The birch canoe slid on the smooth planks.",
    "Is it so?",
    "Glue the sheet to the dark blue background, and wait. Then go on.",
    "Rice is served.",
)


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


def texts(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(SENTENCES, k=rng.choice([1, 1, 2, 3]))) for _ in range(count)]


def contents(folder: Path) -> dict[str, str]:
    """Checksums of all files, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_plan_is_a_partition_of_similar_lengths() -> None:
    rng = random.Random(1)
    for count in (0, 1, 7, 200):
        rows = [
            Row(str(n), "x" * rng.choice([5, 40, 300, 9000]), model=rng.choice(["", "b"]))
            for n in range(count)
        ]
        groups = group_rows(rows, range(count))
        assert sorted(n for group in groups for n in group) == list(range(count))
        assert groups == group_rows(rows, range(count))
        for group in groups:
            sizes = [len(rows[n].text) for n in group]
            assert len({rows[n].model for n in group}) == 1 and len(group) <= GROUP_ROWS
            assert sum(sizes) <= GROUP_CHARS or len(group) == 1


def test_together_as_alone(tts: TTS, recording: Recording) -> None:
    """Whatever the batch-mates: within 1e-4, words at the same times; the same batch, the same
    bytes."""
    voices = [tts.voice("default"), tts.voice(recording(seconds=1.3))]
    utterances, alone = [], []
    for n, text in enumerate(texts(6)):
        options = Options(
            seed=n, speed=1 + n / 10, pitch=1.2 if n == 3 else 1.0, steps=3 if n == 4 else None
        )
        for number, phones in enumerate(tts.sentences(text)):
            utterances.append(Utterance(phones, voices[n % 2], options, number))
            alone.append(list(tts.say(phones, voices[n % 2], options, number)))
    found = tts.renderer.batches(utterances)
    assert len(found) < len(utterances) / 2
    for batch in found:
        kinds = {(utterances[at].options.pitch, utterances[at].options.steps) for at in batch}
        assert len(kinds) == 1 and len(batch) <= MAX_UTTERANCES["cpu"]
    for seed in range(3):
        order = random.Random(seed).sample(range(len(utterances)), len(utterances) - seed)
        said = tts.renderer.render_all([utterances[at] for at in order])
        again = tts.renderer.render_all([utterances[at] for at in order])
        for at, chunk, twin in zip(order, said, again, strict=True):
            whole = np.concatenate([piece.samples for piece in alone[at]])
            assert chunk.samples.shape == whole.shape
            np.testing.assert_allclose(chunk.samples, whole, atol=1e-4)
            np.testing.assert_array_equal(chunk.samples, twin.samples)
            assert chunk.words == alone[at][0].words and chunk.phones == alone[at][0].phones


def test_models_that_cannot_batch(tts: TTS, monkeypatch: pytest.MonkeyPatch) -> None:
    voice = tts.voice("default")
    utterances = [
        Utterance(phones, voice, Options(seed=5), number)
        for number, phones in enumerate(tts.sentences(" ".join(texts(3))))
    ]
    can = replace(tts.capabilities, batching=False)
    monkeypatch.setattr(tts.renderer, "pipeline", replace(tts.pipeline, capabilities=can))
    for utterance, chunk in zip(utterances, tts.renderer.render_all(utterances), strict=True):
        pieces = list(tts.say(utterance.phones, voice, utterance.options, utterance.number))
        np.testing.assert_array_equal(chunk.samples, np.concatenate([p.samples for p in pieces]))
        assert chunk.words == pieces[0].words and chunk.text == utterance.phones.text


def test_a_pitch_that_cannot_be_changed_is_told_to_its_row(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = tts.voice("default")
    phones = next(iter(tts.sentences("Hello.")))
    plain, high = (Utterance(phones, voice, Options(pitch=pitch)) for pitch in (1.0, 1.5))
    can = replace(tts.capabilities, pitch=False)
    monkeypatch.setattr(tts.renderer, "pipeline", replace(tts.pipeline, capabilities=can))
    for spoken in ([high], [high, high], [plain, high], [high, plain, plain]):
        for say in (tts.renderer.render_batch, tts.renderer.render_all):
            with pytest.raises(UsageError, match="cannot change the pitch"):
                say(spoken)
    rows: list[Any] = [
        (f"r{n}", "Hello.", None, {"pitch": pitch}) for n, pitch in enumerate((1.0, 1.5, 1.0, 0.8))
    ]
    results = tts.batch(rows, tmp_path / "out")
    assert ["pitch" in result.error for result in results] == [False, True, False, True]
    assert [bool(result.file) for result in results] == [True, False, True, False]


def test_batch_equals_synthesize(tts: TTS, tmp_path: Path, recording: Recording) -> None:
    ref = recording()
    rows: list[Any] = [(f"r{n}", text, None, {"seed": n}) for n, text in enumerate(texts(5))]
    rows += [("clone", SENTENCES[1], str(ref)), ("bad", "..."), ("lost", "Hello.", "none.wav")]
    results = tts.batch(rows, tmp_path / "out", timestamps=["srt", "json"])
    assert [r.id for r in results] == [row[0] for row in rows]
    assert [bool(r.error) for r in results] == [False] * 6 + [True] * 2
    assert "none.wav" in results[7].error and not (tmp_path / "out" / "lost.wav").exists()
    for row, result in list(zip(rows, results, strict=True))[:6]:
        audio = tts.synthesize(row[1], row[2] or "default", seed=result.seed)
        made, rate = sf.read(tmp_path / "out" / result.file, dtype="float32")
        assert rate == audio.sample_rate and result.seconds == pytest.approx(
            audio.seconds, abs=1e-3
        )
        np.testing.assert_allclose(made, audio.samples, atol=2e-4)
        spans = json.loads((tmp_path / "out" / f"{row[0]}.json").read_text())
        assert [w["text"] for w in spans["words"]] == [w.text for w in audio.words]
        assert spans["words"][-1]["end"] == pytest.approx(audio.words[-1].end, abs=1e-3)
        captions = (tmp_path / "out" / f"{row[0]}.srt").read_text()
        assert captions.startswith("1\n00:00:00,") and row[1].split()[-1] in captions
    manifest = [json.loads(line) for line in open(tmp_path / "out" / "manifest.jsonl")]
    assert [m["id"] for m in manifest] == [r.id for r in results]
    assert not (tmp_path / "out" / ".batch").exists()


def test_done_rows_are_left_alone(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    say = RowSynthesizer.synthesize

    def watched(self: RowSynthesizer, rows: list[Row]) -> Any:
        said.extend(row.id for row in rows)
        return say(self, rows)

    monkeypatch.setattr(RowSynthesizer, "synthesize", watched)
    rows = [(f"r{n}", text) for n, text in enumerate(texts(4))] + [("bad", "...")]
    first = tts.batch(rows, tmp_path)
    before = contents(tmp_path)
    said.clear()
    assert tts.batch(rows[:4], tmp_path) == first[:4]
    assert said == []
    assert tts.batch(rows, tmp_path) == first and said == ["bad"], "errors are tried again"
    assert contents(tmp_path) == before
    said.clear()
    (tmp_path / "r1.wav").unlink()
    changed = [*rows[:2], ("r2", "Another text."), rows[3], ("new", "One more.")]
    made = tts.batch(changed, tmp_path)
    assert sorted(said) == ["new", "r1", "r2"]
    after = contents(tmp_path)
    assert after["r0.wav"] == before["r0.wav"] and after["r2.wav"] != before["r2.wav"]
    assert made[1].sha256 == hashlib.sha256((tmp_path / "r1.wav").read_bytes()).hexdigest()


def child(work: Callable[[], object], die_at: int | None = None) -> tuple[int, int]:
    """Run `work` in a forked process that kills itself at its `die_at`-th file operation.

    Returns:
        the signal that ended it (0 for none), file operations.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        count = 0
        torch.set_num_threads(1)  # a fork has no other threads, whatever the parent had
        signal.alarm(120)

        def hook(event: str, arguments: Any) -> None:
            nonlocal count
            if event in ("open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir"):
                count += 1
                if count == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            work()
            os.write(writer, str(count).encode())
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
    os.close(writer)
    _, status = os.waitpid(pid, 0)
    with open(reader) as file:
        count = int(file.read() or 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kills_give_the_same_bytes(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at random file operations, each time going on where it stopped."""
    monkeypatch.setattr("tts.batch.grouping.GROUP_ROWS", 3)
    rows = [(f"r{n}", text, None, {"seed": n}) for n, text in enumerate(texts(10))]
    rows.append(("bad", "...", None, {}))

    def work(folder: Path) -> Callable[[], object]:
        return lambda: tts.batch(rows, folder, timestamps=["srt"])

    tts.synthesize("Warm.")  # what is opened only once is not counted
    signal_, operations = child(work(tmp_path / "whole"))
    assert signal_ == 0 and operations > 30
    expected = contents(tmp_path / "whole")
    assert len(expected) == 21
    rng = random.Random(0)
    kills, folder = 0, 0
    while kills < 5:
        out = tmp_path / f"killed{folder}"
        folder += 1
        while True:
            ended, _ = child(work(out), rng.randrange(1, operations // 2))
            if not ended:
                break
            kills += 1
        assert contents(out) == expected, f"after {kills} kills"
    assert folder < 5, "every run was killed once at most"


def test_one_run_at_a_time(tts: TTS, tmp_path: Path) -> None:
    from tts.batch.journal import Journal

    journal = Journal(tmp_path / "out")
    with pytest.raises(UsageError, match="another run"):
        tts.batch([("a", "Hello.")], tmp_path / "out")
    journal.close()
    assert not tts.batch([("a", "Hello.")], tmp_path / "out")[0].error


def test_torn_journal_and_strange_folder(tts: TTS, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / ".batch").mkdir(parents=True)
    (out / ".batch" / "journal.jsonl").write_text('{"id": "a", "fi')
    assert not tts.batch([("a", "Hello.")], out)[0].error
    (out / "manifest.jsonl").write_text('{"something": "else"}\n')
    with pytest.raises(Exception, match="another folder"):
        tts.batch([("a", "Hello.")], out)


def test_command(
    tiny_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], recording: Recording
) -> None:
    recording("ref.wav")
    table = tmp_path / "rows.csv"
    table.write_text("id,text,ref,model\na,Hello.,,\nb,Good bye.,ref.wav,default\n")
    out = tmp_path / "out"
    arguments = ["batch", str(table), "--out", str(out)]
    assert run([*arguments, "--format", "flac", "--json", "--provenance"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["rows"] == 2 and told["failed"] == told["skipped"] == 0 and told["rtf"] > 0
    assert sf.info(out / "b.flac").duration > 0.2
    record = json.loads((out / "b.provenance.json").read_text())
    assert record["synthetic"] and record["voice"] == "ref" and len(record["weights_sha256"]) == 64
    assert run([*arguments, "--format", "flac", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["skipped"] == 2
    table.write_text("id,text,speed\na,Hello.,\nb,Good bye.,9\n")
    assert run(arguments) == 1
    out_, err = capfd.readouterr()
    assert out_ == "" and "1 of 2 rows" in err and "b: speed 9" in err
    table.write_text("id,text,language\na,Hello.,\nb,Bye.,qq-zz\nc,Bye.,EN_us\n")
    for quiet in ([], ["-q"]):
        assert run([*arguments, *quiet]) == 1
        assert "qq-zz" in (out / "manifest.jsonl").read_text() and (out / "c.wav").exists()
        capfd.readouterr()
    for wrong in (
        ["--format", "wave"],
        ["--workers", "0"],
        ["--timestamps", "xyz"],
        ["--engine", "spark"],
        ["--watermark", "nowhere:m"],
        ["--model", "x"],
    ):
        assert run([*arguments, *wrong]) == 2
        assert wrong[1] in capfd.readouterr().err


def quieter(sample_rate: int) -> Callable[[np.ndarray], np.ndarray]:
    """A watermark for the test below."""
    return lambda chunk: chunk * 0.5


def shorter(sample_rate: int) -> Callable[[np.ndarray], np.ndarray]:
    """One that must not be."""
    return lambda chunk: chunk[1:]


def test_watermark(tts: TTS, tmp_path: Path) -> None:
    rows = make_rows([("a", "Hello.")])
    plain = run_batch(rows, Settings(tmp_path / "p", tts.config, device="cpu"), model=tts)
    settings = Settings(tmp_path / "m", tts.config, device="cpu", watermark=f"{__name__}:quieter")
    assert not run_batch(rows, settings, model=tts).failed and not plain.failed
    one, two = (sf.read(tmp_path / name / "a.wav")[0] for name in "pm")
    np.testing.assert_allclose(two, one / 2, atol=1e-4)
    settings = Settings(tmp_path / "s", tts.config, device="cpu", watermark=f"{__name__}:shorter")
    assert "watermark" in run_batch(rows, settings, model=tts).results[0].error


def test_processes_give_the_same_and_survive_a_death(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    monkeypatch.setattr("tts.batch.grouping.GROUP_ROWS", 2)
    rows = [(f"r{n}", text) for n, text in enumerate(texts(6))]
    tts.batch(rows, tmp_path / "one")
    killed: list[int] = []

    from tts.batch.journal import Journal

    add = Journal.add

    def kill_one(self: Journal, results: Any) -> None:
        if not killed:
            victim = psutil.Process().children()[0]
            killed.append(victim.pid)
            victim.kill()
        add(self, results)

    monkeypatch.setattr(Journal, "add", kill_one)
    for wrong in ("2", 2.5, None, True):
        with pytest.raises(UsageError, match="workers"):
            tts.batch(rows, tmp_path / "two", workers=wrong)  # type: ignore[arg-type]
    results = tts.batch(rows, tmp_path / "two", workers=2)
    assert killed and not any(result.error for result in results)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


@pytest.mark.peer
def test_ray_survives_the_loss_of_a_worker(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    from tts.batch.journal import Journal

    monkeypatch.setattr("tts.batch.grouping.GROUP_ROWS", 2)
    rows = make_rows([(f"r{n}", text) for n, text in enumerate(texts(8))])
    settings = Settings(tmp_path / "one", tts.config, device="cpu", threads=1)
    run_batch(rows, settings, model=tts)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    killed: list[int] = []
    add = Journal.add

    def kill_one(self: Journal, results: Any) -> None:
        if not killed:
            import psutil

            workers = [
                each
                for each in psutil.Process().children(recursive=True)
                if "Speaker" in " ".join(each.cmdline())
            ]
            killed.append(workers[-1].pid)
            workers[-1].kill()
        add(self, results)

    monkeypatch.setattr(Journal, "add", kill_one)
    try:
        settings = Settings(tmp_path / "two", tts.config, device="cpu", threads=1)
        summary = run_batch(rows, settings, workers=2, engine_name="ray")
    finally:
        ray.shutdown()
    assert killed and summary.failed == 0
    assert contents(tmp_path / "two") == contents(tmp_path / "one")

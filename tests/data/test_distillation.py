"""What a teacher says, kept and learnt from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.training import flow_task, one_step
from tts import TTS
from tts.data.batch import Batch, prompt_of, tokens_of
from tts.data.corpus import Corpus
from tts.data.distillation import (
    DistillationData,
    Row,
    RowData,
    Texts,
    clearest,
    distill_rows,
    write_distillation,
    write_rows,
)
from tts.data.punctuation import PunctuationCorpus
from tts.data.segments import SegmentSampler
from tts.errors import DataError, OutputError, UsageError
from tts.generators.base import Request
from tts.losses.phone import PhoneProbe
from tts.prosody.durations import EDGE_FRAMES
from tts.text.frontend import Frontend
from tts.text.pauses import COMMA
from tts.text.symbols import SIL
from tts.text.tokens import TokenBatch
from tts.train.tasks.generator import GeneratorTask
from tts.train.tasks.identity import IdentityTask


@pytest.fixture
def teacher(tiny_home: Path) -> TTS:
    return TTS.load("default", "cpu")


def test_lessons_are_what_the_teacher_says(teacher: TTS, corpus: Corpus, tmp_path: Path) -> None:
    write_distillation(corpus, teacher, tmp_path / "said", 5, seed=3, max_frames=60, batch_size=2)
    made = DistillationData([str(tmp_path / "said")])
    assert len(made.rows) == 5
    batch = made.draw(np.random.default_rng(0), 1)
    durations = batch["durations"]
    assert durations.sum(1).tolist() == batch["frames"].tolist()
    assert batch["features"].shape == (1, int(batch["frames"][0]), 82)
    # Said again, alone, from what was stored of it: the same, as fp16 has it.
    request = Request(tokens_of(batch), prompt_of(batch), durations)
    chosen = next(n for n, row in enumerate(made.rows) if row.durations == durations[0].tolist())
    rng = torch.Generator().manual_seed(3 * 5 + chosen)
    latents = teacher.acoustic.generator.generate(request, [rng], teacher.config.sampling)
    features, _ = teacher.acoustic.latent_space.decode(
        latents, teacher.acoustic.latent_space.start(request.prompt), True
    )
    said = features[:, : batch["features"].shape[1]]
    torch.testing.assert_close(said, batch["features"], rtol=2e-3, atol=5e-3)


def test_texts_change_voices(teacher: TTS, corpus: Corpus) -> None:
    drawn = SegmentSampler(corpus, 60).draw(np.random.default_rng(1), 3)
    said = distill_rows(teacher, drawn, 0)
    assert torch.equal(said["ids"], drawn["ids"].roll(1, 0))
    assert torch.equal(said["prompt_features"], drawn["prompt_features"])
    assert torch.equal(said["durations"].sum(1), said["frames"])


def test_texts_of_others_are_said(teacher: TTS, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("* * *\nCall me Ishmael, said nobody in this corpus.\n")
    texts = Texts(tmp_path, Frontend("en-us"), words=4)
    tokens = texts.draw(np.random.default_rng(0), 3)
    rows = [ids[:n].tolist() for ids, n in zip(tokens.ids, tokens.lengths.tolist(), strict=True)]
    known = [
        Frontend("en-us").one(" ".join(texts.lines[1].split()[n : n + size])).ids
        for size in (3, 4)
        for n in range(6)
    ]
    assert all(row[0] == SIL == row[-1] for row in rows)
    assert all(any(set(row) <= {*ids, COMMA} for ids in known) for row in rows)
    write_distillation(corpus, teacher, tmp_path / "said", 3, max_frames=60, texts=tmp_path)
    batch = DistillationData([str(tmp_path / "said")]).draw(np.random.default_rng(0), 1)
    # Said as a request of these words is.
    assert batch["durations"][0, 0] == EDGE_FRAMES[0] and int(batch["frames"][0]) % 2 == 0
    with pytest.raises(DataError, match="no text"):
        Texts(tmp_path / "said", Frontend("en-us"))


def test_texts_of_which_nothing_can_be_said_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stars.txt").write_text("* * *\n***\n")
    with pytest.raises(DataError, match=r"nothing can be said .*'\*"):
        Texts(tmp_path, Frontend("en-us")).draw(np.random.default_rng(0), 2)


@pytest.mark.parametrize("reader", [lambda at: Texts(at, Frontend("en-us")), PunctuationCorpus])
def test_texts_are_utf_8(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    (tmp_path / "whole.txt").write_bytes("\ufeffCall me Ismaël.\n".encode())
    reader(tmp_path)
    (tmp_path / "old.txt").write_bytes("Call me Ismaël.".encode("latin-1"))
    with pytest.raises(DataError, match=r"old\.txt is not UTF-8"):
        reader(tmp_path)
    (tmp_path / "old.txt").unlink()
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(DataError, match=r"cannot read .*folder\.txt"):
        reader(tmp_path)


def test_generators_learn_from_lessons(teacher: TTS, corpus: Corpus, tmp_path: Path) -> None:
    for seed in (0, 1):
        write_distillation(corpus, teacher, tmp_path / str(seed), 4, seed, max_frames=60)
    folders = (str(tmp_path / "0"), str(tmp_path / "1"))
    task = GeneratorTask(corpus, flow_task(corpus).arguments, batch_size=3, distill_data=folders)
    assert task.distill_data is not None and len(task.distill_data.rows) == 8
    assert one_step(task)
    # With none taught, the corpus itself.
    real = GeneratorTask(
        corpus, flow_task(corpus).arguments, 3, distill_data=folders, distill_ratio=0.0
    )
    lengths = {row.frames for row in task.distill_data.rows}
    assert set(task.batch(np.random.default_rng(2))["frames"].tolist()) <= lengths
    plain = SegmentSampler(corpus, 180)
    rng = np.random.default_rng(2)
    rng.random()
    assert torch.equal(real.batch(np.random.default_rng(2))["ids"], plain.draw(rng, 3)["ids"])


def test_speakers_that_are_held_out_are_not_learned_from(
    teacher: TTS, corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    speakers = sorted({item.speaker for item in corpus.items})
    held, others = speakers[0], set(speakers[1:])
    write_distillation(corpus, teacher, tmp_path / "all", 8, max_frames=60)
    write_distillation(corpus, teacher, tmp_path / "less", 4, max_frames=60, leave_out=[held])
    whole = DistillationData([str(tmp_path / "all")])
    assert {row.speaker for row in whole.rows} == set(speakers)
    less = DistillationData([str(tmp_path / "less")], [held])
    assert len(less.rows) == 4 and {row.speaker for row in less.rows} <= others
    task = GeneratorTask(
        corpus, flow_task(corpus).arguments, 3, distill_data=(str(tmp_path / "all"),),
        held_out=(held,),
    )  # fmt: skip
    assert task.distill_data is not None
    assert {row.speaker for row in task.distill_data.rows} <= others
    # What is left is what it was: rows keep their places in the arrays.
    left = [at for at, row in enumerate(whole.rows) if row.speaker != held]
    assert [whole._places[at][1:] for at in left] == [p[1:] for p in task.distill_data._places]
    with pytest.raises(DataError, match="held_out leaves no distillation"):
        DistillationData([str(tmp_path / "all")], speakers)
    for wrong in (held + "x", held.upper() + "y"):
        with pytest.raises(UsageError, match="to leave out"):
            write_distillation(corpus, teacher, tmp_path / "none", 4, leave_out=[wrong])
        with pytest.raises(UsageError, match="to leave out"):
            SegmentSampler(corpus, held_out=[wrong])
        with pytest.raises(UsageError, match="to leave out"):
            IdentityTask(corpus, held_out=(wrong,))
    assert not caplog.records
    # Older data do not say whose voice it is.
    table = tmp_path / "all" / "rows.jsonl"
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    for row in rows:
        row.pop("speaker")
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(DistillationData([str(tmp_path / "all")]).rows) == 8 and not caplog.records
    assert len(DistillationData([str(tmp_path / "all")], [held]).rows) == 8
    assert "not known" in caplog.text


@pytest.mark.parametrize(("total", "count"), [(1, 3), (5, 5), (20, 12), (60, 3), (400, 8)])
def test_all_rows_are_drawn_equally_often(total: int, count: int, tmp_path: Path) -> None:
    """The shortest and the longest too, and none twice in a batch while there are others."""
    rng = np.random.default_rng(0)

    def rows() -> Iterator[RowData]:
        for number, frames in enumerate(rng.permutation(np.arange(total) + 3)):
            features = torch.full((int(frames), 82), float(number))
            yield Row([10], [0], [int(frames)], int(frames), 1), features, features[:1], speaker

    speaker = torch.zeros(256)
    write_rows(tmp_path / "said", rows())
    data = DistillationData([str(tmp_path / "said")])
    often, calls = np.zeros(total), 4000
    for _ in range(calls):
        near = data._near(rng, count)
        assert min(count, total) <= len(near) < 3 * max(count, round(0.1 * total))
        often[near] += total / len(near) / calls
    np.testing.assert_allclose(often, 1, atol=0.3)
    for _ in range(20):
        batch = data.draw(rng, count)
        assert len(set(batch["features"][:, 0, 0].tolist())) == count or count > total


def test_damaged_lessons_are_refused(teacher: TTS, corpus: Corpus, tmp_path: Path) -> None:
    said = tmp_path / "said"
    write_distillation(corpus, teacher, said, 2, max_frames=60)
    with pytest.raises(OutputError, match="exists"):
        write_distillation(corpus, teacher, said, 2)
    with pytest.raises(DataError, match="does not exist"):
        DistillationData([str(tmp_path / "nothing")])
    whole = (said / "features.f16").read_bytes()
    (said / "features.f16").write_bytes(whole[:100])
    with pytest.raises(DataError, match="damaged"):
        DistillationData([str(said)])
    (said / "features.f16").write_bytes(whole)
    (said / "rows.jsonl").write_text(json.dumps({"ids": [1]}) + "\n")
    with pytest.raises(DataError, match="damaged"):
        DistillationData([str(said)])
    (said / "rows.jsonl").write_text("")
    with pytest.raises(DataError):
        DistillationData([str(said)])


def test_the_clearest_rows_are_kept(teacher: TTS, corpus: Corpus, tmp_path: Path) -> None:
    torch.manual_seed(0)
    judge = PhoneProbe(82, 16, 1).eval().requires_grad_(False)
    drawn = SegmentSampler(corpus, 60).draw(np.random.default_rng(1), 4)
    said = distill_rows(teacher, drawn, 0)
    errors = []
    for row in range(4):
        frames = int(said["frames"][row])
        made = said["features"][row : row + 1, :frames].float()
        tokens = TokenBatch(*(said[name][row : row + 1] for name in ("ids", "mods", "lengths")))
        alone = judge.errors(
            made, torch.ones(1, frames, 1), tokens, said["durations"][row : row + 1]
        )
        errors.append(float(alone))
    best = sorted(sorted(range(4), key=errors.__getitem__)[:2])
    assert clearest(said, judge, 2) == best
    assert clearest(said, None, 2) == [0, 1]
    write_distillation(
        corpus, teacher, tmp_path / "kept", 5, max_frames=60, batch_size=2, judge=judge, keep=0.5
    )
    assert len(DistillationData([str(tmp_path / "kept")]).rows) == 5


def test_every_row_that_is_said_has_a_seed_of_its_own(
    teacher: TTS, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = PhoneProbe(82, 16, 1).eval().requires_grad_(False)
    seeds: list[int] = []

    def counted(model: TTS, batch: Batch, seed: int, tokens: TokenBatch | None) -> Batch:
        seeds.extend(range(seed, seed + len(batch["lengths"])))
        return batch

    monkeypatch.setattr("tts.data.distillation.distill_rows", counted)
    for seed in (0, 1):
        out = tmp_path / f"{seed}"
        write_distillation(corpus, teacher, out, 5, seed, 60, batch_size=2, judge=judge, keep=0.4)
    assert len(seeds) == 2 * 13 == len(set(seeds))

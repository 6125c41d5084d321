"""The phrasing model learns from a corpus and from text with punctuation."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.phrasing import padded, phones_of, tiny
from tts.modules.voice_prompt import VoicePrompt
from tts.prosody.phrasing import (
    LONG,
    NONE,
    SHORT,
    PhrasingModel,
    place_pauses,
    word_key,
    words_of,
)


def test_learns_to_pause_before_a_word() -> None:
    rng = random.Random(0)
    pad = torch.nn.utils.rnn.pad_sequence
    rows, targets = [], []
    for _ in range(12):
        text = [rng.choice("red green blue and or".split()) for _ in range(rng.randint(6, 14))]
        rows.append(words_of(phones_of(" ".join(text))))
        targets.append(
            torch.tensor(
                [{"and": SHORT, "or": LONG}.get(w, NONE) if n else NONE for n, w in enumerate(text)]
            )
        )
    words, before = padded(rows), pad(targets, batch_first=True)
    prompt = VoicePrompt(torch.zeros(12, 6), torch.zeros(12, 5, 82), torch.full((12,), 5))
    model = tiny(dropout=0.0, forget=0.0).train()
    with torch.random.fork_rng(devices=[]):
        optimizer = torch.optim.Adam(model.parameters(), 2e-2)
        for _ in range(40):
            optimizer.zero_grad()
            loss = model.loss(words, prompt, before)
            loss.backward()
            optimizer.step()
    assert loss.item() < 0.1
    tables = model.eval().table(words, prompt).numpy()
    for table, target, count in zip(tables, targets, words.lengths.tolist(), strict=True):
        assert place_pauses(table[:count, :count], [False] * count, (0, 0)) == target.tolist()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four speakers who pause before "and", aligned, with made-up features."""
    pytest.importorskip("phonemizer")
    from tts.text.frontend import Frontend

    frontend = Frontend("en-us", pauses="none")
    rng = random.Random(0)
    lines, durations, offset, total = [], {}, 0, 0
    for n in range(44):
        text = " ".join(
            rng.choice(["birds", "swim", "and", "green", "walking"])
            for _ in range(rng.randint(6, 12))
        )
        phones = frontend.one(text)
        starts = [a for _, a, _ in phones.words]
        frames = []
        for at in range(len(phones.ids)):
            if at in starts[1:]:
                word = phones.words[starts.index(at)][0]
                frames.append(rng.choice((8, 25)) if word == "and" else 0)
            frames.append(4)
        total += sum(frames)
        samples = sum(frames) * 320
        lines.append(
            {"id": f"u{n}", "speaker": f"s{n % 4}", "text": text, "offset": offset,
             "samples": samples, "phones": phones.ids, "mods": phones.mods, "words": starts}
        )  # fmt: skip
        durations[f"u{n}"] = frames
        offset += samples
    noise = np.random.default_rng(0)
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "durations.json").write_text(json.dumps(durations))
    (tmp_path / "cache.json").write_text(json.dumps({"sample_rate": 16000, "hop": 320}))
    (tmp_path / "audio.i16").write_bytes(bytes(2 * offset))
    (tmp_path / "f0.f32").write_bytes(bytes(4 * (total + 44)))
    (tmp_path / "features.f16").write_bytes(noise.normal(size=(total, 82)).astype("<f2").tobytes())
    (tmp_path / "speaker.f32").write_bytes(noise.normal(size=(44, 256)).astype("<f4").tobytes())
    return tmp_path


def test_words_of_the_corpus_line_up(corpus: Path) -> None:
    pytest.importorskip("accelerate")
    from tts.data.corpus import Corpus
    from tts.train.tasks.phrasing import PhrasingTask

    prepared = Corpus(corpus)
    task = PhrasingTask(prepared, {"dim": 8, "blocks": 1, "vocabulary": 4}, 8, holdout=1)
    assert len(task.held_out) == 1 and task.rows and task.held_out_rows
    assert not {prepared.items[r.index].speaker for r in task.rows} & task.held_out
    seen = set()
    for row in task.rows + task.held_out_rows:
        texts = prepared.items[row.index].text.split()
        assert row.words.names[0].tolist() == [word_key(t) for t in texts]
        kinds = row.breaks.tolist()
        seen |= set(kinds)
        assert [k != NONE for k in kinds] == [n > 0 and t == "and" for n, t in enumerate(texts)]
    assert seen == {NONE, SHORT, LONG}
    one, two = (task.batch(np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert (one["breaks"][:, 0] == NONE).all()


def test_the_task_trains_and_exports(corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    from tts.data.corpus import Corpus
    from tts.registry import load_module
    from tts.train.config import check_run
    from tts_codecs.checkpoint import read_config

    run = check_run(
        {
            "task": "phrasing", "data": str(corpus), "out": "unused",
            "model": {"dim": 16, "blocks": 1, "vocabulary": 8, "dropout": 0.0},
            "options": {"holdout": 1, "batch_size": 16},
        },
        "here",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task = run.build(Corpus(corpus))
        optimizer = torch.optim.Adam(task.modules["phrasing"].parameters(), 1e-2)
        for step in range(40):
            _, loss, logs = next(task.losses(task.batch(np.random.default_rng(step)), step))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert logs["phrasing"] == loss.item()
        task.export(tmp_path / "export", 40)
    found = read_config(tmp_path / "export", "phrasing")["holdout"]
    assert found["model"]["f1"] > 0.9 > found["rule"]["f1"]
    assert found["model"]["rate"] == pytest.approx(found["model"]["real_rate"], rel=0.15)
    model = load_module(tmp_path / "export")
    assert isinstance(model, PhrasingModel) and model.prior != (0.0, 0.0)
    shutil.rmtree(tmp_path / "export")


def test_text_is_read_as_words_with_marks(tmp_path: Path) -> None:
    from tts.data.punctuation import PunctuationCorpus
    from tts.errors import DataError

    (tmp_path / "a.txt").write_text(
        "Mr. Lee didn't go\u2014not yet, (he said) at 7 o'clock!\n\n"
        "\u201cA well-known tale,\u201d he said; it's true.\n"
    )
    text = PunctuationCorpus(tmp_path)
    spoken = (
        "mister lee didn't go not yet he said at seven o'clock a well known tale he said it's true"
    )
    assert text.keys.tolist() == [word_key(w) for w in spoken.split()]
    kinds = dict(zip(enumerate(spoken.split()), text.breaks.tolist(), strict=True))
    assert {n: k for (n, _), k in kinds.items() if k} == {
        0: LONG,
        4: LONG,
        6: SHORT,
        8: SHORT,
        11: LONG,
        15: SHORT,
        17: LONG,
    }
    one = words_of(phones_of("tale"))
    assert text.parts[14].tolist() == one.parts[0, 0].tolist()
    for words, before in text.draw(np.random.default_rng(0), 20, (3, 9)):
        assert len(before) == int(words.lengths[0]) == words.names.shape[1] >= 2
        assert before[0] == NONE
    with pytest.raises(DataError, match="no text"):
        PunctuationCorpus(tmp_path / "none")


def test_marks_help_pauses(corpus: Path) -> None:
    pytest.importorskip("accelerate")
    from tts.data.corpus import Corpus
    from tts.train.tasks.phrasing import PhrasingTask

    (corpus / "book.txt").write_text("Birds swim, and green birds. Swim, and walking birds!\n" * 9)
    task = PhrasingTask(
        Corpus(corpus),
        {"dim": 8, "blocks": 1, "vocabulary": 8},
        4,
        holdout=0,
        text=str(corpus),
        text_rows=3,
    )
    assert not task.held_out and not task.held_out_rows
    batch = task.batch(np.random.default_rng(0))
    assert len(batch["names"]) == 4 and len(batch["text"]["names"]) == 3
    (_, loss, logs) = next(task.losses(batch, 0))
    loss.backward()
    assert loss.item() == pytest.approx(logs["phrasing"] + logs["marks"])
    assert all(p.grad is not None for p in task.model.parameters())

"""Pauses placed in text without punctuation: the model, the search, tokens, and its training."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tts.modules.voice_prompt import VoicePrompt
from tts.prosody.phrasing import (
    LONG,
    NONE,
    SHORT,
    PhrasingModel,
    WordBatch,
    habits,
    place_pauses,
    with_phrasing,
    word_key,
    words_of,
)
from tts.text.pauses import COMMA, PERIOD, canonical, is_pause
from tts.text.symbols import PAUSES, SIL, SYMBOLS, Phones

TEXT = (
    "the old man sat down by the fire and his daughter brought him a cup of tea because "
    "the wind had turned to the north and nobody wanted to walk home"
)


def phones_of(text: str, marks: dict[int, str] | None = None) -> Phones:
    """Made-up phones for each word, a mark before the words of `marks`."""
    rng = random.Random(len(text))
    found = Phones([SIL], [0], text=text)
    for at, word in enumerate(text.split()):
        if marks and at in marks:
            found.ids.append(SYMBOLS.index(marks[at]))
            found.mods.append(0)
        first = len(found.ids)
        found.ids += [rng.randint(20, 60) for _ in word]
        found.mods += [rng.randint(0, 3) for _ in word]
        found.words.append((word, first, len(found.ids)))
    found.ids.append(SIL)
    found.mods.append(0)
    return found


def tiny(**changes: object) -> PhrasingModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PhrasingModel(
            **{"vocabulary": 16, "dim": 16, "blocks": 1, "style": 8, "speaker_dim": 6, **changes}  # type: ignore[arg-type]
        )
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" not in name:
                    weight.add_(torch.randn(weight.shape) * 0.3)
        model.learn_words([word_key(w) for w in TEXT.split()])
    return model.eval()


def voices(lengths: list[int]) -> VoicePrompt:
    generator = torch.Generator().manual_seed(1)
    speaker = torch.nn.functional.normalize(torch.randn(len(lengths), 6, generator=generator))
    features = torch.randn(len(lengths), max(lengths), 82, generator=generator)
    return VoicePrompt(speaker, features, torch.tensor(lengths))


# ---- the search ------------------------------------------------------------------------------


def brute_force(
    table: np.ndarray, marked: list[bool], prior: tuple[float, float], least: int, most: int
) -> tuple[list[int], float]:
    """The best placement over all of them, and how likely it is."""
    count = len(marked)
    logits = table + np.array([0.0, *prior])
    scores = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    ends = [0, *[k for k in range(1, count) if marked[k]], count]
    free = [
        any(a < k < b and b - a >= least for a, b in itertools.pairwise(ends)) for k in range(count)
    ]
    best: tuple[float, list[int]] = (-np.inf, [])
    for kinds in itertools.product(*[(NONE, SHORT, LONG) if f else (NONE,) for f in free]):
        total, last = 0.0, 0
        for k in range(1, count):
            if marked[k]:
                total += scores[last, k, 1:].max()
                last = k
            elif free[k]:
                total += scores[last, k, kinds[k]]
                last = k if kinds[k] else last
                if k - last >= most:
                    total = -np.inf
        best = max(best, (total, list(kinds)))
    return best[1], best[0]


def test_placing_equals_brute_force() -> None:
    rng = np.random.default_rng(0)
    placed_any = 0
    for _ in range(60):
        count = int(rng.integers(1, 8))
        table = rng.normal(size=(count, count, 3)).astype(np.float32)
        marked = [k > 0 and bool(rng.random() < 0.2) for k in range(count)]
        prior = (float(rng.normal()) - 1, float(rng.normal()) - 1)
        least, most = int(rng.integers(1, 5)), int(rng.integers(2, 9))
        found = place_pauses(table, marked, prior, least, most)
        assert found == brute_force(table, marked, prior, least, most)[0]
        placed_any += any(found)
    assert placed_any > 20


def test_long_stretches_always_get_a_pause() -> None:
    never = np.zeros((40, 40, 3), dtype=np.float32)
    never[..., 0] = 50.0
    placed = place_pauses(never, [False] * 40, (0.0, 0.0), 8, 12)
    ends = [0, *[k for k, kind in enumerate(placed) if kind], 40]
    assert max(b - a for a, b in itertools.pairwise(ends)) <= 12
    # Only where the text itself has no mark for long.
    marked = [k > 0 and k % 7 == 0 for k in range(40)]
    assert not any(place_pauses(never, marked, (99.0, 99.0), 8, 12))
    marked = [k == 5 for k in range(40)]
    placed = place_pauses(never, marked, (99.0, 99.0), 8, 12)
    assert not any(placed[:6]) and all(placed[6:])


def test_more_prior_more_pauses() -> None:
    table = np.random.default_rng(1).normal(size=(30, 30, 3)).astype(np.float32)
    counts = [
        sum(map(bool, place_pauses(table, [False] * 30, (p, p)))) for p in (-9.0, -2.0, 0.0, 3.0)
    ]
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] > 20
    longs = place_pauses(table, [False] * 30, (-9.0, 3.0))
    assert set(longs) <= {NONE, LONG} and LONG in longs


# ---- the model -------------------------------------------------------------------------------


def test_the_table_holds_what_forward_says() -> None:
    model, prompt = tiny(), voices([60])
    words = words_of(phones_of(TEXT))
    count = int(words.lengths[0])
    table = model.table(words, prompt)[0]
    assert table.shape == (count, count, 3)
    rng = random.Random(0)
    before = torch.tensor([[0] + [rng.choice((0, 0, 0, 1, 2)) for _ in range(count - 1)]])
    logits = model(words, prompt, before)[0]
    last = 0
    for k in range(1, count):
        torch.testing.assert_close(logits[k], table[last, k], rtol=0, atol=1e-5)
        last = k if before[0, k] else last
    # A pause changes what follows, not what precedes.
    changed = before.clone()
    changed[0, 9] = 0 if before[0, 9] else 1
    other = model(words, prompt, changed)[0]
    assert torch.equal(other[:10], logits[:10])
    assert not torch.equal(other[10:], logits[10:])


def padded(rows: list[WordBatch]) -> WordBatch:
    pad = torch.nn.utils.rnn.pad_sequence
    return WordBatch(
        *(
            pad([getattr(r, n)[0] for r in rows], batch_first=True)
            for n in ("names", "parts", "sizes")
        ),
        torch.cat([r.lengths for r in rows]),
    )


def test_a_row_does_not_depend_on_its_batch() -> None:
    model, prompt = tiny(), voices([60, 25])
    rows = [words_of(phones_of(TEXT)), words_of(phones_of("how do you do my dear friend"))]
    together = model.table(padded(rows), prompt)
    for at, row in enumerate(rows):
        length = int(prompt.lengths[at])
        one = VoicePrompt(
            prompt.speaker[at : at + 1],
            prompt.features[at : at + 1, :length],
            prompt.lengths[at : at + 1],
        )
        count = int(row.lengths[0])
        alone = model.table(row, one)[0]
        torch.testing.assert_close(together[at, :count, :count], alone, rtol=0, atol=1e-4)
    other = VoicePrompt(prompt.speaker.flip(0), prompt.features, prompt.lengths)
    assert (model.table(padded(rows), other) - together).abs().max() > 1e-3


def test_words_are_known_by_their_letters() -> None:
    assert word_key("Home,") == word_key("home") != word_key("hole")
    assert word_key("'twas") == word_key("Twas") and word_key("don't") != word_key("dont")
    model = tiny(vocabulary=4)
    model.learn_words([word_key(w) for w in "b a b c c c a once".split()])
    assert sorted(word_key(w) for w in "abc") == model.known[:3].tolist()
    assert (model.known[3:] > 2**32 - 1).all()
    # Words that were never seen are told apart by their endings only.
    prompt = voices([30])

    def table(text: str) -> torch.Tensor:
        words = words_of(phones_of(text))
        words.sizes[:] = 1
        return model.table(words, prompt)

    assert torch.equal(table("a strolling"), table("a strogling"))
    assert not torch.equal(table("a strolling"), table("a strolled"))
    assert not torch.equal(table("a b"), table("b a"))


def test_pauses_of_a_recording_are_counted() -> None:
    features = torch.ones(2, 100, 82)
    features[0, 10:16, :80] = -2  # 6 frames
    features[0, 40:60, :80] = -2  # 20 frames
    features[0, 70:73, :80] = -2  # a closure
    features[1, 50:] = -9  # padding
    found = habits(VoicePrompt(torch.zeros(2, 6), features, torch.tensor([100, 50])))
    torch.testing.assert_close(found, torch.tensor([[0.29, 1.0, 0.5], [0.0, 0.0, 0.0]]))


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


# ---- sentences -------------------------------------------------------------------------------


def said(phones: Phones) -> list[tuple[str, list[int], list[int]]]:
    return [(w, phones.ids[a:b], phones.mods[a:b]) for w, a, b in phones.words]


def test_pauses_look_like_punctuation() -> None:
    model, prompt = tiny(prior=(1.0, 1.0)), voices([60])
    phones = phones_of(TEXT)
    before = [*phones.ids]
    out = with_phrasing(phones, model, prompt)
    assert phones.ids == before and out.text == phones.text
    new = len(out.ids) - len(phones.ids)
    assert new > 1 and len(out.ids) == len(out.mods)
    assert said(out) == said(phones)
    kept = [(i, m) for i, m in zip(out.ids, out.mods, strict=True) if i not in (COMMA, PERIOD)]
    assert kept == list(zip(phones.ids, phones.mods, strict=True))
    for (_, _, last), (_, first, _) in itertools.pairwise(out.words):
        assert out.ids[last:first] in ([], [COMMA], [PERIOD])
    assert out.ids[0] == out.ids[-1] == SIL
    assert with_phrasing(phones, model, prompt).ids == out.ids
    # What was placed stays: only stretches that are still long could change again.
    again = with_phrasing(out, model, prompt)
    assert [i for i in again.ids if i not in PAUSES] == [i for i in phones.ids if i not in PAUSES]


def test_marks_of_the_text_stay() -> None:
    model, prompt = tiny(prior=(9.0, 9.0)), voices([60])
    phones = phones_of(TEXT, {3: ",", 5: "?"})
    out = with_phrasing(phones, model, prompt)
    cut = out.words[5][1]
    assert out.ids[:cut] == phones.ids[:cut]  # short stretches gain nothing
    assert sum(is_pause(i) for i in out.ids[cut:-1]) > 10
    short = phones_of("nobody wanted to walk home")
    assert with_phrasing(short, model, prompt) is short
    assert with_phrasing(phones_of("home"), model, prompt).ids == phones_of("home").ids


# ---- training --------------------------------------------------------------------------------


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
    assert len(task.held) == 1 and task.rows and task.others
    assert not {prepared.items[r.index].speaker for r in task.rows} & task.held
    seen = set()
    for row in task.rows + task.others:
        texts = prepared.items[row.index].text.split()
        assert row.words.names[0].tolist() == [word_key(t) for t in texts]
        kinds = row.before.tolist()
        seen |= set(kinds)
        assert [k != NONE for k in kinds] == [n > 0 and t == "and" for n, t in enumerate(texts)]
    assert seen == {NONE, SHORT, LONG}
    one, two = (task.batch(np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert (one["before"][:, 0] == NONE).all()


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
    kinds = dict(zip(enumerate(spoken.split()), text.before.tolist(), strict=True))
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
    assert not task.held and not task.others
    batch = task.batch(np.random.default_rng(0))
    assert len(batch["names"]) == 4 and len(batch["text"]["names"]) == 3
    (_, loss, logs) = next(task.losses(batch, 0))
    loss.backward()
    assert loss.item() == pytest.approx(logs["phrasing"] + logs["marks"])
    assert all(p.grad is not None for p in task.model.parameters())


# ---- a request -------------------------------------------------------------------------------


def test_pauses_are_spoken_and_words_keep_their_times(tiny_home: Path) -> None:
    from tts.config import load_model_config
    from tts.facade import TTS
    from tts.registry import load_module
    from tts.resources import model_config
    from tts.types import Options
    from tts_codecs.checkpoint import save_checkpoint

    config = load_model_config(model_config("default"))
    assert config.phrasing is None
    plain = TTS(config, "cpu")
    arguments = {"vocabulary": 4, "dim": 8, "blocks": 1, "prior": [3.0, -20.0]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_checkpoint(
            tiny_home / "checkpoints" / "phrasing",
            PhrasingModel(**arguments),  # type: ignore[arg-type]
            "phrasing",
            arguments,
        )
    assert isinstance(load_module("phrasing"), PhrasingModel)
    model = TTS(config.model_copy(update={"phrasing": "phrasing"}), "cpu")
    voice = model.voice("default")
    silent, spoken = plain.synthesize(TEXT, voice), model.synthesize(TEXT, voice)
    words = TEXT.split()
    assert [w.text for w in spoken.words] == [w.text for w in silent.words] == words
    commas = [p for p in spoken.phones if p.text == ","]
    assert len(commas) > 3 and not [p for p in silent.phones if p.text == ","]
    for before, after in itertools.pairwise(spoken.words):
        assert before.start < before.end <= after.start
    # A pause lies between two words, and gaps between words are pauses.
    gaps = [(a.end, b.start) for a, b in itertools.pairwise(spoken.words) if b.start > a.end]
    assert gaps == [(p.start, p.end) for p in commas]
    assert spoken.words[-1].end <= spoken.seconds
    # Marks of the text and other languages are left alone.
    short = "Well, he said, no."
    assert np.array_equal(
        model.synthesize(short, voice).samples, plain.synthesize(short, voice).samples
    )
    german = model.synthesize(TEXT, voice, Options(language="de"))
    assert not [p for p in german.phones if p.text == ","]


def test_pauses_are_found_at_their_words() -> None:
    from tts.data.segments import Utterance
    from tts.train.tasks.phrasing import pauses_before

    rng = random.Random(0)
    for _ in range(100):
        ids, starts, frames, truth = [SIL], [], [rng.choice((0, 9))], []
        phones = 0
        for word in range(rng.randint(1, 6)):
            if word:
                ids.append(SIL)
                frames.append(rng.choice((0, 3, 4, 17, 18, 40)))
                truth.append(NONE if frames[-1] < 4 else SHORT if frames[-1] < 18 else LONG)
            else:
                truth.append(NONE)
            starts.append(1 + phones)
            for _ in range(rng.randint(1, 3)):
                ids.append(rng.randint(20, 60))
                frames.append(rng.randint(1, 9))
                phones += 1
        ids.append(SIL)
        frames.append(rng.choice((0, 9)))
        tokens = canonical(ids, [0] * len(ids), frames)
        utterance = Utterance(0, tokens, np.zeros(1), [], [])
        assert pauses_before(utterance, starts) == truth


def test_a_repeated_word_is_said_in_one_breath() -> None:
    def pauses(text: str) -> int:
        phones = phones_of(text)
        known: dict[str, list[int]] = {}
        for word, first, last in phones.words:  # the same word, the same phones
            phones.ids[first:last] = known.setdefault(word, phones.ids[first:last])
        model = tiny(least=1)
        with torch.no_grad():
            model.head.weight.zero_()
            model.head.bias.copy_(torch.tensor([0.0, 9.0, 0.0]))  # short pauses everywhere
        return len(with_phrasing(phones, model, voices([40])).ids) - len(phones.ids)

    assert pauses("aha aha aha aha aha aha aha aha") == 0
    assert pauses("one two three four") == 3
    assert pauses("nay nay nay we went out out home") == 4

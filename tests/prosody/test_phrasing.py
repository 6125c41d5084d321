"""Pauses placed in text without punctuation: the model, the search, tokens, and its training."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import torch

from tests.helpers.phrasing import TEXT, padded, phones_of, tiny
from tts.modules.voice_prompt import VoicePrompt
from tts.prosody.phrasing import (
    LONG,
    NONE,
    SHORT,
    PhrasingModel,
    habits,
    place_pauses,
    with_phrasing,
    word_key,
    words_of,
)
from tts.text.pauses import COMMA, PERIOD, canonical, is_pause
from tts.text.symbols import PAUSES, SIL, Phones


def voices(lengths: list[int]) -> VoicePrompt:
    generator = torch.Generator().manual_seed(1)
    speaker = torch.nn.functional.normalize(torch.randn(len(lengths), 6, generator=generator))
    features = torch.randn(len(lengths), max(lengths), 82, generator=generator)
    return VoicePrompt(speaker, features, torch.tensor(lengths))


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

"""Alignment search against brute force, the aligner, pauses, and predicted durations."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from torch import Tensor

from tts.align.aligner import Aligner, with_optional_pauses
from tts.align.mas import monotonic_alignment
from tts.errors import AlignmentError
from tts.modules.voice_prompt import VoicePrompt
from tts.prosody.durations import DurationModel
from tts.text.pauses import COMMA, PERIOD, canonical, is_pause, spoken_pauses
from tts.text.symbols import SIL
from tts.text.tokens import TokenBatch, collate_tokens, expand, token_index


def brute_force(scores: np.ndarray, optional: np.ndarray) -> tuple[float, list[int]]:
    """The best durations of scores [S, T] over every way to share T frames out."""
    size, time = scores.shape
    best: tuple[float, list[int]] = (-np.inf, [])
    for durations in itertools.product(*[range(0 if o else 1, time + 1) for o in optional]):
        if sum(durations) == time:
            owner = np.repeat(np.arange(size), durations)
            value = float(scores[owner, np.arange(time)].sum())
            best = max(best, (value, list(durations)))
    return best


def random_optional(size: int, rng: np.random.Generator) -> np.ndarray:
    flags = rng.random(size) < 0.5
    for at in range(1, size):
        flags[at] &= not flags[at - 1]
    return flags


def test_search_equals_brute_force_alone_and_in_a_batch() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(120):
        size = int(rng.integers(1, 6))
        optional = random_optional(size, rng)
        time = int(rng.integers(max(1, (~optional).sum()), 7))
        rows.append((rng.normal(size=(size, time)).astype(np.float32), optional))
    # What lies beyond a row's tokens and frames would win if it were looked at.
    scores = np.full((len(rows), 5, 7), 100.0, dtype=np.float32)
    flags = np.ones((len(rows), 5), dtype=bool)
    for at, (row, optional) in enumerate(rows):
        scores[at, : row.shape[0], : row.shape[1]] = row
        flags[at, : len(optional)] = optional
    tokens = np.array([r.shape[0] for r, _ in rows])
    frames = np.array([r.shape[1] for r, _ in rows])
    batched = monotonic_alignment(scores, tokens, frames, flags)
    assert batched.shape == (120, 5) and batched.dtype == np.int64
    assert (batched.sum(1) == frames).all()
    skipped = 0
    for at, (row, optional) in enumerate(rows):
        _, expected = brute_force(row, optional)
        found = batched[at, : len(optional)].tolist()
        assert found == expected, (row, optional)
        assert (batched[at, len(optional) :] == 0).all()
        single = monotonic_alignment(
            row[None], tokens[at : at + 1], frames[at : at + 1], optional[None]
        )
        assert single[0].tolist() == expected
        skipped += found.count(0)
    assert skipped > 20  # optional tokens were really skipped


def test_search_without_optional_tokens() -> None:
    scores = np.random.default_rng(1).normal(size=(1, 4, 6)).astype(np.float32)
    none = np.zeros(4, dtype=bool)
    found = monotonic_alignment(scores, np.array([4]), np.array([6]))
    assert found[0].tolist() == brute_force(scores[0], none)[1]
    tight = monotonic_alignment(scores[:, :, :4], np.array([4]), np.array([4]))
    assert tight[0].tolist() == [1, 1, 1, 1]


def test_too_many_phones_are_an_error() -> None:
    scores = np.zeros((2, 4, 3), dtype=np.float32)
    with pytest.raises(AlignmentError, match="4 phones do not fit into 3 frames"):
        monotonic_alignment(scores, np.array([2, 4]), np.array([3, 3]))
    optional = np.array([[False] * 4, [False, True, False, False]])
    found = monotonic_alignment(scores, np.array([2, 4]), np.array([3, 3]), optional)
    assert found[1].tolist() == [1, 0, 1, 1]


def test_expansion_follows_durations() -> None:
    durations = torch.tensor([[2, 0, 3], [1, 1, 0]])
    assert token_index(durations, 5).tolist() == [[0, 0, 2, 2, 2], [0, 1, 2, 2, 2]]
    values = torch.arange(6.0).view(2, 3, 1)
    assert expand(values, durations, 5)[0, :, 0].tolist() == [0, 0, 2, 2, 2]


def test_optional_pauses_go_between_words() -> None:
    ids, mods, flags = with_optional_pauses([SIL, 20, 21, 22, SIL], [0, 1, 2, 3, 0], [1, 3])
    assert ids == [SIL, 20, 21, SIL, 22, SIL]
    assert mods == [0, 1, 2, 0, 3, 0]
    assert flags == [True, False, False, True, False, True]


def test_canonical_keeps_frames_and_phones() -> None:
    rng = random.Random(0)
    for _ in range(300):
        ids, mods, durations = [SIL], [0], [rng.choice([0, 0, 1, 9])]
        for _ in range(rng.randint(1, 6)):
            for _ in range(rng.randint(1, 3)):
                ids.append(rng.randint(20, 60))
                mods.append(rng.randint(0, 5))
                durations.append(rng.randint(1, 9))
            ids.append(SIL)
            mods.append(0)
            durations.append(rng.choice([0, 1, 2, 3, 4, 17, 18, 60]))
        out = canonical(ids, mods, durations)
        assert sum(out.durations) == sum(durations)
        assert min(out.durations) >= 1
        assert len(out.ids) == len(out.mods) == len(out.durations)
        phones = [(i, m) for i, m in zip(ids, mods, strict=True) if i != SIL]
        kept = [(i, m) for i, m in zip(out.ids, out.mods, strict=True) if not is_pause(i)]
        assert kept == phones
        assert SIL not in out.ids[1:-1]
        for i, d in zip(out.ids[1:-1], out.durations[1:-1], strict=True):
            # A short pause before one may have left it half of its frames.
            assert i != COMMA or 4 <= d < 18 + 2
            assert i != PERIOD or d >= 18
        starts = [n for n, i in enumerate(ids) if i != SIL and ids[n - 1] == SIL]
        assert len(out.words) == len(starts)
        assert [out.ids[at] for at in out.words] == [ids[n] for n in starts]


def test_canonical_loses_no_frame_at_the_edges() -> None:
    assert sum(canonical([20, SIL, SIL], [0] * 3, [5, 1, 0]).durations) == 6
    assert sum(canonical([20, SIL, SIL, 21], [0] * 4, [5, 3, 3, 5]).durations) == 16


def test_marks_become_one_of_two_pauses() -> None:
    for token in range(4, 15):
        ids, mods = spoken_pauses([SIL, 20, token, 21, SIL], [0, 1, 0, 2, 0])
        assert ids[2] in (COMMA, PERIOD, token) and mods == [0, 1, 0, 2, 0]
        assert spoken_pauses(ids, mods) == (ids, mods)
    # The silence after a sentence is not the generator's.
    assert spoken_pauses([SIL, 20, PERIOD, SIL], [0, 3, 0, 0]) == ([SIL, 20, SIL], [0, 3, 0])


# ---- the aligner -----------------------------------------------------------------------------


def synthetic(
    count: int, symbols: int = 8, seed: int = 0
) -> tuple[TokenBatch, Tensor, Tensor, Tensor, Tensor]:
    """Utterances whose phones each have a spectrum of their own, with known durations."""
    generator = torch.Generator().manual_seed(seed)
    rng = random.Random(seed)
    looks = torch.randn(symbols + 1, 12, generator=generator)
    rows, durations = [], []
    for _ in range(count):
        ids = [SIL] + [20 + rng.randrange(symbols) for _ in range(rng.randint(3, 8))]
        ids = [i for at, i in enumerate(ids) if at == 0 or i != ids[at - 1]] + [SIL]
        rows.append((ids, [0] * len(ids)))
        durations.append(torch.tensor([rng.randint(2, 7) for _ in ids]))
    tokens = collate_tokens(rows)
    wanted = torch.nn.utils.rnn.pad_sequence(durations, batch_first=True)
    frames = wanted.sum(1)
    look = looks[(tokens.ids - 19).clamp_min(0)]
    mel = expand(look, wanted, int(frames.max()))
    mel = mel + 0.1 * torch.randn(mel.shape, generator=generator)
    return tokens, torch.zeros(count, 6), mel, frames, wanted


def test_the_aligner_learns_from_the_data() -> None:
    tokens, speaker, mel, frames, wanted = synthetic(24)
    optional = tokens.ids == SIL
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        aligner = Aligner(n_mels=12, dim=32, blocks=1, speaker_dim=6)
        optimizer = torch.optim.Adam(aligner.parameters(), 1e-2, fused=True)
        losses, errors = [], []
        for _ in range(45):
            loss, durations = aligner.loss(tokens, speaker, mel, frames, optional)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            off = (durations - wanted).abs().sum() / tokens.lengths.sum()
            errors.append(off.item())
    assert (durations.sum(1) == frames).all()
    assert losses[-1] < 0.5 * losses[0]
    assert errors[0] > 1.0 and errors[-1] < 0.15, (errors[0], errors[-1])
    # A row alone is aligned as in the batch.
    aligner.eval()
    together, means, _ = aligner.align(tokens, speaker, mel, frames, optional)
    for row in range(3):
        one = TokenBatch(*(x[row : row + 1] for x in (tokens.ids, tokens.mods, tokens.lengths)))
        cut = mel[row : row + 1, : int(frames[row])]
        alone, mean, _ = aligner.align(
            one, speaker[:1], cut, frames[row : row + 1], optional[row : row + 1]
        )
        size = int(tokens.lengths[row])
        assert torch.equal(alone[0], together[row])
        torch.testing.assert_close(mean[0, :size], means[row, :size], rtol=0, atol=1e-4)


def test_the_aligner_learns_in_mixed_precision() -> None:
    tokens, speaker, mel, frames, _ = synthetic(4)
    aligner = Aligner(n_mels=12, dim=32, blocks=1, speaker_dim=6)
    with torch.autocast("cpu", torch.bfloat16):
        loss, durations = aligner.loss(tokens, speaker, mel, frames, tokens.ids == SIL)
    loss.backward()
    assert torch.isfinite(loss) and torch.equal(durations.sum(1), frames)


# ---- predicted durations ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def durations() -> DurationModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = DurationModel(dim=16, blocks=2, style=8, speaker_dim=6, channels=12)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" not in name:
                    weight.add_(torch.randn(weight.shape) * 0.2)
    return model.eval()


def voices(lengths: list[int]) -> VoicePrompt:
    generator = torch.Generator().manual_seed(1)
    speaker = torch.nn.functional.normalize(torch.randn(len(lengths), 6, generator=generator))
    mel = torch.randn(len(lengths), max(lengths), 12, generator=generator)
    return VoicePrompt(speaker, mel, torch.tensor(lengths))


def sentences(lengths: list[int]) -> TokenBatch:
    rng = random.Random(2)
    return collate_tokens([([rng.randint(20, 60) for _ in range(n)], [0] * n) for n in lengths])


def test_predicted_totals_are_right_at_every_speed(durations: DurationModel) -> None:
    tokens, prompt = sentences([30, 1, 17]), voices([40, 20, 31])
    expected = (durations.expected(durations(tokens, prompt)) * tokens.mask[..., 0]).sum(1)
    for speed in (0.5, 0.8, 1.0, 1.37, 2.0):
        found = durations.predict(tokens, prompt, speed)
        assert found.dtype == torch.int64
        assert ((found >= 1) == (tokens.mask[..., 0] > 0)).all()
        assert (found.sum(1) - expected / speed).abs().max() <= 0.51
    mixed = durations.predict(tokens, prompt, torch.tensor([0.5, 1.0, 2.0]))
    for row, speed in enumerate((0.5, 1.0, 2.0)):
        assert torch.equal(mixed[row], durations.predict(tokens, prompt, speed)[row])


def test_short_phones_do_not_lengthen_fast_speech(
    durations: DurationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, prompt = sentences([40]), voices([20])
    frames = torch.tensor([1.2, 1.1, 9.0, 1.3] * 10)[None]
    monkeypatch.setattr(durations, "expected", lambda logits: frames)
    found = durations.predict(tokens, prompt, 2.0)
    assert found.min() == 1
    assert abs(int(found.sum()) - float(frames.sum()) / 2) <= 1
    monkeypatch.setattr(durations, "expected", lambda logits: torch.full((1, 40), 1.01))
    assert durations.predict(tokens, prompt, 2.0).tolist() == [[1] * 40]


def test_no_phone_is_shorter_than_asked(
    durations: DurationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, prompt = sentences([40]), voices([20])
    frames = torch.tensor([1.2, 2.0, 9.4, 1.3] * 10)[None]
    monkeypatch.setattr(durations, "expected", lambda logits: frames)
    monkeypatch.setattr(durations, "shortest", 3.0)
    found = durations.predict(tokens, prompt)[0]
    assert found[[0, 1, 3]].tolist() == [3, 3, 3]
    assert found.min() == 3 and abs(int(found.sum()) - 184) <= 1
    assert abs(int(durations.predict(tokens, prompt, 2.0).sum()) - 92) <= 1  # twice as fast still


def test_a_row_does_not_depend_on_its_batch(durations: DurationModel) -> None:
    tokens, prompt = sentences([12, 30, 5]), voices([40, 9, 33])
    logits = durations(tokens, prompt)
    for row in range(3):
        size, length = int(tokens.lengths[row]), int(prompt.lengths[row])
        one = TokenBatch(
            tokens.ids[row : row + 1, :size],
            tokens.mods[row : row + 1, :size],
            tokens.lengths[row : row + 1],
        )
        voice = VoicePrompt(
            prompt.speaker[row : row + 1],
            prompt.features[row : row + 1, :length],
            prompt.lengths[row : row + 1],
        )
        torch.testing.assert_close(durations(one, voice)[0], logits[row, :size], atol=1e-4, rtol=0)
        assert torch.equal(
            durations.predict(one, voice)[0], durations.predict(tokens, prompt)[row, :size]
        )
    changed = VoicePrompt(prompt.speaker, prompt.features * 0.5, prompt.lengths)
    assert (durations(tokens, changed) - logits).abs().max() > 1e-3  # the prompt matters


def test_the_duration_loss_learns(durations: DurationModel) -> None:
    tokens, prompt = sentences([12, 30]), voices([40, 9])
    target = (tokens.ids % 7 + 1) * tokens.mask[..., 0].long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = DurationModel(dim=16, blocks=1, style=8, speaker_dim=6, channels=12, dropout=0.0)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2, fused=True)
        for _ in range(60):
            optimizer.zero_grad()
            loss = model.loss(tokens, prompt, target)
            loss.backward()
            optimizer.step()
    model.eval()
    assert loss.item() < 1.0
    assert (model.predict(tokens, prompt) - target).abs().float().mean() < 0.5

"""Autoregressive families: order of codes, depth, pointer, repetition, coarse first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import (
    CODEBOOK_SIZE,
    CODES,
    DEPTH,
    FREE,
    NUM_CODEBOOKS,
    ORDERS,
    POINTER,
    autoregressive,
    build,
    fill,
    inputs,
    one_row,
    seeds,
)
from tts.errors import ConfigError
from tts.generators.base import Request, SamplingOptions
from tts.generators.conditioner import random_phones
from tts.generators.conditioning import AlignmentResult
from tts.generators.generator import Generator
from tts.generators.heads.categorical import CategoricalHead
from tts.generators.heads.depth import DepthHead
from tts.generators.pointer_content import PointerContent
from tts.generators.strategies.autoregressive import Autoregressive
from tts.registry import build_generator
from tts.text.symbols import PAUSES


def teacher_forced(
    net: Generator, latents: Tensor, request: Request
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states [B, S, dim], steps [B, S, K] and which codes each draws, as in training."""
    none = torch.zeros(len(latents), dtype=torch.bool)
    condition = net.conditioner(request, net.backbone, (none, none))
    assert isinstance(net.strategy, Autoregressive)
    hidden, steps, known, *_ = net.strategy.teacher_forced(net, latents, condition)
    return hidden, steps, known


@pytest.mark.parametrize("name", ORDERS)
def test_a_code_matters_only_to_what_is_drawn_after_it(name: str) -> None:
    net = autoregressive(name)
    request = inputs([40], [20])
    latents = torch.randint(CODEBOOK_SIZE, (1, 20, NUM_CODEBOOKS), generator=seeds(1)[0])
    plain, steps, _ = teacher_forced(net, latents, request)
    pattern = net.strategy.order_of(net)  # type: ignore[attr-defined]
    step = pattern.layout(20).step
    for t, codebook in ((0, 0), (3, 2), (7, 1), (12, 0), (18, 2)):
        changed = latents.clone()
        changed[0, t, codebook] = (latents[0, t, codebook] + 3) % CODEBOOK_SIZE
        found, _, _ = teacher_forced(net, changed, request)
        at = int(step[t, codebook]) + 1
        torch.testing.assert_close(found[:, :at], plain[:, :at], rtol=0, atol=1e-5)
        assert at == steps.shape[1] or (found[:, at:] - plain[:, at:]).abs().max() > 1e-3


def greedy(net: Generator, hidden: Tensor, steps: Tensor) -> Tensor:
    """Likeliest codes [B, S, K] given the true ones before."""
    if isinstance(net.head, DepthHead):
        deep = net.head.deepen(hidden.flatten(0, 1), steps.flatten(0, 1))
        logits = torch.stack([net.head(deep[:, k], k) for k in range(NUM_CODEBOOKS)], 1)
        return logits.argmax(-1).view_as(steps)
    return net.head(hidden).argmax(-1)


@pytest.mark.parametrize("pointer", [False, True])
@pytest.mark.parametrize("name", ORDERS)
def test_sampling_is_what_was_trained(name: str, pointer: bool) -> None:
    """Without chance a run draws the codes that training thinks likeliest given the same past,
    paced by durations or by a pointer."""
    if pointer and name == "stack delay":
        pytest.skip("a pointer goes from left to right")
    net = autoregressive(name, pointer)
    request, alignment = inputs([37, 24], [20, 9]), AlignmentResult()
    asked = replace(request, durations=None, frames=torch.zeros(0)) if pointer else request
    made = net.generate(asked, seeds(1, 2), FREE, alignment=alignment)
    assert alignment.durations is not None
    said = Request(request.tokens, request.prompt, alignment.durations)
    lengths = -(-said.frames // 2)
    assert made.shape[:2] == (2, int(lengths.max()))
    hidden, steps, known = teacher_forced(net, made, said)
    wanted = greedy(net, hidden, steps.clamp(max=CODEBOOK_SIZE - 1))
    assert torch.equal(wanted[known], steps[known])
    assert int(known.sum()) == int(lengths.sum()) * NUM_CODEBOOKS
    assert len(made.unique()) > (1 if pointer else 2)


@pytest.mark.parametrize("frames", [2, 9, 26])
@pytest.mark.parametrize("name", ORDERS)
def test_what_is_seen_in_sampling_was_seen_in_training(
    name: str, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of sentences shorter than a window of stacked codes too, whose steps do not all draw."""
    net = autoregressive(name)
    request, seen = inputs([frames], [10]), list[Tensor]()
    hidden = net.hidden

    def recorded(*args: Any, **options: Any) -> Tensor:
        seen.append(hidden(*args, **options))
        return seen[-1]

    with monkeypatch.context() as patch:
        patch.setattr(net, "hidden", recorded)
        made = net.generate(request, seeds(1), FREE)
    told, _, known = teacher_forced(net, made, request)
    drawn = known[0].any(-1)
    torch.testing.assert_close(torch.cat(seen, 1)[:, drawn], told[:, drawn], atol=1e-4, rtol=1e-4)


def test_depth_knows_the_books_before() -> None:
    """Books that repeat the first can be learned by a depth head only."""
    left: dict[type[CategoricalHead], float] = {}
    with torch.random.fork_rng(devices=[]):
        for kind in (CategoricalHead, DepthHead):
            torch.manual_seed(0)
            sizes = {"blocks": 1, "heads": 2, "hidden": 24} if kind is DepthHead else {}
            head = kind(3, 4, 16, 8, **sizes)  # type: ignore[arg-type]
            optimizer = torch.optim.Adam(head.parameters(), 2e-2, fused=True)
            for _ in range(80):
                first = torch.randint(4, (1, 24, 1))
                codes = torch.cat([first, (first + 1) % 4, (first + 2) % 4], -1)
                known = torch.ones_like(codes, dtype=torch.bool)
                loss = head.loss(torch.zeros(1, 24, 16), codes, known)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            left[kind] = loss.item()
    assert left[CategoricalHead] > 1.3  # log 4 = 1.386
    assert left[DepthHead] < 0.6  # a third of it, for the first codebook


@pytest.mark.parametrize(
    ("score", "frames"), [(1e9, 9), (-1e9, 1), (float("nan"), 9), (float("inf"), 9)]
)
@pytest.mark.parametrize("name", ["parallel", "delay", "flat", "depth"])
def test_it_always_ends(
    name: str, score: float, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the network says, every phone has from 1 to `longest` frames."""
    monkeypatch.setattr(
        PointerContent, "stay_logit", lambda self, hidden, said: torch.full(said.shape[:2], score)
    )
    net, alignment = autoregressive(name, pointer=True), AlignmentResult()
    request = inputs([24, 15], [20, 9])
    asked = replace(request, durations=None, frames=torch.zeros(0))
    latents = net.generate(asked, seeds(1, 2), SamplingOptions(guidance=2.0), alignment=alignment)
    valid = request.tokens.mask[..., 0].long()
    assert alignment.durations is not None
    assert torch.equal(alignment.durations, frames * valid)
    assert latents.shape[1] == int((alignment.durations.sum(1) + 1).max()) // 2


def test_the_pointer_is_the_same_alone_and_in_a_batch() -> None:
    net = autoregressive("delay", pointer=True)
    request = inputs([23, 9, 40], [31, 50, 8])
    options = SamplingOptions(guidance=2.0)
    asked, alignment = replace(request, durations=None, frames=torch.zeros(0)), AlignmentResult()
    pieces: list[Tensor] = []
    seen: list[Tensor] = []
    for piece in net.stream(asked, seeds(1, 2, 3), options, alignment=alignment):
        pieces.append(piece)
        assert alignment.durations is not None
        seen.append(alignment.durations)
    latents, durations = torch.cat(pieces, 1), alignment.durations
    assert durations is not None and bool((durations >= seen[-1]).all())
    assert len(pieces) == latents.shape[1] and len({tuple(row) for row in durations.tolist()}) == 3
    assert all(bool((b >= a).all()) for a, b in zip(seen, seen[1:], strict=False))
    assert ((durations >= 1) & (durations <= 9))[request.tokens.mask[..., 0] > 0].all()
    for row in range(3):
        one = one_row(request, row)
        alone = AlignmentResult()
        made = net.generate(
            replace(one, durations=None, frames=torch.zeros(0)),
            seeds(row + 1),
            options,
            alignment=alone,
        )
        size = int(request.tokens.lengths[row])
        assert alone.durations is not None
        assert torch.equal(alone.durations[0], durations[row, :size])
        assert torch.equal(made[0], latents[row, : made.shape[1]])
        assert made.shape[1] == -(-int(durations[row].sum()) // 2)


def test_a_pointer_paces_continuous_units() -> None:
    flow = {"kind": "flow_mlp", "width": 24, "blocks": 2}
    parts = {"strategy": {"kind": "autoregressive"}, "head": flow, "conditioner": POINTER}
    net = build(parts)
    fill(net)
    request = inputs([30, 14], [20, 9])
    asked, alignment = replace(request, durations=None, frames=torch.zeros(0)), AlignmentResult()
    latents = net.generate(asked, seeds(1, 2), alignment=alignment)
    assert alignment.durations is not None
    assert torch.equal(alignment.durations > 0, request.tokens.mask[..., 0] > 0)
    assert latents.shape[1] == int((alignment.durations.sum(1) + 1).max()) // 2
    assert torch.isfinite(latents).all() and latents.std() > 0.05


def test_estimates_bound_the_pointer() -> None:
    net = autoregressive("parallel", pointer=True)
    request = inputs([60], [20])
    assert request.durations is not None
    results = {}
    for tolerance in (1.0, 1.5, 3.0):
        alignment = AlignmentResult()
        options = SamplingOptions(guidance=1.0, duration_tolerance=tolerance)
        net.generate(request, seeds(4), options, alignment=alignment)
        assert alignment.durations is not None
        results[tolerance] = alignment.durations
        assert (alignment.durations >= (request.durations / tolerance).floor().clamp_min(1)).all()
        assert (alignment.durations <= (request.durations * tolerance).ceil()).all()
    assert torch.equal(results[1.0], request.durations)
    assert not torch.equal(results[1.5], request.durations)


def test_the_pointer_learns_durations() -> None:
    """Trained on phones of 2 and of 5 frames it takes about so long for each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        content = PointerContent(4, 8, 6, 2, 12, 1, 1)
        optimizer = torch.optim.Adam(content.parameters(), 1e-2)
        request = inputs([30, 30], [9, 9])
        tokens, global_cond = request.tokens, torch.zeros(2, 6)
        tokens.ids[:] = 30 + torch.randint(2, tokens.ids.shape)
        durations = torch.where(tokens.ids == 30, 2, 5) * tokens.mask[..., 0].long()
        hidden = torch.zeros(2, int(durations.sum(1).max() + 1) // 2, 8)
        for _ in range(150):
            loss = content.loss(content.read(tokens, durations, global_cond, None), hidden)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert loss.item() < 0.1
    content.eval()
    text = content.read(tokens, durations, global_cond, torch.tensor([False, True]))
    alone = content.read(tokens, durations, global_cond, torch.tensor([False, False]))
    alone.drop_text[1] = True
    assert content.loss(text, hidden) == content.loss(alone, hidden)


@pytest.mark.parametrize("name", ["parallel", "delay", "flat", "depth"])
def test_repetition_is_drawn_again(name: str) -> None:
    """A code that fills more than a share of the window comes from the plain distribution."""
    net = autoregressive(name)
    with torch.no_grad():
        for weight in (net.head.out.weight, net.head.out.bias, net.head.bias):
            weight.zero_()
        net.head.bias[:, 0] = 1.0  # type: ignore[index, operator]
    request = inputs([80], [20])
    made = net.generate(request, seeds(1), FREE)
    assert (made == 0).all()
    aware = replace(FREE, repetition_window=10, repetition_ratio=0.1)
    made = net.generate(request, seeds(1), aware)
    assert (made[:, :2] == 0).all()  # the third would be more than a tenth of ten
    again = made[0, 2:]
    assert (again > 0).any(0).all() and (again == 0).any(0).all()
    assert not torch.equal(again[:, 0], again[:, 1])


def test_the_second_network_draws_only_what_is_left() -> None:
    net = build("coarse first")
    fill(net)
    request = inputs([40], [20])
    calls: list[int] = []
    fine = net.backbone.fine.forward  # type: ignore[union-attr]

    def counted(x: Tensor, *rest: Any) -> Tensor:
        calls.append(len(x))
        return fine(x, *rest)

    net.backbone.fine.forward = counted  # type: ignore[union-attr, assignment]
    plain = net.generate(request, seeds(1))
    assert calls == [2] * (NUM_CODEBOOKS - 1)
    with torch.no_grad():
        for weight in net.backbone.fine.parameters():  # type: ignore[union-attr]
            weight.mul_(-2)
    other = net.generate(request, seeds(1))
    assert torch.equal(other[..., 0], plain[..., 0])
    assert not torch.equal(other[..., 1:], plain[..., 1:])


def test_other_phones_as_what_guidance_leaves() -> None:
    request = inputs([40, 23], [20, 9])
    tokens = request.tokens
    tokens.ids[0, 3] = sorted(PAUSES)[0]
    other = random_phones(tokens, seeds(1, 2))
    valid = tokens.mask[..., 0] > 0
    assert other.ids[0, 3] == tokens.ids[0, 3]
    assert (other.ids[valid] != tokens.ids[valid]).float().mean() > 0.7
    assert torch.equal(other.mods, tokens.mods)
    alone = random_phones(one_row(request, 1).tokens, seeds(2))
    assert torch.equal(alone.ids[0], other.ids[1, : alone.ids.shape[1]])
    for pointer in (False, True):
        net = autoregressive("parallel", pointer)
        made = {
            guide: net.generate(request, seeds(1, 2), SamplingOptions(uncond=guide))
            for guide in ("all", "voice", "phones")
        }
        assert not torch.equal(made["all"], made["phones"])
        assert not torch.equal(made["voice"], made["phones"])


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"strategy": {"pattern": {"name": "depth"}}}, "head"),
        ({"strategy": {"pattern": {"name": "delay"}}, "head": DEPTH}, "head"),
        ({"strategy": {"pattern": {"name": "coarse_first"}}}, "strategy coarse_first"),
        ({"strategy": {"pattern": {"name": "dealy"}}}, "delay"),
        ({"strategy": {"pattern": "dealy"}}, "delay"),
        ({"strategy": {"pattern": ["delay"]}}, "pattern is a name"),
        ({"strategy": {"pattern": 3}}, "pattern is a name"),
        ({"strategy": {"pattern": {"delays": [0, 1, 2]}}}, "pattern is a name"),
        ({"strategy": {"pattern": {"name": "flat", "codebooks": 3}}}, "'codebooks'"),
        ({"strategy": {"pattern": {"name": "group_parallel", "groups": "two"}, "own": 1}}, "whole"),
        ({"strategy": {"pattern": "group_parallel", "own": 1}}, "groups are given"),
        ({"strategy": {"pattern": {"name": "stack_delay"}}, "conditioner": POINTER}, "left"),
        ({"strategy": {"kind": "masked"}, "conditioner": POINTER}, "pointer"),
        ({"strategy": {"kind": "masked"}, "head": DEPTH}, "categorical"),
        ({"strategy": {"kind": "masked", "span": 3}}, "levels"),
        ({"strategy": {"kind": "span_ar", "quantile": 0}}, "quantile"),
        ({"strategy": {"kind": "coarse_first", "streams": NUM_CODEBOOKS}}, "streams"),
        ({"strategy": {"kind": "coarse_first", "streams": NUM_CODEBOOKS + 1}}, "streams"),
        ({"conditioner": {"text": "pointed"}}, "pointer"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: dict[str, Any], words: str) -> None:
    strategy = {"kind": "autoregressive", **parts.pop("strategy", {})}
    with pytest.raises(ConfigError, match=words):
        build_generator(**{"head": CODES, **parts, "strategy": strategy})


def test_a_pattern_without_options_is_its_name() -> None:
    made = [
        build({"strategy": {"kind": "autoregressive", "pattern": pattern}, "head": CODES})
        for pattern in ("delay", {"name": "delay"})
    ]
    orders = [net.strategy.order_of(net) for net in made]  # type: ignore[attr-defined]
    assert orders[0] == orders[1] and orders[0].name == "delay"


@pytest.mark.parametrize("levels", [(), (4, 3)])
def test_shaken_codes_are_neighbours(levels: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    head = CategoricalHead(num_codebooks=2, codebook_size=12, dim=8, width=4, levels=levels)
    codes = torch.randint(0, 13, (8, 200, 2))
    shaken = head.corrupt(codes, 0.5)
    moved = shaken != codes
    assert torch.equal(moved & (codes == 12), torch.zeros_like(moved))
    assert 0.05 < moved.float().mean() < 0.5
    assert int(shaken.min()) >= 0 and int(shaken[moved].max()) < 12
    if levels:
        before, after = codes[moved], shaken[moved]
        first = (after % 4 - before % 4).abs()
        second = (after // 4 - before // 4).abs()
        assert torch.equal(first + second, torch.ones_like(first))
    assert torch.equal(head.corrupt(codes, 0.0), codes)


def test_noise_reaches_what_is_fed_and_not_what_is_asked_for() -> None:
    net = autoregressive("delay")
    request = inputs([40], [20])
    latents = torch.randint(CODEBOOK_SIZE, (1, 20, NUM_CODEBOOKS), generator=seeds(1)[0])
    plain, steps, known = teacher_forced(net, latents, request)
    net.strategy.noise = 1.0  # type: ignore[attr-defined]
    torch.manual_seed(1)
    found, same, marked = teacher_forced(net, latents, request)
    assert torch.equal(same, steps) and torch.equal(marked, known)
    assert (found - plain).abs().max() > 1e-3
    # Only training is disturbed.
    made = net.generate(request, seeds(1), FREE)
    net.strategy.noise = 0.0  # type: ignore[attr-defined]
    assert torch.equal(net.generate(request, seeds(1), FREE), made)

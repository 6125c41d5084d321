"""Masked families: spans, restricted context, annealed guidance, span AR, refinement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import CODEBOOK_SIZE, CODES, NUM_CODEBOOKS, build, fill, inputs, seeds
from tts.errors import ConfigError, UsageError
from tts.generators.base import Infill, SamplingOptions
from tts.generators.generator import Generator
from tts.generators.heads.categorical import CategoricalHead
from tts.generators.strategies.masked import Masked

Seen = list[tuple[Tensor, float, int]]


def model(**strategy: Any) -> Generator:
    generator = build({"strategy": strategy, "head": CODES})
    fill(generator)
    with torch.no_grad():
        generator.head.table.mul_(4)  # type: ignore[operator]
    return generator.eval().requires_grad_(False)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Codes known, scale and window of every evaluation."""
    calls: Seen = []
    predict = Masked.predict

    def noted(self: Masked, net: Any, condition: Any, latents: Tensor, *rest: Any) -> Any:
        scale, window = rest[2], rest[3] if len(rest) > 3 else 0
        calls.append((latents.clone(), scale, window))
        return predict(self, net, condition, latents, *rest)

    monkeypatch.setattr(Masked, "predict", noted)
    return calls


def test_the_window_limits_the_reach() -> None:
    """Two blocks see a window, and two latents by convolution, each."""
    net = model(kind="masked", order="levels", span=3, window=3)
    request = inputs([120], [20])
    condition = net.conditioner(request, net.backbone)
    latents = torch.full((1, 60, NUM_CODEBOOKS), CODEBOOK_SIZE)
    latents[..., 0] = torch.randint(CODEBOOK_SIZE, (1, 60), generator=seeds(0)[0])
    changed = latents.clone()
    changed[0, 30, 0] = (latents[0, 30, 0] + 3) % CODEBOOK_SIZE

    def likely(codes: Tensor, window: int) -> Tensor:
        assert isinstance(net.strategy, Masked)
        options = SamplingOptions(guidance=1.0)
        return net.strategy.predict(net, condition, codes, seeds(1), options, 1.0, window)[1]

    far = (torch.arange(60) - 30).abs()
    near = (likely(changed, 3) - likely(latents, 3)).abs().amax((2, 3))[0]
    assert near[far > 2 * (3 + 2)].sum() == 0 and near[far <= 5].min() > 1e-4
    wide = (likely(changed, 0) - likely(latents, 0)).abs().amax((2, 3))[0]
    assert wide[far > 2 * (3 + 2)].min() > 1e-6


def test_only_books_above_the_first_are_restricted(seen: Seen) -> None:
    net = model(kind="masked", order="levels", window=3)
    net.generate(inputs([60], [20]), seeds(1), SamplingOptions(12))
    assert [window for _, _, window in seen] == [0] * 6 + [3] * 6


def test_whole_spans_are_committed(seen: Seen) -> None:
    net = model(kind="masked", order="levels", span=3, window=3)
    request = inputs([80, 46], [20, 9])
    made = net.generate(request, seeds(1, 2), SamplingOptions(16))
    states = [latents for latents, _, _ in seen] + [made]
    for before, after in zip(states, states[1:], strict=False):
        new = (before == CODEBOOK_SIZE) & (after != CODEBOOK_SIZE)
        for row, count in ((0, 40), (1, 23)):
            some = new[row, :count]
            assert some.any(0).sum() == 1  # one level at a time
            spans = some.any(1).nonzero()[:, 0] // 3
            for span in spans.unique().tolist():
                assert some[3 * span : 3 * span + 3].any(1).all()
        assert torch.equal(after[before < CODEBOOK_SIZE], before[before < CODEBOOK_SIZE])


def test_spans_are_what_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    net = model(kind="masked", order="levels", span=3, window=3)
    request, batch = inputs([80, 46], [20, 9]), []
    monkeypatch.setattr(
        Masked, "masked_losses", lambda self, net, latents, condition, *rest: batch.append(rest)
    )
    latents = torch.zeros(2, 40, NUM_CODEBOOKS, dtype=torch.int64)
    condition = net.conditioner(request, net.backbone)
    windows = set()
    for _ in range(30):
        net.strategy.losses(net, latents, condition)
        hidden, counted, window = batch.pop()
        level = counted.any(1)
        assert (level.sum(1) == 1).all() and torch.equal(level[0], level[1])
        codebook = int(level[0].int().argmax())
        assert window == (3 if codebook else 0)
        windows.add(window)
        assert not hidden[..., :codebook].any() and hidden[..., codebook + 1 :].all()
        here = hidden[..., codebook][:, :39].unflatten(1, (-1, 3))
        assert torch.equal(here.any(2), here.all(2))
    assert windows == {0, 3}


def test_guidance_is_annealed(seen: Seen) -> None:
    net = model(kind="masked")
    request = inputs([60], [20])
    options = SamplingOptions(8, guidance=10.0, guidance_final=1.0)
    annealed = net.generate(request, seeds(1), options)
    scales = [scale for _, scale, _ in seen]
    assert scales[0] == 10.0 and sorted(scales, reverse=True) == scales and 1.0 < scales[-1] < 4.0
    assert not torch.equal(annealed, net.generate(request, seeds(1), replace(options, guidance=1)))
    constant = replace(options, guidance_final=None)
    assert not torch.equal(annealed, net.generate(request, seeds(1), constant))


def test_books_may_be_given_alone() -> None:
    request = inputs([40, 23], [20, 9])
    latents = torch.randint(CODEBOOK_SIZE, (2, 20, NUM_CODEBOOKS), generator=seeds(0)[0])
    valid = torch.arange(20) < torch.tensor([20, 12])[:, None]
    for strategy in ({"kind": "masked"}, {"kind": "masked", "order": "levels", "first": 1}):
        net = model(**strategy)
        known = torch.zeros(2, 20, NUM_CODEBOOKS, dtype=torch.bool)
        known[..., 0] = True
        made = net.generate(request, seeds(1, 2), infill=Infill(latents, known))
        assert torch.equal(made[..., 0][valid], latents[..., 0][valid])
        other = net.generate(
            request, seeds(1, 2), infill=Infill((latents + 1) % CODEBOOK_SIZE, known)
        )
        assert not torch.equal(made[..., 1:][valid], other[..., 1:][valid])


def test_spans_from_left_to_right(seen: Seen) -> None:
    net = model(kind="span_ar")
    request = inputs([80, 46], [20, 9])
    pieces = list(net.stream(request, seeds(1, 2), SamplingOptions(8)))
    made = torch.cat(pieces, 1)
    assert len(seen) == 8 and len(pieces) > 4
    for step, (latents, _, _) in enumerate(seen):
        for row, count in ((0, 40), (1, 23)):
            known = -(-count * step // 8)
            assert (latents[row, known:] == CODEBOOK_SIZE).all()
            assert torch.equal(latents[row, :known], made[row, :known])


def test_refinement_draws_nothing_twice(seen: Seen) -> None:
    net = model(kind="span_ar", rounds=5, quantile=0.1)
    request = inputs([80, 46], [20, 9])
    latents = torch.randint(CODEBOOK_SIZE, (2, 40, NUM_CODEBOOKS), generator=seeds(0)[0])
    known = (torch.arange(40) < 6).expand(2, -1)
    made = net.generate(request, seeds(1, 2), SamplingOptions(4), Infill(latents, known))
    assert torch.equal(made[:, :6], latents[:, :6])
    assert len(seen) == 4 + 5
    redrawn = torch.zeros(2, 40, dtype=torch.bool)
    valid = torch.arange(40) < torch.tensor([40, 23])[:, None]
    for codes, _, _ in seen[4:]:
        masked = (codes == CODEBOOK_SIZE).any(-1) & valid
        assert torch.equal(masked, (codes == CODEBOOK_SIZE).all(-1) & valid)
        assert masked.sum(1).tolist() == [3, 1]  # a tenth of the 34 and 17 that were drawn
        assert not (masked & (redrawn | known)).any()
        redrawn |= masked
    plain = model(kind="span_ar").generate(
        request, seeds(1, 2), SamplingOptions(4), Infill(latents, known)
    )
    changed = (made != plain).any(-1)
    assert changed.any() and not (changed & ~redrawn & valid).any()


def test_masked_weights_serve_span_autoregression() -> None:
    trained, net = model(kind="masked"), model(kind="span_ar", rounds=2)
    with torch.no_grad():
        for weight in trained.parameters():
            weight.mul_(1.3)
    net.load_state_dict(trained.state_dict())
    request = inputs([60], [20])
    condition = net.conditioner(request, net.backbone)
    latents = torch.full((1, 30, NUM_CODEBOOKS), CODEBOOK_SIZE)
    options = SamplingOptions(guidance=1.0)
    found = [
        g.strategy.predict(g, condition, latents, seeds(1), options, 1.0)[1]  # type: ignore[attr-defined]
        for g in (trained, net)
    ]
    assert torch.equal(*found)
    made = net.generate(request, seeds(1), SamplingOptions(10))
    assert (
        made.shape == (1, 30, NUM_CODEBOOKS)
        and made.max() < CODEBOOK_SIZE
        and len(made.unique()) > 2
    )


def test_expected_digits_are_their_rounded_means() -> None:
    head = CategoricalHead(num_codebooks=2, codebook_size=12, dim=8, levels=(4, 3))
    chances = torch.zeros(1, 1, 2, 12)
    # Codebook 1: digits (0, 0) and (3, 0) at 1/4 and 3/4, mean 2.25; codebook 2: one entry, (1, 2).
    chances[..., 0, [0, 3]] = torch.tensor([0.25, 0.75])
    chances[..., 1, 1 + 4 * 2] = 1.0
    assert head.expected(chances.log()).tolist() == [[[2, 9]]]
    with pytest.raises(ConfigError, match="levels"):
        CategoricalHead(num_codebooks=2, codebook_size=12, dim=8).expected(chances.log())


@pytest.mark.parametrize(
    ("chances", "result"),
    [
        # Between two likely codes lies one of silence.
        ([0.45, 0.1, 0.45], {0, 2}),
        ([0.3, 0.1, 0.6], {2}),
        ([0.05, 0.45, 0.5], {2}),
        # Silence is still likelier than all else.
        ([0.2, 0.6, 0.2], {1}),
        ([0.0, 1.0, 0.0], {1}),
    ],
)
def test_expected_digits_of_what_is_no_silence(chances: list[float], result: set[int]) -> None:
    head = CategoricalHead(num_codebooks=1, codebook_size=3, dim=8, levels=(3,))
    likely, silent = torch.tensor([[[chances]]]).log(), torch.tensor([False, True, False])
    assert head.expected(likely, silent.expand_as(likely)).item() in result
    plain = head.expected(likely)
    assert torch.equal(head.expected(likely, torch.zeros_like(likely, dtype=torch.bool)), plain)
    options = SamplingOptions(fsq_decode="expected", repetition_ratio=0.5)
    with pytest.raises(UsageError, match="repetition_ratio"):
        head.choose(likely, seeds(0), options)


@pytest.mark.parametrize("steps", [1, 3, 16])
def test_the_last_step_of_a_level_of_soundstorm_takes_the_likeliest(steps: int) -> None:
    net = build({"strategy": {"kind": "soundstorm"}, "head": CODES})
    fill(net, scale=0.3)
    net.eval()
    request = inputs([20], [9])
    latents = torch.randint(CODEBOOK_SIZE, (1, 10, NUM_CODEBOOKS), generator=seeds(0)[0])
    known = torch.ones_like(latents, dtype=torch.bool)
    known[..., -1] = False
    options = SamplingOptions(steps=steps, temperature=2.0)
    # The first level of those that are left has all steps but one.
    made = [net.generate(request, seeds(seed), options, Infill(latents, known)) for seed in (1, 2)]
    assert torch.equal(*made)
    free = [net.generate(request, seeds(seed), options) for seed in (1, 2)]
    assert torch.equal(*free) == (steps <= NUM_CODEBOOKS)


@pytest.mark.parametrize("strategy", ["masked", "autoregressive"])
def test_expected_digits_need_no_chance(strategy: str) -> None:
    """At any temperature; without guidance they lie where the distribution is."""
    head = {**CODES, "levels": [CODEBOOK_SIZE]}
    net = build({"strategy": {"kind": strategy}, "head": head})
    fill(net)
    net.eval()
    request = inputs([30], [20])
    options = SamplingOptions(steps=4, guidance=1.5, fsq_decode="expected")
    made = [net.generate(request, seeds(seed), options) for seed in (0, 1)]
    drawn = net.generate(request, seeds(0), replace(options, fsq_decode="drawn"))
    assert made[0].min() >= 0 and made[0].max() < CODEBOOK_SIZE and made[0].unique().numel() > 1
    assert not torch.equal(made[0], drawn)
    if strategy == "autoregressive":
        assert torch.equal(made[0], made[1])

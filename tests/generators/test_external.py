"""Another model beside masked generation: rescoring, and a beginning that it generates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import (
    CODEBOOK_SIZE,
    CODES,
    DEPTH,
    FAMILIES,
    NUM_CODEBOOKS,
    POINTER,
    build,
    fill,
    inputs,
    one_row,
    seeds,
)
from tts.errors import ConfigError
from tts.generators.base import Infill, SamplingOptions
from tts.generators.external import External
from tts.generators.generator import Generator
from tts.generators.strategies.coarse_first import CoarseFirst

LED = SamplingOptions(guidance=1.5, temperature=0.8)


def model(seed: int, head: dict[str, Any] = CODES, **strategy: Any) -> Generator:
    generator = build({"strategy": strategy, "head": head})
    fill(generator, seed)
    with torch.no_grad():
        generator.head.table.mul_(4)  # type: ignore[operator]
    return generator.eval().requires_grad_(False)


EXTERNALS = {
    "parallel": lambda: model(9, kind="autoregressive", noise=0.3),
    "delay": lambda: model(9, kind="autoregressive", pattern={"name": "delay"}),
    "depth": lambda: model(9, head=DEPTH, kind="autoregressive"),
    "masked": lambda: model(9, kind="masked"),
}


@pytest.fixture(scope="module", params=list(EXTERNALS))
def external(request: pytest.FixtureRequest) -> External:
    return External(EXTERNALS[request.param](), LED)


@pytest.fixture(scope="module")
def masked() -> Generator:
    return model(1, kind="masked", order="levels", span=3, window=2)


def test_rescoring_changes_what_is_committed_and_weight_zero_nothing(
    masked: Generator, external: External
) -> None:
    request = inputs([24, 17], [20, 9])

    def made(external: External | None, rescore: float) -> Tensor:
        options = SamplingOptions(6, 2.0, rescore=rescore)
        return masked.generate(request, seeds(1, 2), options, external=external)

    plain = made(None, 0.0)
    assert torch.equal(made(external, 0.0), plain)
    assert not torch.equal(made(external, 1.0), plain)


def test_the_surest_of_the_external_model_are_committed_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An external model that is sure of the end and of nothing else."""
    net, external = model(1, kind="masked"), External(model(9, kind="masked"), LED)
    states: list[Tensor] = []

    def probability(self: Any, net: Any, condition: Any, known: Tensor, drawn: Tensor) -> Tensor:
        states.append(known.clone())
        return torch.linspace(0, 1, known.shape[1])[None, :, None].expand_as(known)

    monkeypatch.setattr("tts.generators.strategies.masked.Masked.probability", probability)
    net.generate(inputs([40], [20]), seeds(1), SamplingOptions(6, rescore=1.0), external=external)
    for state in states[1:]:
        known = (state[0] != CODEBOOK_SIZE).float().sum(1)
        assert (known.diff() >= -2).all() and known[-1] == 3


def test_probabilities_are_of_the_drawn_codes(external: External) -> None:
    """They sum to one over what a code may be, and the drawing model finds its own codes likely."""
    request = inputs([14], [20])
    run = external.with_request(request)
    drawn = external.generator.generate(request, seeds(3), SamplingOptions(4, 1.0, temperature=0.1))
    known = torch.full_like(drawn, CODEBOOK_SIZE)
    total = 0
    for code in range(CODEBOOK_SIZE):
        other = drawn.clone()
        other[0, 6, -1] = code
        total += run.probability(known, other)[0, 6, -1]
    assert total == pytest.approx(1, abs=1e-4)
    if external.generator.strategy.causal:
        shuffled = (drawn + 1) % CODEBOOK_SIZE
        own, others = (run.probability(known, codes).log().mean() for codes in (drawn, shuffled))
        assert own > others


def test_the_beginning_of_a_hybrid_is_that_of_the_external_model(
    masked: Generator, external: External
) -> None:
    request = inputs([40, 21], [20, 9])
    options = SamplingOptions(6, hybrid=7)
    made = masked.generate(request, seeds(1, 2), options, external=external)
    lead = external.generator.generate(request, seeds(1, 2), LED)
    assert torch.equal(made[:, :7], lead[:, :7])
    assert not torch.equal(made[:, 7:10], lead[:, 7:10])
    # One longer than the sentence is the external model alone.
    whole = masked.generate(request, seeds(1, 2), SamplingOptions(6, hybrid=99), external=external)
    assert torch.equal(whole[0], lead[0]) and torch.equal(whole[1, :11], lead[1, :11])
    # What is given beforehand stays.
    given = Infill(torch.full_like(lead, 2), (torch.arange(20) < 3).expand(2, -1))
    made = masked.generate(request, seeds(1, 2), options, given, external=external)
    assert (made[:, :3] == 2).all() and torch.equal(made[:, 3:7], lead[:, 3:7])


@pytest.mark.parametrize("draft", ["none", "ngram"])
@pytest.mark.parametrize("hybrid", [7, 99])
def test_a_hybrid_row_does_not_depend_on_its_batch(
    masked: Generator, draft: Literal["none", "ngram"], hybrid: int
) -> None:
    external = External(EXTERNALS["parallel"](), replace(LED, draft=draft))
    request, options = inputs([40, 21], [20, 9]), SamplingOptions(6, hybrid=hybrid)
    made = masked.generate(request, seeds(1, 2), options, external=external)
    for row, count in enumerate((20, 11)):
        alone = masked.generate(one_row(request, row), seeds(row + 1), options, external=external)
        assert torch.equal(alone[0], made[row, :count])


@pytest.mark.parametrize(
    "family", [name for name, (_, kind) in FAMILIES.items() if kind == "codes"]
)
def test_what_is_taken_tells_how_likely_codes_are(family: str) -> None:
    net = build(family).eval()
    try:
        external = External(net, LED)
    except ConfigError:
        assert isinstance(net.strategy, CoarseFirst) or net.uses_pointer
        return
    drawn = torch.zeros(1, 10, NUM_CODEBOOKS, dtype=torch.int64)
    known = torch.full_like(drawn, CODEBOOK_SIZE)
    with torch.no_grad():
        told = external.with_request(inputs([20], [20])).probability(known, drawn)
    assert told.shape == drawn.shape and 0 < told.min() and told.max() < 1


def test_what_does_not_go_together_is_one_error() -> None:
    net = model(1, kind="masked")
    for options in (SamplingOptions(4, rescore=0.5), SamplingOptions(4, hybrid=3)):
        with pytest.raises(ConfigError, match="external"):
            net.generate(inputs([20], [20]), seeds(1), options)
    with pytest.raises(ConfigError, match="Flow does not"):
        External(build("flow"), LED)
    with pytest.raises(ConfigError, match="durations"):
        External(
            build({"strategy": {"kind": "autoregressive"}, "head": CODES, "conditioner": POINTER}),
            LED,
        )
    other = build({"strategy": {"kind": "masked"}, "head": {**CODES, "codebook_size": 9}})
    with pytest.raises(ConfigError, match="same codec"):
        External(other, LED).check(net)

"""Merged codes: neighbours share their first code, and a step from left to right is all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.helpers.generators import (
    CHANNELS,
    CODEBOOK_SIZE,
    CODES,
    NUM_CODEBOOKS,
    POINTER,
    build,
    close,
    fill,
    inputs,
    one_row,
    seeds,
)
from tts.errors import CodecError, ConfigError
from tts.generators.base import Infill, SamplingOptions
from tts.generators.conditioning import AlignmentResult
from tts.generators.generator import Generator
from tts.generators.latent_space import CodeSpace
from tts.generators.strategies.coarse_first import CoarseFirst, merged
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.spectral import SpectralAutoencoder


def model(merge: int, **conditioner: Any) -> Generator:
    generator = build(
        {
            "strategy": {"kind": "coarse_first", "merge": merge},
            "head": CODES,
            "conditioner": conditioner,
        }
    )
    fill(generator)
    with torch.no_grad():
        generator.head.table.mul_(4)  # type: ignore[operator]
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=[{}, POINTER], ids=["durations", "pointer"])
def pair(request: pytest.FixtureRequest) -> Generator:
    return model(2, **request.param)


def test_neighbours_share_their_first_code_and_rows_do_not_matter(pair: Generator) -> None:
    request = inputs([46, 34], [20, 9])  # 23 and 17 latents: the last step is one of half
    made = pair.generate(request, seeds(1, 2), SamplingOptions(guidance=2.0))
    assert made.shape == (2, 23, NUM_CODEBOOKS)
    for row, count in enumerate((23, 17)):
        codes = made[row, :count]
        assert torch.equal(codes[: count - 1 : 2, 0], codes[1::2, 0])
        if not pair.uses_pointer:  # these weights have one code for what a pointer leads
            assert not torch.equal(codes[: count - 1 : 2, 1:], codes[1::2, 1:])
        assert len(codes[:, 0].unique_consecutive()) > 3
        alone = pair.generate(one_row(request, row), seeds(row + 1), SamplingOptions(guidance=2.0))
        close(alone[0], codes)


@pytest.mark.parametrize("merge", [1, 2, 3])
def test_steps_are_as_many_as_there_are_groups(merge: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net = model(merge)
    steps = 0
    hidden = net.hidden

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal steps
        steps += "cache" in named
        return hidden(*given, **named)

    monkeypatch.setattr(net, "hidden", counted)
    net.generate(inputs([40], [20]), seeds(1))
    assert steps == -(-20 // merge)


def test_what_is_drawn_is_what_training_scores() -> None:
    """The likeliest codes from left to right are the likeliest given themselves."""
    net = model(2)
    strategy = net.strategy
    assert isinstance(strategy, CoarseFirst)
    request = inputs([46], [20])
    options = SamplingOptions(guidance=1.0, temperature=0.0)
    made = net.generate(request, seeds(1), options)
    condition = merged(net.conditioner(request, net.backbone), 2)
    hidden = strategy.teacher_forced(net, made[:, ::2], condition)[0]
    assert torch.equal(net.head(hidden)[..., 0, :].argmax(-1), made[:, ::2, 0])


def test_a_pointer_keeps_to_durations_however_long_a_step_is() -> None:
    request = inputs([46, 34], [20, 9])
    for merge in (1, 2, 4):
        alignment = AlignmentResult()
        net = model(merge, **POINTER)
        made = net.generate(request, seeds(1, 2), alignment=alignment)
        assert made.shape[1] == 23
        assert alignment.durations is not None and request.durations is not None
        # The end of a row may be filled up to a whole step.
        assert torch.equal(alignment.durations[:, :-1], request.durations[:, :-1])
    free = replace(request, durations=None, frames=torch.zeros(0, dtype=torch.int64))
    made = model(2, **POINTER).generate(free, seeds(1, 2), alignment=alignment)
    assert alignment.durations is not None
    assert (alignment.durations.sum(1).max() + 1) // 2 <= made.shape[1]


def test_given_latents_stay() -> None:
    request = inputs([46], [20])
    latents = torch.full((1, 23, NUM_CODEBOOKS), 3)
    known = (torch.arange(23) < 9)[None]
    made = model(2).generate(request, seeds(1), infill=Infill(latents, known))
    assert (made[:, :9] == 3).all() and (made[:, 9:] != 3).any()


def test_training_takes_both_passes_and_the_pointer() -> None:
    net = build(
        {
            "strategy": {"kind": "coarse_first", "merge": 2},
            "head": CODES,
            "conditioner": POINTER,
        }
    )
    fill(net)
    request = inputs([23, 17], [20, 9])
    latents = torch.randint(CODEBOOK_SIZE, (2, 12, NUM_CODEBOOKS), generator=seeds(1)[0])
    parts = net.loss(request, torch.zeros(2, 23, CHANNELS), latents)
    assert set(parts) == {"prior", "codes", "fine", "pace"}
    sum(parts.values()).backward()  # type: ignore[union-attr]
    assert all(torch.isfinite(part) for part in parts.values())
    # The code of the second of a pair is never asked for from left to right.
    other = latents.clone()
    other[:, 1::2, 0] = (other[:, 1::2, 0] + 1) % CODEBOOK_SIZE
    torch.manual_seed(0)
    first = net.loss(request, torch.zeros(2, 23, CHANNELS), latents)["codes"]
    torch.manual_seed(0)
    assert net.loss(request, torch.zeros(2, 23, CHANNELS), other)["codes"] == first


def test_merged_codes_of_a_codec() -> None:
    torch.manual_seed(0)
    quantizer = ResidualVQ(4, 3, 16)
    z = torch.randn(2, 7, 4)
    assert torch.equal(quantizer.encode_merged(z, 1), quantizer.encode(z))
    codes = quantizer.encode_merged(z, 2)
    assert torch.equal(codes[:, :6:2, 0], codes[:, 1:6:2, 0])
    assert torch.equal(
        codes[:, ::2, :1],
        quantizer.encode(torch.cat([z, z[:, -1:]], 1).unflatten(1, (4, 2)).mean(2), 1),
    )
    # The others are those that a codec without the first would have of what is left.
    rest = ResidualVQ(4, 2, 16)
    rest.layers = quantizer.layers[1:]
    assert torch.equal(codes[..., 1:], rest.encode(z - quantizer.decode(codes[..., :1])))
    with pytest.raises(CodecError, match="merge"):
        quantizer.encode_merged(z, 0)


def test_what_cannot_be_merged_is_refused() -> None:
    with pytest.raises(ConfigError, match="rvq"):
        CodeSpace(SpectralAutoencoder(dim=8, blocks=1, levels=(3, 3), groups=2), merge=2)
    for given in ({"merge": 0}, {"merge": 2, "streams": 2}):
        with pytest.raises(ConfigError, match="merge"):
            CoarseFirst(**given)

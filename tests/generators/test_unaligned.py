"""Text that nobody has aligned, and the heads that look for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import CHANNELS, SIZE, build, close, differ, inputs, one_row, seeds
from tts.errors import ConfigError
from tts.generators.base import Infill, SamplingOptions
from tts.generators.generator import Generator
from tts.generators.strategies.flow import Flow
from tts.modules.text_reader import TextReader, Unaligned
from tts.text.lengths import spread_by_length, spread_evenly
from tts.text.places import said_at, usual_lengths
from tts.text.tokens import one_frame_each

KINDS: dict[str, dict[str, Any]] = {
    f"{strategy} {text}": {
        "strategy": {"kind": strategy},
        "conditioner": {"text": text},
        "backbone": {"readers": 2},
    }
    for strategy, text in (("flow", "padded"), ("flow", "spread"), ("diffusion", "proportional"))
}


def model(kind: str) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = build(KINDS[kind])
        # Nothing is drawn of a network whose last layer is nearly zero.
        for weight in (made.head.out.weight, *(r.out.weight for r in made.backbone.readers)):  # type: ignore[union-attr]
            torch.nn.init.normal_(weight, std=0.3)  # type: ignore[arg-type]
    return made.eval()


def given(count: int = 6, rows: int = 2) -> Unaligned:
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(rows, count, 8, generator=generator)
    return Unaligned(text, torch.ones(rows, count, dtype=torch.bool), torch.ones(rows, count))


@pytest.mark.parametrize("lay", [spread_evenly, spread_by_length, None])
def test_usual_lengths_are_together_those_of_the_sentence(lay: Any) -> None:
    request = inputs([23, 40], [31, 50])
    tokens, frames = request.tokens, request.frames
    laid = one_frame_each(tokens) if lay is None else lay(tokens, frames)
    found = usual_lengths(tokens, laid, frames, 44)
    close(found.sum(1), frames.float())
    assert (found[torch.arange(44) >= laid.sum(1, keepdim=True)] == 0).all()
    if lay is spread_by_length:
        close(found[0, :23], torch.ones(23))


def test_what_is_said_is_found_where_it_lies() -> None:
    laid, durations = torch.tensor([[2, 2, 2, 0]]), torch.tensor([[1, 4, 3, 0]])
    found = said_at(laid, durations, 8, 2)[0]
    wanted = [[1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]]
    assert found.int().tolist() == wanted
    assert said_at(durations, durations, 8, 1).diagonal(dim1=1, dim2=2).all()


def test_a_reader_finds_text_at_its_place_and_no_filler() -> None:
    torch.manual_seed(0)
    reader, text = TextReader(8, 2, first=True).eval(), given()
    reader.query.weight.data.zero_()
    reader.width.data.fill_(-3.0)
    x = torch.randn(2, 6, 8)
    close(reader(x, text), text.text)  # each has the length of one latent
    held = torch.arange(6).expand(2, -1) < 3
    padded = replace(text, has_text=held, lengths=2.0 * held)
    found = reader(x, padded)
    close(found[:, 0], found[:, 1])
    close(found[:, 1], (text.text[:, 0]))
    close(found[:, 5], (text.text[:, 2]))
    other = torch.where(held.unsqueeze(-1), text.text, torch.zeros(()))
    close(found, reader(x, replace(padded, text=other)))


def test_text_says_how_long_it_is_and_the_row_stays_as_long() -> None:
    reader, text = TextReader(8, 2, first=False), given()
    close(reader.expected_times(text), torch.arange(6.0).expand(2, -1))
    torch.nn.init.normal_(reader.longer.weight)
    places = reader.expected_times(text)
    assert differ(places, torch.arange(6.0).expand(2, -1))
    assert (places.diff(dim=1) > 0).all()
    assert places.min() > -0.5
    assert places.max() < 5.5
    assert not reader(torch.randn(2, 6, 8), text).any(), "nothing is added at first"


def test_training_tells_readers_where_to_look() -> None:
    torch.manual_seed(0)
    reader, text = TextReader(8, 2, first=True), given(12)
    durations = torch.tensor([[4, 1] * 6, [1, 2, 3] * 4])[:, :12]
    lengths = durations * 12 // durations.sum(1, keepdim=True)
    said = said_at(torch.ones(2, 12, dtype=torch.int64), lengths.clamp_min(0), 12, 1)
    text, x = replace(text, target=said), torch.randn(2, 12, 8)
    optimizer = torch.optim.Adam(reader.parameters(), 3e-2)

    def errors() -> Tensor:
        text.errors.clear()
        reader(x, text)
        return torch.stack(text.errors)

    before = errors()
    for _ in range(60):
        optimizer.zero_grad()
        errors().sum().backward()
        optimizer.step()
    assert (errors() < 0.6 * before).all()
    reader.eval()
    text.errors.clear()
    reader(x, text)
    assert not text.errors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uncond", ["all", "voice", "phones"])
def test_a_row_does_not_depend_on_its_batch(kind: str, uncond: Any) -> None:
    net = model(kind)
    request = inputs([24, 12, 40], [31, 50, 8])
    options = SamplingOptions(4, 2.0, uncond=uncond)
    latents = net.generate(request, seeds(1, 2, 3), options)
    for row, count in enumerate([12, 6, 20]):
        alone = net.generate(one_row(request, row), seeds(row + 1), options)
        close(alone[0], latents[row, :count])


@pytest.mark.parametrize("kind", KINDS)
def test_durations_are_not_known_when_it_speaks(kind: str) -> None:
    net, request = model(kind), inputs([24, 40], [31, 50])
    assert request.durations is not None
    known = net.generate(request, seeds(1, 2))
    flipped = replace(request, durations=request.durations.flip(1))
    assert torch.equal(net.generate(flipped, seeds(1, 2)), known)
    other = replace(request.tokens, ids=request.tokens.ids.roll(1, 1))
    assert differ(net.generate(replace(request, tokens=other), seeds(1, 2)), known)
    rows = (torch.arange(20) < 8).expand(2, -1)
    made = net.generate(request, seeds(1, 2), infill=Infill(known, rows))
    assert torch.equal(made[rows], known[rows])


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_of_alignment_and_of_no_mean(kind: str) -> None:
    net, request = model(kind).train(), inputs([24, 40], [31, 50])
    features, latents = torch.randn(2, 40, CHANNELS), torch.randn(2, 20, SIZE)
    torch.manual_seed(0)
    parts = net.loss(request, features, latents)
    assert {"alignment"} == set(parts) - {net.strategy.__class__.__name__.lower()}
    sum(parts.values()).backward()  # type: ignore[union-attr]
    for reader in net.backbone.readers:
        assert all(weight.grad is not None for weight in reader.parameters())
    assert not net.conditioner(request, net.backbone).prior_mean.any()


def test_uniform_times_are_more_often_near_noise() -> None:
    net, request = model("flow padded"), inputs([8] * 256, [9] * 256)
    latents = torch.randn(256, 4, SIZE)
    with torch.no_grad():
        condition = net.conditioner(request, net.backbone)
        torch.manual_seed(0)
        found = [Flow(uniform=each).losses(net, latents, condition) for each in (False, True)]
    middle, even = (1 - each.weight for each in found if each.weight is not None)
    assert (middle < 0.1).float().mean() < 0.05
    assert 0.05 < (even < 0.1).float().mean() < 0.16
    assert 0.0 <= even.min()
    assert even.max() <= 1.0


def test_readers_are_for_text_without_durations() -> None:
    with pytest.raises(ConfigError, match="readers are for text that is padded or spread"):
        build({"strategy": {"kind": "flow"}, "backbone": {"readers": 1}})

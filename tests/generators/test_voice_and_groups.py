"""A voice that is one vector (SV2TTS), and groups of codebooks with blocks of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.helpers.generators import (
    CODES,
    DEPTH,
    POINTER,
    build,
    close,
    differ,
    fill,
    inputs,
    seeds,
)
from tts.errors import ConfigError
from tts.generators.base import SamplingOptions
from tts.generators.grouped import GroupedBackbone
from tts.modules.transformer import VoiceUnits
from tts.modules.voice_prompt import VoicePrompt

GROUPS = {"name": "group_parallel", "groups": 2}


def test_a_vector_is_all_that_is_heard_of_a_voice() -> None:
    net = build(
        {
            "strategy": {"kind": "autoregressive", "noise": 0.2},
            "head": {"kind": "regression", "width": 24},
            "conditioner": {"voice": "vector"},
        }
    )
    fill(net)
    net.eval()
    request = inputs([30], [20])
    options = SamplingOptions(guidance=1.5)
    plain = net.generate(request, seeds(1), options)
    prompt = request.prompt
    same = VoicePrompt(prompt.speaker, prompt.features.flip(1) * 5, prompt.lengths)
    close(net.generate(replace(request, prompt=same), seeds(1), options), plain)
    other = VoicePrompt(prompt.speaker.flip(1), prompt.features, prompt.lengths)
    assert differ(net.generate(replace(request, prompt=other), seeds(1), options), plain)
    with pytest.raises(ConfigError, match="vector"):
        build({"strategy": {"kind": "flow"}, "conditioner": {"voice": "vektor"}})


def test_each_group_has_blocks_of_its_own() -> None:
    """What changes in the blocks of a group changes the codebooks of that group alone."""
    net = build(
        {"strategy": {"kind": "autoregressive", "pattern": GROUPS, "own": 1}, "head": CODES}
    )
    fill(net)
    backbone, head = net.backbone, net.head
    assert isinstance(backbone, GroupedBackbone)
    assert (len(backbone.blocks), backbone.shared) == (3, 1)
    condition = net.conditioner(inputs([20], [20]), backbone)
    x = torch.randn(1, 10, 16, generator=seeds(1)[0])

    def logits() -> torch.Tensor:
        out: torch.Tensor = head(net.hidden(x, condition))
        return out

    with torch.no_grad():
        before = logits()
        one = torch.stack([head(net.hidden(x, condition), k) for k in range(3)], -2)
        torch.testing.assert_close(one, before, rtol=0, atol=1e-5)
        for weight in backbone.blocks[2].parameters():
            weight.add_(0.1)
        after = logits()
    # Groups of two and one of three codebooks.
    assert torch.equal(after[..., :2, :], before[..., :2, :])
    assert (after[..., 2, :] - before[..., 2, :]).abs().max() > 1e-4


def test_groups_start_from_a_network_without_groups() -> None:
    plain = build({"strategy": {"kind": "autoregressive", "pattern": GROUPS}, "head": CODES})
    fill(plain)
    net = build(
        {"strategy": {"kind": "autoregressive", "pattern": GROUPS, "own": 1}, "head": CODES}
    )
    net.load_state_dict(plain.state_dict())
    request, options = inputs([20], [20]), SamplingOptions(temperature=0.0)
    wanted = plain.eval().generate(request, seeds(1), options)
    assert torch.equal(net.eval().generate(request, seeds(1), options), wanted)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"strategy": {"pattern": {"name": "delay"}, "own": 1}}, "group_parallel"),
        ({"strategy": {"own": 1}}, "group_parallel"),
        ({"strategy": {"pattern": GROUPS, "own": 9}}, "own is from 1"),
        ({"strategy": {"pattern": GROUPS, "own": 1}, "conditioner": POINTER}, "pointer"),
        ({"strategy": {"pattern": GROUPS, "own": 1}, "head": DEPTH}, "categorical"),
    ],
)
def test_groups_that_do_not_fit_are_one_error(parts: dict, words: str) -> None:  # type: ignore[type-arg]
    strategy = {"kind": "autoregressive", **parts["strategy"]}
    with pytest.raises(ConfigError, match=words):
        build({"head": CODES, **parts, "strategy": strategy})


def test_voice_units_begin_as_nothing_and_open_by_the_voice() -> None:
    torch.manual_seed(0)
    units = VoiceUnits(8, 4, 6)
    x, voices = torch.randn(2, 5, 8), torch.randn(2, 6)
    assert torch.equal(units(x, units.gain(voices)), torch.zeros_like(x))
    nn.init.normal_(units.down.weight)
    same = torch.stack([x[0], x[0]])
    found = units(same, units.gain(voices))
    assert not torch.allclose(found[0], found[1])
    assert torch.allclose(found[1:], units(same[1:], units.gain(voices[1:])), atol=1e-6)
    with torch.no_grad():
        units.condition.weight.zero_()
        units.condition.bias.zero_()
    assert torch.equal(units(x, units.gain(voices)), torch.zeros_like(x))

"""Noise on what is fed back (CAM): what sees it, and what is measured without it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import SIZE, build, fill, inputs, seeds
from tts.generators.base import Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.generator import Generator
from tts.generators.step_types import TeacherForced

HEADS: dict[str, dict[str, Any]] = {
    "gaussian": {"kind": "gaussian", "width": 24, "flux": 1.0},
    "flow_mlp": {"kind": "flow_mlp", "prior": "previous", "width": 24, "blocks": 2},
    "energy": {"kind": "energy", "noise": 8, "width": 24, "blocks": 2},
    "kl": {"kind": "kl", "size": SIZE},
}


def network(kind: str, noise: float) -> Generator:
    net = build({"strategy": {"kind": "autoregressive", "noise": noise}, "head": HEADS[kind]})
    fill(net)
    return net


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_is_told_what_was_fed_and_what_was_true(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    net, request = network(kind, 0.5), inputs([40, 40], [20, 20])
    latents, seen = torch.randn(2, 20, SIZE), []
    told = net.head.step_losses

    def noted(forced: TeacherForced, condition: Condition) -> Losses:
        seen.append(forced)
        return told(forced, condition)  # type: ignore[operator,no-any-return]

    monkeypatch.setattr(net.head, "step_losses", noted)
    net.strategy.losses(net, latents, net.conditioner(request, net.backbone))
    fed, clean = seen[0].fed, seen[0].clean
    true = torch.cat([net.head.empty(2, 1), latents[:, :-1]], 1)  # type: ignore[operator]
    assert torch.equal(clean, true)
    assert (fed != true)[..., : SIZE // 2].any()


def test_flux_is_from_the_true_latent_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean that stands still has none, whatever noise was fed."""
    net, request = network("gaussian", 0.5), inputs([40, 40], [20, 20])
    head: Any = net.head
    latents = torch.randn(2, 20, SIZE)
    true = torch.cat([head.empty(2, 1), latents[:, :-1]], 1)
    monkeypatch.setattr(head, "latent", lambda hidden, mean: (true, torch.zeros_like(true)))
    condition = net.conditioner(request, net.backbone)
    parts = []
    for weight in (0.0, 1000.0):
        head.flux = weight
        torch.manual_seed(0)
        parts.append(net.strategy.losses(net, latents, condition).parts["frames"].item())
    assert parts[0] == parts[1]


def test_noise_leaves_how_sure_a_distribution_is() -> None:
    """In training and in sampling it is on the means alone."""
    net, request = network("kl", 0.5), inputs([40, 40], [20, 20])
    head: Any = net.head
    fed: list[Tensor] = []
    embed = head.embed

    def noted(latents: Tensor) -> Tensor:
        fed.append(latents)
        return embed(latents)  # type: ignore[no-any-return]

    head.embed = noted
    latents = torch.randn(2, 20, SIZE)
    net.strategy.losses(net, latents, net.conditioner(request, net.backbone))
    true = torch.cat([head.empty(2, 1), latents[:, :-1]], 1)
    (mean, spread), (true_mean, true_spread) = fed[0].chunk(2, -1), true.chunk(2, -1)
    assert torch.equal(spread, true_spread) and (mean - true_mean).std() > 0.1
    fed.clear()
    net.eval().generate(request, seeds(1, 2), SamplingOptions(guidance=1.0))
    assert all((x.chunk(2, -1)[1] == true_spread[:, :1]).all() for x in fed)

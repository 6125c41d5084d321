"""One shot: one evaluation, nothing drawn; the loss is the mean absolute error."""

import torch

from tests.helpers.generators import SIZE, build, fill, inputs, seeds
from tts.generators.base import Infill


def test_it_says_what_the_network_predicts_whatever_the_seed() -> None:
    net = build({"strategy": {"kind": "one_shot"}}).eval()
    fill(net)
    request = inputs([12, 8], [9, 7])
    calls: list[int] = []
    net.backbone.register_forward_hook(lambda *_: calls.append(1))
    made = net.generate(request, seeds(0, 1))
    assert len(calls) == 1 and made.shape == (2, 6, SIZE)
    assert torch.equal(made, net.generate(request, seeds(2, 3)))
    known = torch.zeros(2, 6, dtype=torch.bool)
    known[:, 2:4] = True
    kept = net.generate(request, seeds(0, 1), infill=Infill(torch.ones(2, 6, SIZE), known))
    assert (kept[:, 2:4] == 1).all() and torch.equal(kept[:, :2], made[:, :2])


def test_the_loss_is_the_weighted_absolute_error_of_valid_latents() -> None:
    net = build({"strategy": {"kind": "one_shot"}}).eval()
    fill(net)
    request = inputs([12, 8], [9, 7])
    condition = net.conditioner(request, net.backbone)
    made = net.strategy.made(net, condition).detach()
    away = made + 0.5
    away[1, 4:] += 100.0  # past the end of the second row
    weight = net.head.channel_weight
    found = net.strategy.losses(net, away, condition).parts["frames"]
    torch.testing.assert_close(found, 0.5 * weight.mean())

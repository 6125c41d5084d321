"""The average of weights."""

import pytest
import torch
from torch import nn

from tts.train.ema import Ema


def test_the_average_follows_its_definition() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = Ema({"m": module}, 0.5)
    expected = float(module.weight.detach())
    for step in range(20):
        with torch.no_grad():
            module.weight.fill_(float(step))
        average.update(step)
        rate = 1 - min(0.5, (1 + step) / (10 + step))
        expected += rate * (step - expected)
    assert average.shadow["m.weight"].item() == pytest.approx(expected, rel=1e-5)
    average.swap()
    assert module.weight.item() == pytest.approx(expected, rel=1e-5)
    average.swap()
    assert module.weight.item() == 19.0


def test_one_call_averages_as_tensor_by_tensor() -> None:
    """Of all types, to the last bit; a buffer may be replaced by another tensor."""
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2).double())
    module.register_buffer("count", torch.zeros(2, dtype=torch.int64))
    module.register_buffer("mean", torch.zeros(3))
    module.register_buffer("left out", torch.zeros(3), persistent=False)
    average = Ema({"m": module, "n": nn.Linear(1, 1)}, 0.9)
    plain = {key: value.clone() for key, value in average.shadow.items()}
    for step in range(5):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        module.count += 1  # type: ignore[operator]
        module.mean = torch.randn(3)
        average.update(step)
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                plain[f"m.{key}"].lerp_(value, 1 - min(0.9, (1 + step) / (10 + step)))
            else:
                plain[f"m.{key}"].copy_(value)
    assert list(average.shadow) == list(plain) and len(plain) == 13
    for key, value in plain.items():
        assert torch.equal(average.shadow[key], value), key
    now = {key: value.clone() for key, value in module.state_dict().items()}
    average.swap()
    for key, value in module.state_dict().items():
        assert torch.equal(value, plain[f"m.{key}"]), key
    average.swap()
    for key, value in module.state_dict().items():
        assert torch.equal(value, now[key]), key

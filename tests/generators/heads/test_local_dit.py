"""The temperature of DiTAR is the time at which noise is added."""

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import build, fill, inputs, seeds
from tts.generators.base import SamplingOptions
from tts.generators.heads.local_dit import LocalDiTHead

HEAD = {"kind": "local_dit", "width": 16, "heads": 2, "hidden": 32, "blocks": 2}


@pytest.mark.parametrize("steps", [1, 2, 8, 200])
@pytest.mark.parametrize("temperature", [1.0, 0.999, 0.75, 0.5, 0.38, 0.19, 0.1, 0.01, 1e-9, 0.0])
def test_noise_is_as_much_as_the_time_asks_from_its_entry_on(
    temperature: float, steps: int
) -> None:
    """Where the data is 0 what is left of noise 1 at time t is 1 - t, and nothing before 1 - T."""
    head = LocalDiTHead(size=12, dim=16, features=12, channels=6, width=16, heads=2, hidden=32)
    options = SamplingOptions(steps=steps, temperature=temperature)
    levels: list[float] = []

    def clean(x: Tensor, at: int) -> Tensor:
        levels.append(x.max().item())
        return torch.zeros_like(x)

    made = head.integrate(clean, torch.ones(1, 1, 12), options)
    times, entry = head.times(options), 1 - temperature
    assert times == sorted(times) and len(times) == len(levels) + 1 <= steps + 2
    wanted = [1 - time if time >= entry else 0.0 for time in times]
    assert levels == pytest.approx(wanted[:-1], abs=1e-5)
    assert max(levels) == pytest.approx(temperature, abs=2e-3)
    assert made.abs().max().item() == pytest.approx(0, abs=1e-5)


def test_noise_enters_beside_the_data_found_before_it() -> None:
    head = LocalDiTHead(size=12, dim=16, features=12, channels=6, width=16, heads=2, hidden=32)
    seen: list[float] = []

    def clean(x: Tensor, at: int) -> Tensor:
        seen.append(x.max().item())
        return torch.full_like(x, 2.0)

    head.integrate(clean, torch.ones(1, 1, 12), SamplingOptions(steps=1, temperature=0.25))
    assert seen == pytest.approx([0, 0.75 * 2 + 0.25])


@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.25, 0.19, 0.05])
def test_every_temperature_above_0_draws(temperature: float) -> None:
    net = build({"strategy": {"kind": "autoregressive"}, "head": HEAD}).eval()
    fill(net)
    options = SamplingOptions(steps=8, guidance=2.0, temperature=temperature)
    one, other = (net.generate(inputs([8], [20]), seeds(seed), options) for seed in (1, 2))
    assert not torch.equal(one, other)

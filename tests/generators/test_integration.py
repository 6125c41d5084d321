"""Integration from noise to data, and spans that are given."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import (
    CHANNELS,
    DIM,
    SIZE,
    build,
    differ,
    fill,
    inputs,
    seeds,
)
from tts.generators.base import SamplingOptions
from tts.generators.generator import Generator
from tts.generators.heads.linear import LinearHead
from tts.generators.integration import random_spans, time_grid
from tts.generators.strategies.diffusion import Diffusion


@pytest.mark.parametrize("sway", [-1.0, -0.5, 0.0, 0.5])
@pytest.mark.parametrize("steps", [1, 2, 7, 32])
def test_the_time_grid_ends_at_0_and_1(steps: int, sway: float) -> None:
    grid = time_grid(steps, sway)
    assert len(grid) == steps + 1
    assert grid[0].item() == pytest.approx(0, abs=1e-6)
    assert grid[-1].item() == pytest.approx(1, abs=1e-6)
    assert (grid.diff() > 0).all()
    uniform = torch.linspace(0, 1, steps + 1)
    if sway == 0:
        torch.testing.assert_close(grid, uniform)
    elif steps > 1:
        assert ((grid - uniform)[1:-1] * sway > 0).all()  # negative: more steps near the noise


@pytest.mark.parametrize("name", ["flow", "diffusion v", "diffusion eps"])
def test_more_steps_converge(name: str) -> None:
    model = build(name)
    fill(model)
    request = inputs([24], [30])

    def run(steps: int, method: Any = "euler") -> Tensor:
        options = SamplingOptions(steps, 2.0, method=method, sway=0.0)
        return model.generate(request, seeds(1), options)

    fine = run(256)
    assert (run(64) - fine).square().mean() < (run(8) - fine).square().mean()
    assert (run(64) - fine).abs().mean() < 0.1 * fine.std()
    assert torch.isfinite(run(1)).all()
    if name == "flow":
        assert (run(64, "midpoint") - fine).abs().mean() < 0.05 * fine.std()
        assert torch.isfinite(run(1, "midpoint")).all()
    else:
        assert differ(run(32, "ddpm"), run(32))


def test_evaluations_are_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    hidden = Generator.hidden

    def counted(self, x, *rest):  # type: ignore[no-untyped-def]
        calls.append(len(x))
        return hidden(self, x, *rest)

    monkeypatch.setattr(Generator, "hidden", counted)
    for name, method in (("flow", "euler"), ("flow", "midpoint"), ("diffusion v", "ddim")):
        for guidance, rows in ((1.0, 1), (2.0, 2)):
            calls.clear()
            options = SamplingOptions(6, guidance, method=method)  # type: ignore[arg-type]
            build(name).generate(inputs([10], [10]), seeds(1), options)
            assert calls == [rows] * 6


@pytest.mark.parametrize("predict", ["v", "eps", "x"])
def test_diffusion_finds_the_data_where_the_network_is_right(predict: Any) -> None:
    """v, eps and x of a known pair lead back to the data, at every noise level."""
    strategy = Diffusion(predict)
    latents, noise, mean = (torch.randn(4, 3, SIZE) for _ in range(3))
    log_snr = strategy.log_snr(torch.tensor([0.1, 0.4, 0.6, 0.9]))
    alpha, sigma = (s[:, None, None] for s in strategy.scales(log_snr))
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(alpha))
    assert (log_snr.diff() < 0).all()
    residual = latents - mean
    right = {"v": alpha * noise - sigma * residual, "eps": noise, "x": residual}[predict]

    class Plain(LinearHead):
        def embed(self, latents: Tensor, known: Tensor | None = None) -> Tensor:
            return latents

        def predict(self, hidden: Tensor) -> Tensor:
            return hidden

    class Perfect:
        head = Plain(dim=DIM, size=SIZE, features=SIZE, channels=CHANNELS)

        def hidden(self, x: Tensor, condition: Any, t: Tensor) -> Tensor:
            torch.testing.assert_close(t, (alpha / (alpha + sigma))[:, 0, 0])
            return right

    condition: Any = type("C", (), {"prior_mean": mean, "frames": torch.zeros(())})
    net: Any = Perfect()
    clean = strategy.clean(net, alpha * latents + sigma * noise, condition, log_snr)
    torch.testing.assert_close(clean, latents, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shift", [0.0, -1.0])
@pytest.mark.parametrize("log_snr", [-8.0, -4.0, -1.0, 1.0, 4.0])
def test_how_much_each_level_of_noise_counts(log_snr: float, shift: float) -> None:
    """With SESD's weight that below `log_snr` is the integral of a Cauchy of scale 4.8 below -1 and
    of a normal of deviation 2.4 above, whatever the schedule draws in sampling."""
    torch.manual_seed(0)
    strategy = Diffusion(shift=shift)
    levels = strategy.draw_level(200_000, torch.device("cpu"))
    weight = strategy.weight(levels)
    assert levels.min() >= -10 and levels.max() <= 10
    grid = torch.linspace(-10, 10, 20_001).double()
    wanted = torch.where(
        grid < -1, 1 / (1 + ((grid + 1) / 4.8) ** 2), torch.exp(-(((grid + 1) / 2.4) ** 2) / 2)
    )
    found = (weight[levels < log_snr].sum() / weight.sum()).item()
    assert found == pytest.approx((wanted[grid < log_snr].sum() / wanted.sum()).item(), abs=0.01)


def test_without_the_weight_levels_are_those_of_the_schedule() -> None:
    strategy = Diffusion(asymmetric=False)
    levels = strategy.draw_level(20_000, torch.device("cpu"))
    assert strategy.weight(levels).unique().tolist() == [1]
    # The cosine's density is that of a hyperbolic secant.
    assert (levels.abs() < 2).float().mean().item() == pytest.approx(0.551, abs=0.02)


def test_random_spans_leave_something_to_learn() -> None:
    mask = (torch.arange(40) < torch.tensor([40, 20, 3])[:, None]).unsqueeze(-1).float()
    assert random_spans(mask, 0.0) is None
    for _ in range(50):
        known = random_spans(mask, 0.9)
        assert known is not None
        assert not (known & (mask[..., 0] == 0)).any()
        assert (known.sum(1) < mask[..., 0].sum(1)).all()
        assert (known.int().diff(dim=1).abs().sum(1) <= 2).all()  # one stretch


def test_spans_of_an_edit_are_known_on_both_sides() -> None:
    mask = (torch.arange(40) < torch.tensor([40, 30])[:, None]).unsqueeze(-1).float()
    surrounded = 0
    for _ in range(50):
        known = random_spans(mask, 1.0, both_sides=1.0)
        assert known is not None
        assert not (known & (mask[..., 0] == 0)).any()
        for row, length in enumerate((40, 30)):
            hidden = (~known[row, :length]).nonzero()[:, 0]
            # One stretch is open, of up to 70 %.
            if known[row].any():
                assert 0 < len(hidden) <= 0.7 * length + 1
                assert len(hidden) == hidden[-1] - hidden[0] + 1
                surrounded += int(hidden[0] > 0 and hidden[-1] < length - 1)
    assert surrounded > 50

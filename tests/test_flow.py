"""The flow generator: sampling, batching, guidance, masks, and a golden output."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tts.align.aligner import TokenBatch, collate_tokens
from tts.generators.conditioning import VoicePrompt, fold
from tts.generators.flow import FlowGenerator, FlowOptions, time_grid

MELS = 6


def fill(module: nn.Module, seed: int = 0, scale: float = 0.15) -> None:
    """Weights that do not depend on how torch initialises layers."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
            if "norm" in name and name.endswith("weight"):
                weight.add_(1.0)


@pytest.fixture(scope="module")
def model() -> FlowGenerator:
    generator = FlowGenerator(
        MELS, patch=2, dim=16, heads=2, hidden=32, blocks=2, content_blocks=1, phone_dim=16,
        phone_blocks=1, voice_dim=12, glob=8,
    )  # fmt: skip
    fill(generator)
    return generator.eval().requires_grad_(False)


def inputs(totals: list[int], prompts: list[int]) -> tuple[TokenBatch, Tensor, VoicePrompt]:
    """Rows of `totals` frames; prompts of the given frames."""
    rows, durations = [], []
    for row, total in enumerate(totals):
        frames = [2 + (row + at) % 3 for at in range(total)]
        while sum(frames) > total:
            frames.pop()
        frames[-1] += total - sum(frames)
        rows.append(
            ([20 + (7 * row + 5 * at) % 40 for at in range(len(frames))], [0] * len(frames))
        )
        durations.append(torch.tensor(frames))
    generator = torch.Generator().manual_seed(5)
    speaker = nn.functional.normalize(torch.randn(len(totals), 256, generator=generator))
    mel = torch.randn(len(totals), max(prompts), MELS, generator=generator)
    padded = nn.utils.rnn.pad_sequence(durations, batch_first=True)
    return collate_tokens(rows), padded, VoicePrompt(speaker, mel, torch.tensor(prompts))


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in numbers]


def one_row(
    tokens: TokenBatch, durations: Tensor, prompt: VoicePrompt, row: int
) -> tuple[TokenBatch, Tensor, VoicePrompt]:
    part, size, length = slice(row, row + 1), int(tokens.lengths[row]), int(prompt.lengths[row])
    return (
        TokenBatch(tokens.ids[part, :size], tokens.mods[part, :size], tokens.lengths[part]),
        durations[part, :size],
        VoicePrompt(prompt.speaker[part], prompt.features[part, :length], prompt.lengths[part]),
    )


@pytest.mark.parametrize(
    "options", [FlowOptions(4), FlowOptions(4, 1.0), FlowOptions(4, method="midpoint")]
)
def test_a_row_does_not_depend_on_its_batch(model: FlowGenerator, options: FlowOptions) -> None:
    everything = inputs([23, 9, 40], [31, 50, 8])
    mel, frames = model.generate(*everything, seeds(1, 2, 3), options)
    assert frames.tolist() == [23, 9, 40] and mel.shape == (3, 40, MELS)
    for row in range(3):
        alone, count = model.generate(*one_row(*everything, row), seeds(row + 1), options)
        assert count.item() == frames[row]
        valid = int(frames[row])
        torch.testing.assert_close(alone[0, :valid], mel[row, :valid], rtol=0, atol=1e-4)
    assert mel.std() > 0.05


def test_a_seed_gives_one_result(model: FlowGenerator) -> None:
    everything = inputs([20], [30])
    first, _ = model.generate(*everything, seeds(7))
    torch.manual_seed(99)  # the global generator plays no part
    again, _ = model.generate(*everything, seeds(7))
    other, _ = model.generate(*everything, seeds(8))
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-2
    still, _ = model.generate(*everything, seeds(7), FlowOptions(temperature=0.0))
    moved, _ = model.generate(*everything, seeds(8), FlowOptions(temperature=0.0))
    assert torch.equal(still, moved)


def test_guidance_of_one_is_none(model: FlowGenerator) -> None:
    everything = inputs([21, 14], [30, 12])
    results = {
        s: model.generate(*everything, seeds(1, 2), FlowOptions(4, s))[0]
        for s in (1.0, 1.0 + 1e-6, 2.0, 3.0)
    }
    torch.testing.assert_close(results[1.0], results[1.0 + 1e-6], rtol=0, atol=1e-3)
    assert (results[1.0] - results[2.0]).abs().max() > 1e-2
    assert (results[2.0] - results[3.0]).abs().max() > 1e-2


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


def test_more_steps_converge(model: FlowGenerator) -> None:
    everything = inputs([24], [30])

    def run(steps: int, method: str) -> Tensor:
        options = FlowOptions(steps, method=method, sway=0.0)
        return model.generate(*everything, seeds(1), options)[0]

    fine = run(256, "midpoint")
    coarse, better = run(8, "euler"), run(64, "euler")
    assert (better - fine).square().mean() < (coarse - fine).square().mean()
    assert (better - fine).abs().mean() < 0.1 * fine.std()
    assert torch.isfinite(run(1, "midpoint")).all()


def test_evaluations_are_what_was_asked_for(
    model: FlowGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    denoise = FlowGenerator._denoise

    def counted(self, x, *rest):  # type: ignore[no-untyped-def]
        calls.append(len(x))
        return denoise(self, x, *rest)

    monkeypatch.setattr(FlowGenerator, "_denoise", counted)
    for method in ("euler", "midpoint"):
        for guidance, rows in ((1.0, 1), (2.0, 2)):
            calls.clear()
            options = replace(FlowOptions(6, guidance), method=method)
            model.generate(*inputs([10], [10]), seeds(1), options)
            assert calls == [rows] * 6


def test_the_padding_of_a_prompt_is_not_seen(model: FlowGenerator) -> None:
    tokens, durations, prompt = inputs([22], [17])
    plain, _ = model.generate(tokens, durations, prompt, seeds(1))
    padded = nn.functional.pad(prompt.features, (0, 0, 0, 12), value=50.0)
    wide = VoicePrompt(prompt.speaker, padded, prompt.lengths)
    same, _ = model.generate(tokens, durations, wide, seeds(1))
    torch.testing.assert_close(same, plain, rtol=0, atol=1e-4)
    for other in (
        VoicePrompt(prompt.speaker, prompt.features * 0.5, prompt.lengths),
        VoicePrompt(prompt.speaker.flip(1), prompt.features, prompt.lengths),
    ):
        changed, _ = model.generate(tokens, durations, other, seeds(1))
        assert (changed - plain).abs().max() > 1e-3  # the voice matters
    empty = VoicePrompt(prompt.speaker, prompt.features, torch.tensor([0]))
    assert torch.isfinite(model.generate(tokens, durations, empty, seeds(1))[0]).all()


def test_folding_keeps_every_frame() -> None:
    frames = torch.arange(10.0).view(1, 5, 2)
    folded = fold(frames, 2)
    assert folded.shape == (1, 3, 4)
    assert folded.flatten().tolist() == [*range(10), 0, 0]


def test_training_lowers_the_loss() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = FlowGenerator(
            MELS, 2, 16, 2, 32, blocks=1, content_blocks=1, phone_dim=16, phone_blocks=1,
            voice_dim=12, glob=8,
        )  # fmt: skip
        tokens, durations, prompt = inputs([24, 17], [30, 12])
        target = torch.randn(2, 24, MELS) * 0.1 + 2.0
        frames = torch.tensor([24, 17])
        target[1, 17:] = 0
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        history = []
        for _ in range(40):
            parts = model.loss(tokens, durations, prompt, target, frames)
            optimizer.zero_grad()
            sum(parts.values()).backward()  # type: ignore[union-attr]
            optimizer.step()
            history.append({k: v.item() for k, v in parts.items()})
    assert history[-1]["mean"] < 0.5 * history[0]["mean"]
    assert sum(h["flow"] for h in history[-8:]) < 0.5 * sum(h["flow"] for h in history[:8])
    unused = [n for n, p in model.named_parameters() if p.grad is None]
    assert not unused


GOLDEN = [
    -0.81194,
    -0.12063,
    -1.86133,
    -1.09935,
    -2.66055,
    3.00569,
    -0.39919,
    2.66807,
    2.67914,
    -0.32733,
]


def test_golden_output(model: FlowGenerator) -> None:
    """Weights in the world depend on these computations: a change of them is a new kind."""
    mel, _ = model.generate(*inputs([23, 12], [31, 10]), seeds(1, 2), FlowOptions(4, 2.0))
    found = [*mel[0, ::5, 1].tolist(), *mel[1, 1:12:3, 4].tolist(), mel[0].mean().item()]
    assert found == pytest.approx(GOLDEN, abs=1e-4)

"""Taking noise and rooms out of recordings."""

import numpy as np
import pytest
import torch

from tts.voice.enhancer import N_FFT, SAMPLE_RATE, SpeechEnhancer


@pytest.fixture
def enhancer() -> SpeechEnhancer:
    torch.manual_seed(0)
    found = SpeechEnhancer(bands=16, dim=16, blocks=1, kernel=5)
    torch.nn.init.normal_(found.out.weight, std=0.5)
    return found


def bursts(count: int = SAMPLE_RATE) -> torch.Tensor:
    """A tone that comes and goes, [1, N]."""
    time = torch.arange(count) / SAMPLE_RATE
    return (torch.sin(2 * torch.pi * 300 * time) * (time * 5 % 1 < 0.5))[None]


def test_every_frequency_belongs_to_bands_in_shares_of_one(enhancer: SpeechEnhancer) -> None:
    assert torch.allclose(enhancer.spread.sum(1), torch.ones(N_FFT // 2 + 1))
    assert bool((enhancer.spread.sum(0) > 0).all())


@torch.no_grad()
def test_what_it_leaves_is_a_part_of_the_recording(enhancer: SpeechEnhancer) -> None:
    recorded = bursts() + 0.1 * torch.randn(1, SAMPLE_RATE)
    made = enhancer(recorded)
    assert made.shape == recorded.shape
    before, after = (enhancer.power(enhancer.spectrum(each)).sum(1) for each in (recorded, made))
    assert bool((after < before).all())


@torch.no_grad()
def test_where_nothing_is_turned_down_the_recording_stays(enhancer: SpeechEnhancer) -> None:
    torch.nn.init.zeros_(enhancer.out.weight)
    torch.nn.init.constant_(enhancer.out.bias, 30.0)
    recorded = bursts(SAMPLE_RATE + 77) + 0.1 * torch.randn(1, SAMPLE_RATE + 77)
    assert torch.allclose(enhancer(recorded), recorded, atol=1e-5)
    assert torch.allclose(enhancer(torch.zeros(1, 4000)), torch.zeros(1, 4000))


@torch.no_grad()
def test_loudness_does_not_matter(enhancer: SpeechEnhancer) -> None:
    recorded = bursts() + 0.1 * torch.randn(1, SAMPLE_RATE)
    assert torch.allclose(enhancer(20 * recorded), 20 * enhancer(recorded), atol=1e-3)


def test_it_learns_to_take_noise_out(enhancer: SpeechEnhancer) -> None:
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam(enhancer.parameters(), 1e-2, fused=True)
    losses = []
    for _ in range(60):
        clean = bursts(8000).expand(4, -1)
        noise = torch.from_numpy(rng.standard_normal((4, 8000)).astype(np.float32))
        loss = enhancer.loss(clean + 0.2 * noise, clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
    with torch.no_grad():
        recorded = bursts() + 0.2 * torch.randn(1, SAMPLE_RATE)
        rest = enhancer(recorded) - bursts()
    assert float(rest.square().mean()) < 0.25 * 0.2**2


def test_a_clean_recording_is_no_loss(enhancer: SpeechEnhancer) -> None:
    torch.nn.init.constant_(enhancer.out.bias, 30.0)
    torch.nn.init.zeros_(enhancer.out.weight)
    clean = bursts()
    assert enhancer.loss(clean, clean).item() < 0.1

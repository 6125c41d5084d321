"""Couplings: invertible, of the density they say, and in a variational autoencoder."""

import pytest
import torch

from tts_codecs.latent import LatentAutoencoder
from tts_codecs.nn.coupling import CouplingFlow


def flow(size: int, layers: int) -> CouplingFlow:
    torch.manual_seed(0)
    made = CouplingFlow(size, layers, 8)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    return made


@pytest.mark.parametrize(("size", "layers"), [(6, 3), (5, 4), (2, 1)])
def test_there_and_back_with_the_determinant_of_the_jacobian(size: int, layers: int) -> None:
    couplings = flow(size, layers)
    x = torch.randn(2, 4, size)
    y, log_determinant = couplings(x)
    assert not torch.allclose(x, y, atol=0.1)
    torch.testing.assert_close(couplings.inverse(y), x, rtol=0, atol=1e-4)
    jacobian = torch.autograd.functional.jacobian(lambda one: couplings(one)[0], x[:1])
    found = jacobian.view(4 * size, 4 * size).slogdet().logabsdet
    torch.testing.assert_close(log_determinant[0].sum(), found, rtol=1e-3, atol=1e-3)


def test_a_new_flow_changes_nothing() -> None:
    """At first the identity but for the order, so that the divergence is the exact one on
    average."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, 6)
    y, log_determinant = CouplingFlow(6, 2, 8)(x)
    assert torch.equal(y, x) and not log_determinant.any()
    plain = LatentAutoencoder(dim=8, blocks=1, latents=6)
    flown = LatentAutoencoder(dim=8, blocks=1, latents=6, flow=2)
    mean, log_variance = torch.randn(1, 500, 6), torch.randn(1, 500, 6)
    noise = torch.randn(1, 500, 6)
    drawn = mean + (0.5 * log_variance).exp() * noise
    exact = plain.divergence(mean, log_variance, noise, drawn).mean()
    found = flown.divergence(mean, log_variance, noise, drawn).mean()
    assert float(found.detach()) == pytest.approx(float(exact.detach()), rel=0.1)


def test_a_flow_learns_a_distribution_that_is_not_normal() -> None:
    """Latents in two heaps cost less with couplings than what N(0, 1) can be made to cost."""
    torch.manual_seed(0)
    auto = LatentAutoencoder(dim=16, blocks=1, latents=4, flow=4)
    assert auto.flow is not None
    side = torch.sign(torch.randn(1, 400, 1))
    mean, log_variance = side * torch.tensor([2.0, 2.0, -2.0, 2.0]), torch.full((1, 400, 4), -3.0)
    optimizer = torch.optim.Adam(auto.flow.parameters(), 1e-2, fused=True)
    costs = []
    for _ in range(80):
        noise = torch.randn_like(mean)
        drawn = mean + (0.5 * log_variance).exp() * noise
        cost = auto.divergence(mean, log_variance, noise, drawn).mean()
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        costs.append(float(cost.detach()))
    assert costs[-1] < 0.6 * costs[0]
    heard = auto.prior(torch.randn(1, 400, 4))
    assert heard.shape == (1, 400, 4) and torch.isfinite(heard).all()


def test_all_of_it_is_trained_and_decoding_does_not_need_it() -> None:
    torch.manual_seed(0)
    auto = LatentAutoencoder(dim=8, blocks=1, latents=6, flow=2)
    made, divergence = auto(torch.randn(2, 10, 82))
    assert made.shape == (2, 10, 82) and divergence.shape == (2, 5)
    (made.square().mean() + divergence.mean()).backward()
    assert all(weight.grad is not None for weight in auto.parameters())
    values = torch.randn(1, 3, 6)
    before = auto.decode(values)
    assert auto.flow is not None
    for weight in auto.flow.parameters():
        torch.nn.init.normal_(weight)
    assert torch.equal(auto.decode(values), before)

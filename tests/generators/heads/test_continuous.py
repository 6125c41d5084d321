"""Heads of continuous autoregression: what each is said to do, on tiny networks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tts.generators.base import Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.folding import channel_weights
from tts.generators.heads.continuous import ContinuousHead, FlowHead
from tts.generators.heads.energy import EnergyHead
from tts.generators.heads.flow_mlp import FlowMLPHead
from tts.generators.heads.gaussian import GaussianHead
from tts.generators.heads.kl import CERTAIN, KLHead
from tts.generators.heads.local_dit import LocalDiTHead
from tts.generators.latent_space import VAESpace
from tts.generators.step_types import StepContext, TeacherForced
from tts.generators.strategies.autoregressive import Autoregressive
from tts.generators.voice_encoders import voice_mean
from tts.modules.voice_prompt import VoicePrompt
from tts.registry import load_latent_space
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.latent import LatentAutoencoder

CHANNELS, SIZE, DIM, LATENTS = 4, 8, 16, 12
SIZES: dict[str, Any] = {"size": SIZE, "dim": DIM, "features": SIZE, "channels": CHANNELS}


@pytest.fixture(autouse=True)
def seeded() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def condition(rows: int = 2, latents: int = LATENTS, size: int = SIZE) -> Condition:
    mean = torch.randn(rows, latents, size)
    zero = torch.zeros(rows, latents, DIM)
    return Condition(
        zero, mean, zero[:, 0], [], torch.ones(rows, 1) > 0, torch.ones(rows, latents, 1)
    )


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in numbers]


def draw(
    head: Any, given: Condition, hidden: Tensor, before: Tensor, *numbers: int, **options: Any
) -> Tensor:
    rngs = seeds(*(numbers or range(len(before))))
    settings = SamplingOptions(**{"guidance": 1.0, **options})
    return head.draw(hidden, StepContext(given, settings, rngs, before, before, 0))


def losses(head: Any, given: Condition, steps: Tensor, before: Tensor, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    hidden = torch.randn(*steps.shape[:2], DIM)
    known = torch.ones(*steps.shape[:2], 1) > 0
    return head.step_losses(TeacherForced(hidden, steps, known, before, before), given).parts


def still(head: nn.Module) -> None:
    """Output layers that say nothing."""
    for name, weight in head.named_parameters():
        if name.split(".")[-2] in ("out", "step"):
            nn.init.zeros_(weight)


FLOWS = [
    partial(FlowMLPHead, width=16, blocks=1),
    partial(LocalDiTHead, width=16, heads=2, hidden=32),
]


@pytest.mark.parametrize("make", FLOWS, ids=["flow_mlp", "local_dit"])
@pytest.mark.parametrize("prior", ["previous", "mean", "normal"])
def test_a_flow_starts_at_its_prior(make: Any, prior: str) -> None:
    """An untrained flow stays where it begins: the frame before, the regressed step, or 0."""
    rows = 64
    before, hidden = torch.randn(rows, 1, SIZE), torch.randn(rows, 1, DIM)
    given = condition(rows)
    start = {
        "previous": before[..., CHANNELS:].repeat(1, 1, 2),
        "mean": given.prior_mean[:, :1],
        "normal": torch.zeros(rows, 1, SIZE),
    }[prior]
    head = make(**SIZES, prior=prior).eval()
    still(head)
    for steps in (1, 3):
        made = draw(head, given, hidden, before, steps=steps, temperature=0.0)
        torch.testing.assert_close(made, start, rtol=0, atol=1e-5)
    # What the best linear guess makes of the noise has the spread of the data.
    error = draw(head, given, hidden, before, steps=32) - start
    assert error.std().item() == pytest.approx(head.spread, rel=0.15)


@pytest.mark.parametrize("make", FLOWS, ids=["flow_mlp", "local_dit"])
def test_a_flow_finds_the_data_where_the_network_is_right(make: Any) -> None:
    """The prediction a perfect network gives leads back to the latent, whatever the prior."""
    data, before, hidden, given = (
        torch.randn(2, 1, SIZE), torch.randn(2, 1, SIZE), torch.randn(2, 1, DIM), condition(),
    )  # fmt: skip
    for prior in ("normal", "previous", "mean"):
        head = make(**SIZES, prior=prior).eval()
        step = given.prior_mean[:, :1] + head.step(hidden)
        offset = data - head.centre(step, before)

        def right(
            x: Tensor, t: Tensor, *rest: Any, head: Any = head, offset: Tensor = offset
        ) -> Tensor:
            norm, share, rest_ = head.scales(t.unsqueeze(-1))
            return (offset - share * norm * x) / rest_

        head.network, head.sampler = right, partial(FlowHead.sampler, head)
        for count in (1, 4):
            made = draw(head, given, hidden, before, steps=count)
            torch.testing.assert_close(made, data, rtol=0, atol=1e-3)


def test_the_coarse_band_is_given_to_the_fine_one() -> None:
    head = FlowMLPHead(**SIZES, bands=2, prior="normal").eval()
    coarse, fine = head.bands()
    assert coarse.tolist() == [0, 2, 4, 6] and fine.tolist() == [1, 3, 5, 7]
    seen = []
    network = head.network

    def watched(x: Tensor, *rest: Any) -> Tensor:
        seen.append((x.shape[-1], rest[-2].clone()))
        return network(x, *rest)

    head.network = watched  # type: ignore[method-assign]
    head.sampler = partial(FlowHead.sampler, head)  # type: ignore[method-assign]
    before, hidden = torch.randn(2, 1, SIZE), torch.randn(2, 1, DIM)
    made = draw(head, condition(), hidden, before, steps=2)
    assert [width for width, _ in seen] == [4] * 4
    assert not any(given.any() for _, given in seen[:2])
    assert torch.equal(seen[-1][1][..., coarse], made[..., coarse])
    assert not seen[-1][1][..., fine].any()


HEADS: dict[str, tuple[Any, dict[str, Any]]] = {
    "flow_mlp": (FlowMLPHead, {"prior": "previous", "width": 32, "blocks": 2}),
    "local_dit": (LocalDiTHead, {"width": 16, "heads": 2, "hidden": 32}),
    "gaussian": (GaussianHead, {"width": 32}),
    "energy": (EnergyHead, {"width": 32, "blocks": 2}),
    "kl": (KLHead, {}),
}


@pytest.mark.parametrize("name", HEADS)
def test_temperature(name: str) -> None:
    """At 0 nothing is drawn; below 1 draws differ less than at 1."""
    cls, options = HEADS[name]
    head = cls(**SIZES, **options).eval()
    for weight in head.parameters():
        nn.init.normal_(weight, std=0.2)
    before, given = torch.randn(1, 1, SIZE).expand(64, -1, -1), condition(1)
    given = replace(given, prior_mean=given.prior_mean.expand(64, -1, -1))
    hidden = torch.randn(1, 1, DIM).expand(64, -1, -1)
    spread = [
        draw(head, given, hidden, before, temperature=temperature).std(0).mean().item()
        for temperature in (0.0, 0.5, 1.0)
    ]
    assert spread[0] < 1e-5 < 0.01 < spread[1] < spread[2]


@pytest.mark.parametrize("name", HEADS)
def test_what_lies_past_the_end_counts_nothing(name: str) -> None:
    cls, options = HEADS[name]
    head = cls(**SIZES, **options).eval()
    given, steps, before = condition(), torch.randn(2, LATENTS, SIZE), torch.randn(2, LATENTS, SIZE)
    hidden = torch.randn(2, LATENTS, DIM)
    known = torch.ones(2, LATENTS, 1) > 0
    known[1, 5:] = False
    found = []
    for junk in (0.0, 7.0):
        torch.manual_seed(1)
        fed = torch.where(known, before, junk)
        forced = TeacherForced(
            torch.where(known, hidden, junk), torch.where(known, steps, junk), known, fed, fed
        )
        parts = head.step_losses(forced, given).parts
        found.append({key: value.item() for key, value in parts.items()})
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_pitch_and_voicing_count_more() -> None:
    assert channel_weights(5, 2).tolist() == [1, 1, 1, 5, 5] * 2
    head = ContinuousHead(**SIZES)
    assert torch.equal(head.channel_weight, channel_weights(CHANNELS, 2))
    assert ContinuousHead(6, DIM, SIZE, CHANNELS).channel_weight.tolist() == [1] * 6  # latents


def test_draws_of_an_energy_head_collapse_without_repulsion() -> None:
    """SLED's ablation: without the distance between draws all of them are the median."""
    spread = {}
    for repulsion in (0.0, 1.0):
        torch.manual_seed(0)
        head = EnergyHead(**SIZES, noise=8, width=32, blocks=2, repulsion=repulsion)
        optimizer = torch.optim.Adam(head.parameters(), 6e-3, fused=True)
        given = condition(1, 64)
        given.prior_mean.zero_()
        hidden, known = torch.zeros(1, 64, DIM), torch.ones(1, 64, 1) > 0
        for _ in range(150):
            # Two corners, as likely: their average is never said.
            data = (torch.rand(1, 64, 1) < 0.5).float().mul(2).sub(1).expand(-1, -1, SIZE)
            forced = TeacherForced(hidden, data, known, data, data)
            loss = head.step_losses(forced, given).parts["energy"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            draws = head.net(hidden[0, :1].expand(128, -1), torch.randn(128, 8)).mean(-1)
        spread[repulsion] = draws.std().item()
        if repulsion:
            assert draws.min() < -0.6 and draws.max() > 0.6
    assert spread[0.0] < 0.35 < 0.6 < spread[1.0]


def test_energy_distance_of_what_it_says() -> None:
    """Draws that are the data cost nothing; the slope at equal draws is finite."""
    head = EnergyHead(**SIZES)
    still(head)
    given, before = condition(), torch.zeros(2, LATENTS, SIZE)
    loss = losses(head, given, given.prior_mean, before)["energy"]
    assert loss.item() == pytest.approx(0, abs=2e-4)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)
    wrong = losses(head, given, given.prior_mean + 2, before)["energy"]
    assert wrong.item() == pytest.approx(2 * 2 * head.channel_weight.mean().sqrt().item(), rel=1e-3)


def test_flux_rewards_movement() -> None:
    """The latent's distance from the latent before lowers the loss by the weight of the flux."""
    given, steps = condition(), torch.randn(2, LATENTS, SIZE)
    made = GaussianHead(**SIZES, flux=0.5)
    without = GaussianHead(**SIZES, flux=0.0)
    without.load_state_dict(made.state_dict())
    gain = []
    for distance in (0.0, 1.0, 3.0):
        torch.manual_seed(0)
        hidden = torch.randn(*steps.shape[:2], DIM)
        before = (made.latent(hidden, given.prior_mean)[0] + distance).detach()
        plain, moved = (losses(h, given, steps, before)["frames"] for h in (without, made))
        gain.append((plain - moved).item())
    weight = made.channel_weight.mean().item()
    assert gain == pytest.approx([0, 0.5 * weight, 1.5 * weight], abs=1e-4)


def test_the_gaussian_latent_is_pulled_to_the_unit() -> None:
    head = GaussianHead(**SIZES)
    still(head)
    given, before = condition(), torch.zeros(2, LATENTS, SIZE)
    assert losses(head, given, given.prior_mean, before)["kl"].item() == pytest.approx(0, abs=1e-6)
    shifted = losses(head, given, given.prior_mean + head.spread, before)["kl"].item()
    assert shifted == pytest.approx(head.kl * 0.5 * head.channel_weight.mean().item(), rel=1e-4)


def test_divergence_is_zero_when_equal_and_that_of_torch() -> None:
    head = KLHead(2 * SIZE, DIM, SIZE, CHANNELS)
    assert isinstance(head.estimate, nn.Linear) or head.size == SIZE
    still(head)
    given = condition(size=SIZE)
    mean = head.mean(given).detach()
    before = torch.zeros(2, LATENTS, 2 * SIZE)
    equal = torch.cat([mean, torch.zeros_like(mean)], -1)
    assert losses(head, given, equal, before)["kl"].item() == pytest.approx(0, abs=1e-6)
    wanted, log_variance = torch.randn_like(mean), torch.randn_like(mean)
    found = losses(head, given, torch.cat([wanted, log_variance], -1), before)["kl"]
    posterior = torch.distributions.Normal(wanted, (0.5 * log_variance).exp())
    divergence = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(mean, 1))
    expected = (divergence * head.channel_weight).mean()
    torch.testing.assert_close(found, expected)


def test_a_drawn_latent_is_certain_and_history_is_drawn_in_training() -> None:
    head = KLHead(2 * SIZE, DIM, 6, 3).eval()
    before = head.empty(2, 1)
    assert torch.equal(head.embed(before), head.embed(before))
    made = draw(head, condition(size=6), torch.randn(2, 1, DIM), before)
    assert made.shape == (2, 1, 2 * SIZE) and (made[..., SIZE:] == CERTAIN).all()
    latents = torch.zeros(2, 3, 2 * SIZE)
    assert torch.equal(head.embed(latents), head.embed(latents))
    head.train()
    assert not torch.equal(head.embed(latents), head.embed(latents))
    torch.testing.assert_close(head.embed(made), head.eval().embed(made), rtol=0, atol=1e-4)


def test_history_matters_to_the_local_transformer() -> None:
    hidden, given = torch.randn(2, 1, DIM), condition()
    for history in (True, False):
        head = LocalDiTHead(**SIZES, width=16, heads=2, hidden=32, history=history).eval()
        for weight in head.parameters():
            nn.init.normal_(weight, std=0.2)
        made = [draw(head, given, hidden, before) for before in torch.randn(2, 2, 1, SIZE)]
        assert torch.equal(*made) != history


def test_language_model_guidance_runs_the_local_transformer_alone() -> None:
    """Its second branch is the same latent without the state, which training drops at times."""
    head = LocalDiTHead(**SIZES, width=16, heads=2, hidden=32, drop=0.25).eval()
    hidden, mean = head.forget(torch.ones(40, 50, DIM), torch.ones(40, 50, SIZE))
    gone = (hidden == 0).all(-1)
    assert torch.equal(gone, (mean == 0).all(-1))
    assert 0.2 < gone.float().mean() < 0.3
    seen = []
    network = head.network

    def watched(x: Tensor, t: Tensor, hidden: Tensor, *rest: Any) -> Tensor:
        seen.append(hidden)
        return network(x, t, hidden, *rest)

    head.network = watched  # type: ignore[method-assign]
    head.sampler = partial(FlowHead.sampler, head)  # type: ignore[method-assign]
    state, before = torch.randn(2, 1, DIM), torch.randn(2, 1, SIZE)
    draw(head, condition(), state, before, steps=3, guidance=2.0)
    assert [len(x) for x in seen] == [4] * 3
    assert torch.equal(seen[0][:2], state) and not seen[0][2:].any()
    seen.clear()
    draw(head, condition(), state, before, steps=3)
    assert [len(x) for x in seen] == [2] * 3


def test_noise_on_the_units_fed_back() -> None:
    """In training up to the set deviation, in sampling half of it, none at temperature 0."""
    fed: list[Tensor] = []

    class Head(ContinuousHead):
        def embed(self, latents: Tensor) -> Tensor:
            fed.append(latents)
            return super().embed(latents)

        def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
            return torch.ones(context.rows, 1, SIZE)

        def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
            return Losses({})

    class Net:
        head = Head(**SIZES)

        class backbone:
            steps = staticmethod(lambda *arguments: None)
            done = staticmethod(lambda *arguments: None)

        def hidden(self, x: Tensor, *rest: Any, **named: Any) -> Tensor:
            return x

    net: Any = Net()
    strategy = Autoregressive(noise=0.5)
    latents, given = torch.zeros(2000, LATENTS, SIZE), condition(2000)
    strategy.losses(net, latents, given)
    level = fed[-1].flatten(1).std(1)
    assert 0.4 < level.max() < 0.65 and level.min() < 0.1
    assert level.mean().item() == pytest.approx(0.25, rel=0.1)
    for temperature, wanted in ((1.0, 0.25), (0.5, 0.125), (0.0, 0.0)):
        fed.clear()
        options = SamplingOptions(guidance=1.0, temperature=temperature)
        list(strategy.run(net, condition(64), seeds(*range(64)), options))
        error = torch.cat(fed[1:]) - 1
        assert error.std().item() == pytest.approx(wanted, rel=0.1)


def test_latents_stream_as_offline_and_are_decoded_from_the_mean(tmp_path: Any) -> None:
    module = LatentAutoencoder(channels=6, dim=8, blocks=1, latents=5)
    save_checkpoint(
        tmp_path, module, "latent", {"channels": 6, "dim": 8, "blocks": 1, "latents": 5}
    )
    latents, posterior = load_latent_space(tmp_path), load_latent_space(tmp_path, posterior=True)
    assert isinstance(latents, VAESpace) and isinstance(posterior, VAESpace)
    prompt = VoicePrompt(torch.zeros(2, 256), torch.randn(2, 20, 6), torch.tensor([20, 11]))
    features = torch.randn(2, 31, 6)
    found, both = latents.encode(features, prompt), posterior.encode(features, prompt)
    assert found.shape == (2, 16, 5) and torch.equal(found, both[..., :5])
    module = latents.autoencoder  # weights are halved on disk
    whole = module.decode(found) + voice_mean(prompt)
    for space, given in ((latents, found), (posterior, both)):
        state, pieces = space.start(prompt), []
        for a, b in ((0, 1), (1, 6), (6, 16)):
            made, state = space.decode(given[:, a:b], state, b == 16)
            pieces.append(made)
        torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=0, atol=1e-5)
    made, divergence = module(features)
    assert made.shape == (2, 32, 6) and divergence.shape == (2, 16, 5)
    assert (divergence >= 0).all()
    mean, log_variance = module.encode(features)
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(
        normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0)
    )
    torch.testing.assert_close(divergence, wanted)

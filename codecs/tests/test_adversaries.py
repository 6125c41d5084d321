"""Discriminators: shapes of what they see, their losses; and the balancer against its formula."""

import pytest
import torch

from tts_codecs.adversaries import ADVERSARIES, build_adversaries
from tts_codecs.adversaries.base import Adversary, Judgement
from tts_codecs.adversaries.periods import PeriodDiscriminator
from tts_codecs.balancer import Balancer
from tts_codecs.errors import CodecError

SMALL = {
    "periods": {"periods": [2, 3], "channels": 2},
    "spectra": {"n_ffts": [256], "channels": 2},
    "bands": {"n_ffts": [512], "bands": 20, "channels": 2},
}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_period_folds_the_waveform() -> None:
    part = PeriodDiscriminator(5, channels=2, layers=2)
    scores, features = part(noise(3, 1001))
    # 1001 samples are 201 rows of 5; strides of 3 leave 67 and 23 of them.
    assert [tuple(f.shape) for f in features] == [(3, 2, 67, 5), (3, 8, 23, 5), (3, 8, 23, 5)]
    assert scores.shape == (3, 23, 5)
    # A column sees only samples a period apart.
    wav = noise(1, 1000)
    changed = wav.clone()
    changed[0, 502] += 1
    apart = (part(wav)[0] - part(changed)[0]).abs().amax((0, 1))
    assert (apart > 0).tolist() == [False, False, True, False, False]


def test_every_kind_learns_to_tell_and_is_fooled_downhill() -> None:
    assert SMALL.keys() == ADVERSARIES.keys()
    torch.manual_seed(0)
    many = build_adversaries(SMALL, 16000)
    assert len(many(noise(2, 2500))) == 4 and many.least_samples == 512
    assert len(many(noise(1, many.least_samples))) == 4
    real, fake = noise(2, 2500).cumsum(1) / 50, noise(2, 2500, seed=1).requires_grad_()
    optimizer = torch.optim.Adam(many.parameters(), 2e-2)
    losses = []
    for _ in range(8):
        loss = many.discriminator_loss(real, fake)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert fake.grad is None
    fool, match = many.generator_loss(real, fake)
    (fool + match).backward()
    assert fake.grad is not None and fake.grad.abs().sum() > 0
    # Nothing is matched better than the real thing.
    assert float(many.generator_loss(real, real)[1]) == 0


class _Given(Adversary):
    """Scores that a test says."""

    def forward(self, wav: torch.Tensor) -> list[Judgement]:
        return [(wav, [wav]), (2 * wav, [wav])]


def test_losses_are_those_of_the_papers() -> None:
    real, fake = torch.tensor([[0.5, 2.0]]), torch.tensor([[-2.0, 0.25]])
    hinge = _Given()
    # max(0, 1 - real) and max(0, 1 + fake), means over two parts.
    assert float(hinge.discriminator_loss(real, fake)) == pytest.approx(
        ((0.25 + 0.625) + (0.0 + 0.75)) / 2
    )
    assert float(hinge.generator_loss(real, fake)[0]) == pytest.approx((0.875 + 1.75) / 2)
    hinge.objective = "squares"
    assert float(hinge.generator_loss(real, fake)[0]) == pytest.approx(
        ((9 + 0.5625) / 2 + (25 + 0.25) / 2) / 2
    )


def test_wrong_adversaries_are_told() -> None:
    for specs, objective, message in [
        ({"period": {}}, "hinge", "did you mean 'periods'"),
        ({"bands": {"rate": 8000}}, "hinge", "unknown key 'rate'"),
        ({}, "hinge", "at least one"),
        ({"spectra": {}}, "hinges", "hinge or squares"),
        *(
            ({kind: {name: value}}, "hinge", f"adversary.{name} is a list of whole numbers")
            for kind, name in (("spectra", "n_ffts"), ("bands", "n_ffts"), ("periods", "periods"))
            for value in ("x", -1, None, [], [0], [-4], [2.5], ["256"], [[1]])
        ),
        *(
            ({kind: {"n_ffts": [256, size]}}, "hinge", f"n_ffts are 4 to .*, not {size}")
            for kind in ("spectra", "bands")
            for size in (1, 2, 3, 10**9)
        ),
    ]:
        with pytest.raises(CodecError, match=message):
            build_adversaries(specs, 16000, objective)  # type: ignore[arg-type]


def test_the_balancer_is_the_formula_of_encodec() -> None:
    weights = {"a": 1.0, "b": 3.0}
    balancer, beta = Balancer(weights, total=2.0, decay=0.9), 0.9
    norms: dict[str, list[float]] = {"a": [], "b": []}
    for step in range(3):
        output = noise(2, 6, seed=step).requires_grad_()
        scale = {"a": noise(2, 6, seed=10 + step), "b": 1000 * noise(2, 6, seed=20 + step)}
        losses = {name: (scale[name] * output).sum() for name in weights}
        found = balancer(losses, output)
        wanted = torch.zeros(2, 6)
        for name, weight in weights.items():
            norms[name].append(float(scale[name].norm(dim=1).mean()))
            age = [beta ** (step - k) for k in range(step + 1)]
            average = sum(a * n for a, n in zip(age, norms[name], strict=True)) / sum(age)
            wanted += 2.0 * weight / 4.0 * scale[name] / average
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    # A loss that comes in by and by has a part of its weight from the first step on.
    fresh = Balancer(weights)
    sides = torch.eye(6)[:2]
    for step, fade in enumerate((0.01, 0.02, 0.5, 1.0)):
        output = noise(2, 6, seed=step).requires_grad_()
        losses = {name: (side * output).sum() for name, side in zip(weights, sides, strict=True)}
        found = fresh(losses, output, {"b": fade})
        whole = 1.0 + 3.0 * fade
        shares = torch.tensor([1.0, 3.0 * fade]) / whole
        torch.testing.assert_close(found[0, :2], shares, rtol=1e-4, atol=1e-5)
    with pytest.raises(CodecError, match="no weight for c"):
        balancer({"c": output.sum()}, output)

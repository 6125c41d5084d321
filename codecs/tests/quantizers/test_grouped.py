"""Grouped, residual, lookup-free, scalar and binned quantizers against public code and formulas."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from tts_codecs.errors import CodecError
from tts_codecs.quantizers import (
    BinnedQuantizer,
    GroupedRVQ,
    LookupFreeQuantizer,
    ResidualFSQ,
    ScalarQuantizer,
)


def noise(*shape: int, seed: int = 0, scale: float = 1.5) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.mark.peer
@pytest.mark.parametrize("levels", [[5, 4], [8, 5, 5, 5], [3, 2, 7]])
def test_residual_fsq_equals_public_package(levels: list[int]) -> None:
    peer_module = pytest.importorskip("vector_quantize_pytorch")
    peer = peer_module.ResidualFSQ(levels=levels, num_quantizers=3, dim=len(levels)).eval()
    q = ResidualFSQ(levels, 3).eval()
    z = noise(2, 100, len(levels))
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    out = q(ours)
    values, index = peer(theirs)
    assert torch.equal(out.codes, index.long())
    torch.testing.assert_close(out.quantized, values, rtol=0, atol=1e-5)
    torch.testing.assert_close(q.decode(out.codes), peer.get_output_from_indices(index))


@pytest.mark.parametrize("levels", [[5, 4], [2, 9, 3]])
def test_residual_fsq_leaves_what_it_says(levels: list[int]) -> None:
    q = ResidualFSQ(levels, 4).eval()
    z = noise(1, 500, len(levels))
    bounded = q._bound(z)
    for count in range(1, 5):
        left = (q.decode(q.encode(z, count)) - bounded).abs().amax((0, 1))
        bound = 1 / ((q.levels - 1) * q.levels ** (count - 1))
        assert (left <= bound + 1e-5).all(), count
    z.requires_grad_()
    q(z).quantized.sum().backward()
    assert z.grad is not None and bool((z.grad > 0).all())


def test_residual_fsq_dropout() -> None:
    q = ResidualFSQ([5, 4], 3, dropout=1.0).train()
    out = q(noise(40, 5, 2), generator=torch.Generator().manual_seed(0))
    assert out.used is not None and set(out.used.tolist()) == {1, 2, 3}
    for row, used in enumerate(out.used.tolist()):
        expected = q.decode(out.codes[row : row + 1, :, :used])
        torch.testing.assert_close(out.quantized[row : row + 1], expected, rtol=0, atol=1e-5)


@pytest.mark.peer
def test_grouped_rvq_equals_public_package() -> None:
    peer_module = pytest.importorskip("vector_quantize_pytorch")
    peer = peer_module.GroupedResidualVQ(dim=8, groups=2, num_quantizers=3, codebook_size=16).eval()
    q = GroupedRVQ(8, 2, 3, 16).eval()
    for part, theirs in zip(q._parts(), peer.rvqs, strict=True):
        for mine, book in zip(part.codebooks, theirs.codebooks, strict=True):
            mine.copy_(book)
    z = noise(2, 60, 8)
    values, index, _ = peer(z)  # index [groups, B, T, depth]
    out = q(z)
    assert torch.equal(out.codes.unflatten(2, (3, 2)), index.permute(1, 2, 3, 0))
    torch.testing.assert_close(out.quantized, values)


def test_grouped_rvq_drops_alike_in_all_groups() -> None:
    q = GroupedRVQ(6, 2, 4, 8, dropout=1.0, kmeans_init=True).train()
    q(noise(20, 30, 6))  # the first batch sets the codebooks
    q.eval()
    before = [book.clone() for part in q._parts() for book in part.codebooks]
    q.train()
    out = q(noise(20, 4, 6, seed=1), generator=torch.Generator().manual_seed(0))
    assert out.used is not None and set(out.used.tolist()) == {2, 4, 6, 8}
    for place, book in enumerate(before):
        q._parts()[place // 4].codebooks[place % 4].copy_(book)
    for row, used in enumerate(out.used.tolist()):
        expected = q.decode(out.codes[row : row + 1, :, :used])
        torch.testing.assert_close(out.quantized[row : row + 1], expected, rtol=0, atol=1e-5)


def test_fitted_codebooks_lower_the_error() -> None:
    q = GroupedRVQ(6, 2, 2, 32).eval()
    x = noise(1, 2000, 6)
    before = (q.decode(q.encode(x)) - x).square().mean()
    torch.manual_seed(0)
    q.fit(x[0])
    after = (q.decode(q.encode(x)) - x).square().mean()
    assert after < 0.3 * x.square().mean() and after < 0.5 * before


@pytest.mark.peer
def test_lookup_free_equals_public_package() -> None:
    peer_module = pytest.importorskip("vector_quantize_pytorch")
    peer = peer_module.LFQ(
        dim=10,
        codebook_size=32,
        num_codebooks=2,
        entropy_loss_weight=0.1,
        diversity_gamma=1.5,
        commitment_loss_weight=0.25,
    ).train()
    q = LookupFreeQuantizer(
        5, 2, entropy=0.1, diversity=1.5, commitment=0.25, sharpness=10.0
    ).train()
    z = noise(2, 40, 10, scale=0.3)
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    out = q(ours)
    # The softmax of the package is over -distance, of which the constant part is left out.
    values, index, loss = peer(theirs, inv_temperature=10.0)
    torch.testing.assert_close(out.quantized, values)
    # Its first channel is the highest bit, ours, as in the paper, the lowest.
    flipped = sum(((index >> bit) & 1) << (4 - bit) for bit in range(5))
    assert torch.equal(out.codes, flipped)
    torch.testing.assert_close(out.loss, loss.reshape(()), rtol=1e-3, atol=1e-4)
    (out.quantized.sum() + out.loss).backward()
    (values.sum() + loss).backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-2, atol=1e-4)


def test_lookup_free_entropy_by_enumeration() -> None:
    q = LookupFreeQuantizer(3, 1, entropy=1.0, diversity=0.7, commitment=0.0, sharpness=0.5)
    x = noise(6, 3)
    points = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=3)))
    share = (-0.5 * (x[:, None] - points).square().sum(-1)).softmax(-1)
    # |x - c|^2 = const - 2 x.c, which is what the paper's softmax sees.
    sure = -(share * share.log()).sum(-1).mean()
    even = -(share.mean(0) * share.mean(0).log()).sum()
    found = q.train()(x[None]).loss
    torch.testing.assert_close(found, sure - 0.7 * even, rtol=1e-3, atol=1e-4)


def test_scalar_is_its_formula_and_snaps() -> None:
    q = ScalarQuantizer(4, scale=9).eval()
    z = noise(2, 30, 4)
    torch.testing.assert_close(q(z).quantized, (9 * z.tanh()).round() / 9, rtol=0, atol=1e-6)
    assert q.codebook_size == 19 and q.num_codebooks == 4
    values = q.decode(q.encode(z))
    near = values + 0.05 * (noise(2, 30, 4, seed=1).tanh())
    torch.testing.assert_close(q.snap(near), values, rtol=0, atol=1e-6)
    assert q.snap(torch.full((1, 1, 4), 3.0)).unique().tolist() == [1.0]


def test_binned_is_the_nearest_bin() -> None:
    q = BinnedQuantizer(3, -7.0, 2.0, 16).eval()
    z = noise(2, 50, 3, scale=5.0)
    bins = torch.linspace(-7.0, 2.0, 16)
    nearest = (z[..., None] - bins).abs().argmin(-1)
    assert torch.equal(q.encode(z), nearest)
    torch.testing.assert_close(q.decode(nearest), bins[nearest], rtol=0, atol=1e-5)
    z.requires_grad_()
    q(z).quantized.sum().backward()
    assert torch.equal(z.grad, ((z >= -7) & (z <= 2)).float())


@pytest.mark.parametrize(
    "make",
    [
        lambda: ResidualFSQ([1, 4], 2), lambda: ResidualFSQ([5], 0),
        lambda: ResidualFSQ([5], 2, dropout=2.0), lambda: GroupedRVQ(7, 2, 2, 8),
        lambda: GroupedRVQ(8, 0, 2, 8), lambda: LookupFreeQuantizer(0),
        lambda: LookupFreeQuantizer(17), lambda: LookupFreeQuantizer(4, scale=0.0),
        lambda: ScalarQuantizer(4, 0), lambda: ScalarQuantizer(0),
        lambda: BinnedQuantizer(4, 1.0, 1.0), lambda: BinnedQuantizer(4, 0.0, 1.0, 1),
        lambda: BinnedQuantizer(4, 0.0, float("nan")),
    ],
)  # fmt: skip
def test_unusable_settings(make: object) -> None:
    with pytest.raises(CodecError):
        make()  # type: ignore[operator]

"""Finite scalar quantization beside the public package."""

from __future__ import annotations

import pytest
import torch

from quantizer_helpers import noise
from tts_codecs.errors import CodecError
from tts_codecs.quantizers import (
    FSQ,
    GroupedFSQ,
)

LEVELS = [[3], [5, 3], [8, 5, 5, 5], [8, 6, 5], [4, 4, 7], [7, 5, 5, 5, 5], [16, 9]]


@pytest.mark.peer
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("levels", LEVELS)
def test_fsq_equals_public_package(levels: list[int], symmetric: bool) -> None:
    peer_module = pytest.importorskip("vector_quantize_pytorch")
    peer = peer_module.FSQ(levels=levels, preserve_symmetry=symmetric)
    q = FSQ(levels, symmetric=symmetric)
    z = noise(2, 200, len(levels), scale=2.0)
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    out = q(ours)
    values, index = peer(theirs)
    assert torch.equal(out.codes[..., 0], index.long())
    torch.testing.assert_close(out.quantized, values, rtol=0, atol=1e-6)
    out.quantized.square().sum().backward()
    values.square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    book = torch.arange(q.codebook_size)[None]
    torch.testing.assert_close(q.decode(book[..., None]), peer.indices_to_codes(book))


@pytest.mark.peer
def test_grouped_fsq_equals_public_package() -> None:
    peer_module = pytest.importorskip("vector_quantize_pytorch")
    peer = peer_module.FSQ(levels=[8, 5, 3], num_codebooks=4)
    q = GroupedFSQ([8, 5, 3], groups=4)
    z = noise(2, 60, 12)
    values, index = peer(z)
    assert torch.equal(q.encode(z), index.long())
    torch.testing.assert_close(q(z).quantized, values, rtol=0, atol=1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("levels", LEVELS)
def test_fsq_round_trip_over_the_whole_codebook(levels: list[int], symmetric: bool) -> None:
    q = GroupedFSQ(levels, groups=2, symmetric=symmetric)
    book = torch.arange(q.codebook_size)
    codes = torch.stack([book, book.flip(0)], 1)[None]
    digits = q.codes_to_digits(codes)
    assert torch.equal(q.digits_to_codes(digits), codes)
    values = q.decode(codes)
    assert torch.equal(q.values_to_codes(values + 1e-3), codes)
    assert values.abs().max() <= 1
    assert values[0, :, : len(levels)].unique(dim=0).shape[0] == q.codebook_size
    if symmetric:
        torch.testing.assert_close(values.min(1).values, -values.max(1).values)


@pytest.mark.parametrize("symmetric", [False, True])
def test_fsq_reaches_every_level(symmetric: bool) -> None:
    q = FSQ([16, 9, 3, 255], symmetric=symmetric)
    z = torch.linspace(-9, 9, 60_001)[None, :, None].expand(1, -1, 4)
    digits = q.encode_digits(z)[0]
    for channel, level in enumerate([16, 9, 3, 255]):
        assert torch.equal(digits[:, channel].unique(), torch.arange(level))


def test_fsq_refuses_unusable_settings() -> None:
    for levels in ([], [2, 5], [1], [300], [256] * 5):
        with pytest.raises(CodecError):
            FSQ(levels)
    assert FSQ([2], symmetric=True).codebook_size == 2
    for bad in ({"groups": 0}, {"passthrough": 0.7, "noise": 0.6}, {"noise": -0.1}):
        with pytest.raises(CodecError):
            GroupedFSQ([5, 5], **bad)


@pytest.mark.parametrize("symmetric", [False, True])
def test_fsq_training_noise(symmetric: bool) -> None:
    q = GroupedFSQ([8, 5], groups=2, symmetric=symmetric, passthrough=0.3, noise=0.3)
    z = noise(200, 20, 4)
    out = q(z, generator=torch.Generator().manual_seed(5))
    again = q(z, generator=torch.Generator().manual_seed(5))
    assert torch.equal(out.quantized, again.quantized)
    hard = q.decode(out.codes)
    error = (out.quantized - hard).abs()
    rounded = (error.amax((1, 2)) < 1e-6).float().mean()
    assert 0.25 < rounded < 0.55
    step = 2 / (5 - 1)  # of the coarser channel
    assert error.amax() <= step + 1e-6 and out.quantized.abs().amax() <= 1 + 1e-6
    q.eval()
    torch.testing.assert_close(q(z).quantized, hard, rtol=0, atol=1e-6)
    exact = GroupedFSQ([8, 5], groups=2, symmetric=symmetric, passthrough=1.0)
    smooth = exact(z).quantized
    assert (smooth - hard).abs().mean() > 0.02 and smooth.unique().numel() > 1000

"""The contract that every quantizer keeps."""

from __future__ import annotations

import math

import pytest
import torch

from quantizer_helpers import MADE, make, noise
from tts_codecs.errors import CodecError
from tts_codecs.quantizers import (
    QUANTIZERS,
    build_quantizer,
)

ALL = pytest.mark.parametrize("name", list(MADE))


def test_all_names_are_tested() -> None:
    assert {*MADE, "none"} == QUANTIZERS.keys()
    assert build_quantizer({"kind": "residual_fsq", "levels": [5, 4], "num_codebooks": 2}).dim == 2
    for spec, message in [
        ({"kind": "rvqq"}, "did you mean 'rvq'"),
        ({"kind": "rvq", "dim": 4, "num_codebooks": 2}, "needs the key 'codebook_size'"),
        ({"kind": "lfq", "bitz": 4}, "did you mean 'bits'"),
    ]:
        with pytest.raises(CodecError, match=message):
            build_quantizer(spec)


def test_no_quantizer_passes_on_what_it_gets() -> None:
    q = build_quantizer({"kind": "none", "dim": 6})
    z = noise(2, 5, 6)
    out = q(z)
    assert torch.equal(out.quantized, z) and out.codes.shape == (2, 5, 0) and q.bits == 0
    for wrong in (z[..., :-1], z * math.nan):
        with pytest.raises(CodecError):
            q(wrong)
    with pytest.raises(CodecError, match="no codes"):
        q.decode(out.codes)


@ALL
def test_fewer_codebooks(name: str) -> None:
    q = make(name)
    z = noise(2, 9, q.dim)
    codes, before = q.encode(z), math.inf
    assert q.prefixes[-1] == q.num_codebooks
    for count in range(q.num_codebooks + 2):
        if count in q.prefixes:
            assert torch.equal(q.encode(z, count), codes[..., :count])
            values = q.decode(codes[..., :count])
            error = float((values - q.decode(codes)).square().mean())
            assert error < before and q.prefix_bits(count) <= q.bits + 1e-9
            before = error
        else:
            with pytest.raises(CodecError, match="num_codebooks"):
                q.encode(z, count)
            with pytest.raises(CodecError):
                q.decode(codes[..., :1].expand(-1, -1, count))
    assert before == 0


@ALL
def test_expected_values_are_those_of_many_draws(name: str) -> None:
    q = make(name)
    count, size = q.num_codebooks, q.codebook_size
    # Certain codes: their own values.
    codes = torch.randint(size, (2, 3, count), generator=torch.Generator().manual_seed(0))
    sure = torch.nn.functional.one_hot(codes, size).float()
    torch.testing.assert_close(q.expected(sure), q.decode(codes), rtol=0, atol=1e-5)
    # Two equally likely codes: the mean over all combinations of them.
    other = (codes + 1) % size
    both = (sure + torch.nn.functional.one_hot(other, size)) / 2
    draws = torch.randint(2, (4000, 1, count), generator=torch.Generator().manual_seed(1)).bool()
    drawn = q.decode(torch.where(draws, codes[:1, :1], other[:1, :1]).transpose(0, 1))
    torch.testing.assert_close(q.expected(both)[0, 0], drawn.mean((0, 1)), rtol=0, atol=0.15)
    if q.digits:
        assert math.prod(q.digits) == size
        # The first digit changes fastest.
        first = q.decode(torch.arange(q.digits[0])[None, :, None].expand(1, -1, count))[0]
        if not q.residual:
            assert (first[1:] != first[:-1]).any(0).sum() == count


@ALL
def test_contract(name: str) -> None:
    q = make(name)
    z = noise(3, 11, q.dim)
    out = q(z)
    assert out.quantized.shape == z.shape and out.codes.shape == (3, 11, q.num_codebooks)
    assert out.codes.dtype == torch.int64 and out.loss.shape == ()
    assert torch.equal(out.codes, q.encode(z))
    torch.testing.assert_close(q.decode(out.codes), out.quantized, rtol=0, atol=1e-6)
    single = torch.cat([q.encode(row[None]) for row in z])
    assert torch.equal(single, out.codes)
    assert torch.equal(q.encode(z), q.encode(z))
    assert q.bits == pytest.approx(q.num_codebooks * math.log2(q.codebook_size))
    assert q.encode(z[:, :0]).shape == (3, 0, q.num_codebooks)


@ALL
def test_bad_input(name: str) -> None:
    q = make(name)
    z = noise(1, 4, q.dim)
    nan = z.clone()
    nan[0, 1, 2] = math.nan
    for bad in (z[0], z[..., :-1], z.long(), nan):
        with pytest.raises(CodecError):
            q.encode(bad)
    codes = q.encode(z)
    for bad in (codes[0], codes.int(), codes - 10**6, torch.full_like(codes, q.codebook_size)):
        with pytest.raises(CodecError):
            q.decode(bad)
    with pytest.raises(CodecError, match="mask"):
        q(z, torch.ones(1, 3, dtype=torch.bool))


@ALL
def test_gradient_passes_straight_through(name: str) -> None:
    q = make(name)
    z = noise(2, 5, q.dim, scale=0.3).requires_grad_()
    weight = noise(2, 5, q.dim, seed=3)
    (q(z).quantized * weight).sum().backward()
    assert z.grad is not None
    if name in ("vq", "rvq"):
        torch.testing.assert_close(z.grad, weight)
    else:
        assert (z.grad.sign() == weight.sign()).all()  # a monotonic bound lies in between

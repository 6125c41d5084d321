"""Convolutions and LSTMs of oneDNN on prepared weights."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.framed import FramedLSTM
from tts_codecs.nn.onednn import Addition, PackedLSTM, convolution, supports

pytestmark = pytest.mark.skipif(
    not supports(torch.zeros(1, 1)), reason="torch has no oneDNN on this processor"
)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 2, 7, 64])
@pytest.mark.parametrize(("taps", "inner"), [(1, 16), (2, 16), (3, 16), (2, 512)])
def test_convolves_like_torch(taps: int, inner: int, count: int) -> None:
    x, weight = noise(2, count + taps - 1, inner), noise(taps, inner, 32) / (taps * inner) ** 0.5
    bias = noise(32)
    prepared = convolution(weight, bias)
    assert prepared is not None
    wanted = F.conv1d(x.transpose(1, 2), weight.permute(2, 1, 0), bias).transpose(1, 2)
    torch.testing.assert_close(prepared(x), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("inner", "outer"), [(1, 32), (32, 1)])
def test_a_single_channel_is_left_to_torch(inner: int, outer: int) -> None:
    assert convolution(noise(7, inner, outer), noise(outer)) is None


@torch.no_grad()
def test_adds_a_product_in_place() -> None:
    out, x, weight = noise(2, 9, 32), noise(2, 9, 16), noise(16, 32)
    wanted = out + x @ weight
    Addition(weight)(out, x)
    torch.testing.assert_close(out, wanted, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("turned", [False, True])
def test_an_lstm_has_the_outputs_and_states_of_torch(turned: bool) -> None:
    lstm, x = nn.LSTM(16, 16, 2), noise(9, 3, 16)
    state = noise(2, 3, 16), noise(2, 3, 16).tanh()
    if turned:  # the same values, in another order in memory
        x = x.transpose(0, 1).contiguous().transpose(0, 1)
        state = tuple(each.transpose(0, 1).contiguous().transpose(0, 1) for each in state)
    y, (hidden, cell) = PackedLSTM(lstm)(x, state)
    wanted, (last_hidden, last_cell) = lstm(x, state)
    for found, each in ((y, wanted), (hidden, last_hidden), (cell, last_cell)):
        torch.testing.assert_close(found, each, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_changed_weights_are_prepared_again() -> None:
    layer, x = FramedLSTM(16), noise(2, 5, 16)
    first = layer(x, layer.initial(2, x), True)[0]
    layer.lstm.weight_hh_l0.mul_(2)
    assert not torch.equal(layer(x, layer.initial(2, x), True)[0], first)

"""What inference does faster gives what the plain layers give."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_helpers import SMALL, lively, tiny_vocoder, voice
from tts_codecs.base import finite
from tts_codecs.errors import CodecError
from tts_codecs.nn import half, inference
from tts_codecs.nn.causal import CachedLinear, CausalStack, steadily
from tts_codecs.nn.inference import Product, Taps, Windows, linear, overlap_add
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.quantizers.vq import VectorQuantizer, highest
from tts_codecs.vocos import VocosCodec


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)


def stack(seed: int = 0) -> CausalStack:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = CausalStack(6, 16, 48, 2, 7, 2)
        with torch.no_grad():
            for value in made.parameters():
                value.add_(0.3 * torch.randn_like(value))
    return made


@pytest.mark.parametrize("packs", [True, False])
def test_products(packs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not packs:
        monkeypatch.setattr(inference, "packs", lambda weight: False)
    weight, bias = random(24, 10), random(24, seed=1)
    for x in (random(1, 1, 10), random(2, 3, 10), random(300, 10), random(2, 0, 10)):
        close(Product(weight, bias)(x), F.linear(x, weight, bias))
        close(Product(weight)(x, gelu="none"), F.gelu(F.linear(x, weight)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("halves", [True, False])
def test_products_of_pieces(halves: bool, dtype: torch.dtype) -> None:
    weight, bias = random(24, 10, seed=3).to(dtype), random(24, seed=4).to(dtype)
    if halves:
        weight = weight.half().to(dtype)
    product = Product(weight, bias, pieces=True)
    for shape in [(1, 1, 10), (2, 3, 10), (40, 10), (2, 60, 10)]:
        x = random(*shape).to(dtype)
        wanted = F.linear(x.double(), weight.double(), bias.double())
        found = product(x)
        assert found.dtype == dtype
        close(found.double(), wanted, 1e-5 if dtype == torch.float32 else 1e-12)
        close(product(x, gelu="none").double(), F.gelu(wanted), 1e-5)


def test_weights_that_float16_does_not_hold_are_not_read_as_such() -> None:
    for value in (1.0 + 2**-10, 1.0 + 2**-11, 1e6):  # the first one it holds
        weight = torch.tensor([[1.0, value]])
        found = Product(weight, torch.zeros(1), pieces=True)(torch.tensor([[-1.0, 1.0]]))
        assert found.item() == value - 1


@pytest.mark.parametrize("shape", [(1, 3), (2, 100), (200,), (0,)])
def test_linear_layers_of_many_rows(shape: tuple[int, ...]) -> None:
    layer = nn.Linear(10, 24)
    x = random(*shape, 10)
    with torch.no_grad():
        close(linear(layer, x), F.linear(x, layer.weight, layer.bias))
        close(linear(layer, x, gelu="none"), F.gelu(F.linear(x, layer.weight, layer.bias)))
        half = linear(layer.bfloat16(), x.bfloat16())
    assert half.dtype == torch.bfloat16


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 3), (2, 100), (2, 5, 20), (0,)])
def test_linear_layers_in_training(shape: tuple[int, ...], bias: bool) -> None:
    layer = nn.Linear(10, 24, bias=bias)
    x = random(*shape, 10).requires_grad_()
    wanted = [x, *layer.parameters()]

    def gradients(y: Tensor, summed: bool) -> tuple[Tensor, ...]:
        loss = y.sum() if summed else (y * random(*y.shape, seed=2)).sum()
        return torch.autograd.grad(loss, wanted)

    for gelu in ("", "none", "tanh"):
        for summed in (True, False):
            plain = F.linear(x, layer.weight, layer.bias)
            plain = F.gelu(plain, approximate=gelu) if gelu else plain
            found = linear(layer, x, gelu=gelu)
            close(found, plain)
            for one, other in zip(gradients(found, summed), gradients(plain, summed), strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    # Frozen weights hand gradients on, an input without gradients takes none.
    layer.requires_grad_(False)
    (of_x,) = torch.autograd.grad(linear(layer, x).sum(), x)
    torch.testing.assert_close(of_x, layer.weight.sum(0).expand_as(x))
    layer.requires_grad_(True)
    (of_weight,) = torch.autograd.grad(linear(layer, x.detach()).sum(), layer.weight)
    torch.testing.assert_close(of_weight, x.flatten(0, -2).sum(0).expand(24, 10))


def test_convolutions() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        depthwise, full = nn.Conv1d(12, 12, 5, groups=12), nn.Conv1d(12, 20, 5)
    for frames in (1, 3, 16, 17, 40):
        x = random(2, frames + 4, 12)
        with torch.no_grad():
            for layer, conv in (
                (Taps(depthwise, torch.float32), depthwise),
                (Windows(full, torch.float32), full),
            ):
                close(layer(x), conv(x.transpose(1, 2)).transpose(1, 2))


def test_overlap_add_is_a_fold() -> None:
    for frames in (1, 2, 5, 30):
        pieces = random(2, frames, 24)
        length = 24 + (frames - 1) * 6
        wanted = F.fold(pieces.transpose(1, 2), (1, length), (1, 24), stride=(1, 6))[:, 0, 0]
        close(overlap_add(pieces, 6), wanted)


@pytest.mark.parametrize("frames", [1, 4, 40])
def test_a_stack_without_gradients(frames: int) -> None:
    made = stack()
    x, extra = random(2, frames, 6), random(2, frames, 16, seed=1)
    states = [random(*s.shape, seed=2) for s in made.initial(2, x, 0.5)]

    def both() -> None:
        wanted, kept = made(x, states, extra)  # with gradients: the layers themselves
        before = extra.clone()
        with torch.no_grad():
            found, new = made(x, states, extra)
        assert torch.equal(extra, before)
        close(found, wanted, 2e-5)
        for a, b in zip(new, kept, strict=True):
            close(a, b, 2e-5)
        wanted, kept = steadily(made, x, states)
        with torch.no_grad():
            found, new = steadily(made, x, states)
        assert found.dtype == torch.float64
        close(found, wanted, 1e-10)
        close(new[-1], kept[-1], 1e-10)

    both()
    with torch.no_grad():  # nothing that was kept outlives the weights it was made of
        made.blocks[1].up.weight.mul_(1.5)  # type: ignore[union-attr, operator]
        made.entry.conv.bias.add_(1.0)  # type: ignore[union-attr]
    both()
    made.load_state_dict(stack(1).state_dict())
    both()
    made = copy.deepcopy(made)
    both()


@pytest.mark.parametrize("halves", [True, False])
@pytest.mark.parametrize("fbgemm", [True, False])
def test_a_frame_does_not_depend_on_how_a_stream_is_cut(
    halves: bool, fbgemm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not fbgemm:  # as on another processor, in float64
        monkeypatch.setattr(half, "are_halves", lambda weight: False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made, head = CausalStack(6, 600, 700, 2, 7, 2), CachedLinear(600, 33)
    if halves:
        made, head = made.half().float(), head.half().float()
    x = random(2, 300, 6)
    with torch.no_grad():
        states = made.initial(2, x, 0.5)
        whole, _ = steadily(made, x, states)
        heads = steadily(head, whole)
        assert whole.dtype == heads.dtype == half.steady_dtype([made.entry.conv.weight])
        exact, _ = made.double()(x.double(), [state.double() for state in states])
        close(whole.double(), exact, 1e-4)
        made = made.float()
        for sizes in ([1, 2, 3, 5, 289], [7] * 42 + [6], [48, 47, 50, 155], [257, 43]):
            state, found = states, []
            for piece in x.split(sizes, 1):
                y, state = steadily(made, piece, state)
                found.append(steadily(head, y))
            close(torch.cat(found, 1), heads, 0.0 if whole.dtype == torch.float32 else 1e-9)


@torch.no_grad()
def test_a_stream_goes_on_with_the_weights_it_began_with() -> None:
    made, x = stack(), random(1, 8, 6)
    for run in (
        lambda x, states, of=made: of(x, states),
        lambda x, states, of=made: steadily(of, x, states),
    ):
        _, state = run(x, made.initial(1, x, 0.0))
        plain = [value.clone() for value in state]  # without what was kept
        for same in (state, copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
            assert torch.equal(run(x, same)[0], run(x, plain)[0])
        made.final.bias.add_(1.0)
        changed, _ = run(x, plain)  # tells the stream too
        assert torch.equal(run(x, state)[0], changed)
        # What was kept of another stack, or for another use of this one, is of no use.
        assert torch.equal(run(x, state, of=stack(1))[0], run(x, plain, of=stack(1))[0])
    assert steadily(made, x, made(x, made.initial(1, x, 0.0))[1])[0].dtype == torch.float64


def test_kept_linear() -> None:
    layer = CachedLinear(8, 5)
    x = random(2, 3, 8)
    for _ in range(2):
        wanted = layer(x)
        with torch.no_grad():
            close(layer(x), wanted)
            exact = F.linear(x.double(), layer.weight.double(), layer.bias.double())
            close(steadily(layer, x), exact, 1e-12)
            layer.weight.mul_(2.0)
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_weights_made_in_inference_mode() -> None:
    x = random(1, 5, 6)
    with torch.inference_mode():
        made = stack()
        states = made.initial(1, x, 0.0)
        found, _ = made(x, states)
        exact, _ = steadily(made, x, states)
        close(exact.float(), found, 2e-5)
        made.entry.conv.weight.mul_(2.0)
        again, _ = steadily(made, x, states)
    assert (again - exact).abs().max() > 1e-3


def test_vocoder_and_vocos_as_with_gradients() -> None:
    vocoder, mel = tiny_vocoder(), voice(30)
    wanted, _ = vocoder(mel)
    with torch.no_grad():
        close(vocoder(mel)[0], wanted, 2e-5)
    assert not any("synthesis" in name for name in vocoder.state_dict())
    codec, encoded = lively(VocosCodec.random(SMALL)), random(2, 40, 6)
    state = codec.init_state(2)
    decode = VocosCodec.decode_chunk.__wrapped__  # type: ignore[attr-defined]
    wanted, _ = decode(codec, encoded, state, True)  # the layers themselves
    close(codec.decode(encoded)[:, 0], wanted[:, 0], 2e-5)


def test_the_end_of_a_stream_in_one_go() -> None:
    model, mel = tiny_vocoder(), voice(9)
    for fed in (0, 1, 9):
        for f0 in (None, torch.full((1, 9), 130.0)):
            head = None if f0 is None else f0[:, :fed]
            tail = None if f0 is None else f0[:, fed:]
            _, state, _ = model.chunk(mel[:, :fed], model.initial(1, mel), head)
            wav, after, _ = model.chunk(mel[:, fed:], state, tail)
            rest = model.flush(1, after, given=f0 is not None)
            found, _ = model.finish(mel[:, fed:], state, tail)
            close(found, torch.cat([wav, rest], 1), 2e-5)


@pytest.mark.parametrize("size", [5, 100, 256, 1024])
def test_highest(size: int) -> None:
    scores = random(60, size)
    assert torch.equal(highest(scores), scores.argmax(1))
    flat = highest(torch.zeros(3, size))
    assert (flat >= 0).all() and (flat < size).all()
    assert highest(scores[:0]).shape == (0,)


def test_codes_are_those_of_an_exhaustive_search() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ResidualVQ(32, 3, 256).eval()
    for seed in range(2):  # the second time with other codebooks
        for k, layer in enumerate(model.layers):
            layer.codebook.copy_(random(256, 32, seed=10 * seed + k) * 0.7**k)  # type: ignore
        x = random(2, 100, 32, seed=seed)
        left, wanted = x.double(), []
        for book in model.codebooks:
            wanted.append(torch.cdist(left, book.double()[None]).argmin(-1))
            left = left - book.double()[wanted[-1]]
        assert torch.equal(model.encode(x), torch.stack(wanted, 2))


def test_a_search_finds_nearer_codes() -> None:
    made = ResidualVQ(4, 3, 8, search=1)
    with torch.no_grad():
        for level, book in enumerate(made.codebooks):
            book.copy_(random(8, 4, seed=level) * 0.7**level)
    z = random(2, 600, 4, seed=9)
    every = torch.cartesian_prod(*[torch.arange(8)] * 3)[None]
    least = torch.cdist(z.flatten(0, 1), made.decode(every)[0]).amin(1).view(2, 600)
    distances = []
    for made.search in (1, 4, 8):
        codes = made.eval().encode(z)
        assert codes.shape == (2, 600, 3) and codes.dtype == torch.int64
        distances.append((z - made.decode(codes)).norm(dim=2))
    assert distances[0].mean() > distances[1].mean() > distances[2].mean()
    assert (distances[2] - least).abs().lt(1e-4).float().mean() > 0.8
    assert made.encode(z[:, :0]).shape == (2, 0, 3)
    with pytest.raises(CodecError, match="search"):
        ResidualVQ(4, 3, 8, search=9)


def test_a_learning_codebook_is_searched_as_it_is() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VectorQuantizer(8, 256, kmeans_init=True).train()
        for seed in range(3):
            x = random(2, 200, 8, seed=seed)
            before = model.encode(x)
            assert torch.equal(before, torch.cdist(x, model.codebook[None]).argmin(-1)[..., None])
            model(x)
    assert "_memo" not in model.state_dict() and model.encode(x[:, :0]).shape == (2, 0, 1)


def test_finite() -> None:
    big = torch.tensor([3e38, 3e38])
    assert finite(big) and not torch.isfinite(big.sum())  # a sum that overflows
    assert finite(torch.zeros(0))
    for bad in (torch.inf, -torch.inf, torch.nan):
        assert not finite(torch.tensor([0.0, bad])) and not finite(torch.tensor([-bad, bad, 1.0]))

"""Shortcuts of generation give what the plain way gives."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.ao.nn.quantized.dynamic import Linear as DynamicLinear

from tests.helpers.generators import (
    CODES,
    DEPTH,
    NUM_CODEBOOKS,
    build,
    close,
    fill,
    inputs,
    one_row,
    seeds,
)
from tts import TTS
from tts.cancel import Cancellation, Cancelled
from tts.cli.common import check_device
from tts.errors import UsageError
from tts.generators.base import SamplingOptions
from tts.generators.generator import Generator
from tts.generators.guidance import guide
from tts.generators.heads.categorical import CategoricalHead
from tts.generators.heads.continuous import FlowHead
from tts.generators.heads.depth import DepthHead
from tts.generators.heads.flow_mlp import FlowMLPHead
from tts.modules.transformer import DiTBlock, rotary, rotate, whole_rotary
from tts.quantize import check_int8, is_int8, quantize
from tts_codecs.nn import inference
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.inference import PackedLinear, pack

STRUCTURED = {**CODES, "codebook_size": 12, "levels": [3, 4]}


def autoregressive(head: dict[str, Any]) -> Generator:
    generator = build({"strategy": {"kind": "autoregressive"}, "head": head})
    fill(generator)
    return generator.eval().requires_grad_(False)


@pytest.mark.parametrize(
    "spec", [CODES, STRUCTURED, {**DEPTH, "codebook_size": 12, "levels": [3, 4]}]
)
def test_folded_tables_are_the_layers(spec: dict[str, Any]) -> None:
    head = autoregressive(spec).head
    assert isinstance(head, CategoricalHead)
    codes = torch.randint(head.codebook_size + 1, (2, 5, head.num_codebooks), generator=seeds(1)[0])
    hidden = torch.randn(2, 5, 16, generator=seeds(2)[0])

    def found() -> list[Tensor]:
        codebooks = [head(hidden, codebook) for codebook in range(head.num_codebooks)]
        return [head.embed(codes), head(hidden), torch.stack(codebooks, -2)]

    for _ in range(2):  # again with other weights: what was folded is out of date
        plain = found()
        with torch.inference_mode():
            for fast, slow in zip(found(), plain, strict=True):
                torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-5)
        with torch.no_grad():
            head.table.add_(1.0)
            head.entry.weight.mul_(2.0)
    assert "_memo" not in "".join(head.state_dict())


def test_a_memo_follows_its_weights() -> None:
    weight, made = torch.ones(3), []

    def make() -> Tensor:
        made.append(weight.clone())
        return weight * 2

    memo = DerivedCache()
    assert torch.equal(memo.get([weight], make), memo.get([weight], make)) and len(made) == 1
    weight.add_(1)
    assert memo.get([weight], make).tolist() == [4.0, 4.0, 4.0] and len(made) == 2
    memo.get([weight], make, "else")
    assert len(made) == 3
    with torch.inference_mode():
        kept = memo.get([weight], make, "inside")
        loose = torch.ones(3)  # has no version to tell by
        assert memo.get([loose], lambda: loose * 2).tolist() == [2.0, 2.0, 2.0]
        loose.add_(1)
        assert memo.get([loose], lambda: loose * 2).tolist() == [4.0, 4.0, 4.0]
    assert not kept.is_inference()  # it serves where gradients are wanted too
    copy.deepcopy(memo).get([weight], make, "inside")
    assert len(made) == 5  # a copy keeps nothing of weights that are not its own


@pytest.mark.parametrize("bands", [1, 2])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_the_sampler_of_a_flow_is_its_network(bands: int, guidance: float) -> None:
    spec = {"kind": "flow_mlp", "width": 24, "blocks": 2, "bands": bands}
    model = autoregressive(spec)
    head = model.head
    assert isinstance(head, FlowMLPHead)
    options = SamplingOptions(5, guidance)
    request = inputs([20, 14], [20, 9])
    fast = model.generate(request, seeds(1, 2), options)
    head.sampler = FlowHead.sampler.__get__(head)  # type: ignore[method-assign]
    slow = model.generate(request, seeds(1, 2), options)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-5)
    assert slow.std() > 0.05


@pytest.mark.parametrize("more", [{}, {"depth_dim": 12}, {"codebook_size": 12, "levels": [3, 4]}])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_a_depth_decoder_with_a_cache_draws_what_it_draws_without(
    more: dict[str, Any], guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = autoregressive({**DEPTH, "blocks": 2, **more})
    head = model.head
    assert isinstance(head, DepthHead)
    request, options = inputs([20, 14], [20, 9]), SamplingOptions(guidance=guidance, top_k=5)
    for _ in range(2):  # again with other weights: tables are out of date
        fast = model.generate(request, seeds(1, 2), options)
        alone = model.generate(one_row(request, 0), seeds(1), options)
        assert torch.equal(alone[0], fast[0])
        with monkeypatch.context() as patch:
            patch.setattr(head, "_fast", lambda: False)
            assert torch.equal(model.generate(request, seeds(1, 2), options), fast)
        assert len(fast.unique()) > 4
        with torch.no_grad():
            for block in head.blocks:
                block.offset.add_(0.5)  # type: ignore[operator, union-attr]
                block.depthwise.weight.mul_(-2.0)  # type: ignore[operator, union-attr]
            head.position.mul_(3.0)
            head.table.add_(0.3)
    hidden = torch.randn(4, 1, 16, generator=seeds(3)[0])
    codes = torch.randint(head.codebook_size, (4, NUM_CODEBOOKS), generator=seeds(4)[0])
    deep = head.deepen(hidden[:, 0], codes)
    with torch.inference_mode():
        step = head._stepper(hidden)
        for codebook in range(NUM_CODEBOOKS):
            found = step(codes[:, codebook - 1 : codebook] if codebook else None, codebook)
            torch.testing.assert_close(found[:, 0], deep[:, codebook], rtol=0, atol=1e-5)
    assert not any("_tables" in key for key in head.state_dict())


def test_a_kernel_of_one_is_a_product() -> None:
    block = DiTBlock(8, 2, 8, 0, kernel=1)
    x = torch.randn(2, 5, 8)
    slow = x + block.depthwise(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(block._mix(x, None), slow, rtol=0, atol=1e-6)


def test_rotation_is_that_of_complex_numbers() -> None:
    x, position = torch.randn(2, 3, 7, 8), torch.arange(7) + 5
    turned = torch.complex(*x.chunk(2, -1)) * torch.complex(*rotary(position, 8))
    wanted = torch.cat([turned.real, turned.imag], -1)
    torch.testing.assert_close(rotate(x, whole_rotary(position, 8)), wanted, rtol=0, atol=1e-6)


def test_a_number_guides_as_a_tensor() -> None:
    cond, uncond = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    for scale in (0.0, 0.3, 2.25):
        every = guide(cond, uncond, torch.full((2,), scale), 0.5)
        torch.testing.assert_close(guide(cond, uncond, scale, 0.5), every, rtol=0, atol=1e-6)


@pytest.mark.parametrize("head", [CODES, {"kind": "kl", "size": 12}])
@pytest.mark.parametrize("masked", [False, True])
def test_a_cache_may_forget(head: dict[str, Any], masked: bool) -> None:
    """What was appended last is taken back, of keys and of convolutions."""
    model = autoregressive(head)
    prompts = [20, 7] if masked else [20, 20]
    condition = model.conditioner(inputs([24, 24], prompts), model.backbone)
    x = torch.randn(2, 12, 16, generator=seeds(1)[0])
    other = torch.randn(2, 12, 16, generator=seeds(2)[0])

    def start() -> Any:
        return model.backbone.start(condition.memory, condition.memory_mask, 12)

    cache = start()
    assert (cache.bias is None) is not masked
    whole = [model.hidden(x[:, at : at + 1], condition, cache=cache) for at in range(12)]
    cache = start()
    model.hidden(x[:, :5], condition, cache=cache)
    model.hidden(torch.cat([x[:, 5:7], other[:, 7:9]], 1), condition, cache=cache)
    cache.trim(7)  # two of four were right
    rest = [model.hidden(x[:, 7:8], condition, cache=cache)]
    rest.append(model.hidden(x[:, 8:], condition, cache=cache))
    close(torch.cat(rest, 1), torch.cat(whole[7:], 1))
    with pytest.raises(ValueError, match="appended last"):
        cache.trim(2)


FAMILIES_INT8: dict[str, dict[str, Any]] = {
    "codes": {"strategy": {"kind": "autoregressive", "pattern": {"name": "delay"}}, "head": CODES},
    "depth": {"strategy": {"kind": "autoregressive"}, "head": {**DEPTH, "depth_dim": 12}},
    "flow head": {
        "strategy": {"kind": "autoregressive"},
        "head": {"kind": "flow_mlp", "width": 24, "blocks": 2},
    },
    "flow": {"strategy": {"kind": "flow"}},
    "masked": {"strategy": {"kind": "masked"}, "head": CODES},
}


@pytest.mark.parametrize("name", list(FAMILIES_INT8))
def test_int8_weights_are_close(name: str) -> None:
    full = build(FAMILIES_INT8[name])
    fill(full)
    full.eval().requires_grad_(False)
    small = copy.deepcopy(full)
    count = quantize(small)
    assert is_int8(small) and not is_int8(full)
    blocks = len(full.backbone.blocks)
    assert count == sum(isinstance(m, DynamicLinear) for m in small.modules()) >= 4 * blocks
    condition = full.conditioner(inputs([20, 20], [20, 9]), full.backbone)
    x = torch.randn(2, 10, 16, generator=seeds(1)[0])
    t = torch.full((2,), 0.3) if full.backbone.time else None
    with torch.inference_mode():
        wanted, found = (net.hidden(x, condition, t) for net in (full, small))
    error = (found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt()
    assert 0 < error < 0.03
    request = inputs([20, 14], [20, 9])
    made = small.generate(request, seeds(1, 2), SamplingOptions(3))
    assert made.shape == full.generate(request, seeds(1, 2), SamplingOptions(3)).shape
    assert torch.isfinite(made.float()).all()


@pytest.mark.skipif(not inference.packs(torch.zeros(1, 1)), reason="no oneDNN for this processor")
@pytest.mark.parametrize("name", list(FAMILIES_INT8))
def test_packed_weights_say_the_same(name: str) -> None:
    full = build(FAMILIES_INT8[name])
    fill(full)
    full.eval().requires_grad_(False)
    packed = copy.deepcopy(full)
    count = pack(packed)
    layers = [m for m in packed.modules() if isinstance(m, PackedLinear)]
    assert len(layers) == count >= 4 * len(full.backbone.blocks) and pack(packed) == 0
    assert not any(type(m) is torch.nn.Linear for m in packed.backbone.blocks.modules())
    # Nothing is kept beside what is packed.
    kept = sum(p.numel() for p in packed.parameters())
    kept += sum((layer.in_features + 1) * layer.out_features for layer in layers)
    assert kept == sum(p.numel() for p in full.parameters())
    request, options = inputs([20, 14], [20, 9]), SamplingOptions(3)
    for rows in (request, one_row(request, 1)):
        numbers = (1, 2)[-len(rows.durations) :]
        wanted = full.generate(rows, seeds(*numbers), options)
        close(packed.generate(rows, seeds(*numbers), options), wanted)


def test_layers_that_cannot_be_packed_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(FAMILIES_INT8["flow"])
    assert pack(model.double()) == 0
    monkeypatch.setattr(inference, "packs", lambda weight: False)
    assert pack(model.float()) == 0
    assert not any(isinstance(m, PackedLinear) for m in model.modules())


def test_a_network_with_int8_weights_can_be_stopped() -> None:
    model = build(FAMILIES_INT8["codes"]).eval().requires_grad_(False)
    watched = copy.deepcopy(model)
    for network, first in ((model, True), (watched, False)):
        cancellation = Cancellation()
        if first:
            quantize(network)
        cancellation.watch(network)
        if not first:
            quantize(network)
        assert network.generate(inputs([20], [20]), seeds(1)).shape[1] == 10
        with cancellation.watching(lambda: True), pytest.raises(Cancelled):
            network.generate(inputs([20], [20]), seeds(1))


def test_int8_says_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="for the CPU, not for cuda"):
        check_int8("cuda")
    with pytest.raises(UsageError, match="no layers"):
        quantize(torch.nn.Linear(3, 3))
    with pytest.raises(UsageError, match="for the CPU"):
        TTS.load("ar", "cuda", int8=True)  # before any weights are read
    monkeypatch.setattr("tts.quantize.ENGINES", ("no such engine",))
    with pytest.raises(UsageError, match="no engine for int8"):
        check_device("auto", int8=True)
    check_device("auto")


def test_a_shipped_model_speaks_with_int8_weights() -> None:
    model = TTS.load("ar", int8=True)
    assert model.int8 and model.device == "cpu" and model.config.weights == "int8"
    assert is_int8(model.acoustic.generator) and not is_int8(model.acoustic.vocoder)
    audio = model.synthesize("Hello.", seed=1)
    plain = TTS.load("ar", "cpu")
    assert not plain.int8 and not is_int8(plain.acoustic.generator)
    assert abs(audio.seconds - plain.synthesize("Hello.", seed=1).seconds) < 1e-6
    assert abs(audio.samples).max() > 0.05


@pytest.mark.parametrize("spec", [CODES, {**DEPTH, "codebook_size": 12, "levels": [3, 4]}])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_steps_in_static_buffers_are_the_cached_steps(
    spec: dict[str, Any], guidance: float
) -> None:
    """Also when buffers serve again, for a request of other length and memory."""
    model = autoregressive(spec)
    backbone = model.backbone
    options = SamplingOptions(guidance=guidance, temperature=0.0)
    for frames, prompt in (([40, 33], [20, 12]), ([24, 30], [9, 15]), ([21], [30])):
        request = inputs(frames, prompt)
        rngs = list(range(len(frames)))
        backbone.graphs = False
        plain = model.generate(request, seeds(*rngs), options)
        backbone.graphs = True
        assert torch.equal(model.generate(request, seeds(*rngs), options), plain)
    free = backbone._pool._free
    assert len(free) == 2  # two rows and one; the second request took the buffers of the first


def test_static_buffers_are_not_shared_by_requests_at_once() -> None:
    model = autoregressive(CODES)
    model.backbone.graphs = True
    options = SamplingOptions(guidance=1.0, temperature=0.0)
    requests = [inputs([40], [20]), inputs([36], [14])]
    alone = [model.generate(request, seeds(1), options) for request in requests]
    streams = [model.stream(request, seeds(1), options) for request in requests]
    found: list[list[Tensor]] = [[], []]
    for _ in range(max(a.shape[1] for a in alone)):
        for stream, latents in zip(streams, found, strict=True):
            latents += [u for u in [next(stream, None)] if u is not None]
    for latents, wanted in zip(found, alone, strict=True):
        assert torch.equal(torch.cat(latents, 1), wanted)
    # What is dropped half way is handed back.
    free = model.backbone._pool._free
    held = len(free)
    stream = model.stream(requests[0], seeds(1), options)
    next(stream)
    assert len(free) == held - 1
    stream.close()
    assert len(free) == held


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_a_cuda_graph_replays_the_steps() -> None:
    model = autoregressive(CODES).cuda()
    request = inputs([40, 33], [20, 12]).to("cuda")
    options = SamplingOptions(guidance=2.0, temperature=0.0)
    model.backbone.graphs = False
    plain = model.generate(request, seeds(1, 2), options)
    model.backbone.graphs = True
    for _ in range(2):
        assert torch.equal(model.generate(request, seeds(1, 2), options), plain)

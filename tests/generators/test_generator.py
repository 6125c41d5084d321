"""Every generator family: sampling, batching, guidance, masks, known latents, golden outputs.

A new family adds one entry to FAMILIES and gets all of these tests.
"""

from __future__ import annotations

from dataclasses import fields, replace
from inspect import getattr_static
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import get_protocol_members, is_protocol

from tests.helpers.generators import (
    CHANNELS,
    CODEBOOK_SIZE,
    CODES,
    DEPTH,
    DIM,
    FAMILIES,
    NUM_CODEBOOKS,
    POINTER,
    ROUNDING,
    SIZE,
    build,
    close,
    differ,
    fill,
    inputs,
    one_row,
    seeds,
)
from tts.errors import ConfigError, UsageError
from tts.generators import protocols
from tts.generators.base import Infill, SamplingOptions
from tts.generators.folding import fold
from tts.generators.generator import Generator
from tts.generators.heads.categorical import CategoricalHead
from tts.modules.voice_prompt import VoicePrompt
from tts.registry import build_generator, sampling_options


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(family: str) -> Generator:
    generator = build(family)
    fill(generator)
    if isinstance(generator.head, CategoricalHead):
        with torch.no_grad():  # distinct codes, so that a small difference is one of codes
            generator.head.table.mul_(4)
    return generator.eval().requires_grad_(False)


def target(name: str, batch: int, latents: int) -> Tensor:
    """Latents to train on."""
    generator = torch.Generator().manual_seed(3)
    if FAMILIES[name][1] == "codes":
        at = torch.arange(latents)[:, None] // 4 + torch.arange(NUM_CODEBOOKS)
        return (at % CODEBOOK_SIZE).expand(batch, -1, -1).contiguous()
    return torch.randn(batch, latents, SIZE, generator=generator) * 0.1 + 2.0


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_a_row_does_not_depend_on_its_batch(model: Generator, guidance: float) -> None:
    request = inputs([23, 9, 40], [31, 50, 8])
    options = SamplingOptions(4, guidance)
    latents = model.generate(request, seeds(1, 2, 3), options)
    assert latents.shape[:2] == (3, 20)
    for row, count in enumerate([12, 5, 20]):
        alone = model.generate(one_row(request, row), seeds(row + 1), options)
        assert alone.shape[1] == count
        close(alone[0], latents[row, :count])
    assert latents.float().std() > 0.05


def test_a_seed_gives_one_result(model: Generator) -> None:
    request = inputs([20], [30])
    # The surest codes of a tiny model, which SoundStorm takes, are the same for all seeds.
    options = SamplingOptions(choice_temperature=10.0)
    first = model.generate(request, seeds(7), options)
    torch.manual_seed(99)  # the global generator plays no part
    again = model.generate(request, seeds(7), options)
    other = model.generate(request, seeds(8), options)
    assert torch.equal(first, again)
    assert differ(first, other)
    still = model.generate(request, seeds(7), SamplingOptions(temperature=0.0))
    moved = model.generate(request, seeds(8), SamplingOptions(temperature=0.0))
    assert torch.equal(still, moved)


def autoregressive(pattern: str) -> dict[str, Any]:
    """Parts of a language model of codes with a pattern."""
    return {"strategy": {"kind": "autoregressive", "pattern": pattern}, "head": CODES}


class Watched(SamplingOptions):
    """Options that remember which of them were read."""

    seen: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        if name in OPTIONS:
            Watched.seen.add(name)
        return super().__getattribute__(name)


OPTIONS = {field.name for field in fields(SamplingOptions)}


def test_options_that_are_read_are_declared(
    family: str, model: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a config may say for a generator is what its strategy and head read."""
    declared = sampling_options(**FAMILIES[family][0])
    assert set(declared) <= OPTIONS
    monkeypatch.setattr(Watched, "seen", set())
    watched = Watched(steps=4, guidance=2.0, choice_temperature=0.5, repetition_ratio=0.5)
    model.generate(inputs([20], [30]), seeds(1), watched)
    # The categorical settings are looked up in a cache, with all options as its key.
    assert declared.keys() - Watched.seen <= {"guidance_final", "top_k", "top_p", "min_p"}
    key = {"guidance_final", "repetition_window", "repetition_ratio", "top_k", "top_p", "min_p"}
    if isinstance(model.head, CategoricalHead):
        assert Watched.seen - declared.keys() <= OPTIONS
    else:
        assert Watched.seen - declared.keys() <= key


@pytest.mark.parametrize(("name", "value"), [("guidance_final", 20.0), ("uncond", "voice")])
def test_options_of_guidance_act_where_they_are_declared(
    family: str, model: Generator, name: str, value: Any
) -> None:
    """And only there: what has no effect is an error in a config."""
    request, options = inputs([60], [20]), SamplingOptions(6, 2.0)
    plain = model.generate(request, seeds(3), options)
    made = model.generate(request, seeds(3), replace(options, **{name: value}))
    assert differ(plain, made) == (name in sampling_options(**FAMILIES[family][0]))


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"strategy": {"kind": "soundstorm"}, "head": CODES}, "hyperschedule"),
        ({"strategy": {"kind": "masked", "order": "levels"}, "head": CODES}, "hyperschedule"),
        ({"strategy": {"kind": "coarse_first"}, "head": CODES}, "draft"),
        ({"strategy": {"kind": "autoregressive"}, "head": DEPTH}, "draft"),
        (autoregressive("flat"), "draft"),
        (autoregressive("stack_delay"), "draft_steps"),
        (autoregressive("parallel") | {"conditioner": POINTER}, "draft_codebooks"),
        (autoregressive("parallel"), "relaxed"),
    ],
)
def test_options_that_are_never_followed_are_not_declared(parts: dict[str, Any], name: str) -> None:
    assert name not in sampling_options(**parts)
    whole = {"hyperschedule": "masked"}.get(name, "autoregressive")
    levels = {"levels": [7]} if name == "relaxed" else {}
    assert name in sampling_options({"kind": whole}, CODES | levels)


@pytest.mark.parametrize(
    "pattern",
    ["parallel", "delay", "flat", "stack_delay", "group_parallel", "grouped", "pointer", "one"],
)
def test_drafts_are_declared_where_they_work(pattern: str) -> None:
    parts = autoregressive("flat" if pattern == "one" else pattern)
    if pattern in ("group_parallel", "grouped"):
        own = {"own": 1} if pattern == "grouped" else {}
        spec = {"name": "group_parallel", "groups": 2}
        parts["strategy"] = {"kind": "autoregressive", "pattern": spec, **own}
    elif pattern == "pointer":
        parts = autoregressive("parallel") | {"conditioner": POINTER}
    elif pattern == "one":
        parts["head"] = CODES | {"num_codebooks": 1}
    model, request = build(parts).eval(), inputs([20], [30])
    options = SamplingOptions(guidance=1.0, temperature=0.0)
    guessed = replace(options, draft="ngram")
    if "draft" in sampling_options(**parts):
        plain = model.generate(request, seeds(1), options)
        assert torch.equal(model.generate(request, seeds(1), guessed), plain)
    else:
        with pytest.raises(UsageError, match="speculative decoding is for"):
            model.generate(request, seeds(1), guessed)


def test_only_heads_that_do_not_guide_themselves_have_rows_without_condition() -> None:
    request, options = inputs([20, 14], [9, 7]), SamplingOptions(guidance=2.0)
    for family, rows in (("ar local dit", 2), ("ar flow", 4)):
        assert len(build(family).condition(request, seeds(1, 2), options).mask) == rows


def test_parts_have_their_contracts(family: str, model: Generator) -> None:
    assert isinstance(model.head, protocols.Head)
    codes = FAMILIES[family][1] == "codes"
    assert isinstance(model.head, protocols.CodeHead) == codes
    # Python 3.12 and newer look for members like this, and earlier ones for any attribute.
    absent = object()
    for name, contract in vars(protocols).items():
        if name.endswith("Head") and is_protocol(contract):
            members = get_protocol_members(contract)
            seen = all(getattr_static(model.head, each, absent) is not absent for each in members)
            assert isinstance(model.head, contract) == seen, name
    strategy = model.strategy
    steps = strategy.steps_before(3, NUM_CODEBOOKS if codes else 0)
    if not strategy.streamed:
        assert steps is None
    elif strategy.supports_pointer:
        assert steps is not None and steps >= 3


def test_guidance_of_one_is_none(model: Generator) -> None:
    request = inputs([41, 34], [30, 12])
    results = {
        s: model.generate(request, seeds(1, 2), SamplingOptions(4, s))
        for s in (1.0, 1.0 + 1e-6, 2.0, 4.0)
    }
    close(results[1.0], results[1.0 + 1e-6])
    assert differ(results[1.0], results[2.0]) and differ(results[2.0], results[4.0])


def test_streamed_equals_offline(model: Generator) -> None:
    request = inputs([30], [20])
    options = SamplingOptions(4)
    pieces = list(model.stream(request, seeds(3), options))
    assert (len(pieces) > 1) == model.strategy.streamed
    close(torch.cat(pieces, 1), model.generate(request, seeds(3), options))


def test_cached_equals_uncached(model: Generator) -> None:
    if not model.strategy.causal:
        pytest.skip("only causal networks have a cache")
    condition = model.conditioner(inputs([40, 31], [20, 7]), model.backbone)
    x = torch.randn(2, 20, DIM, generator=seeds(1)[0])
    whole = model.hidden(x, replace(condition, mask=torch.ones(2, 20, 1)))
    cache = model.backbone.start(condition.memory, condition.memory_mask, 20)
    parts = [
        model.hidden(x[:, a:b], condition, cache=cache)
        for a, b in ((0, 1), (1, 2), (2, 9), (9, 10), (10, 20))
    ]
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-4)
    changed = torch.cat([x[:, :12], torch.randn(2, 8, DIM)], 1)
    again = model.hidden(changed, replace(condition, mask=torch.ones(2, 20, 1)))
    torch.testing.assert_close(again[:, :12], whole[:, :12], rtol=0, atol=1e-5)  # causal
    assert differ(again[:, 12:], whole[:, 12:])


def test_the_prompt_is_heard_but_not_its_padding(model: Generator) -> None:
    request = inputs([42], [17])
    prompt = request.prompt
    plain = model.generate(request, seeds(1))
    padded = nn.functional.pad(prompt.features, (0, 0, 0, 12), value=50.0)
    wide = replace(request, prompt=VoicePrompt(prompt.speaker, padded, prompt.lengths))
    close(model.generate(wide, seeds(1)), plain)
    assert plain.shape[1] == 21  # latents of the text alone: no prompt in front
    for other in (
        VoicePrompt(prompt.speaker, prompt.features.flip(2) * 5, prompt.lengths),
        VoicePrompt(prompt.speaker.flip(1) * 20, prompt.features, prompt.lengths),
    ):
        changed = model.generate(replace(request, prompt=other), seeds(1))
        assert differ(changed, plain)  # the voice matters
    empty = VoicePrompt(prompt.speaker, prompt.features, torch.tensor([0]))
    made = model.generate(replace(request, prompt=empty), seeds(1))
    assert torch.isfinite(made.float()).all()


def test_given_units_stay_and_matter(family: str, model: Generator) -> None:
    request = inputs([40, 40], [20, 20])
    latents = target(family, 2, 20)
    free = model.generate(request, seeds(1, 2))
    for committed in (torch.arange(20) < 8, (torch.arange(20) < 5) | (torch.arange(20) >= 15)):
        if model.strategy.causal and committed[-1]:
            continue  # what comes later cannot be known to a causal network
        rows = committed.expand(2, -1)
        made = model.generate(request, seeds(1, 2), infill=Infill(latents, rows))
        assert torch.equal(made[rows], latents[rows])
        assert differ(made[~rows], free[~rows])


def test_training_lowers_the_loss(family: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(family)
        request = inputs([24, 17], [30, 12])
        features = torch.randn(2, 24, CHANNELS) * 0.1 + 2.0
        features[1, 17:] = 0
        latents = target(family, 2, 12)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2, fused=True)

        def drawn() -> dict[str, float]:
            """Losses of four draws of masks and noise, the same each time."""
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(5)
                found = [model.loss(request, features, latents) for _ in range(4)]
            return {name: sum(float(parts[name]) for parts in found) for name in found[0]}

        before = drawn()
        # When to leave a phone is learned last.
        for _ in range(50 if family.endswith("pointer") else 25):
            parts = model.loss(request, features, latents)
            optimizer.zero_grad()
            sum(parts.values()).backward()  # type: ignore[union-attr]
            optimizer.step()
        after = drawn()
    assert after["prior"] < 0.5 * before["prior"]
    for name, value in before.items():
        assert after[name] < 0.75 * value, name
    unused = [n for n, p in model.named_parameters() if p.grad is None]
    padded = family.endswith("padded")
    skipped = ("filler",) if not padded else ("position",)
    if not getattr(model.strategy, "inpaint", 0):
        skipped += ("head.known",)
    assert not [n for n in unused if not any(part in n for part in skipped)]


GOLDEN: dict[str, list[float]] = {
    "flow": [-1.8958, -1.3519, -2.3756, -2.264, 0.3497, -1.2645, -0.3661, -0.4468],
    "flow voiced": [-1.0544, -1.3593, -2.1125, -1.6452, 0.2022, -1.0368, -0.271, -0.2933],
    "flow padded": [-2.4404, -1.0173, -3.347, -3.1273, -1.3242, -1.6496, -1.7356, -0.815],
    "flow proportional": [-1.9297, -1.4046, -2.3392, -2.27, 0.3425, -0.9198, -0.3876, -0.4924],
    "flow spread": [-1.8792, -1.3808, -2.3015, -2.31, 0.3425, -0.9198, -0.3876, -0.4965],
    "diffusion v": [-0.2482, -0.0365, -0.4717, -1.0374, 4.3612, 4.4324, 4.4521, 0.5728],
    "diffusion eps": [8.0, 8.0, 8.0, 8.0, 7.373, 8.0, 8.0, 0.8633],
    "masked joint": [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.75],
    "masked levels": [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.75],
    "masked spans": [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 3.0, 1.8889],
    "soundstorm": [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.75],
    "span ar": [0.0, 1.0, 1.0, 3.0, 2.0, 1.0, 3.0, 1.9444],
    "span ar refined": [0.0, 0.0, 1.0, 3.0, 2.0, 0.0, 0.0, 1.8889],
    "ar flat": [1.0, 4.0, 4.0, 4.0, 3.0, 4.0, 1.0, 3.0],
    "ar depth": [1.0, 3.0, 3.0, 4.0, 1.0, 3.0, 0.0, 1.8611],
    "ar pointer": [3.0, 2.0, 0.0, 0.0, 4.0, 0.0, 0.0, 2.7778],
    "coarse first": [4.0, 4.0, 4.0, 4.0, 1.0, 1.0, 1.0, 2.3056],
    "coarse first pointer": [6.0, 6.0, 6.0, 6.0, 5.0, 5.0, 5.0, 4.6667],
    "ar parallel": [1.0, 4.0, 4.0, 4.0, 3.0, 3.0, 1.0, 3.0833],
    "ar voiced": [0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 1.6111],
    "ar delay": [1.0, 4.0, 5.0, 4.0, 4.0, 1.0, 4.0, 3.0278],
    "ar stack delay": [4.0, 4.0, 4.0, 6.0, 4.0, 4.0, 1.0, 2.9444],
    "ar flow": [0.7566, -0.9212, -0.7667, -0.6936, 3.0556, 2.6989, 3.1152, 0.229],
    "ar flow bands": [0.0977, 1.1577, 1.2485, -0.0283, 1.2278, 1.1689, 0.118, 0.013],
    "ar gaussian": [-0.6246, -1.5658, -0.9688, -1.1698, 2.6868, 2.0168, 2.4209, 0.1562],
    "ar energy": [-3.4605, -3.693, -3.7493, -4.164, 2.8803, 2.2973, 3.1197, 0.0071],
    "ar local dit": [-0.411, -1.6358, -0.9771, -1.2419, 2.5376, 1.6537, 1.2571, -0.2221],
    "ar groups": [3.0, 3.0, 5.0, 3.0, 5.0, 5.0, 3.0, 4.2222],
    "ar groups voiced": [6.0, 6.0, 6.0, 6.0, 3.0, 4.0, 2.0, 3.3333],
    "ar regression": [-1.8943, -0.8978, -1.4856, -1.0688, 1.7101, 0.8463, 1.2591, -0.1922],
    "ar kl": [-1.1499, -0.1661, -2.1364, 0.2286, 0.2224, -1.8142, -1.4562, -15.4466],
}  # fmt: skip


def test_golden_output(family: str, model: Generator) -> None:
    """Weights in the world depend on these computations: a change of them is a new kind."""
    latents = model.generate(inputs([23, 12], [31, 10]), seeds(1, 2), SamplingOptions(4, 2.0))
    latents = latents.float()
    found = [*latents[0, ::3, 1].tolist(), *latents[1, 1:6:2, 2].tolist(), latents[0].mean().item()]
    assert found == pytest.approx(GOLDEN[family], abs=ROUNDING)


def test_folding_keeps_every_frame() -> None:
    frames = torch.arange(10.0).view(1, 5, 2)
    folded = fold(frames, 2)
    assert folded.shape == (1, 3, 4)
    assert folded.flatten().tolist() == [*range(10), 0, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"strategy": {"kind": "flaw"}}, "flow"),
        ({"strategy": {"kind": "flow", "inpant": 1}}, "inpaint"),
        ({"strategy": {"kind": "flow"}, "head": {"kind": "liner"}}, "linear"),
        ({"strategy": {"kind": "flow"}, "backbone": {"block": 2}}, "blocks"),
        ({"strategy": {"kind": "flow"}, "conditioner": {"texts": "padded"}}, "text"),
        ({"strategy": {"kind": "flow"}, "conditioner": {"dim": 8}}, "'dim' of conditioner"),
        ({"strategy": {"kind": "flow"}, "backbone": {"causal": True}}, "'causal' of backbone"),
        ({"strategy": {"kind": "diffusion", "predict": "velocity"}}, "predict is v or eps or x"),
        ({"strategy": {"kind": "diffusion", "predict": ["v"]}}, "predict is v or eps or x"),
        ({"strategy": {"kind": "masked", "order": "level"}, "head": CODES}, "order is joint or"),
        (
            {"strategy": {"kind": "autoregressive"}, "head": {"kind": "flow_mlp", "prior": "zero"}},
            "prior is normal or previous or mean",
        ),
        ({"strategy": {"kind": "flow"}, "backbone": {"kernel": 4}}, "backbone: kernel is odd"),
        ({"strategy": {"kind": "masked"}, "head": CODES, "backbone": {"kernel": 2}}, "odd"),
        ({"strategy": {"kind": "coarse_first"}, "head": CODES, "backbone": {"kernel": 6}}, "odd"),
    ],
)
def test_wrong_parts_name_the_nearest(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_generator(**arguments)

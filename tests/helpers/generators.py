"""Tiny generators of every family, requests for them, and how equal their output must be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tts.generators.base import Request, SamplingOptions
from tts.generators.generator import Generator
from tts.modules.voice_prompt import VoicePrompt
from tts.registry import build_generator
from tts.text.tokens import TokenBatch, collate_tokens

CHANNELS, PATCH, DIM = 6, 2, 16


SIZE = CHANNELS * PATCH


NUM_CODEBOOKS, CODEBOOK_SIZE = 3, 7


# What rounding may change: eps-prediction divides it by alpha, 150 times near pure noise, and how
# sums are rounded hangs on the CPU and on the rows beside.
ROUNDING = 1e-3


CODES = {
    "kind": "categorical",
    "num_codebooks": NUM_CODEBOOKS,
    "codebook_size": CODEBOOK_SIZE,
    "width": 5,
}


DEPTH = {**CODES, "kind": "depth", "blocks": 1, "heads": 2, "hidden": 24}


POINTER = {"text": "pointer"}


# name: (arguments of build_generator, kind of latents)
FAMILIES: dict[str, tuple[dict[str, Any], str]] = {
    "flow": ({"strategy": {"kind": "flow"}}, "latents"),
    "flow voiced": ({"strategy": {"kind": "flow"}, "backbone": {"voice_units": 5}}, "latents"),
    "flow padded": (
        {"strategy": {"kind": "flow", "inpaint": 0.5}, "conditioner": {"text": "padded"}},
        "latents",
    ),
    "flow proportional": (
        {"strategy": {"kind": "flow"}, "conditioner": {"text": "proportional"}},
        "latents",
    ),
    "flow spread": ({"strategy": {"kind": "flow"}, "conditioner": {"text": "spread"}}, "latents"),
    "diffusion v": ({"strategy": {"kind": "diffusion", "inpaint": 0.5}}, "latents"),
    "diffusion eps": (
        {
            "strategy": {
                "kind": "diffusion", "predict": "eps", "shift": -0.5, "asymmetric": False,
            },
        },
        "latents",
    ),
    "masked joint": ({"strategy": {"kind": "masked", "inpaint": 0.3}, "head": CODES}, "codes"),
    "masked levels": (
        {"strategy": {"kind": "masked", "order": "levels", "rescale": 0.5}, "head": CODES}, "codes",
    ),
    "masked spans": (
        {
            "strategy": {"kind": "masked", "order": "levels", "span": 3, "window": 2},
            "head": CODES,
        },
        "codes",
    ),
    "soundstorm": ({"strategy": {"kind": "soundstorm"}, "head": CODES}, "codes"),
    "span ar": ({"strategy": {"kind": "span_ar"}, "head": CODES}, "codes"),
    "span ar refined": (
        {"strategy": {"kind": "span_ar", "rounds": 3, "quantile": 0.1}, "head": CODES}, "codes",
    ),
    "ar flat": (
        {"strategy": {"kind": "autoregressive", "pattern": {"name": "flat"}}, "head": CODES},
        "codes",
    ),
    "ar depth": ({"strategy": {"kind": "autoregressive"}, "head": DEPTH}, "codes"),
    "ar pointer": (
        {
            "strategy": {"kind": "autoregressive", "pattern": {"name": "delay"}},
            "head": CODES, "conditioner": POINTER,
        },
        "codes",
    ),
    "coarse first": ({"strategy": {"kind": "coarse_first"}, "head": CODES}, "codes"),
    "coarse first pointer": (
        {"strategy": {"kind": "coarse_first"}, "head": CODES, "conditioner": POINTER}, "codes",
    ),
    "ar parallel": ({"strategy": {"kind": "autoregressive"}, "head": CODES}, "codes"),
    "ar voiced": (
        {
            "strategy": {"kind": "autoregressive"}, "head": CODES, "backbone": {"voice_units": 5},
        },
        "codes",
    ),
    "ar delay": (
        {"strategy": {"kind": "autoregressive", "pattern": {"name": "delay"}}, "head": CODES},
        "codes",
    ),
    "ar stack delay": (
        {
            "strategy": {
                "kind": "autoregressive", "pattern": {"name": "stack_delay", "spacing": 2},
            },
            "head": CODES,
        },
        "codes",
    ),
    "ar flow": (
        {
            "strategy": {"kind": "autoregressive", "noise": 0.2},
            "head": {"kind": "flow_mlp", "width": 24, "blocks": 2},
        },
        "latents",
    ),
    "ar flow bands": (
        {
            "strategy": {"kind": "autoregressive"},
            "head": {
                "kind": "flow_mlp", "prior": "previous", "bands": 2, "width": 24, "blocks": 2,
            },
        },
        "latents",
    ),
    "ar gaussian": (
        {
            "strategy": {"kind": "autoregressive", "noise": 0.2},
            "head": {"kind": "gaussian", "width": 24},
        },
        "latents",
    ),
    "ar energy": (
        {
            "strategy": {"kind": "autoregressive", "noise": 0.2},
            "head": {"kind": "energy", "noise": 8, "width": 24, "blocks": 2},
        },
        "latents",
    ),
    "ar local dit": (
        {
            "strategy": {"kind": "autoregressive", "noise": 0.2},
            "head": {"kind": "local_dit", "width": 16, "heads": 2, "hidden": 32, "blocks": 2},
        },
        "latents",
    ),
    "ar groups": (
        {
            "strategy": {
                "kind": "autoregressive",
                "pattern": {"name": "group_parallel", "groups": 2}, "own": 1,
            },
            "head": CODES,
        },
        "codes",
    ),
    "ar groups voiced": (
        {
            "strategy": {
                "kind": "autoregressive",
                "pattern": {"name": "group_parallel", "groups": 2}, "own": 1,
            },
            "head": CODES, "backbone": {"voice_units": 5},
        },
        "codes",
    ),
    "ar regression": (
        {
            "strategy": {"kind": "autoregressive", "noise": 0.2},
            "head": {"kind": "regression", "width": 24, "dropout": 0.1},
        },
        "latents",
    ),
    "ar kl": (
        {
            "strategy": {"kind": "autoregressive", "noise": 0.2},
            "head": {"kind": "kl", "size": SIZE},
        },
        "latents",
    ),
}  # fmt: skip


def fill(module: nn.Module, seed: int = 0, scale: float = 0.15) -> None:
    """Weights that do not depend on how torch initialises layers."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
            if "norm" in name and name.endswith("weight"):
                weight.add_(1.0)


def build(family: str | dict[str, Any]) -> Generator:
    arguments = dict(FAMILIES[family][0] if isinstance(family, str) else family)
    arguments["conditioner"] = {
        "channels": CHANNELS, "patch": PATCH, "voice_dim": 12, "global_dim": 8, "phone_dim": 16,
        "phone_blocks": 1, "content_blocks": 1, **arguments.get("conditioner", {}),
    }  # fmt: skip
    arguments["backbone"] = {
        "heads": 2,
        "hidden": 32,
        "blocks": 2,
        **arguments.get("backbone", {}),
    }
    return build_generator(dim=DIM, **arguments)


ORDERS: dict[str, dict[str, Any]] = {
    "parallel": {"pattern": {"name": "parallel"}},
    "delay": {"pattern": {"name": "delay"}},
    "uneven delay": {"pattern": {"name": "delay", "delays": [0, 3, 1]}},
    "flat": {"pattern": {"name": "flat"}},
    "stack delay": {"pattern": {"name": "stack_delay", "spacing": 2}},
    "groups": {"pattern": {"name": "group_parallel", "groups": 2}},
    "depth": {"pattern": {"name": "depth"}},
}
#: without durations and without chance
FREE = SamplingOptions(guidance=1.0, temperature=0.0)


def autoregressive(name: str, pointer: bool = False, **head: Any) -> Generator:
    """A tiny generator whose codes differ from step to step."""
    kind = DEPTH if name == "depth" else CODES
    strategy = {"kind": "autoregressive", **ORDERS[name]}
    generator = build(
        {
            "strategy": strategy,
            "head": {**kind, **head},
            "conditioner": {**POINTER, "longest": 9} if pointer else {},
        }
    )
    fill(generator)
    with torch.no_grad():
        generator.head.table.mul_(6)  # type: ignore[operator]
    return generator.eval().requires_grad_(False)


def inputs(totals: list[int], prompts: list[int]) -> Request:
    """Rows of `totals` frames; prompts of the given frames."""
    rows, durations = [], []
    for row, total in enumerate(totals):
        frames = [2 + (row + at) % 3 for at in range(total)]
        while sum(frames) > total:
            frames.pop()
        frames[-1] += total - sum(frames)
        rows.append(
            ([20 + (7 * row + 5 * at) % 40 for at in range(len(frames))], [0] * len(frames))
        )
        durations.append(torch.tensor(frames))
    generator = torch.Generator().manual_seed(5)
    speaker = nn.functional.normalize(torch.randn(len(totals), 256, generator=generator))
    mel = torch.randn(len(totals), max(prompts), CHANNELS, generator=generator)
    padded = nn.utils.rnn.pad_sequence(durations, batch_first=True)
    prompt = VoicePrompt(speaker, mel, torch.tensor(prompts))
    return Request(collate_tokens(rows), prompt, padded)


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in numbers]


def one_row(request: Request, row: int) -> Request:
    part, size = slice(row, row + 1), int(request.tokens.lengths[row])
    tokens, prompt = request.tokens, request.prompt
    length = int(prompt.lengths[row])
    assert request.durations is not None
    return Request(
        TokenBatch(tokens.ids[part, :size], tokens.mods[part, :size], tokens.lengths[part]),
        VoicePrompt(prompt.speaker[part], prompt.features[part, :length], prompt.lengths[part]),
        request.durations[part, :size],
    )


def close(found: Tensor, wanted: Tensor) -> None:
    if found.is_floating_point():
        torch.testing.assert_close(found, wanted, rtol=0, atol=ROUNDING)
    else:
        assert torch.equal(found, wanted)


def differ(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() > 5 * ROUNDING)

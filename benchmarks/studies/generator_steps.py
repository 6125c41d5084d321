"""Milliseconds of processor time of a step of the codec language model: float32 (as TTS packs it,
and not packed) and int8.

python -m benchmarks.studies.generator_steps --repeats 5

Two networks: 8 layers of 512, 4 codebooks in a delay pattern, random weights; and the shipped `ar`.
Rounds of the kinds alternate; the median and the best round are told. `linear` is the least a step
can cost: its matrix products alone.
"""

import argparse
import copy
import itertools
import json
import statistics
import time
from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from tts.generators.base import SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.generator import Generator
from tts.quantize import quantize
from tts.registry import build_generator, load_module
from tts_codecs.nn.inference import PackedLinear, pack

LATENTS, PROMPT = 250, 75  # 10 s of speech after 3 s of recording


def wide() -> Generator:
    """8 layers of 512, 4 codebooks."""
    torch.manual_seed(0)
    return (
        build_generator(
            {"kind": "autoregressive", "pattern": {"name": "delay"}},
            {"kind": "categorical", "num_codebooks": 4, "codebook_size": 1024},
            backbone={"blocks": 8, "heads": 8, "hidden": 2048},
            dim=512,
        )
        .eval()
        .requires_grad_(False)
    )


def condition(net: Generator, rows: int) -> Condition:
    """Random text and voice."""
    dim, voice = net.backbone.dim, net.conditioner.voice
    memory = torch.randn(rows, PROMPT, voice.norm.normalized_shape[0])
    global_cond = torch.randn(rows, len(voice.null_global_cond))
    return Condition(
        torch.randn(rows, LATENTS, dim),
        torch.zeros(rows, LATENTS, net.conditioner.size),
        global_cond,
        net.backbone.project(memory),
        torch.ones(rows, PROMPT, dtype=torch.bool),
        torch.ones(rows, LATENTS, 1),
    )


def steps(net: Generator, guidance: float) -> Callable[[int], None]:
    """Runs so many latents."""
    given = condition(net, 1 if guidance == 1 else 2)
    options = SamplingOptions(guidance=guidance)

    def run(count: int) -> None:
        rngs = [torch.Generator().manual_seed(1)]
        for _ in itertools.islice(net.strategy.run(net, given, rngs, options), count):
            pass

    return run


def products(net: Generator, guidance: float) -> Callable[[int], None]:
    """Runs the matrix products of so many steps."""
    rows = 1 if guidance == 1 else 2
    layers = [
        m
        for n, m in net.backbone.blocks.named_modules()
        if isinstance(m, nn.Linear | PackedLinear) and not n.endswith("memory")
    ]
    inputs = [torch.randn(rows, 1, layer.in_features) for layer in layers]

    def run(count: int) -> None:
        for _ in range(count):
            for layer, x in zip(layers, inputs, strict=True):
                layer(x)

    return run


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--latents", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    networks = {"8x512": wide(), "ar": cast(Generator, load_module("ar"))}
    for name, net in networks.items():
        small, packed = copy.deepcopy(net), copy.deepcopy(net)
        quantize(small)
        pack(packed)
        compare(name, net, packed, small, arguments.repeats, arguments.latents)


@torch.inference_mode()
def compare(
    name: str, net: Generator, packed: Generator, small: Generator, repeats: int, latents: int
) -> None:
    """Prints a line of JSON per guidance."""
    for guidance in (1.0, 2.0):
        kinds = {
            "float32": steps(packed, guidance), "not packed": steps(net, guidance),
            "int8": steps(small, guidance), "linear": products(packed, guidance),
        }  # fmt: skip
        taken: dict[str, list[float]] = {kind: [] for kind in kinds}
        for turn in range(repeats + 1):
            for kind, run in kinds.items():
                begin = time.process_time()
                run(latents)
                if turn:
                    spent = (time.process_time() - begin) / latents
                    taken[kind].append(1000 * spent)
        told = {
            kind: {"median": round(statistics.median(x), 2), "best": round(min(x), 2)}
            for kind, x in taken.items()
        }
        print(json.dumps({"model": name, "guidance": guidance, "ms_per_step": told}), flush=True)


if __name__ == "__main__":
    main()

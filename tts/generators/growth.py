"""Growth of a trained generator: more blocks and wider layers that change nothing at first.

A larger network that starts from a trained smaller one keeps what that has learned, where one from
random weights would have to learn it again (Net2Net, Chen et al. 2016; stacking, Gong et al. 2019).
"""

import re
from typing import Any

import torch
from torch import Tensor

from tts.errors import ConfigError
from tts.generators.generator import Generator
from tts.generators.grouped import GroupedBackbone

_BLOCK = re.compile(r"(backbone\.(?:fine\.)?blocks)\.(\d+)\.(.+)")
#: weights by which a block adds to its input
_OUTPUTS = (
    "attention.out.weight",
    "attention.out.bias",
    "down.weight",
    "down.bias",
    "voice.down.weight",
)


def block_sources(before: int, after: int) -> list[tuple[int, bool]]:
    """The block that each block of a deeper network is copied from, and whether it is the original,
    which stands in front of its copies. Copies are spread evenly.

    Raises:
        ConfigError: fewer blocks than before.
    """
    if after < before:
        raise ConfigError(f"a network grows: it has {before} blocks, and {after} are fewer")
    sources = [at * before // after for at in range(after)]
    return [(block, at == 0 or sources[at - 1] != block) for at, block in enumerate(sources)]


@torch.no_grad()
def grow(small: Generator, large: Generator) -> None:
    """Give a larger generator the weights of a smaller one, so that both compute the same.

    A new block is a copy of the one in front of it whose outputs are 0. New hidden units of a layer
    stay as they were initialised, and are read with 0.

    Args:
        small: trained.
        large: the same network but for its backbone, which may have more blocks, and more hidden
            and voice units. Its weights are replaced.

    Raises:
        ConfigError: the larger one has fewer blocks or units, or differs in something else.
    """
    if isinstance(large.backbone, GroupedBackbone) and len(large.backbone.blocks) != len(
        small.backbone.blocks
    ):
        raise ConfigError("a backbone with blocks for groups of codebooks does not grow in blocks")
    state = small.state_dict()
    blocks = block_sources(len(small.backbone.blocks), len(large.backbone.blocks))
    for name, value in large.state_dict().items():
        source, original, part = name, True, ""
        if match := _BLOCK.fullmatch(name):
            stack, number, part = match.groups()
            block, original = blocks[int(number)]
            source = f"{stack}.{block}.{part}"
        if source in state:
            _fill(value, state[source], name)
        elif not re.search(r"backbone\..*\bvoice\.", name):  # new voice units add 0 as they are
            raise ConfigError(f"{name}: the smaller network has no such weights")
        if not original and part in _OUTPUTS:
            value.zero_()


def _fill(new: Tensor, old: Tensor, name: str) -> None:
    """Write old weights into the first rows and columns of new ones; new hidden units are read with
    0."""
    if new.dim() != old.dim() or any(a < b for a, b in zip(new.shape, old.shape, strict=True)):
        raise ConfigError(f"{name}: {list(old.shape)} does not grow to {list(new.shape)}")
    if name.endswith("down.weight"):
        new.zero_()
    new[tuple(slice(size) for size in old.shape)] = old


def grown_arguments(arguments: dict[str, Any], **sizes: int) -> dict[str, Any]:
    """The arguments of a generator (tts.registry.build_generator) with other sizes of its
    backbone."""
    return {**arguments, "backbone": {**(arguments.get("backbone") or {}), **sizes}}

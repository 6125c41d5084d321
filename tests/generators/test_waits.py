"""Training asks nothing of the device: a step is laid out without knowing what it computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.helpers.generators import (
    CHANNELS,
    CODES,
    FAMILIES,
    NUM_CODEBOOKS,
    SIZE,
    build,
    inputs,
)
from tts.generators.base import Request

META = torch.device("meta")
#: what families alone do not have
MORE: dict[str, tuple[dict[str, Any], str]] = {
    "ar inpaint": (
        {
            "strategy": {
                "kind": "autoregressive", "pattern": {"name": "delay"}, "inpaint": 0.5,
                "both_sides": 0.5, "noise": 0.3,
            },
            "head": CODES,
        },
        "codes",
    ),
    "masked hyper": (
        {
            "strategy": {"kind": "masked", "inpaint": 0.5, "both_sides": 0.5, "hyper": 0.5},
            "head": CODES,
        },
        "codes",
    ),
}  # fmt: skip
ALL = {**FAMILIES, **MORE}


class Copies(TorchDispatchMode):
    """Notes what is copied from the CPU: that waits too."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        copied = func is torch.ops.aten.copy_.default
        if copied or func is torch.ops.aten._to_copy.default:
            source = args[1] if copied else args[0]
            if source.device != out.device:
                self.seen.append(tuple(out.shape))
        return out


def on_meta(request: Request) -> Request:
    """A request without values, of which only the shapes are known."""
    moved = request.to(META)
    moved.longest = 40
    return moved


@pytest.mark.parametrize("family", ALL)
def test_losses_wait_for_nothing(family: str) -> None:
    parts, kind = ALL[family]
    net = build(parts).to(META)
    request, features = on_meta(inputs([40, 34], [20, 9])), torch.zeros(2, 40, CHANNELS).to(META)
    latents = torch.zeros(2, 20, SIZE)
    if kind == "codes":
        latents = torch.zeros(2, 20, NUM_CODEBOOKS, dtype=torch.int64)
    latents = latents.to(META)
    # Values of a tensor that has none cannot be asked for: that is an error here. The first time
    # makes the tables that are kept.
    sum(net.loss(request, features, latents).values()).backward()  # type: ignore[union-attr]
    with Copies() as copies:
        net.loss(request, features, latents)
    assert not copies.seen

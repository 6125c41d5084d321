"""A tiny F5 network and its weights under the published names."""

import math

import torch
from torch import Tensor, nn

from tts.published.f5.network import F5Network

LETTERS = [" ", *"abcdefghijklmnopqrstuvwxyz", *".,!?'", "é"]


@torch.no_grad()
def scramble(module: nn.Module, seed: int = 0) -> None:
    """Random weights everywhere, also where the architecture starts from zero."""
    rng = torch.Generator().manual_seed(seed)
    for value in module.parameters():
        fan = value[0].numel() if value.dim() > 1 else 16
        value.copy_(torch.randn(value.shape, generator=rng) / math.sqrt(fan))


def published_layout(network: F5Network) -> dict[str, Tensor]:
    """The weights under the published names, rotary pairs as neighbours."""
    names = {
        "time.": "time_embed.time_mlp.",
        "text.embed.": "text_embed.text_embed.",
        "entry.": "input_embed.proj.",
        "position.0.": "input_embed.conv_pos_embed.conv1d.0.",
        "position.1.": "input_embed.conv_pos_embed.conv1d.2.",
        "modulation.": "norm_out.linear.",
        "head.": "proj_out.",
    }
    text_parts = {"depthwise": "dwconv", "norm": "norm", "up": "pwconv1", "down": "pwconv2"}
    parts = {
        "modulation": "attn_norm.linear",
        "attention.out": "attn.to_out.0",
        "up": "ff.ff.0.0",
        "down": "ff.ff.2",
    }
    heads, out = network.config.heads, {}
    for name, value in network.state_dict().items():
        if name.startswith("text.blocks."):
            index, part = name.removeprefix("text.blocks.").split(".", 1)
            block = f"text_embed.text_blocks.{index}"
            module, _, kind = part.rpartition(".")
            own = f"{text_parts[module]}.{kind}" if module else f"grn.{part}"
            out[f"{block}.{own}"] = value
        elif name.startswith("blocks."):
            index, part = name.removeprefix("blocks.").split(".", 1)
            module, _, kind = part.rpartition(".")
            block = f"transformer_blocks.{index}"
            if module == "attention.qkv":
                for which, piece in zip("qkv", value.chunk(3), strict=True):
                    if which != "v":
                        halves = piece.unflatten(0, (heads, 2, -1))
                        piece = torch.stack([halves[:, 0], halves[:, 1]], 2).flatten(0, 2)
                    out[f"{block}.attn.to_{which}.{kind}"] = piece
            else:
                out[f"{block}.{parts[module]}.{kind}"] = value
        else:
            old = next(old for old in names if name.startswith(old))
            out[names[old] + name.removeprefix(old)] = value
    out["rotary_embed.inv_freq"] = torch.ones(3)
    flat = {f"ema_model.transformer.{name}": value.clone() for name, value in out.items()}
    return {"initted": torch.tensor(1.0), "step": torch.tensor(7.0), **flat}

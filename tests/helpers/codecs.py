"""A tiny codec of several bitrates."""

import torch

from tts_codecs.neural import NeuralCodec, build_codec


def layered() -> NeuralCodec:
    """Random weights: three codebooks of 16 entries at 50 frames a second, 16 kHz."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = build_codec(
            {"kind": "spectrum", "width": 8, "blocks": 1},
            {"kind": "rvq", "dim": 4, "num_codebooks": 3, "codebook_size": 16},
            {"kind": "spectrum", "width": 8, "blocks": 1, "patch": 2, "look_ahead": 2},
            rate=16000,
            hop=320,
            dim=8,
            name="tiny",
        )
    return made.eval().requires_grad_(False)

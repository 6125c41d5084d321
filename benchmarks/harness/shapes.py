"""What all generators are timed at: 8 layers x 512, 8 heads, feed-forward 2048, and the 3 s of
speech with a prompt of 2 s that they are asked for. Random weights."""

import os
from typing import Any

import torch

from tts.generators.base import Request
from tts.generators.generator import Generator
from tts.modules.voice_prompt import VoicePrompt
from tts.registry import build_generator
from tts.text.tokens import TokenBatch
from tts_codecs.nn.inference import PackedLinear, pack

#: set by `--smoke`: tiny networks, to see that all rows run and are right; such times say nothing
SMOKE = os.environ.get("BENCHMARKS_SMOKE") == "1"
LAYERS, DIM, HEADS, HIDDEN = (1, 64, 1, 128) if SMOKE else (8, 512, 8, 2048)
CODEBOOK_SIZE = 1024
PROMPT_UNITS = 50  # 2 s
LATENTS = 12 if SMOKE else 75  # 3 s
FRAMES_PER_PHONE = 4


def generator(
    strategy: dict[str, Any],
    head: dict[str, Any] | None = None,
    device: str = "cpu",
    packed: bool = True,
) -> Generator:
    """Ours, of the common shape, in evaluation mode and laid out as TTS does."""
    torch.manual_seed(0)
    backbone = {"heads": HEADS, "hidden": HIDDEN, "blocks": LAYERS}
    net = build_generator(strategy, head, backbone=backbone, dim=DIM)
    # Layers that begin at zero would make all draws alike.
    for parameter in net.parameters():
        if parameter.detach().abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.02)
    net = net.eval().requires_grad_(False).to(device)
    if packed:
        pack(net)
    return net


def request(rows: int = 1, latents: int = LATENTS, device: str = "cpu") -> Request:
    """Random phones that last `latents` latents of 2 frames, a random voice of 2 s."""
    rng = torch.Generator().manual_seed(1)
    phones = -(-2 * latents // FRAMES_PER_PHONE)
    durations = torch.full((rows, phones), FRAMES_PER_PHONE)
    durations[:, -1] += 2 * latents - phones * FRAMES_PER_PHONE
    ids = torch.randint(5, 40, (rows, phones), generator=rng)
    tokens = TokenBatch(ids, torch.zeros_like(ids), torch.full((rows,), phones))
    speaker = torch.nn.functional.normalize(torch.randn(rows, 256, generator=rng), dim=1)
    features = torch.randn(rows, 2 * PROMPT_UNITS, 82, generator=rng)
    prompt = VoicePrompt(speaker, features, torch.full((rows,), 2 * PROMPT_UNITS))
    return Request(tokens, prompt, durations).to(device)


def rngs(rows: int = 1) -> list[torch.Generator]:
    """A generator of random numbers per row, seeded."""
    return [torch.Generator().manual_seed(row) for row in range(rows)]


def parameters(module: torch.nn.Module) -> int:
    """How many weights a module has."""
    packed = [part for part in module.modules() if isinstance(part, PackedLinear)]
    kept = sum(parameter.numel() for parameter in module.parameters())
    return kept + sum((layer.in_features + 1) * layer.out_features for layer in packed)

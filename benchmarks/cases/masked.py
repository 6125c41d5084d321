"""Masked generation: 8 codebooks, 3 s, 25 guided steps."""

import torch

from benchmarks.harness import shapes
from benchmarks.harness.row import Context, Row, faster
from benchmarks.peers.bare import PlainMasked
from tts.generators.base import SamplingOptions

NUM_CODEBOOKS, STEPS = 8, 4 if shapes.SMOKE else 25


def prepare(context: Context) -> Row:
    """Ours against the loop as the papers write it."""
    device = context.device
    ours = shapes.generator(
        {"kind": "masked"},
        {
            "kind": "categorical",
            "num_codebooks": NUM_CODEBOOKS,
            "codebook_size": shapes.CODEBOOK_SIZE,
        },
        device=device,
    )
    request = shapes.request(device=device)
    plain = PlainMasked(NUM_CODEBOOKS).eval().requires_grad_(False).to(device)
    prompt = torch.randn(1, shapes.PROMPT_UNITS, shapes.DIM, device=device)
    text = torch.randn(1, shapes.LATENTS, shapes.DIM, device=device)

    def speak(guidance: float) -> torch.Tensor:
        with context.precision():
            options = SamplingOptions(steps=STEPS, guidance=guidance)
            return ours.generate(request, shapes.rngs(), options)

    def loop() -> torch.Tensor:
        with context.precision():
            return plain.generate(prompt, text, STEPS)

    def check() -> None:
        for codes in (speak(2.0), loop()):
            assert codes.shape == (1, shapes.LATENTS, NUM_CODEBOOKS), codes.shape
            assert 0 <= codes.min() < codes.max() < shapes.CODEBOOK_SIZE, "codes left open"

    runs = {
        "ours": lambda: float(len(speak(2.0))),
        "plain loop": lambda: float(len(loop())),
        "ours, unguided": lambda: float(len(speak(1.0))),
    }
    return Row(
        "Masked NAR, 8 layers x 512, 8 codebooks, 25 steps",
        "request",
        runs,
        check,
        [faster("ours", ["plain loop"], 1.5)],
        "The plain loop has the prompt in its sequence and nn.TransformerEncoder as its network.",
        scale=1.0,
    )

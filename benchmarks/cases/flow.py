"""Flow matching: 3 s of speech with a prompt of 2 s, 16 and 7 steps, guided."""

import torch

from benchmarks.harness import shapes
from benchmarks.harness.row import Context, Row, close, faster, finite
from benchmarks.peers import packages as peers
from tts.generators.base import SamplingOptions
from tts.published.f5.conversion import from_published
from tts.published.f5.generator import F5Generator
from tts.published.f5.network import F5Config, F5Network
from tts.published.f5.tokenizer import CharacterTokens
from tts_codecs.nn.inference import pack

PROMPT, FRAMES = (20, 90) if shapes.SMOKE else (188, 469)  # of 24 kHz, hop 256: 2 s and 5 s
LETTERS = [" ", *"abcdefghijklmnopqrstuvwxyz"]
CHARACTERS = 12 if shapes.SMOKE else 80


def prepare(context: Context) -> Row:
    """Our flow family; our F5 network with the weights of the peer; f5-tts."""
    device = context.device
    native = shapes.generator({"kind": "flow"}, device=device)
    request = shapes.request(device=device)
    torch.manual_seed(0)
    given = torch.randn(1, PROMPT, 100, device=device)
    ids = torch.randint(1, len(LETTERS), (1, CHARACTERS), device=device)
    config = F5Config(
        vocabulary=len(LETTERS),
        dim=shapes.DIM,
        blocks=shapes.LAYERS,
        heads=shapes.HEADS,
        feed=shapes.HIDDEN // shapes.DIM,
        text_dim=shapes.DIM,
        text_blocks=4,
    )
    same = F5Generator(F5Network(config).requires_grad_(False).eval(), CharacterTokens(LETTERS))
    same = same.to(device)
    package = context.peer("f5-tts", lambda: peers.f5(len(LETTERS), device))
    if package is not None:
        for parameter in package.parameters():
            if not parameter.detach().any():
                torch.nn.init.normal_(parameter, std=0.02)
        state = from_published(package.transformer.state_dict(), shapes.HEADS)
        same.network.load_state_dict(state)
    pack(same)

    def run_native(steps: int) -> torch.Tensor:
        with context.precision():
            options = SamplingOptions(steps=steps, guidance=2.0)
            return native.generate(request, shapes.rngs(), options)

    def run_same(steps: int) -> torch.Tensor:
        with context.precision():
            options = SamplingOptions(steps=steps, guidance=3.0)
            return same.sample(
                given,
                torch.tensor([PROMPT], device=device),
                ids,
                torch.tensor([FRAMES], device=device),
                [torch.Generator().manual_seed(3)],
                options,
            )[0]

    def run_package(steps: int) -> torch.Tensor:
        with context.precision():
            return package.sample(
                given, ids, FRAMES, steps=steps, cfg_strength=2.0, sway_sampling_coef=-1.0, seed=3
            )[0]

    def check() -> None:
        finite(run_native(2), 1, shapes.LATENTS, 164)
        found = run_same(7)
        finite(found, 1, FRAMES, 100)
        if package is not None and device == "cpu":
            # The same noise, weights and steps: the same mel.
            close(found, run_package(7), 2e-3)

    runs = {}
    for steps in (16, 7):
        runs[f"ours, {steps} steps"] = lambda n=steps: float(len(run_native(n)))
        runs[f"ours as F5, {steps} steps"] = lambda n=steps: float(len(run_same(n)))
        if package is not None:
            runs[f"f5-tts, {steps} steps"] = lambda n=steps: float(len(run_package(n)))
    return Row(
        "Flow NAR, 8 layers x 512, 3 s and a prompt of 2 s", "request", runs, check,
        [
            faster("ours as F5, 16 steps", ["f5-tts, 16 steps"], 1.2),
            faster("ours as F5, 7 steps", ["f5-tts, 7 steps"], 1.2),
            faster("ours, 16 steps", ["f5-tts, 16 steps"], 2.0),
            faster("ours, 7 steps", ["f5-tts, 16 steps"], 2.0),
        ],
        "`ours as F5` is the same network with the same weights at the same length (469 frames), "
        "its mel equal to the peer's; `ours` is our family, 75 latents of 25 a second that attend "
        "to 50 of the prompt. Equal quality is for tts eval.",
        scale=1.0,
    )  # fmt: skip

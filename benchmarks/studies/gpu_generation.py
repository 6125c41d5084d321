"""Times of generation of every family on a device: a line of JSON each.

python -m benchmarks.studies.gpu_generation --device cuda

Weights are random, in the shapes of configs/systems: what is said is not speech, and takes as long.
Text and vocoder are left out. `first` is until the first latent is there, `streams` how many
requests at once a batch of that many rows serves at the speed of speech, `bandwidth` the share of
the device's that reading the weights once an evaluation takes.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch

from tts.generators.base import Request, SamplingOptions
from tts.generators.generator import Generator
from tts.modules.voice_prompt import VoicePrompt
from tts.registry import build_generator
from tts.resources import model_config
from tts.systems import merged, read_resolved
from tts.text.tokens import TokenBatch
from tts.train.config import SIZES

FAMILIES = ("flow", "diffusion", "masked", "ar", "ar_latent")
FRAME = 0.02


def request(rows: int, seconds: float, device: torch.device) -> Request:
    """Random phones of 7 frames each, and a voice of 6 s."""
    count = max(1, round(seconds / FRAME / 7))
    ids = torch.randint(20, 60, (rows, count), device=device)
    tokens = TokenBatch(ids, torch.zeros_like(ids), torch.full((rows,), count, device=device))
    features = torch.randn(rows, 300, 82, device=device)
    speaker = torch.nn.functional.normalize(torch.rand(rows, 256, device=device), dim=-1)
    prompt = VoicePrompt(speaker, features, torch.full((rows,), 300, device=device))
    return Request(tokens, prompt, torch.full_like(ids, 7))


def best(run: Callable[[], float], rounds: int) -> float:
    """The shortest time of a few rounds, the first left out."""
    run()
    return min(run() for _ in range(rounds))


def bandwidth(device: torch.device) -> float:
    """Bytes a second of reading, by the sum of a large tensor."""
    size = 2**28 if device.type == "cuda" else 2**24
    numbers = torch.ones(size, device=device)

    def run() -> float:
        begin = time.perf_counter()
        numbers.sum().item()
        return time.perf_counter() - begin

    return 4 * size / best(run, 5)


@torch.inference_mode()
def times(
    net: Generator, rows: int, seconds: float, device: torch.device, rounds: int
) -> tuple[float, float]:
    """Seconds until the first latents and until all are there."""
    asked = request(rows, seconds, device)
    options = SamplingOptions(guidance=2.0)
    first = [0.0]

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def run() -> float:
        rngs = [torch.Generator().manual_seed(n) for n in range(rows)]
        begin = time.perf_counter()
        for at, _ in enumerate(net.stream(asked, rngs, options)):
            if not at:
                wait()
                first[0] = time.perf_counter() - begin
        wait()
        return time.perf_counter() - begin

    whole = best(run, rounds)
    return first[0], whole


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--smoke", action="store_true", help="one short request of two families")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    seconds, batches, rounds = (1.0, [1], 1) if arguments.smoke else (8.0, [1, 16, 64], 3)
    reads = bandwidth(device)
    for family in ("flow", "ar") if arguments.smoke else FAMILIES:
        config = read_resolved(model_config("default" if family == "flow" else family))
        for size in ("small",) if arguments.smoke else ("small", "base"):
            torch.manual_seed(0)
            made = build_generator(**merged(SIZES[size], config["model"]))
            net = made.to(device).eval().requires_grad_(False)
            weights = sum(p.numel() * p.element_size() for p in net.backbone.parameters())
            evaluations = seconds / FRAME / net.patch if net.strategy.streamed else 8
            for rows in batches:
                first, whole = times(net, rows, seconds, device, rounds)
                row = {
                    "family": family, "size": size, "rows": rows,
                    "rtf": round(whole / seconds / rows, 5), "first_ms": round(1000 * first, 1),
                    "streams": round(rows * seconds / whole, 1),
                    "bandwidth": round(weights * evaluations / whole / reads, 3),
                }  # fmt: skip
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

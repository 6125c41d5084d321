"""One thread and two: flow and AR at the common shape, and a whole request."""

import torch

from benchmarks.harness import shapes
from benchmarks.harness.requests import SENTENCE
from benchmarks.harness.row import Context, Goal, Row
from benchmarks.harness.timing import ratio
from tts import TTS
from tts.generators.base import SamplingOptions


def prepare(context: Context) -> Row:
    """The wall is what counts; the CPU says what the second thread wastes."""
    flow = shapes.generator({"kind": "flow"}, device=context.device)
    lm = shapes.generator(
        {"kind": "autoregressive", "pattern": {"name": "delay"}},
        {"kind": "categorical", "num_codebooks": 4, "codebook_size": shapes.CODEBOOK_SIZE},
        device=context.device,
    )
    request = shapes.request(device=context.device)
    tts = TTS.load("default", context.device)
    voice = tts.voice("default")
    work = {
        "flow, 7 steps": lambda: len(
            flow.generate(request, shapes.rngs(), SamplingOptions(steps=7))
        ),
        "AR, 78 steps": lambda: len(lm.generate(request, shapes.rngs(), SamplingOptions())),
        "whole request": lambda: len([tts.synthesize(SENTENCE, voice)]),
    }

    def with_threads(name: str, count: int) -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            return float(work[name]())
        finally:
            torch.set_num_threads(before)

    def check() -> None:
        found = []
        for count in (1, 2):
            torch.set_num_threads(count)
            options = SamplingOptions(steps=7)
            found.append(flow.generate(request, shapes.rngs(), options))
        torch.set_num_threads(context.threads)
        assert torch.allclose(found[0], found[1], atol=1e-3), "threads change the result"

    runs = {}
    for name in work:
        for count in (1, 2):
            threads = "1 thread" if count == 1 else "2 threads"
            runs[f"{name}, {threads}"] = lambda n=name, c=count: with_threads(n, c)
    goals = [
        Goal(
            f"{name}: times faster with 2 threads",
            lambda costs, n=name: ratio(costs[f"{n}, 1 thread"], costs[f"{n}, 2 threads"], "wall"),
            1.5 if "AR" not in name else 1.2,
        )
        for name in work
    ]
    return Row(
        "Threads: 1 and 2",
        "call",
        runs,
        check,
        goals,
        "Needs a machine that does nothing else.",
        clock="wall",
        scale=1.0,
    )

"""int8 weights against float32 of the same language model."""

import copy
from typing import Any

import torch

from benchmarks.harness import shapes
from benchmarks.harness.row import Context, Costs, Goal, Row
from benchmarks.harness.timing import ratio
from benchmarks.peers import packages as peers
from tts.generators.base import SamplingOptions
from tts.generators.generator import Generator
from tts.quantize import quantize
from tts_codecs.nn.inference import pack

NUM_CODEBOOKS, FRAMES = 4, 5 if shapes.SMOKE else 97


def prepare(context: Context) -> Row:
    """Ours in both, pocket-tts's language model in both."""
    if context.device != "cpu":
        raise RuntimeError("int8 is a path of the CPU")
    net = shapes.generator(
        {"kind": "autoregressive", "pattern": {"name": "delay"}},
        {
            "kind": "categorical",
            "num_codebooks": NUM_CODEBOOKS,
            "codebook_size": shapes.CODEBOOK_SIZE,
        },
        packed=False,
    )
    small, unpacked = copy.deepcopy(net), copy.deepcopy(net)
    quantize(small)
    pack(net)
    request = shapes.request(latents=FRAMES)
    options = SamplingOptions(guidance=1.0, top_k=50)

    def speak(model: Generator) -> float:
        model.generate(request, shapes.rngs(), options)
        return FRAMES + NUM_CODEBOOKS - 1

    def check() -> None:
        codes = small.generate(request, shapes.rngs(), options)
        assert codes.shape == (1, FRAMES, NUM_CODEBOOKS) and 0 <= codes.min() < codes.max() < 1024
        assert _agreement(net, small) > 0.9, "int8 says something else"

    runs: dict[str, Any] = {"ours int8": lambda: speak(small), "ours fp32": lambda: speak(net)}
    runs["ours fp32, not packed"] = lambda: speak(unpacked)
    for name, small_peer in (("pocket-tts int8", True), ("pocket-tts fp32", False)):
        model = context.peer(name, lambda q=small_peer: peers.pocket(quantize=q))
        if model is not None:
            runs[name] = lambda model=model: _latents(model)

    def gain(costs: Costs) -> float:
        return ratio(costs["ours fp32"], costs["ours int8"])

    def theirs(costs: Costs) -> float:
        return gain(costs) / ratio(costs["pocket-tts fp32"], costs["pocket-tts int8"])

    return Row(
        "int8 weights against fp32, AR codec LM step",
        "step",
        runs,
        check,
        [
            Goal("int8 at least 1.8 times faster than fp32", gain, 1.8),
            Goal("our gain at least that of pocket-tts", theirs, 1.0),
        ],
        "pocket-tts (18M config, random weights): a step is a frame of its flow LM. Scores of the "
        "trained model are measured by tts eval, not here.",
        lambda: {"cosine of hidden states, int8 and fp32": _agreement(net, small)},
    )


def _agreement(net: Generator, small: Generator) -> float:
    """Cosine of what leaves both backbones, over all latents."""
    request = shapes.request(latents=FRAMES)
    with torch.inference_mode():
        found = []
        x = torch.randn(1, FRAMES, shapes.DIM, generator=torch.Generator().manual_seed(2))
        for model in (net, small):
            condition = model.conditioner(request, model.backbone)
            found.append(model.hidden(x + condition.frames, condition).flatten())
        return torch.cosine_similarity(found[0], found[1], dim=0).item()


@torch.no_grad()
def _latents(model: Any) -> float:
    """Frames of the language model alone, without its decoder."""
    from pocket_tts.modules.stateful_module import init_states

    steps = 50
    state = init_states(model.flow_lm, batch_size=1, sequence_length=steps + 20)
    text = torch.randint(0, 4000, (1, 14))
    model._run_flow_lm_and_increment_step(model_state=state, text_tokens=text)
    latent = torch.full((1, 1, model.flow_lm.ldim), float("nan"))
    for _ in range(steps):
        latent, _ = model._run_flow_lm_and_increment_step(
            model_state=state, backbone_input_latents=latent
        )
    return steps

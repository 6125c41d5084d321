"""A frame of the codec language model with a depth decoder over 8 codebooks."""

import torch

from benchmarks.harness import shapes
from benchmarks.harness.row import Context, Row, faster
from benchmarks.peers import packages as peers
from tts.generators.base import SamplingOptions

NUM_CODEBOOKS, FRAMES = 8, 3 if shapes.SMOKE else 50


def prepare(context: Context) -> Row:
    """Ours, CSM and moshi, 50 frames each."""
    device = context.device
    width = shapes.DIM // 2
    depth = {"dim": width, "hidden": 4 * width, "blocks": 4, "heads": max(1, width // 64)}
    head = {
        "kind": "depth",
        "num_codebooks": NUM_CODEBOOKS,
        "codebook_size": shapes.CODEBOOK_SIZE,
        "blocks": depth["blocks"],
        "heads": depth["heads"],
        "hidden": depth["hidden"],
        "depth_dim": width,
    }
    ours = shapes.generator({"kind": "autoregressive"}, head, device=device)
    request = shapes.request(latents=FRAMES, device=device)
    options = SamplingOptions(guidance=1.0, top_k=50)

    def run_ours() -> float:
        with context.precision():
            ours.generate(request, shapes.rngs(), options)
        return FRAMES

    def check() -> None:
        codes = ours.generate(request, shapes.rngs(), options)
        assert codes.shape == (1, FRAMES, NUM_CODEBOOKS) and 0 <= codes.min() < codes.max() < 1024
        assert torch.equal(codes, ours.generate(request, shapes.rngs(), options))

    runs = {"ours": run_ours}
    csm = context.peer("CSM", lambda: peers.csm(NUM_CODEBOOKS, depth, device))
    if csm is not None:
        text = torch.randint(5, 250, (1, shapes.PROMPT_UNITS + 1), device=device)

        def run_csm() -> float:
            with context.precision():
                found = csm.generate(
                    text,
                    attention_mask=torch.ones_like(text),
                    max_new_tokens=FRAMES,
                    do_sample=True,
                    depth_decoder_do_sample=True,
                )
            return float(found.shape[1])

        runs["CSM"] = run_csm
    moshi = context.peer("moshi", lambda: peers.moshi_lm(NUM_CODEBOOKS, depth, device))
    if moshi is not None:
        nothing = torch.zeros(1, 0, 1, dtype=torch.int64, device=device)

        @torch.no_grad()
        def run_moshi() -> float:
            with context.precision(), moshi.streaming(1):
                for _ in range(FRAMES):
                    moshi.step(nothing)
            return FRAMES

        runs["moshi"] = run_moshi
    return Row(
        f"AR with depth decoder, 8 layers x 512, depth 4 x {width}, 8 codebooks",
        "frame",
        runs,
        check,
        [faster("ours", ["CSM", "moshi"], 2.0)],
        "moshi has no prompt and a text stream; its layers are gated, with as many weights.",
        lambda: {
            "weights of our depth head (M)": shapes.parameters(ours.head) / 1e6,
            "depth": str(depth),
        },
    )

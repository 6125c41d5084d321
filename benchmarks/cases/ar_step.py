"""A step of the codec language model: 4 codebooks in a delay pattern, batch 1."""

import torch

from benchmarks.harness import shapes
from benchmarks.harness.row import Context, Row, close, faster, within
from benchmarks.peers import packages as peers
from benchmarks.peers.bare import BareLM
from tts.generators.base import SamplingOptions

NUM_CODEBOOKS, FRAMES = 4, 5 if shapes.SMOKE else 97
STEPS = FRAMES + NUM_CODEBOOKS - 1


def prepare(context: Context) -> Row:
    """Ours, a bare loop, and two peers, each 100 steps after a prompt of 2 s."""
    device = context.device
    torch.manual_seed(0)
    ours = shapes.generator(
        {"kind": "autoregressive", "pattern": {"name": "delay"}},
        {
            "kind": "categorical",
            "num_codebooks": NUM_CODEBOOKS,
            "codebook_size": shapes.CODEBOOK_SIZE,
        },
        device=device,
    )
    request = shapes.request(latents=FRAMES, device=device)
    options = SamplingOptions(guidance=1.0, top_k=50)
    bare = BareLM(NUM_CODEBOOKS).eval().requires_grad_(False).to(device)
    prompt = torch.randn(1, shapes.PROMPT_UNITS + 1, shapes.DIM, device=device)

    def run_ours() -> float:
        with context.precision():
            ours.generate(request, shapes.rngs(), options)
        return STEPS

    def run_bare() -> float:
        with context.precision():
            bare.generate(prompt, STEPS)
        return STEPS

    def check() -> None:
        codes = ours.generate(request, shapes.rngs(), options)
        assert codes.shape == (1, FRAMES, NUM_CODEBOOKS) and 0 <= codes.min() < codes.max() < 1024
        again = torch.cat(list(ours.stream(request, shapes.rngs(), options)), 1)
        assert torch.equal(codes, again), "streamed is not what is generated in one piece"
        with torch.inference_mode():
            whole = bare.hidden(prompt, bare.cache(prompt), 0)
            cache = bare.cache(prompt)
            bare.hidden(prompt[:, :-1], cache, 0)
            close(bare.hidden(prompt[:, -1:], cache, prompt.shape[1] - 1), whole[:, -1:], 1e-4)

    runs = {"ours": run_ours, "bare static-cache loop": run_bare}
    musicgen = context.peer("MusicGen", lambda: peers.musicgen(NUM_CODEBOOKS, device))
    if musicgen is not None:
        start = torch.full((NUM_CODEBOOKS, 1), shapes.CODEBOOK_SIZE, device=device)

        def run_musicgen() -> float:
            with context.precision():
                found = musicgen.generate(
                    start,
                    encoder_hidden_states=prompt,
                    max_new_tokens=STEPS,
                    do_sample=True,
                    top_k=50,
                    use_cache=True,
                )
            return float(found.shape[-1] + NUM_CODEBOOKS - 2)

        runs["MusicGen"] = run_musicgen
    x_model = context.peer("x-transformers", lambda: peers.x_transformers(device))
    if x_model is not None:
        table = torch.nn.Embedding(NUM_CODEBOOKS * shapes.CODEBOOK_SIZE, shapes.DIM).to(device)
        head = torch.nn.Linear(shapes.DIM, NUM_CODEBOOKS * shapes.CODEBOOK_SIZE).to(device)
        shift = torch.arange(NUM_CODEBOOKS, device=device) * shapes.CODEBOOK_SIZE

        @torch.inference_mode()
        def run_x() -> float:
            with context.precision():
                x = prompt
                hidden, cache = x_model(x, return_intermediates=True)
                for _ in range(STEPS):
                    codes = peers.sampled(head(hidden[:, -1]).view(1, NUM_CODEBOOKS, -1))
                    x = torch.cat([x, table(codes + shift).sum(1, keepdim=True)], 1)
                    hidden, cache = x_model(x, cache=cache, return_intermediates=True)
            return STEPS

        runs["x-transformers"] = run_x
    weights = shapes.parameters(bare) - bare.place.numel() - bare.embed.weight.numel()
    return Row(
        "AR codec LM step, 8 layers x 512, 4 codebooks, delay",
        "step",
        runs,
        check,
        [
            faster("ours", ["MusicGen", "x-transformers"], 2.0),
            within("ours", "bare static-cache loop", 1.3),
        ],
        "Unguided, top-k 50; conditioning and prompt are in the time, shared over 100 steps. "
        "Ours also has adaLN, a depthwise convolution and low-rank tables (width 64).",
        lambda: {
            "weights of ours (M)": shapes.parameters(ours.backbone) / 1e6,
            "MB a bare step reads": weights * 4 / 1e6,
        },
    )

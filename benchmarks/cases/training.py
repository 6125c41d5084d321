"""Training steps: batch of 2 x 5 s, forward, backward, clipping, AdamW, moving average."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import shapes
from benchmarks.harness.row import Context, Row, faster
from benchmarks.peers import packages as peers
from tts.train.ema import Ema

#: rows, latents of 5 s, positions of f5-tts
ROWS, LATENTS, LONG = (2, 12, 40) if shapes.SMOKE else (2, 125, 469)
NUM_CODEBOOKS = 4


def prepare(context: Context) -> Row:
    """Ours and the loops of f5-tts and MusicGen on batches that are there already."""
    device = context.device
    runs: dict[str, Any] = {}
    losses: dict[str, Callable[[], Tensor]] = {}

    def add(
        name: str, net: nn.Module, loss: Callable[[], Tensor], average: Any, fused: bool = False
    ) -> None:
        net.train().requires_grad_(True)
        # Fused in our loop (tts.train.loop), with torch's default in theirs.
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=fused)

        def step() -> float:
            optimizer.zero_grad(set_to_none=True)
            with context.precision():
                value = loss()
            value.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            average()
            return 1

        runs[name], losses[name] = step, loss

    flow = shapes.generator({"kind": "flow"}, device=device, packed=False)
    mean = Ema({"generator": flow}, 0.999)
    request = shapes.request(ROWS, LATENTS, device)
    features = torch.randn(ROWS, 2 * LATENTS, 82, device=device)
    latents = torch.randn(ROWS, LATENTS, 164, device=device)
    add(
        "ours, flow",
        flow,
        lambda: _total(flow.loss(request, features, latents)),
        lambda: mean.update(1),
        fused=True,
    )
    # As many positions as f5-tts has in 5 s.
    long = shapes.request(ROWS, LONG, device)
    long_latents = torch.randn(ROWS, LONG, 164, device=device)
    long_features = torch.randn(ROWS, 2 * LONG, 82, device=device)
    add(
        "ours, flow, 469 positions",
        flow,
        lambda: _total(flow.loss(long, long_features, long_latents)),
        lambda: mean.update(1),
        fused=True,
    )
    f5 = context.peer("f5-tts", lambda: peers.f5(27, device))
    if f5 is not None:
        mel = torch.randn(ROWS, LONG, 100, device=device)
        text = torch.randint(0, 27, (ROWS, LONG // 6), device=device)
        ema = context.peer("ema-pytorch", lambda: _ema(f5))
        if ema is not None:
            add("f5-tts, 469 positions", f5, lambda: f5(mel, text)[0], ema.update)
    lm = shapes.generator(
        {"kind": "autoregressive", "pattern": {"name": "delay"}},
        {
            "kind": "categorical",
            "num_codebooks": NUM_CODEBOOKS,
            "codebook_size": shapes.CODEBOOK_SIZE,
        },
        device=device,
        packed=False,
    )
    codes = torch.randint(0, shapes.CODEBOOK_SIZE, (ROWS, LATENTS, NUM_CODEBOOKS), device=device)
    lm_mean = Ema({"generator": lm}, 0.999)
    add(
        "ours, AR",
        lm,
        lambda: _total(lm.loss(request, features, codes)),
        lambda: lm_mean.update(1),
        fused=True,
    )
    musicgen = context.peer("MusicGen", lambda: peers.musicgen(NUM_CODEBOOKS, device))
    if musicgen is not None:
        labels = torch.nn.functional.pad(
            codes, (0, 0, 0, NUM_CODEBOOKS - 1), value=shapes.CODEBOOK_SIZE
        )
        prompt = torch.randn(ROWS, shapes.PROMPT_UNITS + 1, shapes.DIM, device=device)
        music_mean = Ema({"model": musicgen}, 0.999)
        add(
            "MusicGen",
            musicgen,
            lambda: _musicgen(musicgen, labels, prompt),
            lambda: music_mean.update(1),
        )

    def check() -> None:
        for name, loss in losses.items():
            value = loss()
            assert torch.isfinite(value), f"{name}: the loss is not finite"
            value.backward()

    return Row(
        "Training step, 8 layers x 512, 2 rows of 5 s",
        "step",
        runs,
        check,
        [
            faster("ours, flow, 469 positions", ["f5-tts, 469 positions"], 1.0),
            faster("ours, flow", ["f5-tts, 469 positions"], 1.0),
            faster("ours, AR", ["MusicGen"], 1.0),
        ],
        "Batches are in memory. audiocraft cannot be installed beside this PyTorch (it wants "
        "2.1.0 and a matching xformers): its model is timed as transformers' MusicGen, in the same "
        "plain loop.",
        scale=1.0,
    )


def _total(parts: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(parts.values())).sum()


def _ema(model: nn.Module) -> Any:
    from ema_pytorch import EMA

    return EMA(model, include_online_model=False)


def _musicgen(model: Any, labels: Tensor, prompt: Tensor) -> Tensor:
    delayed = torch.full_like(labels, shapes.CODEBOOK_SIZE)
    for codebook in range(NUM_CODEBOOKS):
        delayed[:, codebook:, codebook] = labels[:, : labels.shape[1] - codebook, codebook]
    begin = torch.full_like(delayed[:, :1], shapes.CODEBOOK_SIZE)
    fed = torch.cat([begin, delayed[:, :-1]], 1).transpose(1, 2).flatten(0, 1)
    logits = model(fed, encoder_hidden_states=prompt).logits
    logits = logits.view(ROWS, NUM_CODEBOOKS, -1, shapes.CODEBOOK_SIZE)
    wanted = delayed.transpose(1, 2)
    known = wanted != shapes.CODEBOOK_SIZE
    return torch.nn.functional.cross_entropy(logits[known], wanted[known])

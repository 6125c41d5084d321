"""Vocoder and codec decoded in pieces of 80 ms, against the same in one piece."""

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.harness import shapes
from benchmarks.harness.row import Context, Row, close, within
from benchmarks.peers import packages as peers
from tts.registry import load_module
from tts_codecs.base import Codec
from tts_codecs.mel_codec import FeatureCodec
from tts_codecs.spectral import SpectralCodec
from tts_codecs.vocos import VocosCodec

SECONDS = 0.96 if shapes.SMOKE else 4


def prepare(context: Context) -> Row:
    """Ours offline and streamed; Mimi offline and streamed."""
    device = context.device
    vocoder: Any = load_module("vocoder", device)
    autoencoder: Any = load_module("spectral", device)
    torch.manual_seed(0)
    features = torch.randn(1, round(50 * SECONDS), 82, device=device)
    features[..., -1] = 1.0
    codes = torch.randint(0, 1000, (1, round(25 * SECONDS), 8), device=device)
    mel = torch.randn(1, round(96 * SECONDS), 100, device=device)
    # name: codec, its frames, how many of them are 80 ms (of Vocos, 85)
    ours: dict[str, tuple[Codec, torch.Tensor, int]] = {
        "vocoder": (FeatureCodec(vocoder), features, 4),
        "spectral codec": (SpectralCodec(autoencoder, vocoder), codes, 2),
        "our Vocos": (VocosCodec.random().to(device), mel, 8),
    }
    wholes: dict[str, Callable[[], torch.Tensor]] = {}
    pieces: dict[str, Callable[[], torch.Tensor]] = {}
    for name, (codec, encoded, size) in ours.items():
        wholes[name] = lambda c=codec, u=encoded: _whole(context, c, u)
        pieces[name] = lambda c=codec, u=encoded, n=size: _pieces(context, c, u, n)
    mimi = context.peer("Mimi", lambda: peers.mimi(device))
    if mimi is not None:
        tokens = torch.randint(0, 2048, (1, 8, round(12.5 * SECONDS)), device=device)

        @torch.no_grad()
        def whole() -> torch.Tensor:
            with context.precision():
                return mimi.decode(tokens)

        @torch.no_grad()
        def piece() -> torch.Tensor:
            with context.precision(), mimi.streaming(1):
                steps = tokens.split(1, 2)
                return torch.cat([mimi.decode(step) for step in steps], -1)

        wholes["Mimi"], pieces["Mimi"] = whole, piece

    def check() -> None:
        for name in wholes:
            close(pieces[name](), wholes[name](), 2e-3)

    runs = {}
    for name in wholes:
        runs[f"{name}, streamed"] = lambda n=name: SECONDS + 0 * pieces[n]().shape[0]
        runs[f"{name}, offline"] = lambda n=name: SECONDS + 0 * wholes[n]().shape[0]
    goals = [within(f"{name}, streamed", f"{name}, offline", 1.3) for name in ours]
    if mimi is not None:
        goals.append(within("spectral codec, streamed", "Mimi, streamed", 1.0))
    return Row(
        "Decoding in pieces of 80 ms",
        "s of audio",
        runs,
        check,
        goals,
        "CPU is the real-time factor; streamed samples equal those of one piece.",
        scale=1.0,
    )


@torch.inference_mode()
def _whole(context: Context, codec: Codec, encoded: torch.Tensor) -> torch.Tensor:
    with context.precision():
        return codec.decode(encoded)


@torch.inference_mode()
def _pieces(context: Context, codec: Codec, encoded: torch.Tensor, size: int) -> torch.Tensor:
    with context.precision():
        state, found = codec.init_state(1), []
        parts = encoded.split(size, 1)
        for number, part in enumerate(parts):
            wav, state = codec.decode_chunk(part, state, number + 1 == len(parts))
            found.append(wav)
        return torch.cat(found, 2)

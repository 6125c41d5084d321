"""Vocoders offline: 10 s of audio."""

import torch

from benchmarks.harness import shapes
from benchmarks.harness.row import Context, Row, close, faster, finite
from benchmarks.peers import packages as peers
from tts.registry import load_module
from tts_codecs.vocoder.source_filter import SourceFilterVocoder
from tts_codecs.vocos import VocosCodec, from_published

SECONDS = 1 if shapes.SMOKE else 10


def prepare(context: Context) -> Row:
    """Ours at the size of vocos, ours as shipped, our Vocos with the peer's weights, vocos."""
    device = context.device
    torch.manual_seed(0)
    sized = SourceFilterVocoder(dim=512, hidden=1536, blocks=8).eval().requires_grad_(False)
    sized = sized.to(device)
    shipped = load_module("vocoder", device)
    mel = torch.randn(1, 50 * SECONDS, 80, device=device)
    f0 = 120 + 40 * torch.rand(1, 50 * SECONDS, device=device)
    frames = round(SECONDS * 24000 / 256)
    wide = torch.randn(1, frames, 100, device=device)
    same = VocosCodec.random().to(device)
    package = context.peer("vocos", lambda: peers.vocos(device=device))
    if package is not None:
        state = {
            f"{'backbone' if name.startswith('0') else 'head'}.{name[2:]}": value
            for name, value in package.state_dict().items()
        }
        same.load_state_dict(from_published(state))

    @torch.inference_mode()
    def speak(vocoder: torch.nn.Module, f0: torch.Tensor | None) -> torch.Tensor:
        with context.precision():
            return vocoder(mel, f0)[0]

    @torch.inference_mode()
    def speak_package() -> torch.Tensor:
        with context.precision():
            return package(wide.transpose(1, 2))

    def check() -> None:
        for vocoder in (sized, shipped):
            finite(speak(vocoder, None), 1, 16000 * SECONDS)
        finite(same.decode(wide), 1, 1, frames * 256)
        if package is not None:
            wanted = speak_package()
            close(same.decode(wide)[:, 0, : wanted.shape[1]], wanted, 1e-3)

    runs = {
        "ours, size of vocos": lambda: speak(sized, f0).shape[1] / 16000,
        "ours as shipped": lambda: speak(shipped, f0).shape[1] / 16000,
        "ours as shipped, finds the pitch": lambda: speak(shipped, None).shape[1] / 16000,
        "our Vocos": lambda: same.decode(wide).shape[2] / 24000,
    }
    if package is not None:
        runs["vocos"] = lambda: speak_package().shape[1] / 24000
    sizes = {"ours, size of vocos": sized, "ours as shipped": shipped, "our Vocos": same}
    return Row(
        "Vocoder offline, 10 s",
        "s of audio",
        runs,
        check,
        [
            faster("ours, size of vocos", ["vocos"], 1.0),
            faster("our Vocos", ["vocos"], 1.0),
            faster("ours as shipped", ["vocos"], 1.0),
        ],
        "CPU is the real-time factor. Ours makes 16 kHz from 50 frames a second, vocos 24 kHz "
        "from 94. `our Vocos` has the peer's weights, samples equal to 1e-3.",
        lambda: {f"weights of {name} (M)": shapes.parameters(m) / 1e6 for name, m in sizes.items()},
        scale=1.0,
    )

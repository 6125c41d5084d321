"""EnCodec of 24 kHz at 6 kbit/s: encoding and decoding 10 s of audio."""

from typing import Any

import torch

from benchmarks.harness import shapes
from benchmarks.harness.row import Context, Row, close, faster
from tts_codecs.encodec import EncodecCodec

SECONDS = 1 if shapes.SMOKE else 10


def prepare(context: Context) -> Row:
    """Ours and the package with the same random weights."""
    torch.manual_seed(0)
    package: Any = context.peer("encodec", _package)
    ours = EncodecCodec() if package is None else EncodecCodec.from_package(package)
    ours = ours.eval().requires_grad_(False).to(context.device)
    wav = 0.1 * torch.randn(1, 1, 24000 * SECONDS, device=context.device)
    codes = ours.encode(wav).data
    runs = {
        "our encoder": lambda: ours.encode(wav).data.shape[1] / 75,
        "our decoder": lambda: ours.decode(codes).shape[2] / 24000,
    }
    if package is not None:
        package = package.to(context.device)
        frames = [(codes.transpose(1, 2), None)]

        @torch.inference_mode()
        def encode() -> torch.Tensor:
            found: torch.Tensor = package.encode(wav)[0][0]
            return found

        @torch.inference_mode()
        def decode() -> torch.Tensor:
            found: torch.Tensor = package.decode(frames)
            return found

        runs["encoder of encodec"] = lambda: encode().shape[2] / 75
        runs["decoder of encodec"] = lambda: decode().shape[2] / 24000

    def check() -> None:
        if package is not None:
            same = (encode().transpose(1, 2) == codes).float().mean().item()
            assert same > 0.99, f"{same:.3f} of the codes are equal"
            close(ours.decode(codes), decode()[..., : codes.shape[1] * 320], 1e-4)

    return Row(
        f"EnCodec of 24 kHz, 6 kbit/s, {SECONDS} s",
        "s of audio",
        runs,
        check,
        [
            faster("our encoder", ["encoder of encodec"], 1.5),
            faster("our decoder", ["decoder of encodec"], 1.5),
        ],
        "The same random weights for both. The recurrent layers, about a fifth of the time of the "
        "package, are the same library call in ours, on prepared weights.",
    )


def _package() -> Any:
    from encodec import EncodecModel

    model = EncodecModel.encodec_model_24khz(pretrained=False)
    model.set_target_bandwidth(6.0)
    for layer in model.quantizer.vq.layers:
        torch.nn.init.normal_(layer._codebook.embed, std=0.1)
    return model.eval()

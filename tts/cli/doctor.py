"""`tts doctor`: what is installed, whether the weights are whole, how fast it is."""

import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Annotated

import typer

from tts.cli.common import check_device, load_model, set_threads, show

if TYPE_CHECKING:
    from tts.voice.voice import Voice

_PACKAGES = (
    "torch", "torchaudio", "numpy", "soundfile", "safetensors", "phonemizer", "espeakng-loader",
    "encodec", "accelerate", "faster-whisper", "gradio",
)  # fmt: skip


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _check_weights() -> list[str]:
    """Names of the damaged checkpoints and voices, one line each on the way."""
    from tts.errors import CheckpointError, TTSError
    from tts.resources import root
    from tts.voice.store import stored_voices
    from tts.voice.voice import Voice
    from tts_codecs.checkpoint import check_weights

    damaged = []
    for config in sorted((root() / "checkpoints").rglob("config.yaml")):
        name = config.parent.relative_to(root() / "checkpoints").as_posix()
        try:
            check_weights(config.parent)
            show(f"weights {name}: ok")
        except CheckpointError as error:
            show(f"weights {name}: {error}")
            damaged.append(name)
    for voice in stored_voices().values():
        try:
            Voice.load(voice.path)
            show(f"voice {voice.name}: ok")
        except TTSError as error:
            show(f"voice {voice.name}: {error}")
            damaged.append(voice.name)
    return damaged


def _voice() -> "Voice":
    """Any voice: a shipped one, else an empty prompt; the speed is the same."""
    import torch

    from tts.voice.store import stored_voices
    from tts.voice.voice import Voice
    from tts_codecs.envelope import CHANNELS

    for voice in stored_voices().values():
        return Voice.load(voice.path)
    speaker = torch.nn.functional.normalize(torch.ones(256), dim=0)
    return Voice(speaker, torch.zeros(150, CHANNELS))


def doctor(
    model: Annotated[str, typer.Option(help="The model of the speed test.")] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
) -> None:
    """Check versions, device and weights, and say one sentence for the speed."""
    from tts.errors import CheckpointError
    from tts.resources import root

    check_device(device)
    set_threads(threads)
    import torch

    show(f"tts {_version('tts')}, Python {platform.python_version()}, {sys.platform}")
    for package in _PACKAGES:
        show(f"{package} {_version(package)}")
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    show(f"CUDA device: {cuda}; CPU threads: {torch.get_num_threads()}")
    show(f"configs and weights: {root()}")
    damaged = _check_weights()
    if damaged:
        raise CheckpointError(f"damaged or missing: {', '.join(damaged)}")
    synthesizer, loading = load_model(model, device)
    voice = _voice()
    audio = synthesizer.synthesize("The birch canoe slid on the smooth planks.", voice)
    show(
        f"speed: {audio.seconds:.2f} s of audio, RTF {audio.rtf:.3f}, "
        f"first audio after {audio.first_audio:.2f} s (model loaded in {loading:.1f} s)"
    )

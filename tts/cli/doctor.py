"""`tts doctor`: versions, checksums of weights, and a speed test."""

import json
import platform
import sys
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.cli.common import check_device, load_model, set_threads, show
from tts.cli.complete import Device, model_names_for
from tts.errors import CheckpointError, TTSError

if TYPE_CHECKING:
    from tts.voice.voice import Voice

_PACKAGES = (
    "torch", "torchaudio", "numpy", "soundfile", "safetensors", "phonemizer", "espeakng-loader",
    "accelerate", "faster-whisper", "gradio", "fastapi", "uvicorn", "ray",
)  # fmt: skip


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _check_weights() -> list[dict[str, str]]:
    """Kind, name, checksum and problem ("" for none) of all checkpoints and voices."""
    from tts.resources import checkpoints
    from tts.voice.store import stored_voices
    from tts.voice.voice import Voice
    from tts_codecs.checkpoint import check_weights, read_config

    found = []
    for config in sorted(checkpoints().rglob("config.yaml")):
        name = config.parent.relative_to(checkpoints()).as_posix()
        checksum, problem = "", ""
        try:
            checksum = str(read_config(config.parent).get("sha256", ""))
            check_weights(config.parent)
        except CheckpointError as error:
            problem = str(error)
        found.append({"kind": "weights", "name": name, "sha256": checksum, "problem": problem})
    for voice in stored_voices().values():
        checksum, problem = "", ""
        try:
            checksum = Voice.load(voice.path).sha256
        except TTSError as error:
            problem = str(error)
        found.append({"kind": "voice", "name": voice.name, "sha256": checksum, "problem": problem})
    return found


def _voice() -> "Voice":
    """A voice for the speed test: a shipped one, else an empty prompt, which is as fast."""
    import torch

    from tts.voice.store import stored_voices
    from tts.voice.voice import Voice
    from tts_codecs.envelope import CHANNELS

    for voice in stored_voices().values():
        return Voice.load(voice.path)
    speaker = torch.nn.functional.normalize(torch.ones(256), dim=0)
    return Voice(speaker, torch.zeros(150, CHANNELS))


def doctor(
    model: Annotated[
        str, typer.Option(help="The model of the speed test.", autocompletion=model_names_for)
    ] = "default",
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As one JSON object, for a report of an error.")
    ] = False,
) -> None:
    """Check versions, device and weights, and say one sentence for the speed.

    The exit code is 1 where weights or a voice are damaged or missing: `error` in --json.

    Example: `tts doctor --json`
    """
    from tts.resources import configs, find_checkpoints

    check_device(device)
    set_threads(threads)
    import torch

    def line(text: str) -> None:
        if not as_json:
            show(text)

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    told: dict[str, Any] = {
        "tts": _version("tts"), "python": platform.python_version(), "platform": sys.platform,
        "packages": {package: _version(package) for package in _PACKAGES},
        "cuda": cuda, "threads": torch.get_num_threads(), "configs": str(configs()),
        "weights": str(find_checkpoints() or "not installed"),
    }  # fmt: skip
    line(f"tts {told['tts']}, Python {told['python']}, {told['platform']}")
    for package, version in told["packages"].items():
        line(f"{package} {version}")
    line(f"CUDA device: {cuda or 'none'}; CPU threads: {told['threads']}")
    line(f"configs: {told['configs']}; weights: {told['weights']}")
    try:
        _check(told, line, model, device)
    except Exception as error:  # whatever it is: this is what reports of errors are made of
        told["error"] = str(error) or type(error).__name__
        if as_json:
            show(json.dumps(told, ensure_ascii=False))
        raise
    if as_json:
        show(json.dumps(told, ensure_ascii=False))


def _check(told: dict[str, Any], line: Callable[[str], None], model: str, device: str) -> None:
    """Tell the state of the files and how fast it is.

    Raises:
        TTSError: files are damaged or missing, or the model cannot speak.
    """
    told["files"] = _check_weights()
    for each in told["files"]:
        state = each["problem"] or f"ok, sha256 {each['sha256'][:12]}"
        line(f"{each['kind']} {each['name']}: {state}")
    damaged = [each["name"] for each in told["files"] if each["problem"]]
    if damaged:
        raise CheckpointError(f"damaged or missing: {', '.join(damaged)}")
    synthesizer, loading = load_model(model, device)
    audio = synthesizer.synthesize("The birch canoe slid on the smooth planks.", _voice())
    told["speed"] = {
        "model": synthesizer.config.name, "device": synthesizer.device, "load": round(loading, 3),
        "seconds": round(audio.seconds, 3), "rtf": round(audio.rtf, 4),
        "first_audio": round(audio.first_audio, 3),
    }  # fmt: skip
    line(
        f"speed: {audio.seconds:.2f} s of audio, RTF {audio.rtf:.3f}, "
        f"first audio after {audio.first_audio:.2f} s (model loaded in {loading:.1f} s)"
    )

"""`tts bench`: the speed of a model on this machine."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from tts.cli.common import INT8_HELP, check_device, load_model, quick_start, set_threads, show
from tts.cli.complete import Device, model_names_for, voice_names_for


def bench(
    model: Annotated[
        str, typer.Option(help="The model to measure.", autocompletion=model_names_for)
    ] = "default",
    voice: Annotated[
        str, typer.Option(help="The voice it speaks in.", autocompletion=voice_names_for)
    ] = "default",
    seconds: Annotated[float, typer.Option(help="How long to measure: 1 to 600.")] = 10.0,
    device: Device = "auto",
    int8: Annotated[bool, typer.Option("--int8", help=INT8_HELP)] = False,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Measure speed on this machine: RTF, first audio, and listeners at once in real time.

    Example: `tts bench --model ar --threads 1`
    """
    check_device(device, int8)
    set_threads(threads)
    with quick_start():
        from tts.bench import measure

        synthesizer, loading = load_model(model, device, int8=int8)
    found = measure(synthesizer, synthesizer.voice(voice), seconds)
    import torch

    count = torch.get_num_threads()
    if as_json:
        told = {"model": model, "device": synthesizer.device, "threads": count, "load": loading}
        rounded = {k: round(v, 4) for k, v in (told | asdict(found)).items() if type(v) is float}
        show(json.dumps(told | asdict(found) | rounded))
        return
    listeners = f"{found.streams} listener{'s' * (found.streams != 1)} at once"
    kept = listeners if found.streams else "not even one listener"
    show(
        f"{model} on {synthesizer.device}, {count} thread{'s' * (count != 1)} "
        f"(loaded in {loading:.1f} s)\n"
        f"RTF {found.rtf:.3f}: {1 / found.rtf:.1f} seconds of speech in one second\n"
        f"first audio after {found.first_audio:.2f} s\n"
        f"in real time: {kept}\n"
        f"({found.requests} request{'s' * (found.requests != 1)} of {found.audio:.1f} s of audio; "
        f"{found.elapsed:.0f} s in all)"
    )

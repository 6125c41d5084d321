"""`tts demo`: a page in the browser to try the models."""

import os
import queue
import signal
import tempfile
from typing import Annotated

import typer

from tts.cli.common import check_device, say, warn
from tts.cli.complete import Device, model_names_for
from tts.errors import MissingDependencyError, UsageError
from tts.serve.access import check_access, is_loopback

# Read by Gradio and its packages when they are imported.
_QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def demo(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|YAML",
            help="Models of the page; may be repeated.",
            autocompletion=model_names_for,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Else the first free one from 7860.", show_default=False
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|*", help="A name by which browsers call this machine; may be repeated."
        ),
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Answer to any name.")] = False,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.")] = None,
    watermark: Annotated[
        str, typer.Option(metavar="MODULE:FUNCTION", help="Mark all audio: see docs/api.md.")
    ] = "",
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Try the models on a page of this machine: clone a voice, compare models, say a table.

    It is for this machine only unless --host says otherwise (which needs --allowed-host or
    --insecure), works without a network, and deletes
    what was uploaded and spoken. Ctrl-C or SIGTERM ends it within seconds, a second one at once.

    Example: `tts demo --open`
    """
    check_device(device)
    hosts = check_access(host, allowed_host or (), insecure=insecure, keyed=False)
    if not is_loopback(host):
        warn(f"everybody who reaches {host} can use this page and upload recordings")
    os.environ.update(_QUIET)
    # Gradio asks itself whether it runs, which must not go through a proxy.
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost"]))
    with tempfile.TemporaryDirectory(prefix="tts-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            from tts_demo.app import build, close, launch
            from tts_demo.ready import no_models, ready_models
            from tts_demo.studio import Studio
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"the demo needs the package {error.name}: pip install 'tts[serve]'"
            ) from error
        from tts.resources import model_config

        names = model or ready_models()
        if not names:
            raise no_models()
        for name in names:
            model_config(name)  # unknown names are told at once
        if watermark:
            from tts.provenance import load_watermark

            load_watermark(watermark)
        studio = Studio(names, device, threads, watermark, library=is_loopback(host))
        page = build(studio)
        try:
            try:
                url = launch(page, studio, host, port, open_page=open_page, hosts=hosts)
            except OSError as error:
                raise UsageError(f"cannot listen on {host}:{port or 7860}: {error}") from error
            say(f"demo on {url.rstrip('/')} (Ctrl-C ends it)")
            _until_told()
        finally:
            close(page, studio)


def _until_told() -> None:
    """Wait for the first Ctrl-C or SIGTERM; a second one ends the process at once."""
    # Unlike an Event, it can be put into by a handler that comes in the middle of anything.
    told: queue.SimpleQueue[None] = queue.SimpleQueue()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    for number in numbers:
        signal.signal(number, lambda *_: told.put(None))
    try:
        told.get()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

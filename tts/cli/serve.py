"""`tts serve`: an HTTP server for clients of OpenAI's speech API."""

from pathlib import Path
from typing import Annotated

import typer

from tts.cli.common import INT8_HELP, check_device, load_model, say, set_threads, warn
from tts.cli.complete import Device, model_names_for
from tts.errors import MissingDependencyError, UsageError


def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|YAML", help="May be repeated.", autocompletion=model_names_for),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    api_key: Annotated[
        str,
        typer.Option(
            envvar="TTS_API_KEY",
            help="What clients have to send; rather by the "
            "environment, where other users do not see it.",
        ),
    ] = "",
    max_batch: Annotated[int, typer.Option(min=1, max=256, help="Spoken together.")] = 8,
    max_queue: Annotated[int, typer.Option(min=0, max=10000, help="May wait; then 429.")] = 32,
    timeout: Annotated[float, typer.Option(min=1, max=3600, help="Seconds a request.")] = 300.0,
    stall_timeout: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds a client may read nothing.")
    ] = 60.0,
    grace: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds to finish in when told to stop.")
    ] = 8.0,
    max_connections: Annotated[int, typer.Option(min=1, max=60000, help="At a time.")] = 1000,
    max_connections_per_address: Annotated[
        int, typer.Option(min=1, max=60000, help="Of them; more behind a proxy.")
    ] = 256,
    voices: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where uploaded voices are kept.")
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|*", help="A name by which clients call this machine; may be repeated."
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let everybody who reaches it use it, by any name.")
    ] = False,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN|*", help="A site whose pages may ask; may be repeated."),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TARGET",
            help="Another name of a model or voice; empty takes one away; may be repeated.",
        ),
    ] = None,
    wyoming: Annotated[
        bool, typer.Option("--wyoming", help="Speak for Home Assistant too (Wyoming protocol).")
    ] = False,
    wyoming_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of --wyoming; 0 takes a free one.")
    ] = 10200,
    watermark: Annotated[
        str, typer.Option(metavar="MODULE:FUNCTION", help="Mark all audio: see docs/api.md.")
    ] = "",
    device: Device = "auto",
    int8: Annotated[bool, typer.Option("--int8", help=INT8_HELP)] = False,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line per request.")] = False,
) -> None:
    """Serve POST /v1/audio/speech as OpenAI's clients ask for it; docs/server.md has examples.

    It listens to this machine only, unless told otherwise: another --host needs a key and the names
    by which clients call this machine (--allowed-host), or --insecure. Ctrl-C or SIGTERM ends it:
    what is being spoken has --grace seconds, a second one ends it at once.

    Example: `tts serve --port 8000`, then
    `curl localhost:8000/v1/audio/speech -d '{"input": "Hello."}' -o hello.mp3`
    """
    try:
        # Starlette asks for it only when the first form comes.
        import python_multipart  # noqa: F401

        from tts.serve.access import check_access, check_origin, is_loopback
        from tts.serve.aliases import Aliases
        from tts.serve.app import ServeSettings, create_app
        from tts.serve.connections import Limits, bind_socket, raise_open_files
        from tts.serve.logs import log_to_stderr
        from tts.serve.shutdown import make_server
        from tts.serve.voices import VoiceLibrary
    except ImportError as error:
        raise MissingDependencyError(
            f"the server needs the package {error.name}: pip install 'tts[serve]'"
        ) from error
    from tts.provenance import load_watermark, marker

    if wyoming:
        try:
            import tts.serve.wyoming  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError(
                f"--wyoming needs the package {error.name}: pip install 'tts[wyoming]'"
            ) from error
    origins = tuple(check_origin(each) for each in allow_origin or ())
    check_device(device, int8)
    set_threads(threads)
    hosts = check_access(host, allowed_host or (), api_key, insecure)
    hook = load_watermark(watermark) if watermark else None
    listening = bind_socket(host, port)
    assistants = bind_socket(host, wyoming_port) if wyoming else None
    models = [load_model(name, device, int8=int8)[0] for name in model or ["default"]]
    for each in models:
        marker(hook, each.sample_rate)  # one that refuses a rate is told before anybody asks
    names = [each.config.name for each in models]
    if len(set(names)) < len(names):
        raise UsageError(f"two models have the same name: {', '.join(sorted(names))}")
    Aliases(names, alias or ()).check(VoiceLibrary(voices).names())
    settings = ServeSettings(
        api_key,
        hosts,
        max_batch,
        max_queue,
        timeout,
        stall_timeout,
        voices=voices,
        watermark=hook,
        origins=origins,
        aliases=tuple(alias or ()),
        wyoming=assistants,
    )
    log_to_stderr(requests=not quiet)
    # Files besides connections: weights, voices, the pipes of decoders.
    most = max(16, min(max_connections, raise_open_files() - 256))
    limits = Limits(most, min(max_connections_per_address, most))
    made = create_app(models, settings)
    server = make_server(made, limits, grace, made.state.scheduler.abort_all, access_log=not quiet)
    name, port = listening.getsockname()[:2]
    listening.listen()  # who reads the next line may ask
    say(f"speaking on http://{f'[{name}]' if ':' in name else name}:{port}/v1 (Ctrl-C ends it)")
    if assistants is not None:
        if not is_loopback(host):
            warn("the Wyoming protocol knows no keys: everybody who reaches the port can use it")
        say(f"speaking on port {assistants.getsockname()[1]} by the Wyoming protocol")
    server.run(sockets=[listening])
    server.exit_process()

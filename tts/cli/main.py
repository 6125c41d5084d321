"""The command `tts`: its subcommands, and an error line with an exit code for failures.

Exit codes: 0 done (for `serve` and `demo` also after a request to stop), 1 failed, 2 wrong usage,
130 Ctrl-C, 141 the reader closed the pipe, 143 terminated. Nothing heavy is imported before a
command runs.
"""

import errno
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import typer
import typer.main

from tts.cli import (
    batch,
    bench,
    codec,
    data,
    demo,
    doctor,
    edit,
    evaluate,
    lexicon,
    manual,
    models,
    phonemize,
    serve,
    synthesize,
    train,
    voices,
)
from tts.cli.common import printable, show
from tts.cli.version import version_number
from tts.errors import TTSError
from tts_codecs.nn.signal_stack import ensure_signal_stack

EXAMPLES = """Examples:

  tts synthesize "The birch canoe slid on the smooth planks." -o out.wav

  tts synthesize "In your own voice." --ref my.wav -o out.wav

  tts synthesize --text-file - -o - < book.txt | aplay

  tts batch rows.csv --out speech --workers 4

  tts voices add anna --ref anna.wav

  tts train configs/train/vocoder.yaml"""

app = typer.Typer(
    name="tts",
    help="Text to speech in any voice from a few seconds of it.",
    epilog=EXAMPLES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("synthesize")(synthesize.synthesize)
app.command("edit")(edit.edit)
app.command("continue")(edit.extend)
app.command("batch")(batch.batch)
app.add_typer(voices.app, name="voices")
app.add_typer(lexicon.app, name="lexicon")
app.command("phonemize")(phonemize.phonemize)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.add_typer(models.app, name="models")
app.add_typer(evaluate.app, name="eval")
app.add_typer(codec.app, name="codec")
app.command("train")(train.train)
app.add_typer(data.app, name="data")
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.command("man")(manual.man)

#: commands whose argument is a text
_WITH_TEXT = ("synthesize", "continue", "phonemize")
#: what is an option, if a misspelt one, and no text
_OPTION = re.compile(r"--?[A-Za-z][\w-]*(=.*)?\Z", re.DOTALL)
#: of writing, which no input of a command can cause
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def _version(wanted: bool) -> None:
    if wanted:
        show(f"tts {version_number()}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Text to speech in any voice from a few seconds of it."""
    if context.invoked_subcommand is None:
        show(context.get_help())


def _line(error: BaseException) -> str:
    """The first line of an error's message."""
    text = str(error).strip()
    return printable(text.splitlines()[0]) if text else type(error).__name__


def _report(error: BaseException, debug: bool) -> int:
    """Write an error as one line to standard error, and return its exit code."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, TTSError):
        chain: BaseException | None = error
        while chain is not None:
            if isinstance(chain, BrokenPipeError):
                return _closed_pipe()
            chain = chain.__cause__
        sys.stderr.write(f"tts: error: {printable(' '.join(str(error).split()))}\n")
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return _closed_pipe()
    if isinstance(error, MemoryError):
        sys.stderr.write("tts: error: not enough memory\n")
        return 1
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        place = error.filename or "the output"
        sys.stderr.write(f"tts: error: cannot write {place}: {error.strerror}\n")
        return 1
    hint = "" if debug else " (run `tts --debug ...` for the traceback)"
    sys.stderr.write(f"tts: error: unexpected {type(error).__name__}: {_line(error)}{hint}\n")
    return 1


def _hint(error: BaseException, arguments: Sequence[str]) -> str:
    """What a newcomer probably meant: a text that begins with "-" and was taken for an option, or
    a text without a command; "" for other errors."""
    kind = type(error).__name__
    if kind == "NoSuchOption" and arguments[:1] and arguments[0] in _WITH_TEXT:
        texts = [each for each in arguments[1:] if each.startswith("-") and not _OPTION.match(each)]
        if not texts:
            return ""
        text = shlex.quote(texts[0])
        return f'; a text that begins with "-" goes after "--": tts {arguments[0]} -- {text}'
    if kind == "UsageError" and "No such command" in str(error) and "mean" not in str(error):
        if arguments[0] in ("help", "version"):
            return f"; there is: tts --{arguments[0]}"
        if len(arguments) == 1 and not arguments[0].startswith("-"):
            return f"; to say a text: tts synthesize {shlex.quote(arguments[0])}"
    return ""


def _closed_pipe() -> int:
    """End silently, as after SIGPIPE, with nothing left to flush; return the exit code."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass  # no real standard output, as in tests
    return 141


def _terminated(*_: Any) -> None:
    raise SystemExit(143)


@cache
def _command(shell_named: bool) -> Callable[..., Any]:
    """The command with all of its subcommands, made of their signatures once a process.

    Args:
        shell_named: whether `--show-completion` takes the name of a shell.
    """
    if shell_named:
        # Typer takes the name of a shell only where it is told not to find out itself.
        os.environ["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    return typer.main.get_command(app)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    debug = os.environ.get("TTS_DEBUG", "") not in ("", "0") or "--debug" in arguments[:1]
    completions = ("--show-completion", "--install-completion")
    command = _command(len(arguments) > 1 and arguments[0] in completions)
    # Typer carries its own copy of click in some versions and the package in others.
    usage_errors: Any = tuple(
        kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
    )
    try:
        result = command(args=list(arguments), prog_name="tts", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except typer.Exit as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except usage_errors as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        hint = _hint(error, arguments)
        message = " ".join(message.split())
        told = printable(f"{message.rstrip('.')}{hint}" if hint else message)
        path = getattr(getattr(error, "ctx", None), "command_path", "tts")
        sys.stderr.write(f"tts: error: {told} (see `{path} --help`)\n")
        return int(getattr(error, "exit_code", 2))
    except SystemExit:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # what click makes of a closed pipe
            return _closed_pipe()
        raise
    except Exception as error:
        return _report(error, debug)
    if code == 130:  # some versions of typer turn Ctrl-C into it
        sys.stderr.write("tts: interrupted\n")
    return code


def main() -> None:
    """Entry point of the command and of `python -m tts`."""
    # Threads that spin while they wait make a request ten times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    ensure_signal_stack()
    # SIGTERM unwinds like an exception, so that no half-written file is left.
    signal.signal(signal.SIGTERM, _terminated)
    # A name or path that the terminal's encoding cannot hold must not hide the message.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = run(sys.argv[1:])
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            code = _closed_pipe()
    finally:
        # There is nothing left to unwind: an exception in the middle of the interpreter's own end
        # would only cut it short, with threads of libraries still at work in what it takes down.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
    sys.exit(code)

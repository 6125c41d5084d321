"""Functions that commands share: messages, reading of texts, loading of models."""

import contextlib
import gc
import logging
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.audio.files import standard_output
from tts.errors import TextError, UsageError

if TYPE_CHECKING:
    from tts.audio.reference import Reference
    from tts.config import ModelConfig
    from tts.facade import TTS

MAX_CHARACTERS = 100_000
LONG_RECORDING = 15  # seconds from which on a line tells that a voice is made of it
TextFile = Annotated[
    str | None, typer.Option(metavar="PATH|-", help="Read the text (UTF-8) from a file or stdin.")
]
INT8_HELP = "8-bit weights: faster on a CPU, nearly the same speech."


def printable(message: str) -> str:
    """Escape control characters in a message, which may come from the name of a file."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in message)


def say(message: str) -> None:
    """Write a line for the user to standard error, above a bar that is shown there; standard output
    is for results."""
    bars = sys.modules["tqdm"].tqdm.external_write_mode if "tqdm" in sys.modules else None
    with bars(file=sys.stderr) if bars else contextlib.nullcontext():
        sys.stderr.write(f"{printable(message)}\n")
        sys.stderr.flush()


def warn(message: str) -> None:
    """Write a warning to standard error."""
    say(f"tts: warning: {message}")


class _WarnOnce(logging.Handler):
    """Shows logged warnings, each line once."""

    def __init__(self, seen: Iterable[str] = ()) -> None:
        super().__init__(logging.WARNING)
        self.seen = set(seen)

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line not in self.seen:
            self.seen.add(line)
            warn(line)


@contextlib.contextmanager
def logged_warnings(name: str = "tts", shown: Iterable[str] = ()) -> Iterator[None]:
    """Show warnings that a logger gets within the block, each line once.

    Args:
        name: of the logger, such as "tts.text" for warnings about texts.
        shown: lines that were shown before.
    """
    log, handler = logging.getLogger(name), _WarnOnce(shown)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def tell_of_texts(context: typer.Context, quiet: bool) -> None:
    """Show warnings about the texts of a command, such as unknown phone symbols."""
    if not quiet:
        context.with_resource(logged_warnings("tts.text"))


def warn_without_weights() -> None:
    """Warn, with how to get the weights, if only the code is installed."""
    from tts.resources import NO_WEIGHTS, find_checkpoints

    if find_checkpoints() is None:
        warn(NO_WEIGHTS)


def show(line: str) -> None:
    """Write a line of the result to standard output."""
    stream = standard_output()
    stream.write(f"{line}\n")
    stream.flush()


def read_text(text: str | None, text_file: str | None, quiet: bool = False) -> str:
    """Read the text of a request from an argument or a file.

    Standard input is read for "-", and if neither is given and there is a pipe. A warning tells if
    the argument is the name of a file, unless `quiet`.

    Raises:
        UsageError: both or none are given, or the file cannot be read.
        TextError: the text is empty, not UTF-8, or longer than 100,000 characters.
    """
    if text is not None and text_file is not None:
        raise UsageError("give the text as an argument or with --text-file, one of them")
    if text is None and text_file is None:
        if not stdin_is_text():
            raise UsageError(
                "give the text as an argument, with --text-file, or through a pipe; one that "
                'begins with "-" goes after "--"'
            )
        text_file = "-"
    if text is None or text == "-":
        text = _file_text(text_file or "-")
    elif len(text) < 256 and not quiet and os.path.isfile(text):
        warn(f"{text!r} is said as it stands; to say what is in that file: --text-file {text!r}")
    return check_text(text)


def check_text(text: str, name: str = "the text") -> str:
    """Check that a text is not empty or too long, and return it.

    Args:
        name: of the option or argument, for the message.

    Raises:
        TextError: the text is empty or longer than 100,000 characters.
    """
    if len(text) > MAX_CHARACTERS:
        raise TextError(f"{name} is longer than {MAX_CHARACTERS:,} characters: split it into parts")
    if not text.strip():
        raise TextError(f"{name} is empty")
    return text


def stdin_is_text() -> bool:
    """Whether standard input is a pipe or a file."""
    try:
        if sys.stdin is None or sys.stdin.isatty():
            return False
        # Not /dev/null and the like, which services have there.
        return not stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return sys.stdin is not None


def _file_text(name: str) -> str:
    limit = 4 * MAX_CHARACTERS + 4  # UTF-8 takes at most 4 bytes a character
    try:
        if name == "-":
            if sys.stdin is None or sys.stdin.isatty():
                raise UsageError("no text on standard input: pipe it in or give a file name")
            data = sys.stdin.buffer.read(limit)
        else:
            with open(name, "rb") as file:
                data = file.read(limit)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"cannot read the text file {name!r}: {reason}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(data) == limit:
            raise TextError(
                f"the text is longer than {MAX_CHARACTERS:,} characters: split it into parts"
            ) from error
        where = "standard input" if name == "-" else repr(name)
        raise TextError(f"{where} is not UTF-8 text (byte {error.start})") from error


def chosen_markup(markup: str, ssml: bool, plain: bool) -> str:
    """The markup that --markup, --ssml or --plain choose; UsageError for more than one."""
    asked = [name for name, given in (("ssml", ssml), ("plain", plain)) if given]
    if asked and (len(asked) > 1 or markup not in ("none", *asked)):
        raise UsageError("give one of --ssml, --plain and --markup")
    return asked[0] if asked else markup


def check_device(device: str, int8: bool = False) -> str:
    """Raise UsageError if a device is unknown, missing or not able to compute with int8."""
    if int8 or device not in ("auto", "cpu"):
        from tts.devices import choose_device  # PyTorch, which takes its time

        choose_device(device, int8)
    return device


def set_threads(count: int | None) -> None:
    """Set the CPU threads of this process; None keeps the choice of PyTorch."""
    if count is None:
        return
    if not 1 <= count <= 1024:
        raise UsageError(f"threads {count} is out of range: 1 to 1024")
    import torch

    torch.set_num_threads(count)


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """Turn off the cyclic garbage collector while packages and weights are loaded.

    It would check hundreds of thousands of objects that stay, again and again; later it ignores
    them too. This is for commands, which have the process for themselves.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was:
            gc.enable()


def load_model(
    name: str, device: str = "auto", language: str | None = None, int8: bool = False
) -> tuple["TTS", float]:
    """Load a model, and return it with the seconds that loading took."""
    begin = time.perf_counter()
    from tts.facade import TTS

    model = TTS.load(name, check_device(device), int8)
    # Loads the text front end too, which should not count as time of the first sentence.
    model.phonemize("a", language)
    return model, time.perf_counter() - begin


ADAPT_HELP = "Fit the model to the voice too: nearer to the person, and takes some seconds."
STRENGTH_HELP = "How much of the adaptation is used: 0 (none) to 1."
ENHANCE_HELP = "Take noise and the room out of --ref, so that the voice does not have them."


def check_strength(strength: float, adapt: bool) -> None:
    """Raise UsageError if a strength is out of range or given without --adapt."""
    if not 0 <= strength <= 1:
        raise UsageError(f"strength {strength} is out of range: 0 to 1")
    if strength != 1 and not adapt:
        raise UsageError("--strength is that of --adapt: give that too")


@contextlib.contextmanager
def working(
    name: str, unit: str, quiet: bool, leave: bool = True
) -> Iterator[tuple[Callable[[int, int], None], Callable[[str], Any]]]:
    """Show the progress of long work: by a bar on a terminal, else by a line every half minute.

    Yields:
        `progress(done, total)`, and `write(line)` for other lines.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        from tts.progress import ProgressLines, untold

        yield untold if quiet else ProgressLines(say, name, f"{unit}s"), say
        return
    from tqdm import tqdm

    with tqdm(desc=name, unit=unit, leave=leave, mininterval=1) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress, lambda line: bar.write(line, file=sys.stderr)


@contextlib.contextmanager
def making_voice(
    references: "Sequence[Reference]", adapt: bool, quiet: bool = False
) -> Iterator[Callable[[int, int], None] | None]:
    """Show that a voice is made, which takes longer the longer its recordings are.

    Yields:
        what takes the progress of an adaptation; None without one, whose work has no steps: on a
        terminal there is a line until it ends then, if there is much to read.
    """
    if adapt and not quiet:
        with working("adapting", "step", False, leave=False) as (progress, _):
            yield progress
        return
    seconds = sum(each.seconds for each in references)
    if quiet or seconds < LONG_RECORDING or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    line = f"making a voice of {seconds:.0f} s of recordings"
    with tqdm(desc=line, bar_format="{desc} ...", leave=False):
        yield None


@contextlib.contextmanager
def warnings_of_voice(references: "Sequence[Reference]", quiet: bool = False) -> Iterator[None]:
    """Show what speaks against a voice as soon as it is found while the voice is made, which an
    adaptation may take long for; not what was shown for its recordings."""
    if quiet:
        yield
        return
    with logged_warnings("tts.pipeline.voices", [w for each in references for w in each.warnings]):
        yield


def warn_language(config: "ModelConfig", languages: Iterable[str | None]) -> None:
    """Warn once if the weights of a model were not trained on some of the languages.

    Raises:
        UsageError: a language is unknown.
    """
    from tts.text.phonemes import accent_warning

    if line := accent_warning(config.name, config.language, languages):
        warn(line)

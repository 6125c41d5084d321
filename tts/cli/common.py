"""What the commands share: messages, the text of a request, loading with a clear clock."""

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
    from tts.voice.voice import Voice

MAX_CHARACTERS = 100_000
TextFile = Annotated[
    str | None, typer.Option(metavar="PATH|-", help="Read the text (UTF-8) from a file or stdin.")
]
INT8_HELP = "8-bit weights: faster on a CPU, nearly the same speech."


def printable(message: str) -> str:
    """A message in which what a terminal would obey, as in the names of files, is escaped."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in message)


def say(message: str) -> None:
    """One line for a person, on standard error; standard output is for results."""
    sys.stderr.write(f"{printable(message)}\n")
    sys.stderr.flush()


def warn(message: str) -> None:
    """A warning line."""
    say(f"tts: warning: {message}")


class _Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line not in self.seen:
            self.seen.add(line)
            warn(line)


@contextlib.contextmanager
def logged_warnings(name: str = "tts") -> Iterator[None]:
    """Show what is logged as a warning, each line once: where there is no other place for it, as in
    training and data, or all that concerns a text (`tts.text`)."""
    log, handler = logging.getLogger(name), _Told()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def tell_of_texts(context: typer.Context, quiet: bool) -> None:
    """Show warnings about the texts of a command, such as signs among phones that are none."""
    if not quiet:
        context.with_resource(logged_warnings("tts.text"))


def warn_without_weights() -> None:
    """Say how to get the weights where only the code is installed."""
    from tts.resources import NO_WEIGHTS, find_checkpoints

    if find_checkpoints() is None:
        warn(NO_WEIGHTS)


def show(line: str) -> None:
    """One line of result on standard output."""
    stream = standard_output()
    stream.write(f"{line}\n")
    stream.flush()


def read_text(text: str | None, text_file: str | None) -> str:
    """The text of a request: the argument or a file, "-" for standard input, which is also read
    where neither is given and something is piped in.

    Raises:
        UsageError: both or none given, or a file that cannot be read.
        TextError: empty, not UTF-8, or longer than 100,000 characters.
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
    return check_text(text)


def check_text(text: str, name: str = "the text") -> str:
    """A text that is not empty or longer than 100,000 characters.

    Raises:
        TextError: it is, with `name`, of the option or argument.
    """
    if len(text) > MAX_CHARACTERS:
        raise TextError(f"{name} is longer than {MAX_CHARACTERS:,} characters: split it into parts")
    if not text.strip():
        raise TextError(f"{name} is empty")
    return text


def stdin_is_text() -> bool:
    """Whether something is piped into this process, or a file is its standard input."""
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
    """The markup of --markup, --ssml and --plain; UsageError for several."""
    asked = [name for name, given in (("ssml", ssml), ("plain", plain)) if given]
    if asked and (len(asked) > 1 or markup not in ("none", *asked)):
        raise UsageError("give one of --ssml, --plain and --markup")
    return asked[0] if asked else markup


def check_device(device: str, int8: bool = False) -> str:
    """UsageError for a device that is not known or not there, or cannot do int8."""
    if int8 or device not in ("auto", "cpu"):
        from tts.devices import choose_device  # PyTorch, which takes its time

        choose_device(device, int8)
    return device


def set_threads(count: int | None) -> None:
    """CPU threads of this process; None leaves torch's choice."""
    if count is None:
        return
    if not 1 <= count <= 1024:
        raise UsageError(f"threads {count} is out of range: 1 to 1024")
    import torch

    torch.set_num_threads(count)


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """Without the cyclic garbage collector while packages and weights are loaded: it would go over
    hundreds of thousands of objects that stay, again and again, and does not look at them later
    either. For a command that has the process for itself."""
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
    """A synthesizer ready for a request, and the seconds it took to load."""
    begin = time.perf_counter()
    from tts.facade import TTS

    model = TTS.load(name, check_device(device), int8)
    # Loads the text front end, which is a part of loading and not of the first sentence.
    model.phonemize("a", language)
    return model, time.perf_counter() - begin


ADAPT_HELP = "Fit the model to the voice too: nearer to the person, and takes some seconds."
STRENGTH_HELP = "How much of the adaptation is used: 0 (none) to 1."
ENHANCE_HELP = "Take noise and the room out of --ref, so that the voice does not have them."


def check_strength(strength: float, adapt: bool) -> None:
    """UsageError for a strength out of range, or without --adapt."""
    if not 0 <= strength <= 1:
        raise UsageError(f"strength {strength} is out of range: 0 to 1")
    if strength != 1 and not adapt:
        raise UsageError("--strength is that of --adapt: give that too")


@contextlib.contextmanager
def working(
    name: str, unit: str, quiet: bool, leave: bool = True
) -> Iterator[tuple[Callable[[int, int], None], Callable[[str], Any]]]:
    """Progress of a long work as (progress(done, total), write(line)): a bar on a terminal, else a
    line every half minute."""
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
def adapting(shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """The progress of an adaptation, where it is to be shown."""
    if not shown:
        yield None
        return
    with working("adapting", "step", False, leave=False) as (progress, _):
        yield progress


def warn_new(voice: "Voice", references: "Sequence[Reference]") -> None:
    """The warnings of a voice that its recordings did not give already."""
    before = {line for each in references for line in each.warnings}
    for line in voice.warnings:
        if line not in before:
            warn(line)


def warn_unfit(voice: "Voice", ref_text: str | None, references: "Sequence[Reference]") -> None:
    """Say so where words were given for an adaptation and do not fit the recording, or are those of
    several, of which nothing tells what each says."""
    if not ref_text or voice.meta.get("learned") != "sounds":
        return
    if len(references) == 1:
        warn("--ref-text does not fit what is heard: the voice was adapted without it")
    else:
        warn("--ref-text is used with one --ref: the voice was adapted without it")


def warn_language(config: "ModelConfig", languages: Iterable[str | None]) -> None:
    """One warning where a model speaks languages that its weights have not heard.

    Raises:
        UsageError: a language that nobody speaks.
    """
    from tts.text.phonemes import accent_warning

    if line := accent_warning(config.name, config.language, languages):
        warn(line)

"""Typed errors shared by both packages; the command line maps each to one line and an exit code."""

import difflib
from collections.abc import Iterable


class TTSError(Exception):
    """Base of every error raised on purpose. `exit_code` is what the command line returns."""

    exit_code = 1


class CodecError(TTSError):
    """Input that a codec or quantizer cannot take (shape, rate, range)."""


class CheckpointError(TTSError):
    """Weights that are missing, truncated, edited or of another architecture."""


class UsageError(TTSError):
    """A wrong argument: something the user can mend in the command itself."""

    exit_code = 2


class MissingDependencyError(TTSError):
    """An optional extra that is not installed; the message names the pip command."""


def nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean X?' or a list of what there is, for messages about unknown names. Upper and
    lower case are the same."""
    listed = sorted(known)
    folded = {each.casefold(): each for each in listed}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    if close:
        return f"; did you mean {folded[close[0]]!r}?"
    return f"; there is: {', '.join(listed)}" if listed else ""

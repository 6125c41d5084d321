"""Typed errors shared by both packages; the command line maps each to one line and an exit code."""


class TTSError(Exception):
    """Base of every error raised on purpose. `exit_code` is what the command line returns."""

    exit_code = 1


class CodecError(TTSError):
    """Input that a codec or quantizer cannot take (shape, rate, range)."""


class CheckpointError(TTSError):
    """Weights that are missing, truncated, edited or of another architecture."""

"""Typed errors. Each is one clear line for the user; `exit_code` 2 means usage, 1 runtime."""

from tts_codecs.errors import (
    CheckpointError,
    CodecError,
    MissingDependencyError,
    TTSError,
    UsageError,
)

__all__ = [
    "AlignmentError",
    "AudioError",
    "CheckpointError",
    "CodecError",
    "ConfigError",
    "DamagedVoiceError",
    "DataError",
    "MissingDependencyError",
    "OutputError",
    "SilentError",
    "TTSError",
    "TextError",
    "UsageError",
    "VoiceError",
]


class AudioError(TTSError):
    """A reference that cannot be used: not audio, silent, too short, non-finite, too large."""


class SilentError(AudioError):
    """A recording that is silent, all of it or nearly."""


class TextError(UsageError):
    """Text with nothing to say, or that cannot be encoded."""


class VoiceError(UsageError):
    """Unknown voice, or a voice file of another format."""


class DamagedVoiceError(VoiceError):
    """A voice file that is cut off, edited or none at all; a runtime error, unlike a wrong name."""

    exit_code = 1


class ConfigError(UsageError):
    """Unknown key or wrong value in a configuration; names the nearest valid key."""


class DataError(TTSError):
    """A training manifest or cache that cannot be used."""


class AlignmentError(TTSError):
    """Text and audio that cannot be aligned (more phones than frames)."""


class OutputError(TTSError):
    """An output path that cannot be written; no partial file is left."""

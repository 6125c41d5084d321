"""Arguments that name voices: recordings, saved voices and voice files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tts.cli.common import warn
from tts.errors import UsageError, VoiceError

if TYPE_CHECKING:
    from tts.audio.reference import Reference
    from tts.voice.store import StoredVoice

FILE = ".safetensors"


def check_recordings(given: Sequence[str], saved: str, file: str) -> None:
    """Check that arguments name recordings, before one is read.

    Args:
        given: values of --ref.
        saved, file: advice for the name of a saved voice and for a voice file, in which "{}" stands
            for the argument.

    Raises:
        UsageError: a saved voice or a voice file is given, or standard input twice.
    """
    from tts.voice.store import stored_voices

    if list(given).count("-") > 1:
        raise UsageError("only one recording can come from standard input")
    for each in given:
        if each.endswith(FILE):
            raise UsageError(f"{each!r} is a voice file, not a recording: {file.format(each)}")
        if not os.path.lexists(each) and each in stored_voices():
            raise UsageError(f"{each!r} is a saved voice, not a recording: {saved.format(each)}")


def load_recordings(given: Sequence[str], sample_rate: int, quiet: bool) -> "list[Reference]":
    """Load recordings of one person, and show their warnings; errors as of `load_references`."""
    from tts.audio.reference import load_reference, load_references

    references = load_references(given, lambda each: load_reference(each, sample_rate))
    for line in (line for each in references for line in each.warnings if not quiet):
        warn(line)
    return references


def voice_path(given: str, recording: str) -> Path:
    """Find the file of a voice by its name or path.

    Args:
        recording: advice for a recording, in which "{}" stands for its path.

    Raises:
        VoiceError, CheckpointError: as of `tts.voice.store.find_voice`.
    """
    from tts.voice.store import NAME, find_voice

    try:
        return find_voice(given)
    except VoiceError as error:
        named = not NAME.fullmatch(given) and Path(given).suffix not in ("", FILE)
        if named or os.path.isfile(given) and not given.endswith(FILE):
            advice = recording.format(given)
            raise VoiceError(f"unknown voice {given!r}: for a recording, {advice}") from error
        raise


def voice_of(given: str, recording: str) -> "StoredVoice":
    """Find a saved voice by its name, or a voice file; arguments and errors are those of
    `voice_path`."""
    from tts.voice.store import StoredVoice, find_stored

    path = voice_path(given, recording)
    return StoredVoice(given, path, False) if given.endswith(FILE) else find_stored(given)

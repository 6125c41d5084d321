"""Voices by name: the shipped ones and those a user added."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tts.audio.files import check_parent
from tts.errors import OutputError, UsageError, VoiceError
from tts.folders import xdg_folder
from tts.resources import checkpoints, nearest, voice_names

#: one that begins with a dash would be taken for an option
NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class StoredVoice:
    """A voice file and whether it was shipped or added by the user."""

    name: str
    path: Path
    shipped: bool


def user_folder() -> Path:
    """Where added voices live, by the XDG convention."""
    return xdg_folder("XDG_DATA_HOME", ".local/share") / "tts" / "voices"


def stored_voices() -> dict[str, StoredVoice]:
    """All voices by name; a shipped one wins over an added one of the same name."""
    found: dict[str, StoredVoice] = {}
    with suppress(OSError):  # a folder that cannot be looked into holds none
        for path in sorted(user_folder().glob("*.safetensors")):
            if NAME.fullmatch(path.stem) and path.is_file():
                found[path.stem] = StoredVoice(path.stem, path, False)
    for name in voice_names():
        path = checkpoints() / "voices" / f"{name}.safetensors"
        found[name] = StoredVoice(name, path, True)
    return dict(sorted(found.items()))


def find_voice(name: str) -> Path:
    """The file of a voice given by name or by the path of a .safetensors file.

    Raises:
        VoiceError: unknown, naming the nearest; all else as `find_stored`.
    """
    if name.endswith(".safetensors"):
        if not os.path.isfile(name):  # False, too, where there can be no such name
            raise VoiceError(f"no voice file {name}")
        return Path(name)
    return find_stored(name).path


def find_stored(name: str) -> StoredVoice:
    """A voice by its name.

    Raises:
        VoiceError: unknown, naming the nearest. CheckpointError: it might be a built-in one, but no
            weights are installed.
    """
    known = stored_voices()
    if name not in known:
        checkpoints()
        raise VoiceError(f"unknown voice {name!r}{nearest(name, known)}")
    return known[name]


def rename_voice(name: str, new: str) -> Path:
    """Give an added voice another name, in its file too, and return where it is.

    Raises:
        UsageError: built in, or the new name is not usable or taken. VoiceError: unknown, or a
            damaged file. OutputError: the folder cannot be written.
    """
    from tts.voice.voice import Voice

    stored = find_stored(name)
    if stored.shipped:
        raise UsageError(f"{name!r} is a built-in voice and keeps its name")
    try:
        path = new_voice_path(new)
    except UsageError as error:
        raise UsageError(str(error).replace(": replace it with --force", "")) from error
    voice = Voice.load(stored.path)
    voice.name = new
    voice.save(path, new=True)
    try:
        stored.path.unlink()
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(f"cannot rename {stored.path}: {error.strerror}") from error
    return path


def new_voice_path(name: str, replace: bool = False) -> Path:
    """Where an added voice of this name goes; makes the folder.

    Raises:
        UsageError: not a usable name, or taken.
        OutputError: the folder cannot be made or written into, told before a voice is made.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"voice name {name!r}: use 1 to 64 letters, digits, '_' and '-', not first"
        )
    known = stored_voices().get(name)
    if known is not None and known.shipped:
        raise UsageError(f"{name!r} is a built-in voice: choose another name")
    if known is not None and not replace:
        raise UsageError(f"there is a voice {name!r} already: replace it with --force")
    folder = user_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the voice folder {folder}: {error.strerror}") from error
    path = folder / f"{name}.safetensors"
    check_parent(path)
    return path


def remove_voice(name: str) -> Path:
    """Delete an added voice and return where it was.

    Raises:
        UsageError: built in. VoiceError: unknown. OutputError: cannot be deleted.
    """
    known = stored_voices()
    if name not in known:
        raise VoiceError(f"unknown voice {name!r}{nearest(name, known)}")
    if known[name].shipped:
        raise UsageError(f"{name!r} is a built-in voice and stays")
    try:
        known[name].path.unlink()
    except OSError as error:
        raise OutputError(f"cannot remove {known[name].path}: {error.strerror}") from error
    return known[name].path

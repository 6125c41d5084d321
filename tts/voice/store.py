"""Store of voices by name: those that are shipped and those that the user added."""

import os
import re
import unicodedata
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
    """Voice file with its name, and whether it was shipped or added by the user."""

    name: str
    path: Path
    shipped: bool


def user_folder() -> Path:
    """Return the folder of added voices, by the XDG convention."""
    return xdg_folder("XDG_DATA_HOME", ".local/share") / "tts" / "voices"


def stored_voices() -> dict[str, StoredVoice]:
    """Return all voices by name. A shipped one hides an added one of the same name."""
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
    """Return the file of a voice, which is given by its name or as the path of a .safetensors file.

    Raises:
        VoiceError: the voice is not known, see `find_stored`, or there is no such file.
    """
    if name.endswith(".safetensors"):
        if not os.path.isfile(name):  # False, too, where there can be no such name
            raise VoiceError(f"no voice file {name}")
        return Path(name)
    return find_stored(name).path


def find_stored(name: str) -> StoredVoice:
    """Return a voice by its name.

    Raises:
        VoiceError: the voice is not known; the message names the nearest one.
        CheckpointError: it might be a built-in voice, but no weights are installed.
    """
    known = stored_voices()
    if name not in known:
        checkpoints()
        raise VoiceError(f"unknown voice {name!r}{nearest(name, known)}")
    return known[name]


def rename_voice(name: str, new: str) -> Path:
    """Rename an added voice, in its file too, and return the path of the file.

    Raises:
        UsageError: the voice is built in, or the new name cannot be used or is taken.
        VoiceError: the voice is not known, or its file is damaged.
        OutputError: the folder cannot be written.
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
    """Return the path for an added voice, and make its folder.

    Args:
        name: name of the voice.
        replace: whether an added voice of this name may be replaced.

    Raises:
        UsageError: the name cannot be used or is taken.
        OutputError: the folder cannot be made or written.
    """
    if not NAME.fullmatch(name):
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        near = re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("-_")[:64]
        raise UsageError(
            f"voice name {name!r}: use 1 to 64 letters from a to z, digits, '_' and, not first, '-'"
            + (f", such as {near!r}" if near else "")
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
    """Delete an added voice and return the path that it had.

    Raises:
        UsageError: the voice is built in.
        VoiceError: the voice is not known.
        OutputError: the file cannot be deleted.
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

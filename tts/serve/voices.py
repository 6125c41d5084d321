"""Voices of the server: those of this machine, and those that clients uploaded."""

import logging
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from tts.errors import OutputError, UsageError, VoiceError
from tts.resources import nearest
from tts.voice.store import NAME, stored_voices, user_folder
from tts.voice.voice import Voice

_log = logging.getLogger(__name__)
MAX_VOICES = 1000
#: voices that are kept in memory
_CACHED = 64


class VoiceLibrary:
    """Voices by id. Built-in voices and those of `tts voices` can be used; uploaded ones can be
    deleted too. Threads may share it.

    Args:
        folder: folder of uploaded voices, made when the first one comes; None for the user's.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder or user_folder().parent / "server-voices"
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, int], Voice] = OrderedDict()

    def _uploaded(self) -> dict[str, Path]:
        """Return the files of uploaded voices by id."""
        return {
            path.stem: path
            for path in sorted(self.folder.glob("*.safetensors"))
            if NAME.fullmatch(path.stem) and path.is_file()
        }

    def describe(self) -> list[dict[str, Any]]:
        """Return all voices as JSON: id, name and kind ("built-in", "added" or "uploaded")."""
        own = {name: "built-in" if v.shipped else "added" for name, v in stored_voices().items()}
        kinds = {name: "uploaded" for name in self._uploaded()} | own
        return [{"id": name, "name": name, "kind": kind} for name, kind in sorted(kinds.items())]

    def names(self) -> set[str]:
        """Return all ids."""
        return {*self._uploaded(), *stored_voices()}

    def get(self, name: str) -> Voice:
        """Load a voice by its id, which is never taken for a path.

        Raises:
            VoiceError: not an id, an unknown voice, or a damaged file.
        """
        _check_id(name, VoiceError)
        known = self._uploaded() | {n: v.path for n, v in stored_voices().items()}
        if name not in known:
            raise VoiceError(f"unknown voice {name!r}{nearest(name, known)}")
        path = known[name]
        try:
            key = (str(path), path.stat().st_mtime_ns)
        except OSError as error:  # deleted since
            raise VoiceError(f"unknown voice {name!r}") from error
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        try:
            voice = Voice.load(path)
        except VoiceError as error:  # its text has the path, which clients are not to know
            raise VoiceError(f"the voice {name!r} is damaged") from error
        with self._lock:
            self._cache[key] = voice
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return voice

    def check_new(self, name: str) -> None:
        """Check whether a voice with this id can be added.

        Raises:
            UsageError: not an id, one that is taken, or there are too many voices.
        """
        _check_id(name, UsageError)
        uploaded = self._uploaded()
        if name in stored_voices():  # which clients cannot delete
            raise UsageError(f"there is a voice {name!r} already: choose another name")
        if name in uploaded:
            raise UsageError(f"there is a voice {name!r} already: delete it first")
        if len(uploaded) >= MAX_VOICES:
            raise UsageError(f"there are {MAX_VOICES} voices already: delete some")

    def add(self, name: str, voice: Voice) -> None:
        """Save an uploaded voice.

        Raises:
            UsageError: see `check_new`.
            OutputError: the folder cannot be written.
        """
        with self._lock:
            self.check_new(name)
            voice.name = name
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                voice.save(self.folder / f"{name}.safetensors", new=True)
            except (OSError, OutputError) as error:
                _log.error("%s", error)
                raise OutputError(
                    "the voice cannot be kept: the server cannot write into its folder of voices"
                ) from error

    def remove(self, name: str) -> None:
        """Delete an uploaded voice.

        Raises:
            VoiceError: not an id, or an unknown voice.
            UsageError: the voice was not uploaded.
            OutputError: the file cannot be deleted.
        """
        _check_id(name, VoiceError)
        path = self._uploaded().get(name)
        if path is None:
            if name in stored_voices():
                raise UsageError(f"{name!r} was not uploaded here and stays")
            raise VoiceError(f"unknown voice {name!r}")
        try:
            path.unlink()
        except FileNotFoundError as error:
            raise VoiceError(f"unknown voice {name!r}") from error
        except OSError as error:
            raise OutputError(f"cannot delete {name!r}: {error.strerror}") from error


def _check_id(name: str, error: type[UsageError]) -> None:
    """Raise `error` unless a name can be the id of a voice."""
    if not NAME.fullmatch(name):
        raise error("a voice id is 1 to 64 letters, digits, '-' and '_'")

"""Voices of a server: those of this machine, and those uploaded to it."""

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
_KEPT = 64  # in memory


class VoiceShelf:
    """Voices by id. Built-in ones and those of `tts voices` can be used, uploaded ones deleted too.

    Args:
        folder: of uploaded voices, made when the first one comes.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder or user_folder().parent / "server-voices"
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[str, int], Voice] = OrderedDict()

    def _uploaded(self) -> dict[str, Path]:
        return {
            path.stem: path
            for path in sorted(self.folder.glob("*.safetensors"))
            if NAME.fullmatch(path.stem) and path.is_file()
        }

    def list(self) -> list[dict[str, Any]]:
        """All voices: id, name and kind ("built-in", "added" or "uploaded")."""
        own = {name: "built-in" if v.shipped else "added" for name, v in stored_voices().items()}
        kinds = {name: "uploaded" for name in self._uploaded()} | own
        return [{"id": n, "name": n, "kind": kind} for n, kind in sorted(kinds.items())]

    def names(self) -> set[str]:
        """All ids."""
        return {*self._uploaded(), *stored_voices()}

    def get(self, name: str) -> Voice:
        """A voice by id; never a path.

        Raises:
            VoiceError: unknown, telling the nearest.
        """
        if not NAME.fullmatch(name):
            raise VoiceError("a voice id is 1 to 64 letters, digits, '-' and '_'")
        known = self._uploaded() | {n: v.path for n, v in stored_voices().items()}
        if name not in known:
            raise VoiceError(f"unknown voice {name!r}{nearest(name, known)}")
        path = known[name]
        try:
            key = (str(path), path.stat().st_mtime_ns)
        except OSError as error:
            raise VoiceError(f"unknown voice {name!r}") from error
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
                return self._loaded[key]
        try:
            voice = Voice.load(path)
        except VoiceError as error:  # which tells the path, and clients are not to know that
            raise VoiceError(f"the voice {name!r} is damaged") from error
        with self._lock:
            self._loaded[key] = voice
            while len(self._loaded) > _KEPT:
                self._loaded.popitem(last=False)
        return voice

    def check_new(self, name: str) -> None:
        """Whether a voice of this id can be added.

        Raises:
            UsageError: not an id, taken, or too many voices.
        """
        if not NAME.fullmatch(name):
            raise UsageError("a voice id is 1 to 64 letters, digits, '-' and '_'")
        uploaded = self._uploaded()
        if name in stored_voices():  # which clients cannot delete
            raise UsageError(f"there is a voice {name!r} already: choose another name")
        if name in uploaded:
            raise UsageError(f"there is a voice {name!r} already: delete it first")
        if len(uploaded) >= MAX_VOICES:
            raise UsageError(f"there are {MAX_VOICES} voices already: delete some")

    def add(self, name: str, voice: Voice) -> None:
        """Keep an uploaded voice.

        Raises:
            UsageError: as `check_new`. OutputError: it cannot be written.
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
            VoiceError: unknown. UsageError: not an uploaded one.
        """
        if not NAME.fullmatch(name):
            raise VoiceError("a voice id is 1 to 64 letters, digits, '-' and '_'")
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

"""What the page has made: files under addresses nobody can guess, for as long as they are kept.

Players and links of the page take audio from here, also while it is still being written, so that a
sentence is heard before the next one is computed. No address tells a place on this machine.
"""

import asyncio
import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from tts_demo.limits import KEPT, SWEEP

#: what all addresses begin with
PREFIX = "/sounds/"
_TYPES = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".zip": "application/zip",
}
_LOOK = 0.03  # seconds between looks at a file that grows
_PIECE = 1 << 16
_MOST = 2000  # files


class Sound:
    """One file. A `with` block around its writing ends it, whatever happens.

    Attributes:
        url: its address, relative to the page; session: of the visitor it was made for.
        path: where it lies; finished: whether all of it was written; used: when it last was.
    """

    def __init__(self, folder: Path, session: str, name: str):
        self.session = session
        self.token = secrets.token_urlsafe(16)
        self.name, self.path = name, folder / f"{self.token}{Path(name).suffix}"
        self.url = f"{PREFIX[1:]}{self.token}/{name}"
        self.finished, self.used = False, time.monotonic()
        self._file = self.path.open("wb", buffering=0)

    def write(self, data: bytes) -> None:
        """The next bytes, which listeners get at once."""
        self._file.write(data)
        self.used = time.monotonic()

    def finish(self) -> None:
        """That was all; may be called again."""
        self._file.close()
        self.finished, self.used = True, time.monotonic()

    def __enter__(self) -> "Sound":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()


class Sounds:
    """All files of a page, and the ASGI application that serves them.

    Args:
        kept: seconds after which a file that nobody used is deleted; every: between two looks.
    """

    def __init__(self, kept: float = KEPT, every: float = SWEEP):
        self._kept, self._every = kept, every
        self._closed = threading.Event()
        self._sweeper: threading.Thread | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="tts-demo-", ignore_cleanup_errors=True)
        self._sounds: OrderedDict[str, Sound] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, session: str, name: str) -> Sound:
        """A new file that is still to be written, for a visitor; `name` is for those who download
        it."""
        sound = Sound(Path(self._folder.name), session, name)
        with self._lock:
            self._sounds[sound.token] = sound
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep_on, daemon=True)
                self._sweeper.start()
        self.sweep()
        return sound

    def _sweep_on(self) -> None:
        """Sweep also while nobody makes anything."""
        while not self._closed.wait(self._every):
            self.sweep()

    def add(self, session: str, name: str, data: bytes) -> str:
        """A new file with all of its bytes; its address."""
        with self.open(session, name) as sound:
            sound.write(data)
        return sound.url

    def find(self, url: str) -> Sound | None:
        """The file at an address, relative or from PREFIX on; None where there is none any more."""
        token, _, name = url.removeprefix("/").removeprefix(PREFIX[1:]).partition("/")
        with self._lock:
            sound = self._sounds.get(token)
        if sound is None or sound.name != name:
            return None
        sound.used = time.monotonic()
        return sound

    def sweep(self) -> None:
        """Delete what nobody used for long, and the oldest of too many."""
        now = time.monotonic()
        with self._lock:
            finished = [each for each in self._sounds.values() if each.finished]
            over = len(self._sounds) - _MOST
            gone = [
                each
                for number, each in enumerate(finished)
                if number < over or now - each.used > self._kept
            ]
            for each in gone:
                del self._sounds[each.token]
        for each in gone:
            each.path.unlink(missing_ok=True)

    def forget(self, session: str) -> None:
        """Delete what was made for a visitor who has left."""
        with self._lock:
            gone = [each for each in self._sounds.values() if each.session == session]
            for each in gone:
                del self._sounds[each.token]
        for each in gone:
            each.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Delete everything."""
        self._closed.set()
        with self._lock:
            sounds = list(self._sounds.values())
            self._sounds.clear()
        for each in sounds:
            each.finish()
        self._folder.cleanup()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file: whole and in ranges, or as it grows."""
        sound = self.find(scope["path"])
        if scope["method"] not in ("GET", "HEAD"):
            await PlainTextResponse("only GET", 405)(scope, receive, send)
        elif sound is None or not sound.path.is_file():
            gone = "this audio is not kept any more: speak it again"
            await PlainTextResponse(gone, 404)(scope, receive, send)
        else:
            kind = _TYPES.get(sound.path.suffix, "application/octet-stream")
            headers = {"cache-control": "private, no-store"}
            if sound.finished:
                whole = FileResponse(sound.path, headers=headers, media_type=kind)
                await whole(scope, receive, send)
            else:
                growing = StreamingResponse(_growing(sound), headers=headers, media_type=kind)
                await growing(scope, receive, send)


async def _growing(sound: Sound) -> AsyncIterator[bytes]:
    """The bytes of a file as they are written."""
    with sound.path.open("rb") as file:
        while True:
            finished = sound.finished
            if data := file.read(_PIECE):
                yield data
            elif finished:
                return
            else:
                await asyncio.sleep(_LOOK)

"""Settings of the server."""

import socket
from dataclasses import dataclass
from pathlib import Path

from tts.provenance import Watermark
from tts.serve.access import LOCAL
from tts.serve.budget import Budget

#: default seconds for which a client may read nothing of a response
STALL_TIMEOUT = 60.0


@dataclass(frozen=True)
class ServeSettings:
    """How a server behaves.

    Attributes:
        key: API key that clients have to send; "" asks for none.
        hosts: host names that the server answers to; empty for all.
        max_batch: requests that are synthesized together.
        max_queue: requests that may wait beyond those.
        timeout: seconds for a whole request.
        stall: seconds for which a client may read nothing of a response.
        budget: limits on the length of one text.
        voices: folder of uploaded voices; None for the user's.
        uploads: recordings that are decoded at a time.
        watermark: function that marks all audio (tts.provenance), or None.
        origins: origins of other sites whose pages may send requests; "*" for all.
        aliases: more names of models and voices, as NAME=TARGET (tts.serve.aliases).
        wyoming: listening socket of the Wyoming protocol (tts.serve.wyoming), or None.
    """

    key: str = ""
    hosts: tuple[str, ...] = LOCAL
    max_batch: int = 8
    max_queue: int = 32
    timeout: float = 300.0
    stall: float = STALL_TIMEOUT
    budget: Budget = Budget()
    voices: Path | None = None
    uploads: int = 2
    watermark: Watermark | None = None
    origins: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    wyoming: socket.socket | None = None

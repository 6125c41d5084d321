"""First audio over many requests, and how many streams hold in real time."""

import statistics
import threading
import time
from typing import Any

from benchmarks.harness import shapes
from benchmarks.harness.requests import SENTENCE, first_audio
from benchmarks.harness.row import Context, Costs, Goal, Row
from benchmarks.harness.timing import Cost
from tts import TTS

REQUESTS = 2 if shapes.SMOKE else 20
MOST = 2 if shapes.SMOKE else 64


def prepare(context: Context) -> Row:
    """p50 and p95 of the first audio; clients are added until one would hear a gap."""
    tts = TTS.load("default", context.device)
    voice = tts.voice("default")
    seen: list[float] = []

    def early() -> Cost:
        cpu = time.process_time()
        wall = first_audio(tts, voice, seed=len(seen))
        seen.append(wall)
        return Cost(time.process_time() - cpu, wall)

    def check() -> None:
        assert len(next(tts.stream(SENTENCE, voice)).samples) > 0

    def p95(_: Costs) -> float:
        counted = seen[1:] or seen  # the first one warmed up
        return statistics.quantiles(counted, n=20)[-1] if len(counted) > 1 else counted[0]

    def extra() -> dict[str, Any]:
        count = 1
        while count < MOST and not any(gaps(tts, voice, count)):
            count *= 2
        return {
            "first audio p50 (s)": statistics.median(seen[1:] or seen),
            "first audio p95 (s)": p95({}),
            "real-time streams that hold": count // 2 if any(gaps(tts, voice, count)) else count,
        }

    return Row(
        "First audio and streams at once, model `default`",
        "request",
        {"first audio": early},
        check,
        [Goal("p95 of the first audio, s", p95, 0.5, at_least=False)],
        "Streams at once are doubled until a chunk comes later than the audio before it lasts.",
        extra,
        clock="wall",
        scale=1.0,
        repeats=REQUESTS,
    )


def gaps(tts: TTS, voice: Any, count: int) -> list[bool]:
    """Whether each of `count` clients that start together would have heard silence."""
    heard = [False] * count

    def listen(client: int) -> None:
        begin, audio = None, 0.0
        for chunk in tts.stream(SENTENCE, voice, seed=client):
            now = time.perf_counter()
            begin = now if begin is None else begin
            heard[client] |= now - begin > audio
            audio += len(chunk.samples) / tts.sample_rate

    clients = [threading.Thread(target=listen, args=(n,)) for n in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    # The first chunk may not wait for ever either.
    return heard

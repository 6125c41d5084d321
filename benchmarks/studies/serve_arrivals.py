"""Open-loop load on a running `tts serve`: requests come as they come, whether it keeps up or not.

tts serve -q --threads 1 --model default --model ar &
python -m benchmarks.studies.serve_arrivals --seconds 900 --models default ar --pid $!

First what the server holds is measured: requests a second of the same mix with two clients that
ask again as soon as they are answered. Then arrivals of a Poisson process at shares of that, each
with a thread of its own. Prints a table: p50, p95 and p99 of the first audio and of the gaps in
playing (how much later than it was needed a piece came), goodput (seconds of audio a second, of
requests that came whole), what was refused, and with `--pid` the memory of the server: resident at
the end of a load, and the most of it. Beside it stands the load average of the machine, which other
work has a part in.
"""

import argparse
import http.client
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

SENTENCE = "The birch canoe slid on the smooth planks."
#: sentences of a text, as often as they come: most are short
LENGTHS = (1, 1, 1, 1, 2, 2, 4, 8)


@dataclass
class Seen:
    """What clients saw; threads share it."""

    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    audio: float = 0.0
    done: int = 0
    refused: int = 0
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def ask(url: str, model: str, voice: str, rng: random.Random, seen: Seen) -> None:
    """One request, played as it comes."""
    text = " ".join([SENTENCE] * rng.choice(LENGTHS))
    body = {
        "input": text,
        "model": model,
        "voice": voice,
        "seed": rng.randrange(1000),
        "response_format": "pcm",
    }
    begin = time.perf_counter()
    try:
        with urllib.request.urlopen(
            f"{url}/v1/audio/speech", json.dumps(body).encode(), 300
        ) as answer:
            size, first, gap = 0, 0.0, 0.0
            rate = 2 * int(answer.headers["X-Sample-Rate"])
            while piece := answer.read1(65536):
                now = time.perf_counter()
                first = first or now
                # The player has run dry where more time went by than audio was there.
                gap = max(gap, now - first - size / rate)
                size += len(piece)
    except urllib.error.HTTPError as error:
        with seen.lock:
            seen.refused += error.code == 429
            seen.failed += error.code != 429
        return
    except (OSError, http.client.HTTPException):  # an answer that broke off among them
        with seen.lock:
            seen.failed += 1
        return
    with seen.lock:
        seen.first.append(first - begin)
        seen.gaps.append(gap)
        seen.audio += size / rate
        seen.done += 1


def capacity(url: str, models: list[str], voices: list[str], seconds: float) -> float:
    """Requests a second of two clients that ask again at once."""
    seen, end = Seen(), time.perf_counter() + seconds

    def client(seed: int) -> None:
        rng = random.Random(seed)
        while time.perf_counter() < end:
            ask(url, rng.choice(models), rng.choice(voices), rng, seen)

    begin = time.perf_counter()
    threads = [threading.Thread(target=client, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen.done / (time.perf_counter() - begin)


def arrivals(
    url: str, models: list[str], voices: list[str], rate: float, seconds: float
) -> tuple[Seen, float]:
    """What clients saw of `rate` requests a second, and how long all took to end."""
    rng, seen, threads = random.Random(0), Seen(), []
    begin = time.perf_counter()
    due = begin
    while (due := due + rng.expovariate(rate)) < begin + seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        own = random.Random(rng.random())
        threads.append(
            threading.Thread(
                target=ask, args=(url, rng.choice(models), rng.choice(voices), own, seen)
            )
        )
        threads[-1].start()
    for thread in threads:
        thread.join()
    return seen, time.perf_counter() - begin


@dataclass
class Memory:
    """Resident megabytes of a process and the processes it started."""

    last: float = 0.0
    most: float = 0.0

    def read(self, process: psutil.Process) -> None:
        """Look once."""
        total = 0
        for each in (process, *process.children(recursive=True)):
            try:
                total += each.memory_info().rss
            except psutil.NoSuchProcess:  # a decoder that has ended since
                continue
        self.last = total / 1e6
        self.most = max(self.most, self.last)


@contextmanager
def watched(pid: int | None) -> Iterator[Memory]:
    """The memory of a process, looked at every two seconds and at the end."""
    memory = Memory()
    if pid is None:
        yield memory
        return
    process, ended = psutil.Process(pid), threading.Event()

    def watch() -> None:
        while not ended.wait(2):
            memory.read(process)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()
        memory.read(process)


def quantiles(values: list[float]) -> str:
    """p50, p95 and p99 in seconds."""
    ordered = sorted(values) or [float("nan")]
    return " / ".join(f"{ordered[int(len(ordered) * p)]:.2f}" for p in (0.5, 0.95, 0.99))


def main() -> None:
    """Prints the table; fails when an answer failed that was not refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--models", nargs="+", default=["default"])
    parser.add_argument("--voices", nargs="+", default=["default", "alba", "bruno"])
    parser.add_argument("--seconds", type=float, default=60, help="of each load")
    parser.add_argument("--pid", type=int, help="of the server, to watch its memory")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.8, 0.95, 1.2])
    arguments = parser.parse_args()
    place = arguments.url, arguments.models, arguments.voices
    with watched(arguments.pid) as memory:
        holds = capacity(*place, min(arguments.seconds, 240))
    print(f"holds {holds:.2f} requests a second; memory {memory.last:.0f} MB\n")
    print(
        "| load | requests | first audio, s (p50 / p95 / p99) | gap, s (p50 / p95 / p99) | "
        "goodput | refused | memory, MB (end / most) | load average |"
    )
    print("|---|---|---|---|---|---|---|---|")
    failed = 0
    for share in arguments.shares:
        with watched(arguments.pid) as memory:
            seen, took = arrivals(*place, holds * share, arguments.seconds)
        failed += seen.failed
        print(
            f"| {share:.0%} | {seen.done + seen.refused + seen.failed} | {quantiles(seen.first)} | "
            f"{quantiles(seen.gaps)} | {seen.audio / took:.2f} | {seen.refused} | "
            f"{memory.last:.0f} / {memory.most:.0f} | {os.getloadavg()[1]:.1f} |",
            flush=True,
        )
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()

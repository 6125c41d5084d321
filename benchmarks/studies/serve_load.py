"""Load on a running `tts serve`: many clients at once, answers checked, memory watched.

tts serve -q &
python -m benchmarks.studies.serve_load --clients 16 --seconds 60 --pid $!
"""

import argparse
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

import psutil

SENTENCES = (
    "Hello there.",
    "The birch canoe slid on the smooth planks.",
    "Rice is often served in bowls.",
    "Glue the sheet to the dark blue background, and wait. Then go on with the next one.",
)
FORMATS = ("wav", "pcm", "flac", "opus", "mp3")


def main() -> None:
    """Prints a line of JSON; fails when an answer was wrong or memory grew by over 50 MB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pid", type=int, required=True, help="of the server")
    arguments = parser.parse_args()
    server = psutil.Process(arguments.pid)
    outcomes: Counter[str] = Counter()
    first: list[float] = []
    audio = [0.0]
    lock = threading.Lock()

    def ask(rng: random.Random) -> None:
        body = {
            "input": rng.choice(SENTENCES),
            "seed": rng.randrange(1000),
            "response_format": rng.choice(FORMATS),
        }
        url = f"{arguments.url}/v1/audio/speech"
        begin = time.perf_counter()
        try:
            with urllib.request.urlopen(url, json.dumps(body).encode(), 300) as answer:
                answer.read(64)
                early = time.perf_counter() - begin
                leave = rng.random() < 0.1
                size = 0 if leave else len(answer.read())
            outcome = "left" if leave else "ok" if size > 500 else "short"
            with lock:
                first.append(early)
                outcomes[outcome] += 1
                if body["response_format"] == "pcm" and not leave:
                    audio[0] += size / 32000
        except urllib.error.HTTPError as error:
            with lock:
                outcomes[f"HTTP {error.code}"] += 1
        except OSError as error:
            with lock:
                outcomes[type(error).__name__] += 1

    def client(seed: int, end: float) -> None:
        rng = random.Random(seed)
        while time.perf_counter() < end:
            ask(rng)

    def crowd(seconds: float) -> None:
        end = time.perf_counter() + seconds
        threads = [threading.Thread(target=client, args=(n, end)) for n in range(arguments.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    crowd(arguments.seconds / 10)  # allocators reach their size
    warm = server.memory_info().rss
    outcomes.clear()
    first.clear()
    crowd(arguments.seconds)
    grown = (server.memory_info().rss - warm) / 1e6
    first.sort()
    wrong = {k: n for k, n in outcomes.items() if k not in ("ok", "left", "HTTP 429")}
    print(
        json.dumps(
            {
                "clients": arguments.clients,
                "seconds": arguments.seconds,
                "outcomes": dict(outcomes),
                "first_audio_median": round(first[len(first) // 2], 3) if first else None,
                "first_audio_p95": round(first[int(len(first) * 0.95)], 3) if first else None,
                "grown_mb": round(grown, 1),
                "threads": server.num_threads(),
            }
        )
    )
    raise SystemExit(1 if wrong or grown > 50 or not outcomes["ok"] else 0)


if __name__ == "__main__":
    main()

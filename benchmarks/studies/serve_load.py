"""Load on a running `tts serve`: many clients at once, answers checked, memory watched.

tts serve -q &
python -m benchmarks.studies.serve_load --clients 16 --seconds 60 --pid $!

Texts are of 1 to `--words` words, so that every length comes, and voices, models and formats are
drawn. The memory of the server is told ten times, evenly spread over the run, and what it grew by
from the first half, when allocators and caches reach their size, to the second.
"""

import argparse
import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

import psutil

WORDS = (
    "the birch canoe slid on smooth planks rice is often served in round bowls glue a sheet to "
    "dark blue background and wait then go with next one four hours of steady work faced us"
).split()
FORMATS = ("wav", "pcm", "flac", "opus", "mp3")


def text_of(rng: random.Random, most: int) -> str:
    """Sentences of up to twelve words, of up to so many words in all."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(1, most))]
    parts = [" ".join(words[at : at + 12]) for at in range(0, len(words), 12)]
    return " ".join(f"{part.capitalize()}." for part in parts)


def main() -> None:
    """Prints a line of JSON; fails when an answer was wrong or memory grew by over 50 MB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--words", type=int, default=16, help="of a text at most")
    parser.add_argument("--models", nargs="+", default=["default"])
    parser.add_argument("--voices", nargs="+", default=["default", "alba", "bruno"])
    parser.add_argument("--steps", type=int, help="of the sampler, for more requests a minute")
    parser.add_argument("--pid", type=int, required=True, help="of the server")
    arguments = parser.parse_args()
    server = psutil.Process(arguments.pid)
    outcomes: Counter[str] = Counter()
    first: list[float] = []
    audio = [0.0]
    lock = threading.Lock()

    def ask(rng: random.Random) -> None:
        body = {
            "input": text_of(rng, arguments.words),
            "model": rng.choice(arguments.models),
            "voice": rng.choice(arguments.voices),
            "seed": rng.randrange(1000),
            "steps": arguments.steps,
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
        # HTTPException: the answer was cut off, as where the request took too long.
        except (OSError, http.client.HTTPException) as error:
            with lock:
                outcomes[type(error).__name__] += 1

    def client(seed: int, end: float) -> None:
        rng = random.Random(seed)
        while time.perf_counter() < end:
            ask(rng)

    begin = time.perf_counter()
    end = begin + arguments.seconds
    threads = [threading.Thread(target=client, args=(n, end)) for n in range(arguments.clients)]
    for thread in threads:
        thread.start()
    memory: list[float] = []
    told: list[float] = []
    while any(thread.is_alive() for thread in threads):
        memory.append(server.memory_info().rss / 1e6)
        if len(told) < (time.perf_counter() - begin) / arguments.seconds * 10:
            told.append(round(memory[-1]))
        time.sleep(1)
    warm, late = memory[: len(memory) // 2], memory[len(memory) // 2 :]
    grown = max(late) - max(warm)
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
                "memory_mb": told,
                "most_mb": round(max(memory)),
                "grown_mb": round(grown, 1),
                "threads": server.num_threads(),
            }
        )
    )
    raise SystemExit(1 if wrong or grown > 50 or not outcomes["ok"] else 0)


if __name__ == "__main__":
    main()

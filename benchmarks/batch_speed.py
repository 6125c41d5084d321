"""How much faster a batch is than one text after the other, on this machine.

python benchmarks/batch_speed.py --model default --threads 1 --rows 48
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import torch

from tts import TTS

SENTENCES = (
    "Hello there.", "The birch canoe slid on the smooth planks.", "Is it so?",
    "Glue the sheet to the dark blue background.", "It's easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.", "Rice is often served in round bowls.",
)  # fmt: skip


def texts(rows: int) -> list[str]:
    """Texts of one or two sentences, the same ones each time."""
    rng = random.Random(0)
    return [" ".join(rng.choices(SENTENCES, k=rng.choice([1, 1, 2]))) for _ in range(rows)]


def main() -> None:
    """Prints a line of JSON: seconds and real-time factors of both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=48)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tts = TTS.load(arguments.model, arguments.device)
    voice = tts.voice("default")
    said = texts(arguments.rows)
    tts.synthesize(said[0], voice)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time(), time.perf_counter()
        for number, text in enumerate(said):
            tts.synthesize(text, voice).save(Path(folder) / f"{number}.wav")
        alone = time.process_time() - begin[0], time.perf_counter() - begin[1]
        begin = time.process_time(), time.perf_counter()
        rows = [(str(number), text, voice) for number, text in enumerate(said)]
        results = tts.batch(rows, Path(folder) / "batch")
        batch = time.process_time() - begin[0], time.perf_counter() - begin[1]
    seconds = sum(result.seconds for result in results)
    print(json.dumps({
        "model": arguments.model, "threads": arguments.threads, "rows": arguments.rows,
        "audio_seconds": round(seconds, 1),
        "one_by_one": {"cpu": round(alone[0], 2), "rtf": round(alone[1] / seconds, 4)},
        "batch": {"cpu": round(batch[0], 2), "rtf": round(batch[1] / seconds, 4)},
        "times_faster": round(alone[0] / batch[0], 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

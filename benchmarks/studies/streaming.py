"""Seconds to the first audio, and from a cancel to the end of the work, on this machine.

python -m benchmarks.studies.streaming --model default --threads 1
"""

import argparse
import json
import statistics
import threading
import time

import torch

from benchmarks.harness.requests import SENTENCE, first_audio
from tts import TTS

LONG = "It was a long way home, and nobody had brought a lamp, so they sang to keep together. "


def main() -> None:
    """Prints a line of JSON with medians and worst cases over the runs, in seconds; `cancel_cpu`
    is what was still computed, which does not depend on what else the machine does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tts = TTS.load(arguments.model, "cpu")
    voice = tts.voice("default")
    tts.synthesize(SENTENCE, voice)
    first, stopped, spent = [], [], []
    for run in range(arguments.runs):
        first.append(first_audio(tts, voice, seed=run))
        # Cancelled from another thread, in the middle of a network.
        stream = tts.stream(LONG * 3, voice, seed=run)
        worker = threading.Thread(target=lambda chunks=stream: list(chunks))
        worker.start()
        time.sleep(0.02 * (run + 1))
        begin, used = time.perf_counter(), time.process_time()
        stream.close()
        worker.join()
        stopped.append(time.perf_counter() - begin)
        spent.append(time.process_time() - used)
    print(json.dumps({
        "model": arguments.model, "threads": arguments.threads,
        "first_audio_median": round(statistics.median(first), 3),
        "first_audio_worst": round(max(first), 3),
        "cancel_median": round(statistics.median(stopped), 4),
        "cancel_worst": round(max(stopped), 4),
        "cancel_cpu_worst": round(max(spent), 4),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

"""Whether memory grows with requests: whole, streamed, dropped half way, batched, many voices.

python benchmarks/memory.py --model default --threads 1
"""

import argparse
import gc
import json
import random
import tempfile
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import nn

from tts import TTS

SENTENCES = (
    "Hello there.", "The birch canoe slid on the smooth planks.", "Is it so?",
    "Glue the sheet to the dark blue background, and wait. Then go on with the next one.",
    "It cost $3.50 on the 4th of July, 1999, and nobody knew why.",
)  # fmt: skip


def request(tts: TTS, number: int, folder: Path) -> None:
    """One request; its kind, text and options follow from its number."""
    rng = random.Random(number)
    text, options = rng.choice(SENTENCES), {"seed": number, "speed": rng.uniform(0.8, 1.3)}
    kind = number % 5
    if kind == 0:
        tts.synthesize(text, "default", **options).save(folder / "one.wav")
    elif kind == 1:
        for _ in tts.stream(text, "default", **options):
            pass
    elif kind == 2:
        with tts.stream(text * 3, "default", **options) as stream:
            next(stream)
    elif kind == 3:
        noise = np.random.default_rng(number).normal(0, 0.1, 3 * tts.sample_rate)
        tts.synthesize(text, tts.voice(noise.astype(np.float32)), **options)
    else:
        rows = [(f"{number}-{n}", SENTENCES[n], "default", options) for n in range(2)]
        assert not any(result.error for result in tts.batch(rows, folder / str(number)))


def tensor_bytes() -> int:
    """Bytes of all tensors that are alive, storage they share counted once."""
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) in (torch.Tensor, nn.Parameter)]
    # Packed weights have no storage of their own to tell; they do not grow with requests.
    storages = [each.untyped_storage() for each in alive if not each.is_mkldnn]
    return sum({each.data_ptr(): each.nbytes() for each in storages}.values())


def per_stream(tts: TTS, streams: int = 16) -> float:
    """MB of tensors that a stream holds between its first chunk and its last (the resident set
    would not show them: allocators keep what earlier requests gave back)."""
    text = SENTENCES[3] * 2
    begin = tensor_bytes()
    held = [tts.stream(text, "default", seed=seed) for seed in range(streams)]
    for stream in held:
        next(stream)
    grown = tensor_bytes() - begin
    for stream in held:
        stream.close()
    return grown / 1e6 / streams


def main() -> None:
    """Prints a line of JSON; fails where the last request has over 50 MB more than the 20th."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--requests", type=int, default=200)
    arguments = parser.parse_args()
    if arguments.requests <= 20:
        parser.error("the 20th request is what later ones are compared with: ask for more")
    torch.set_num_threads(arguments.threads)
    process = psutil.Process()
    tts = TTS.load(arguments.model, arguments.device)
    resident = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, arguments.requests + 1):
            request(tts, number, Path(folder))
            if number in (1, 20, arguments.requests // 2, arguments.requests):
                resident[number] = round(process.memory_info().rss / 1e6, 1)
    grown = resident[arguments.requests] - resident[20]
    print(json.dumps({
        "model": arguments.model, "device": arguments.device, "mb_after": resident,
        "grown_mb": round(grown, 1), "threads": process.num_threads(),
    }))  # fmt: skip
    raise SystemExit(1 if grown > 50 else 0)


if __name__ == "__main__":
    main()

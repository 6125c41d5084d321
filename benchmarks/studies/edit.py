"""Word error of edited recordings beside that of the whole new text spoken in the same voice.

python -m benchmarks.studies.edit val.tsv --metrics ~/.cache/tts-metrics --count 12

The table has the columns path, seconds and text. In each recording one word is replaced, put in or
taken out, in turn; errors are counted against the new text. `recorded` is the unedited recording
against its own words. With ECAPA and DistillMOS at hand, 2 s around each join are measured beside
the same 2 s of the unedited recording, similarity being to the whole recording. The study stops
after `--minutes` with what it has, and prints all figures after every recording.
"""

import argparse
import csv
import json
import random
import time
from pathlib import Path

import numpy as np
import torch

from tts import TTS
from tts.editing.edited import Edited
from tts.errors import TTSError
from tts.eval.metrics import Metrics, load_metrics, to_16k

#: words that are put in; nouns that stand where a noun stood are as likely as any
WORDS = (
    "window", "river", "morning", "yellow", "teacher", "garden", "seven", "music", "winter",
)  # fmt: skip
KINDS = ("replaced", "put in", "taken out")


def changed(text: str, kind: str, rng: random.Random) -> str:
    """The text with one word of over three letters, not at its ends, changed."""
    words = text.split()
    at = rng.choice([n for n in range(1, len(words) - 1) if len(words[n]) > 3])
    new = [] if kind == "taken out" else [rng.choice(WORDS)]
    words[at : at + (kind != "put in")] = new
    return " ".join(words)


def around_joins(metrics: Metrics, edited: Edited) -> dict[str, list[float]]:
    """Similarity to the recording and DistillMOS of 2 s around each join, and of the same 2 s of
    the unedited recording; empty where nothing measures them."""
    found: dict[str, list[float]] = {}
    half = edited.sample_rate
    whole = None
    if metrics.similarity is not None:
        whole = metrics.similarity.embed(to_16k(edited.original, edited.sample_rate))
    ends = [(k.out + k.end - k.source, k.end) for k in edited.kept[:-1]]
    starts = [(k.out, k.source) for k in edited.kept[1:]]
    for at, before in ends + starts:
        for name, samples, place in (
            ("edited", edited.samples, at),
            ("unedited", edited.original, before),
        ):
            part = to_16k(samples[max(0, place - half) : place + half], edited.sample_rate)
            if metrics.quality is not None:
                found.setdefault(f"quality_{name}", []).append(metrics.quality.score(part))
            if metrics.similarity is not None and whole is not None:
                alike = metrics.similarity.compare(metrics.similarity.embed(part), whole)
                found.setdefault(f"similarity_{name}", []).append(alike)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--beam", type=int, default=1)
    given = parser.parse_args()
    begin = time.monotonic()
    torch.set_num_threads(1)
    metrics = load_metrics(given.metrics, beam=given.beam)
    if metrics.words is None:
        raise SystemExit(metrics.missing["wer"])
    words = metrics.words
    with given.table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    rng = random.Random(0)
    rng.shuffle(rows)
    model = TTS.load(given.model, "cpu")
    totals: dict[str, list[int]] = {}
    heard: dict[str, list[float]] = {}
    largest, refused, done = 0.0, 0, 0

    def count(name: str, text: str, samples: np.ndarray, rate: int) -> None:
        found = words.count(text, words.transcribe(to_16k(samples, rate)))
        errors, size = totals.setdefault(name, [0, 0])
        totals[name] = [errors + found.errors, size + found.words]

    for row in rows:
        if done == given.count or time.monotonic() - begin > 60 * given.minutes:
            break
        if not 3 <= float(row["seconds"]) <= 8 or len(row["text"].split()) < 8:
            continue
        path = given.table.parent / row["path"]
        kind = KINDS[done % len(KINDS)]
        wanted = changed(row["text"], kind, rng)
        done += 1
        try:
            edited = model.edit(path, row["text"], wanted)
        except TTSError as error:
            print(f"{row['path']}: {error}")
            refused += 1
            continue
        for kept in edited.kept:
            part = edited.samples[kept.out : kept.out + kept.end - kept.source]
            gap = np.abs(part - edited.original[kept.source : kept.end])
            largest = max(largest, float(gap.max(initial=0.0)))
        count("recorded", row["text"], edited.original, edited.sample_rate)
        count(f"edited: {kind}", wanted, edited.samples, edited.sample_rate)
        count("edited", wanted, edited.samples, edited.sample_rate)
        whole = model.synthesize(wanted, path)
        count("whole synthesis", wanted, whole.samples, whole.sample_rate)
        for name, values in around_joins(metrics, edited).items():
            heard.setdefault(name, []).extend(values)
        for name, (errors, size) in totals.items():
            print(f"{name:20} {100 * errors / max(size, 1):5.1f} %  {errors} of {size} words")
        print(
            json.dumps(
                {
                    "recordings": done,
                    "refused": refused,
                    "largest_difference": largest,
                    "joins": max(map(len, heard.values()), default=0),
                    **{name: round(float(np.mean(values)), 3) for name, values in heard.items()},
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()

"""How much nearer a voice comes with more recordings of the person.

python -m benchmarks.studies.more_recordings cases.json val.tsv --seconds 1 20 60 --metrics METRICS

Cases are those of `tts eval cases`, one sentence per speaker in turn. A voice is made of the
reference of its case and of as many further recordings from the manifest as the seconds allow;
what is measured is ECAPA to `other`, which is never among them, the word error and DistillMOS. The
first of `--seconds` may be 1: the reference alone.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch

from benchmarks.studies.voices import COLUMNS, cells, line, score
from tts import TTS
from tts.eval.cases import Case, load_cases, spread
from tts.eval.metrics import load_metrics


def recordings(case: Case, root: Path, rows: list[dict[str, str]], seconds: float) -> list[str]:
    """The reference of a case and others of its speaker, in the order of the manifest."""
    taken = [case.reference]
    total = sum(float(row["seconds"]) for row in rows if row["path"] == case.reference)
    for row in rows:
        length = float(row["seconds"])
        known = row["path"] in (case.reference, case.other, case.real)
        if row["speaker"] == case.speaker and not known and total + length <= seconds:
            taken.append(row["path"])
            total += length
    return [str(root / path) for path in taken[:20]]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--seconds", type=float, nargs="+", default=[1, 20, 60])
    parser.add_argument("--model", default="default")
    parser.add_argument("--adapt", action="store_true")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--metrics", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    metrics = load_metrics(options.metrics)
    if metrics.words is None or metrics.quality is None or metrics.similarity is None:
        parser.error("the measures need the packages of pip install 'tts[eval]'")
    with options.manifest.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    found = load_cases(options.cases)
    root = Path(found.root)
    model = TTS.load(options.model)
    print(line(["seconds", "recordings", *COLUMNS]))
    print(line(["---"] * 5))
    for seconds in options.seconds:
        scores, counts = [], []
        for case in spread(found.cases, options.limit):
            given = recordings(case, root, rows, seconds)
            voice = model.voice(given, adapt=options.adapt)
            scores.append(score(model, voice, case, root, metrics))
            counts.append(len(given))
        print(line([f"{seconds:g}", f"{np.mean(counts):.1f}", *cells(scores)]), flush=True)


if __name__ == "__main__":
    main()

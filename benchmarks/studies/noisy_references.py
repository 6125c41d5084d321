"""What becomes of a voice whose recording has noise or echo in it, and what the enhancer saves.

python -m benchmarks.studies.noisy_references cases.json --limit 20 --metrics METRICS

Cases are those of `tts eval cases`, one sentence per speaker in turn. Of each reference a poor copy
is made as the enhancer's training makes them (tts.train.degradation), with a seed of its own.
Voices are made of both, with and without the enhancer (tts.voice.enhancer); measured are the ECAPA
of the speech to `other`, as it was recorded, the word error and DistillMOS.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.studies.voices import COLUMNS, cells, line, score
from tts import TTS
from tts.audio.reference import load_reference
from tts.eval.cases import load_cases, spread
from tts.eval.metrics import load_metrics
from tts.train.degradation import degrade


def poor_copy(samples: np.ndarray, others: list[np.ndarray], seed: int) -> np.ndarray:
    """A poor recording of samples [N] at 16 kHz, with the speech of others behind it at times."""
    rng = np.random.default_rng(seed)

    def draw(rng: np.random.Generator) -> np.ndarray:
        return np.resize(others[int(rng.integers(len(others)))], len(samples))

    made, _ = degrade(samples, draw, rng)
    return (made * min(1.0, 0.99 / np.abs(made).max())).astype(np.float32)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--adapt", action="store_true")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--metrics", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    metrics = load_metrics(options.metrics)
    if metrics.words is None or metrics.quality is None or metrics.similarity is None:
        parser.error("the measures need the packages of pip install 'tts[eval]'")
    found = load_cases(options.cases)
    cases, root = spread(found.cases, options.limit), Path(found.root)
    clean = [load_reference(str(root / case.reference)).samples for case in cases]
    poor = [poor_copy(each, clean[:at] + clean[at + 1 :], at) for at, each in enumerate(clean)]
    model = TTS.load(options.model)
    print(line(["reference", "enhanced", *COLUMNS]))
    print(line(["---"] * 5))
    for name, references in (("as recorded", clean), ("poor copy", poor)):
        for enhance in (False, True):
            scores = []
            for case, samples in zip(cases, references, strict=True):
                voice = model.voice((samples, 16000), adapt=options.adapt, enhance=enhance)
                scores.append(score(model, voice, case, root, metrics))
            print(line([name, "yes" if enhance else "no", *cells(scores)]), flush=True)


if __name__ == "__main__":
    main()

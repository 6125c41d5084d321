"""Clarity and naturalness of saved voices: word error and DistillMOS of thirty sentences in each.

python -m benchmarks.studies.saved_voices --voices default alba --metrics METRICS

The sentences are the first of the Harvard lists (IEEE 1969). Intervals are of 95 %, by bootstrap
over sentences. Voices are names or files, the models those of `--model`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from tts import TTS
from tts.eval.metrics import load_metrics

TEXTS = """
The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.
It's easy to tell the depth of a well. These days a chicken leg is a rare dish.
Rice is often served in round bowls. The juice of lemons makes fine punch.
The box was thrown beside the parked truck. The hogs were fed chopped corn and garbage.
Four hours of steady work faced us. A large size in stockings is hard to sell.
The boy was there when the sun rose. A rod is used to catch pink salmon.
The source of the huge river is the clear spring. Kick the ball straight and follow through.
Help the woman get back to her feet. A pot of tea helps to pass the evening.
Smoky fires lack flame and heat. The soft cushion broke the man's fall.
The salt breeze came across from the sea. The girl at the booth sold fifty bonds.
The small pup gnawed a hole in the sock. The fish twisted and turned on the bent hook.
Press the pants and sew a button on the vest. The swan dive was far short of perfect.
The beauty of the view stunned the young boy. Two blue fish swam in the tank.
Her purse was full of useless trash. The colt reared and threw the tall rider.
It snowed, rained, and hailed the same morning. Read verse out loud for pleasure.
"""
SENTENCES = [each.strip() + "." for each in TEXTS.replace("\n", " ").split(".") if each.strip()]


def interval(values: np.ndarray, weights: np.ndarray) -> str:
    """Weighted mean with its interval."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(values), size=(2000, len(values)))
    means = (values[drawn] * weights[drawn]).sum(1) / weights[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{np.average(values, weights=weights):.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--voices", nargs="+", default=["default"])
    parser.add_argument("--model", nargs="+", default=["default"])
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=len(SENTENCES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    metrics = load_metrics(options.metrics)
    if metrics.words is None or metrics.quality is None:
        parser.error("word error and quality need the packages of pip install 'tts[eval]'")
    print("| model | voice | word error, % | DistillMOS |\n|---|---|---|---|")
    for name in options.model:
        model = TTS.load(name)
        for voice in options.voices:
            errors, words, scores = [], [], []
            for seed, text in enumerate(SENTENCES[: options.limit]):
                made = model.synthesize(text, voice, seed=seed).resampled(16000).samples
                count = metrics.words.count(text, metrics.words.transcribe(made))
                errors.append(100 * count.errors / count.words)
                words.append(count.words)
                scores.append(metrics.quality.score(made))
            said = interval(np.array(errors), np.array(words, float))
            heard = interval(np.array(scores), np.ones(len(scores)))
            print(f"| {name} | {Path(voice).stem} | {said} | {heard} |", flush=True)


if __name__ == "__main__":
    main()

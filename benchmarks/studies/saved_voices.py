"""Clarity and naturalness of saved voices: word error and DistillMOS of thirty sentences in each.

python -m benchmarks.studies.saved_voices --voices default alba --metrics METRICS

The sentences are everyday ones, as people have them read: news, replies, questions, stories. With
`--texts harvard` they are the first of the Harvard lists (IEEE 1969), whose words cannot be guessed
from those around them, so that an ASR model errs even on a good reading. Intervals are of 95 %, by
bootstrap over sentences. Voices are names or files, the models those of `--model`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from tts import TTS
from tts.eval.metrics import load_metrics

HARVARD = """
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
EVERYDAY = """
The council will vote on the new bridge next Tuesday evening.
Thank you for calling, your order should arrive before the weekend.
Could you tell me which platform the train to Bristol leaves from?
She closed the book, looked out of the window, and smiled.
Heavy rain is expected in the north, with some sunshine later in the day.
I have added milk, bread and two lemons to your shopping list.
Nobody in the village could remember who had planted the old oak tree.
Turn left at the second traffic light and park behind the library.
What time does the museum open on public holidays?
The company said on Monday that it would hire three hundred engineers.
He was not angry, only tired, and he wanted to go home.
Please keep your seat belt fastened until the plane has stopped.
Scientists have found water under the surface of a distant moon.
If you mix the flour slowly, the sauce will stay smooth.
My sister plays the violin in a small orchestra near Vienna.
The meeting has been moved to half past four in the afternoon.
Your password must have at least eight letters and one number.
Do you want me to read the next message, or skip it?
The dog chased the ball across the garden and into the pond.
Prices of coffee have risen for the fifth month in a row.
There was a knock at the door, and everybody stopped talking.
Take one tablet in the morning, after breakfast, with a glass of water.
They walked along the beach until the sun went down.
The film was longer than I expected, but the ending was beautiful.
I am sorry, I did not understand that, could you say it again?
The first chapter tells how the city was built beside the river.
Our team scored twice in the last ten minutes and won the match.
A friendly voice on the radio wished us all a good night.
The battery is almost empty, so plug in the charger soon.
In the end, the simplest plan turned out to be the best one.
"""
TEXTS = {
    "everyday": EVERYDAY.strip().splitlines(),
    "harvard": [e.strip() + "." for e in HARVARD.replace("\n", " ").split(".") if e.strip()][:30],
}


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
    parser.add_argument("--texts", choices=TEXTS, default="everyday")
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
            for seed, text in enumerate(TEXTS[options.texts]):
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

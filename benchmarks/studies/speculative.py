"""Whether speculative decoding pays for a language model of codes: guesses kept, time taken.

python -m benchmarks.studies.speculative --model ar --count 2 4 --relaxed 0 0.1 0.3 0.5

The draft looks up what followed the last steps when they were there before. Sentences are real
ones, in the built-in voices; plain and speculative decoding alternate.
"""

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from tts import TTS
from tts.generators.speculative import NGram, Tally, speculate
from tts.voice.store import stored_voices

SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls, and the juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck, and nobody saw it again.",
)


def spent(latents: Iterator[Tensor]) -> float:
    """Seconds of processor time that all latents take."""
    begin = time.process_time()
    for _ in latents:
        pass
    return time.process_time() - begin


def main() -> None:
    """Prints a line of JSON per length of the draft and number of guesses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="ar")
    parser.add_argument("--count", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--length", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--num-codebooks", type=int, default=0, help="that have to be alike; 0: all"
    )
    parser.add_argument(
        "--relaxed", type=float, nargs="+", default=[0.0], help="bounds of LANTERN's acceptance"
    )
    parser.add_argument("--neighbours", type=int, default=16, help="codes that are near")
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--sentences", type=int, default=len(SENTENCES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tts = TTS.load(arguments.model, "cpu")
    options = replace(tts.config.sampling, fsq_decode="drawn", soft_decode=False, temperature=0.7)
    if arguments.temperature is not None:
        options = replace(options, temperature=arguments.temperature)
    voices = [tts.voice(name) for name in sorted(stored_voices())]
    requests = [
        tts.acoustic.request([phones], [voices[number % len(voices)]])
        for number, text in enumerate(SENTENCES[: arguments.sentences])
        for phones in tts.phonemize(text)
    ]
    for length, count, relaxed in itertools.product(
        arguments.length, arguments.count, arguments.relaxed
    ):
        options = replace(options, relaxed=relaxed, relaxed_neighbours=arguments.neighbours)
        tally, plain, guessed = Tally(), 0.0, 0.0
        steps = 0
        for seed, request in enumerate(requests):
            rngs = [torch.Generator().manual_seed(seed) for _ in range(2)]
            plain += spent(tts.acoustic.generator.stream(request, rngs[:1], options))
            each = Tally()
            draft = NGram(length, arguments.num_codebooks)
            guessed += spent(
                speculate(tts.acoustic.generator, request, rngs[1], options, draft, count, each)
            )
            steps += each.steps
            tally.guessed += each.guessed
            tally.kept += each.kept
            tally.passes += each.passes
            tally.codes += each.codes
            tally.codes_kept += each.codes_kept
        print(json.dumps({
                "model": arguments.model, "temperature": options.temperature, "length": length,
                "num_codebooks": arguments.num_codebooks,
                "count": count, "steps": steps, "guessed": tally.guessed, "kept": tally.kept,
                "relaxed": relaxed,
                "codes_accepted": round(tally.codes_kept / max(1, tally.codes), 4),
                "steps_per_pass": round(steps / tally.passes, 3),
                "plain_ms_per_step": round(1000 * plain / steps, 2),
                "speculative_ms_per_step": round(1000 * guessed / steps, 2),
            }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

"""How far a row of a batch lies from the same row alone, and which part of the model makes it so.

python -m benchmarks.studies.rounding --model default

Prints, for each of three sentences, the largest difference of the latents, of the audio, of the
audio where both have the same latents (the vocoder's share), and of two sizes of chunks.
"""

import argparse

import torch
from torch import Tensor

from tts import TTS, Options
from tts.generators.conditioning import AlignmentResult
from tts.pipeline.render import Utterance

TEXTS = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background, and then wait.",
    "Rice.",
)


@torch.inference_mode()
def measure(model: TTS, options: Options, voice: str) -> list[tuple[float, ...]]:
    """Seconds of audio and the four differences, for each sentence."""
    chosen = model.voice(voice)
    utterances = [next(iter(model.utterances(text, chosen, options))) for text in TEXTS]
    renderer = model.renderer
    lengths, generator, decoder = (
        renderer.pipeline.lengths,
        renderer.pipeline.generator,
        renderer.pipeline.decoder,
    )

    def latents(some: list[Utterance]) -> tuple[Tensor, object, AlignmentResult]:
        request = lengths.request(
            [t.phones for t in some], [t.voice for t in some], [t.options.speed for t in some]
        )
        rngs = [torch.Generator().manual_seed(t.options.seed_of(t.number)) for t in some]
        alignment = AlignmentResult()
        sampling = renderer.options(options)
        pieces = list(generator.stream(request, some[0].voice, rngs, sampling, alignment))
        return torch.cat(pieces, 1), request, alignment

    def far(one: Tensor, other: Tensor) -> float:
        return float((one - other).abs().max())

    together, request, alignment = latents(utterances)
    waves = decoder.rows(together, request, alignment, options.pitch)
    out = []
    for row, utterance in enumerate(utterances):
        alone, own, found = latents([utterance])
        same = together[row : row + 1, : alone.shape[1]]
        (wave,) = decoder.rows(alone, own, found, options.pitch)
        (again,) = decoder.rows(same, own, found, options.pitch)
        chunks = [
            torch.cat([w for w, _ in decoder.stream(iter([alone]), own, found, options.pitch, n)])
            for n in (5, 25)
        ]
        out.append(
            (len(wave) / decoder.sample_rate, far(alone, same), far(wave, waves[row]),
             far(again, waves[row]), far(*chunks))
        )  # fmt: skip
    return out


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--voice", default="default")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    model = TTS.load(asked.model, "cpu")
    print("| audio, s | latents | audio | same latents | chunks of 5 and 25 frames |")
    print("| --- | --- | --- | --- | --- |")
    for seconds, *found in measure(model, Options(seed=asked.seed), asked.voice):
        print(f"| {seconds:.1f} | " + " | ".join(f"{each:.1e}" for each in found) + " |")


if __name__ == "__main__":
    main()

"""How the built-in voices `adrian` and `clara` were made: minutes of one voice become a voice file.

python -m benchmarks.studies.built_in_voice recordings/*.wav -o clara.safetensors --sex F \\
  --source "who speaks" --licence CC0-1.0 --attribution "whom to thank"

The generator of `default` is fitted to all recordings, for longer than `tts voices add --adapt`
does and with twice the room for what was learned. For other models the voice is calibrated. The
first two recordings are the prompt.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from tts import TTS
from tts.audio.reference import load_reference
from tts.tuning.adaptation import AdaptationOptions, adapt


def main() -> None:
    """Write a voice file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument(
        "--calibrate", nargs="*", default=["masked", "ar", "diffusion", "ar_latent"]
    )
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--weight-bytes", type=int, default=1_700_000)
    for name in ("sex", "source", "licence", "attribution"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = TTS.load("default")
    references = [load_reference(str(path), 16000) for path in options.recordings]
    voice = adapt(
        model.acoustic,
        model.voice(references[:2], calibration=0),
        [model.acoustic.features(each) for each in references],
        AdaptationOptions(
            options.steps, lr=4e-4, averaged=0.0, rows=6, weight_bytes=options.weight_bytes
        ),
        progress=lambda done, total: print(f"\r{done} of {total}", end="", flush=True),
    )
    print()
    for name in options.calibrate:
        for tuning in TTS.load(name).voice(references[:2]).tunings:
            voice = voice.tuned(tuning)
    told = {each: getattr(options, each) for each in ("sex", "source", "licence", "attribution")}
    meta = {**voice.meta, "language": "en-us", **told}
    replace(voice, name=options.out.stem, meta=meta).save(options.out)


if __name__ == "__main__":
    main()

"""What a vocoder makes of the band that its mel does not hold, and a codec of the whole, beside
recordings at 24 kHz.

python -m benchmarks.studies.upper_band RECORDINGS.tsv --vocoder vocoder_24k vocoder
python -m benchmarks.studies.upper_band RECORDINGS.tsv --codec rvq runs/codec_24k/export

The table names recordings in its first column, relative to itself. Each is analysed at the mel's
rate and spoken again, or coded and decoded at the rate of the codec. Told is the log-spectral
distance in dB, the root of the mean squared difference of log power spectra (2048 points, hop 512)
in a band, averaged over the frames that are less than 40 dB below the loudest; two independent
noises of equal power have 7.9 dB. With `--narrow` what goes in has no band above 8 kHz. And the
time of the vocoder or the decoder alone, as a share of the first one's.
"""

import argparse
import csv
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import soundfile
import torch
from torch import Tensor

import tts_codecs
from tts.audio.resample import resample
from tts.registry import load_module
from tts_codecs.base import Codec
from tts_codecs.envelope import envelope_part, source_part, unpack_pitch
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

RATE, SIZE = 24000, 2048


def distance(real: Tensor, made: Tensor, low: int, high: int) -> float:
    """dB between [N] at 24 kHz from `low` to `high` Hz."""
    window = torch.hann_window(SIZE)
    power = [
        torch.stft(each, SIZE, SIZE // 4, window=window, return_complex=True).abs().square()
        for each in (real, made)
    ]
    band = slice(low * SIZE // RATE, high * SIZE // RATE)
    a, b = (10 * each[band].clamp_min(1e-10).log10() for each in power)
    loud = a.mean(0) > a.mean(0).max() - 40
    return float((a - b).square().mean(0).sqrt()[loud].mean())


@torch.inference_mode()
def spoken(vocoder: SourceFilterVocoder, wav: np.ndarray) -> tuple[np.ndarray, float]:
    """[N] at 24 kHz through a vocoder, again at 24 kHz, and the seconds that it took."""
    low = torch.from_numpy(resample(wav, RATE, vocoder.mel.sample_rate))
    features, _ = vocoder.analyse(low[None, : len(low) // vocoder.mel.hop * vocoder.mel.hop])
    begin = time.process_time()
    made, _ = vocoder(envelope_part(features), unpack_pitch(source_part(features)))
    taken = time.process_time() - begin
    return resample(made[0].numpy(), vocoder.sample_rate, RATE), taken


@torch.inference_mode()
def decoded(codec: Codec, wav: np.ndarray) -> tuple[np.ndarray, float]:
    """[N] at 24 kHz through a codec, again at 24 kHz, and the seconds that decoding took."""
    rate = codec.info.sample_rate
    encoded = codec.encode(torch.from_numpy(resample(wav, RATE, rate))[None, None])
    begin = time.process_time()
    made = codec.decode(encoded)
    taken = time.process_time() - begin
    return resample(made[0, 0].numpy(), rate, RATE), taken


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--vocoder", nargs="+")
    parser.add_argument("--codec", nargs="+", default=[])
    parser.add_argument("--narrow", action="store_true")
    parser.add_argument("--limit", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with options.table.open(encoding="utf-8") as lines:
        names = [row[0] for row in csv.reader(lines, delimiter="\t")][: options.limit]
    vocoders = options.vocoder or ([] if options.codec else ["vocoder", "vocoder_24k"])
    contestants: list[tuple[str, Callable[[np.ndarray], tuple[np.ndarray, float]]]] = []
    for name in vocoders:
        vocoder = cast(SourceFilterVocoder, load_module(name))
        contestants.append((name, partial(spoken, vocoder)))
    for name in options.codec:
        contestants.append((name, partial(decoded, tts_codecs.load(name))))
    print("| | 0 to 8 kHz | 8 to 10 kHz | 8 to 12 kHz | time |\n|---|---|---|---|---|")
    first = 0.0
    for name, through in contestants:
        found, total = [], 0.0
        for path in names:
            real, rate = soundfile.read(options.table.parent / path, dtype="float32")
            if rate != RATE:
                raise SystemExit(f"{path} has {rate} Hz, not {RATE}")
            given = resample(resample(real, RATE, 16000), 16000, RATE) if options.narrow else real
            made, _ = through(given)
            made, taken = through(given)  # the first run lays out weights
            total += taken
            pair = [torch.from_numpy(each[: min(len(made), len(real))]) for each in (real, made)]
            found.append([distance(*pair, *b) for b in ((10, 8000), (8000, 10000), (8000, 12000))])
        first = first or total
        cells = " | ".join(f"{value:.1f} dB" for value in np.mean(found, 0))
        print(f"| {name} | {cells} | {total / first:.2f} |")


if __name__ == "__main__":
    main()

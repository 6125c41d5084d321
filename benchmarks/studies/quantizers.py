"""Quantizers at about 2 kbit/s on the vectors of the spectral codec's encoder: one table.

python -m benchmarks.studies.quantizers data/train

Each quantizer gets the same vectors, 25 per second, bounded to [-1, 1]; those with codebooks learn
them by k-means of `--vectors` of them. On other utterances it tells what is kept of the vectors
(`snr`, dB), the absolute error of the features that the spectral codec's decoder makes of them
(`features`; that decoder was trained with its own FSQ), the share of entries that occur and the
entropy of a unit, which an ideal lossless coder would come down to. Per cent of entries in use is
of as many codes as `--test` gives, so that the more entries, the lower.
"""

import argparse
import json

import numpy as np
import torch
from torch import Tensor

from tts.data.corpus import Corpus
from tts.errors import DataError
from tts.registry import load_module
from tts.train.codebook_usage import codebook_statistics
from tts.train.tasks.feature_codec import SpectralTask
from tts_codecs.quantizers import Quantizer, build_quantizer
from tts_codecs.spectral import SpectralAutoencoder

#: name, quantizer of 32 channels, codebooks in use (None: all)
ROWS = (
    ("binned", {"kind": "binned", "dim": 32, "low": -1.0, "high": 1.0, "levels": 6}, None),
    ("scalar", {"kind": "scalar", "dim": 32, "scale": 2}, None),
    (
        "grouped_fsq",
        {"kind": "grouped_fsq", "levels": [8, 5, 5, 5], "groups": 8, "symmetric": True}, None,
    ),
    (
        "grouped_rvq",
        {"kind": "grouped_rvq", "dim": 32, "groups": 2, "depth": 4, "codebook_size": 1024}, None,
    ),
    ("rvq", {"kind": "rvq", "dim": 32, "num_codebooks": 8, "codebook_size": 1024}, None),
    ("rvq", {"kind": "rvq", "dim": 32, "num_codebooks": 8, "codebook_size": 1024}, 4),
    ("lfq", {"kind": "lfq", "bits": 8, "groups": 4, "scale": 0.6}, None),
)  # fmt: skip


def parted(count: int, held: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Utterances to fit on and, a random share, to test with; DataError where there is only one."""
    if count < 2:
        raise DataError("two utterances at least: one to fit on and one to test with")
    order = np.random.default_rng(0).permutation(count)
    cut = max(1, round(held * count))
    return order[cut:], order[:cut]


def vectors(
    auto: SpectralAutoencoder, corpus: Corpus, count: int, seed: int, utterances: np.ndarray
) -> tuple[Tensor, Tensor]:
    """At least `count` vectors of these utterances before they are bounded, [N, U, dim], and
    features [N, T, C]."""
    task = SpectralTask(corpus, batch_size=8, frames=200, relative=0.0)
    chosen = np.isin(task.usable, utterances)
    if not chosen.any():
        raise DataError(f"{corpus.folder}: none of {len(utterances)} utterances is long enough")
    task.usable, task.weights = task.usable[chosen], task.weights[chosen]
    task.weights = task.weights / task.weights.sum()
    found: list[Tensor] = []
    seen: list[Tensor] = []
    while sum(each.shape[0] * each.shape[1] for each in found) < count:
        batch = task.batch(np.random.default_rng((seed, len(found))))["features"]
        found.append(auto.latents(batch))
        seen.append(batch)
    return torch.cat(found), torch.cat(seen)


def row(
    quantizer: Quantizer,
    auto: SpectralAutoencoder,
    test: Tensor,
    features: Tensor,
    count: int | None,
) -> dict[str, float]:
    """The columns of one quantizer from vectors [N, U, dim] and the features they are of."""
    own = type(quantizer).__name__ in ("GroupedFSQ", "ScalarQuantizer")  # these bound by themselves
    codes = quantizer.encode(test if own else test.tanh(), count)
    values = quantizer.decode(codes)
    wanted = test.tanh()
    left = (values - wanted).square().mean() / wanted.square().mean()
    made = auto.reconstruct(values)
    used = codebook_statistics(codes.flatten(0, 1), quantizer.codebook_size)
    bits = quantizer.prefix_bits(codes.shape[2])
    return {
        "kbit_s": round(bits * 25 / 1000, 3),
        "snr": round(float(-10 * left.log10()), 2),
        "features": round(float((made - features).abs().mean()), 4),
        "use": round(100 * used["use"], 1),
        "entropy_kbit_s": round(used["bits"] * 25 / 1000, 3),
    }


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a corpus with features, see `tts data features`")
    parser.add_argument("--vectors", type=int, default=20000)
    parser.add_argument("--test", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    auto = load_module("spectral")
    assert isinstance(auto, SpectralAutoencoder)
    corpus = Corpus(arguments.data)
    fitted: dict[str, Quantizer] = {}
    with torch.inference_mode():
        known, others = parted(len(corpus))
        train, _ = vectors(auto, corpus, arguments.vectors, 0, known)
        test, features = vectors(auto, corpus, arguments.test, 1, others)
        print(json.dumps({"quantizer": "none"} | _unquantized(auto, test, features)), flush=True)
        for name, spec, count in ROWS:
            if name not in fitted:
                fitted[name] = build_quantizer(spec).eval()
                if "codebook_size" in spec:
                    fitted[name].fit(train.tanh().flatten(0, 1))
            told = row(fitted[name], auto, test, features, count)
            print(json.dumps({"quantizer": name} | told), flush=True)


def _unquantized(auto: SpectralAutoencoder, test: Tensor, features: Tensor) -> dict[str, float]:
    error = (auto.reconstruct(test.tanh()) - features).abs().mean()
    return {"features": round(float(error), 4)}


if __name__ == "__main__":
    main()

"""Milliseconds of the matrix products of a network alone, by how its weights are stored.

python -m benchmarks.studies.products --rows 1 2 8 100 --dim 512 --layers 8

`blas` is torch's own product, `columns` the same on weights stored by columns, `onednn` that of
oneDNN on weights as they are, `packed N` on weights that it laid out for N rows; `read` is the sum
of all weights: what reading them takes. They take turns; the median of the rounds is told.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.harness.timing import medians, paired
from tts_codecs.nn.inference import Product, onednn

HINTS = (1, 200)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2, 8, 100])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    dim = arguments.dim
    shapes = [(dim, 3 * dim), (dim, dim), (dim, 4 * dim), (4 * dim, dim)] * arguments.layers
    with torch.inference_mode():
        weights = [torch.randn(n, k) / k**0.5 for k, n in shapes]
        kinds: dict[str, list[Callable[[Tensor], Tensor]]] = {
            "blas": [partial(F.linear, weight=w) for w in weights],
            "columns": [partial(F.linear, weight=w.t().contiguous().t()) for w in weights],
            "onednn": [partial(onednn, weight=w) for w in weights],
            **{f"packed {n}": [Product(w, rows=n) for w in weights] for n in HINTS},
        }
        for rows in arguments.rows:
            inputs = [torch.randn(1, rows, k) for k, _ in shapes]
            runs = {name: partial(_all, layers, inputs) for name, layers in kinds.items()}
            costs = paired(
                {"read": lambda: len([w.sum() for w in weights]), **runs}, arguments.repeats
            )
            told = {name: round(1e3 * medians(c)[1] * len(shapes), 2) for name, c in costs.items()}
            print(json.dumps({"rows": rows, **told}), flush=True)


def _all(layers: list[Callable[[Tensor], Tensor]], inputs: list[Tensor]) -> float:
    for layer, x in zip(layers, inputs, strict=True):
        layer(x)
    return len(layers)


if __name__ == "__main__":
    main()

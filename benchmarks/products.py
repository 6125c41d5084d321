"""Milliseconds of the matrix products of a network alone, by how its weights are stored.

python -m benchmarks.products --rows 1 2 8 100 --dim 512 --layers 8

`blas` is torch's own product, `columns` the same on weights stored by columns, `onednn` that of
oneDNN on weights as they are, `packed N` on weights that it laid out for N rows; `read` is the sum
of all weights: what reading them takes. The quickest of five rounds is told.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

HINTS = (1, 200)
Product: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2, 8, 100])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    dim = arguments.dim
    shapes = [(dim, 3 * dim), (dim, dim), (dim, 4 * dim), (4 * dim, dim)] * arguments.layers
    with torch.inference_mode():
        weights = [torch.randn(n, k) / k**0.5 for k, n in shapes]
        columns = [weight.t().contiguous().t() for weight in weights]
        reorder, run = torch.ops.mkldnn._reorder_linear_weight, _onednn
        kinds: dict[str, tuple[Product, list[Tensor]]] = {
            "blas": (F.linear, weights), "columns": (F.linear, columns), "onednn": (run, weights),
        }  # fmt: skip
        for hint in HINTS:
            kinds[f"packed {hint}"] = run, [reorder(weight, hint) for weight in weights]
        print(json.dumps({"read": _quickest(lambda: [weight.sum() for weight in weights])}))
        for rows in arguments.rows:
            inputs = [torch.randn(1, rows, k) for k, _ in shapes]
            found: dict[str, float] = {"rows": rows}
            for name, (product, kept) in kinds.items():
                found[name] = _quickest(partial(_all, product, inputs, kept))
            print(json.dumps(found), flush=True)


def _all(product: Product, inputs: list[Tensor], weights: list[Tensor]) -> None:
    for x, weight in zip(inputs, weights, strict=True):
        product(x, weight)


def _onednn(x: Tensor, weight: Tensor) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, weight, None, "none", [], "")
    return found


def _quickest(work: Callable[[], object], rounds: int = 5, calls: int = 8) -> float:
    for _ in range(3):
        work()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        times.append((time.perf_counter() - begin) / calls * 1e3)
    return round(min(times), 2)


if __name__ == "__main__":
    main()

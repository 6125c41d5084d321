"""Low-rank factors: the learned change of a generator's weights, in under a megabyte.

As in LoRA (Hu et al. 2021), a change of a matrix is the product of two thin ones; here they come
from a singular value decomposition after training, which keeps the singular vectors that matter
most across all weights.
"""

import torch
from torch import Tensor

from tts.errors import VoiceError
from tts.generators.generator import Generator
from tts_codecs.renamed import current_names

#: suffixes of the names of the two factors of a matrix
SPLIT = ".a", ".b"
#: most singular vectors of one matrix
_MAX_RANK = 24


def compress(learned: dict[str, Tensor], max_bytes: int) -> dict[str, Tensor]:
    """Compress changes of weights to at most `max_bytes` bytes in half precision.

    Vectors are kept as they are. Matrices become low-rank factors; singular vectors are kept in the
    order of squared singular value for each number stored, over all matrices together.

    Args:
        learned: change of each weight, by its name.
        max_bytes: most bytes.

    Returns:
        Half-precision factors on the CPU: NAME of a vector; NAME.a [O, r] and NAME.b [r, I] of a
        matrix, which is flattened from the second dimension on.
    """
    factors = {name: value for name, value in learned.items() if value.dim() < 2}
    matrices = {name: value.flatten(1) for name, value in learned.items() if value.dim() >= 2}
    budget = max_bytes // 2 - sum(value.numel() for value in factors.values())
    decomposed = _decompose(matrices)
    for name, rank in _ranks(decomposed, budget).items():
        if not rank:
            continue
        u, s, v = decomposed[name]
        root = s[:rank].sqrt()
        factors[name + SPLIT[0]] = (u[:, :rank] * root).contiguous()
        factors[name + SPLIT[1]] = (v[:, :rank] * root).T.contiguous()
    return {name: value.half().cpu() for name, value in factors.items()}


def _decompose(matrices: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return the first singular vectors and values of matrices [O, I]: U [O, r], S [r], V [I, r].
    The algorithm is random, and its seed is fixed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {
            name: torch.svd_lowrank(matrix, q=min(*matrix.shape, _MAX_RANK), niter=2)
            for name, matrix in matrices.items()
        }


def _ranks(decomposed: dict[str, tuple[Tensor, Tensor, Tensor]], budget: int) -> dict[str, int]:
    """Return how many singular vectors of each matrix are kept.

    Args:
        decomposed: singular vectors and values of each matrix.
        budget: most numbers that are stored.
    """
    candidates: list[tuple[float, int, str]] = []
    for name, (u, s, v) in decomposed.items():
        size = len(u) + len(v)
        candidates += [(float(value) ** 2 / size, size, name) for value in s]
    ranks = dict.fromkeys(decomposed, 0)
    for gain, size, name in sorted(candidates, reverse=True):
        if size <= budget and gain > 0:
            ranks[name] += 1
            budget -= size
    return ranks


@torch.no_grad()
def add_factors(generator: Generator, factors: dict[str, Tensor], strength: float) -> None:
    """Add factors to the weights of a generator, in place.

    Args:
        generator: the generator.
        factors: factors of `compress`.
        strength: multiplies the change, 0 to 1.

    Raises:
        VoiceError: the factors do not belong to this generator or together. Weights may have
            changed by then.
    """
    weights = dict(generator.named_parameters())
    factors = current_names(factors)
    for name, value in factors.items():
        if name.endswith(SPLIT[1]):
            continue
        whole = name.removesuffix(SPLIT[0])
        weight = weights.get(whole)
        fits = weight is not None and weight.numel() == value.numel()
        if whole != name:
            other = factors.get(whole + SPLIT[1])
            if other is None or value.dim() != 2 or value.shape[-1] != other.shape[0]:
                raise VoiceError(f"the voice's factors of {whole!r} do not belong together")
            # Before they are multiplied: thin factors may make a huge matrix.
            fits = weight is not None and weight.numel() == len(value) * other[0].numel()
            value = value.float() @ other.float() if fits else value
        if weight is None or not fits:
            raise VoiceError(f"the voice has factors for {whole!r}, which this generator has not")
        weight.add_(value.view_as(weight).to(weight), alpha=strength)

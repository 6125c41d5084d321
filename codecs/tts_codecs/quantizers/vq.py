"""Vector quantization with a Euclidean codebook."""

from __future__ import annotations

from typing import Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.inference import Product, uses_cache
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput, check_mask

CodebookUpdate = Literal["ema", "gradient"]


def nearest(x: Tensor, codebook: Tensor, half_norms: Tensor | None = None) -> Tensor:
    """Index ``[N]`` of the entry of ``codebook [S, D]`` nearest to each row of ``x [N, D]``.

    Args:
        half_norms: ``[S]`` halves of the squared norms of the entries, if known.
    """
    # |x - c|^2 and |c|^2 / 2 - x.c have the same minimum. The latter needs no [N, S, D] tensor.
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        codebook = codebook.float()
        if half_norms is None:
            half_norms = codebook.square().sum(1) / 2
        return torch.addmm(half_norms, x.float(), codebook.t(), alpha=-1).argmin(1)


_LANES = 32
_ROWS = 64  # number of vectors whose scores for 1,024 entries fit into the cache of a core


def highest(scores: Tensor) -> Tensor:
    """Index ``[N]`` of a maximum of each row of ``scores [N, S]``: a faster ``scores.argmax(1)``.

    Rows are split into lanes. The lane with the maximum is found first, then the maximum within it.
    This takes half the time of argmax, which has to carry indices along.
    """
    rows, size = scores.shape
    if size % _LANES or size < _LANES * 8 or not rows:
        return scores.argmax(1)
    lanes = scores.view(rows, _LANES, size // _LANES)
    lane = lanes.amax(1).argmax(1)
    row = torch.arange(rows, device=scores.device)
    return lanes[row, :, lane].argmax(1) * (size // _LANES) + lane


class Search:
    """Search for the nearest entries of a fixed codebook [S, D], whose norms and memory layout are
    prepared once. It returns what `nearest` does."""

    def __init__(self, codebook: Tensor):
        codebook = codebook.detach().float()
        self.scores = Product(codebook, -codebook.square().sum(1) / 2, rows=_ROWS)

    def __call__(self, x: Tensor) -> Tensor:
        """Indices [N] of the entries nearest to x [N, D] float32."""
        return torch.cat([highest(self.scores(part)) for part in x.split(_ROWS)])


@torch.no_grad()
def kmeans(x: Tensor, clusters: int, iterations: int) -> tuple[Tensor, Tensor]:
    """Lloyd's k-means on ``x [N, D]``.

    It starts from random rows. A cluster that loses all its members moves to another random row.

    Returns:
        centres ``[clusters, D]`` and numbers of members ``[clusters]``.
    """
    centres = draw_rows(x, clusters)
    for _ in range(iterations):
        counts, sums = cluster_sums(x, nearest(x, centres), clusters)
        centres = torch.where(
            counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], draw_rows(x, clusters)
        )
    counts, _ = cluster_sums(x, nearest(x, centres), clusters)
    return centres, counts


def draw_rows(x: Tensor, count: int) -> Tensor:
    """``count`` random rows of ``x [N, D]``, without repetition if N is large enough."""
    if x.shape[0] >= count:
        return x[torch.randperm(x.shape[0], device=x.device)[:count]]
    return x[torch.randint(0, x.shape[0], (count,), device=x.device)]


def cluster_sums(x: Tensor, index: Tensor, clusters: int) -> tuple[Tensor, Tensor]:
    """Number of members ``[clusters]`` of each cluster and their sums ``[clusters, D]``, for
    ``x [N, D]`` with cluster indices ``index [N]``."""
    counts = torch.bincount(index, minlength=clusters).to(x.dtype)
    sums = x.new_zeros(clusters, x.shape[1]).index_add_(0, index, x)
    return counts, sums


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


class VectorQuantizer(Quantizer):
    """Vector quantizer with one codebook and straight-through gradients (van den Oord et al. 2017).

    The codebook is updated by exponential moving averages of the vectors assigned to each entry
    (the paper's appendix A.1), or by the gradient of the codebook loss. Dead entries, which are
    used far less than the average, are moved to random frames of the batch (as in Jukebox, Dhariwal
    et al. 2020). Their threshold is relative to the mean usage here, so that it does not depend on
    the batch size. In distributed training, statistics are summed over processes.

    Args:
        dim: D.
        codebook_size: number of entries.
        update: "ema" or "gradient".
        decay: decay of the moving averages.
        epsilon: Laplace smoothing of the usage counts.
        commitment: weight of the commitment loss, which pulls ``z`` towards its entry.
        kmeans_init: whether to initialise the codebook by k-means on the first training batch.
        kmeans_iterations: number of iterations of that k-means.
        dead_below: entries whose average usage is below this fraction of the mean usage are
            replaced; 0 switches this off.

    Raises:
        CodecError: sizes below 1, an unknown update, or a decay outside [0, 1).
    """

    statistics = ("usage", "sums", "initialised")
    codebook: Tensor
    usage: Tensor
    sums: Tensor
    initialised: Tensor

    def __init__(
        self,
        dim: int,
        codebook_size: int,
        update: CodebookUpdate = "ema",
        decay: float = 0.99,
        epsilon: float = 1e-5,
        commitment: float = 1.0,
        kmeans_init: bool = False,
        kmeans_iterations: int = 10,
        dead_below: float = 0.03,
    ) -> None:
        super().__init__()
        if dim < 1 or codebook_size < 1:
            raise CodecError(
                f"VectorQuantizer: dim {dim} and codebook_size {codebook_size} must be at least 1"
            )
        if update not in ("ema", "gradient"):
            raise CodecError(f"VectorQuantizer: update must be 'ema' or 'gradient', got {update!r}")
        if not 0 <= decay < 1:
            raise CodecError(f"VectorQuantizer: decay must be in [0, 1), got {decay}")
        self.dim = dim
        self.num_codebooks = 1
        self.codebook_size = codebook_size
        self.update = update
        self.decay = decay
        self.epsilon = epsilon
        self.commitment = commitment
        self.kmeans_iterations = kmeans_iterations
        self.dead_below = dead_below
        codebook = torch.randn(codebook_size, dim) * dim**-0.5
        if update == "gradient":
            self.codebook = nn.Parameter(codebook)
        else:
            self.register_buffer("codebook", codebook)
        self.register_buffer("usage", torch.ones(codebook_size))
        self.register_buffer("sums", codebook.clone())
        self.register_buffer("initialised", torch.tensor(not kmeans_init))
        self._derived = DerivedCache()

    @property
    def codebooks(self) -> list[Tensor]:
        """The codebook ``[S, D]``."""
        return [self.codebook]

    def forward(self, z: Tensor, mask: Tensor | None = None) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``; in training also update the codebook's statistics."""
        self.check_input(z)
        check_mask(mask, z)
        flat = z.reshape(-1, self.dim).float()
        keep = None if mask is None else mask.reshape(-1)
        real = flat.detach() if keep is None else flat.detach()[keep]
        if self.training and not bool(self.initialised):
            self._initialise(real)
        index = nearest(flat, self.codebook)
        entry = F.embedding(index, self.codebook)
        loss = self._loss(flat, entry, keep)
        if self.training:
            self._update_codebook(real, index if keep is None else index[keep])
        # Straight-through estimator; in this order of operations the value is exactly the entry.
        quantized = (entry.detach() + (flat - flat.detach())).view(z.shape).to(z.dtype)
        return QuantizerOutput(quantized, index.view(*z.shape[:2], 1), loss)

    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, 1]`` of ``z [B, T, D]``."""
        self.check_prefix(num_codebooks)
        self.check_input(z)
        return self.nearest(z.reshape(-1, self.dim).float()).view(*z.shape[:2], 1)

    def nearest(self, x: Tensor) -> Tensor:
        """Indices ``[N]`` of the entries nearest to ``x [N, D]`` float32."""
        codebook = self.codebook
        with torch.no_grad():
            if uses_cache(x, codebook):
                search: Search = self._derived.get([codebook], lambda: Search(codebook))
                return search(x)
            return nearest(x, codebook)

    def decode(self, codes: Tensor) -> Tensor:
        """Entries ``[B, T, D]`` float32 of ``codes [B, T, 1]``."""
        self.check_codes(codes)
        return F.embedding(codes[..., 0], self.codebook)

    def fit(self, x: Tensor) -> None:
        """Initialise the codebook by k-means on vectors ``x [N, D]``, as `kmeans_init` does on the
        first batch. With many more vectors than entries this is close to the trained codebook."""
        self._initialise(x.detach().float())

    def _loss(self, flat: Tensor, entry: Tensor, keep: Tensor | None) -> Tensor:
        def mse(a: Tensor, b: Tensor) -> Tensor:
            error = (a - b).square().mean(1)
            if keep is None:
                return error.mean() if error.numel() else error.sum()
            return (error * keep).sum() / keep.sum().clamp(min=1)

        loss = self.commitment * mse(flat, entry.detach())
        if self.update == "gradient":
            loss = loss + mse(entry, flat.detach())
        return loss

    @torch.no_grad()
    def _initialise(self, x: Tensor) -> None:
        rows = torch.tensor(x.shape[0], device=x.device)
        if _is_distributed():
            # Process 0 decides for all; if only some processes returned here, the broadcasts below
            # would never end.
            dist.broadcast(rows, 0)
        if int(rows) == 0:
            return
        source = x if x.shape[0] else self.codebook.detach().clone()
        centres, counts = kmeans(source, self.codebook_size, self.kmeans_iterations)
        # Smoothed like all later counts, so that an empty cluster does not divide by zero.
        counts = counts.clamp(min=self.epsilon)
        if _is_distributed():
            dist.broadcast(centres, 0)
            dist.broadcast(counts, 0)
        self.codebook.copy_(centres)
        self.usage.copy_(counts)
        self.sums.copy_(centres * counts[:, None])
        self.initialised.fill_(True)

    @torch.no_grad()
    def _update_codebook(self, x: Tensor, index: Tensor) -> None:
        """Update usage, codebook and dead entries for vectors [N, D] with entries ``index [N]``."""
        counts, sums = cluster_sums(x, index, self.codebook_size)
        if _is_distributed():
            dist.all_reduce(counts)
            dist.all_reduce(sums)
        self.usage.lerp_(counts, 1 - self.decay)
        if self.update == "ema":
            self.sums.lerp_(sums, 1 - self.decay)
            total = self.usage.sum()
            smooth = (self.usage + self.epsilon) / (total + self.codebook_size * self.epsilon)
            self.codebook.copy_(self.sums / (smooth * total)[:, None])
        if self.dead_below > 0:
            self._replace_dead(x)

    def _replace_dead(self, x: Tensor) -> None:
        mean = self.usage.mean()
        dead = self.usage < self.dead_below * mean
        # All processes decide alike, since usage is already summed over them.
        if not bool(dead.any()):
            return
        fresh = draw_rows(x, self.codebook_size) if x.shape[0] else self.codebook.clone()
        if _is_distributed():
            dist.broadcast(fresh, 0)
        # A replaced entry starts with the mean usage, so that it is not replaced again at once.
        self.usage.copy_(torch.where(dead, mean, self.usage))
        self.codebook.copy_(torch.where(dead[:, None], fresh, self.codebook))
        self.sums.copy_(torch.where(dead[:, None], fresh * mean, self.sums))

"""From logits to tokens: what may be drawn (`process`), and the draw itself (`draw`).

Processing is a pure function of logits and history, apart from the draw, so that a draft can be
verified against the very distribution it should follow. Every draw takes its randomness from one
CPU generator per row: the tokens of a row do not depend on the batch or the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tts.errors import ConfigError, UsageError

#: logit of a token that cannot be drawn
NEVER = float("-inf")
#: temperatures below this count as 0, since logits divided by them would not be finite
COLD = 1e-6
#: least total probability that truncation may keep; float32 would round less to nothing
LEAST_MASS = 1e-6


@dataclass(frozen=True)
class Sampling:
    """How to sample; the defaults leave the distribution as it is.

    Attributes:
        temperature: divides the logits; below COLD is greedy.
        top_k: keep the k most likely tokens (ties with the last kept too); 0 keeps all.
        top_p: keep the fewest most likely tokens of this total probability (Holtzman et al. 2020).
        min_p: drop tokens less likely than this fraction of the most likely one (Nguyen et al.).
        typical_p: as top_p, for the tokens nearest to the entropy (Meister et al. 2023).
        repetition_penalty: divides positive logits of tokens of the history and multiplies
            negative ones (Keskar et al. 2019); 1 is none.
        repetition_window: last tokens of the history that count for repetition; 0 counts all.
        repetition_ratio: repetition-aware sampling (VALL-E 2, Chen et al. 2024): a drawn token
            that fills more than this fraction of the window is drawn again from the plain
            distribution; 1 is off, 0 draws again whatever the window holds (Fish-Speech S2).
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    repetition_window: int = 10
    repetition_ratio: float = 1.0

    def __post_init__(self) -> None:
        ranges = {
            "temperature": (0, 100), "top_k": (0, 1 << 31), "min_p": (0, 1),
            "repetition_penalty": (0.01, 100), "repetition_window": (0, 1 << 31),
            "repetition_ratio": (0, 1), "top_p": (LEAST_MASS, 1), "typical_p": (LEAST_MASS, 1),
        }  # fmt: skip
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} must be from {low} to {high}, not {value}")
        if self.repetition_ratio < 1 and self.repetition_window == 0:
            raise ConfigError("repetition_ratio needs a repetition_window of at least 1")


def top_k(logits: Tensor, k: int) -> Tensor:
    """Logits [..., V] with all but the k highest (and ties with the last) at -inf; 0 keeps all."""
    if k == 0 or k >= logits.shape[-1]:
        return logits
    least = logits.topk(k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < least, NEVER)


def _keep_mass(logits: Tensor, order: Tensor, probabilities: Tensor, mass: float) -> Tensor:
    """Logits [..., V] of the first tokens in `order` [..., V] whose probabilities [..., V] add up
    to `mass`, the others at -inf; the first token is always kept."""
    ordered = probabilities.gather(-1, order)
    before = ordered.cumsum(-1) - ordered
    drop = before >= mass
    drop[..., 0] = False
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), NEVER)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Nucleus sampling (Holtzman et al. 2020): logits [..., V] with all but the fewest tokens that
    have probability p in total at -inf; 1 keeps all."""
    if p >= 1:
        return logits
    order = logits.sort(dim=-1, descending=True, stable=True).indices
    return _keep_mass(logits, order, logits.softmax(-1), p)


def min_p(logits: Tensor, p: float) -> Tensor:
    """Min-p sampling (Nguyen et al. 2024): logits [..., V] with tokens less likely than p times the
    most likely one at -inf; 0 keeps all."""
    if p <= 0:
        return logits
    probabilities = logits.softmax(-1)
    least = p * probabilities.amax(-1, keepdim=True)
    return logits.masked_fill(probabilities < least, NEVER)


def typical(logits: Tensor, p: float) -> Tensor:
    """Typical sampling (Meister et al. 2023): logits [..., V] with all at -inf but the tokens whose
    information is nearest to the entropy, as many as have probability p; 1 keeps all."""
    if p >= 1:
        return logits
    logp = logits.log_softmax(-1)
    probabilities = logp.exp()
    entropy = torch.special.entr(probabilities).sum(-1, keepdim=True)
    order = (-logp - entropy).abs().sort(dim=-1, stable=True).indices
    return _keep_mass(logits, order, probabilities, p)


def _recent(history: Tensor, window: int) -> Tensor:
    return history[..., -window:] if window else history


def penalize(logits: Tensor, history: Tensor, penalty: float, window: int = 0) -> Tensor:
    """Repetition penalty (Keskar et al. 2019): divide positive logits of tokens of the history by
    the penalty, and multiply negative ones by it.

    Args:
        logits: [..., V].
        history: [..., H] int64, oldest first; negative entries are none.
        window: last tokens that count; 0 counts all.
    """
    recent = _recent(history, window)
    if penalty == 1 or recent.shape[-1] == 0:
        return logits
    spare = torch.zeros(*logits.shape[:-1], logits.shape[-1] + 1, device=logits.device)
    # Absent entries go to a column of their own.
    column = recent.masked_fill(recent < 0, logits.shape[-1])
    seen = spare.scatter(-1, column, 1.0)[..., :-1] > 0
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def process(logits: Tensor, sampling: Sampling, history: Tensor | None = None) -> Tensor:
    """The distribution to draw from.

    Args:
        logits: [..., V]; -inf forbids a token.
        history: [..., H] int64 tokens drawn before in the same place, oldest first, negative for
            none; needed for the repetition penalty only.

    Returns:
        float32 log-probabilities [..., V], -inf for what cannot be drawn. Greedy sampling gives
        probability 1 to one token (the first of equals).
    """
    x = logits.float()
    if history is not None:
        x = penalize(x, history, sampling.repetition_penalty, sampling.repetition_window)
    if sampling.temperature < COLD:
        best = x.argmax(-1, keepdim=True)
        # A row that may draw nothing, or holds NaN, stays so for `draw` to refuse.
        return torch.full_like(x, NEVER).scatter(-1, best, x.gather(-1, best) * 0)
    x = x / sampling.temperature
    x = top_k(x, sampling.top_k)
    x = top_p(x, sampling.top_p)
    x = min_p(x, sampling.min_p)
    x = typical(x, sampling.typical_p)
    return x.log_softmax(-1)


def uniforms(rngs: Sequence[torch.Generator], shape: Sequence[int] = ()) -> Tensor:
    """float64 [B, *shape] in [0, 1) on the CPU, each row from its own generator."""
    return torch.stack(
        [torch.rand(tuple(shape), generator=rng, dtype=torch.float64) for rng in rngs]
    )


def pick(log_probabilities: Tensor, points: Tensor) -> Tensor:
    """Inverse of the distribution function: the tokens [...] int64 at which the cumulative
    probabilities [..., V] pass points [...] in [0, 1).

    Raises:
        UsageError: a distribution with nothing to draw (all -inf) or NaN.
    """
    # float64: in float32 a point can round up to the total and land on an impossible token.
    total = log_probabilities.double().exp().cumsum(-1)
    last = total[..., -1:]
    if not bool((last.isfinite() & (last > 0)).all()):
        raise UsageError("nothing can be drawn: every token is forbidden, or a logit is NaN")
    target = points.to(total)[..., None] * last
    return torch.searchsorted(total, target, right=True)[..., 0]


def draw(log_probabilities: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
    """Log-probabilities [B, ..., V] to ids [B, ...]; one uniform of its row's generator each.

    Logits will do as well where their exponentials stay finite.

    Raises:
        UsageError: a distribution with nothing to draw, or not one generator per row.
    """
    _check_rows(log_probabilities, rngs)
    return pick(log_probabilities, uniforms(rngs, log_probabilities.shape[1:-1]))


def repeats(ids: Tensor, history: Tensor, window: int, ratio: float) -> Tensor:
    """Whether ids [...] fill more than `ratio` of the last `window` tokens of history [..., H]."""
    count = (_recent(history, window) == ids.unsqueeze(-1)).sum(-1)
    return count > ratio * window


def sample(
    logits: Tensor,
    sampling: Sampling,
    rngs: Sequence[torch.Generator],
    history: Tensor | None = None,
    likely: Tensor | None = None,
) -> Tensor:
    """Draw tokens from processed logits; with `repetition_ratio` below 1, draw again without
    processing those that repeat too often (VALL-E 2, Chen et al. 2024).

    Args:
        logits: [B, ..., V]; -inf forbids a token, in the second draw too.
        rngs: one CPU generator per row. With repetition-aware sampling each draw takes two
            uniforms, used or not, so that what follows does not depend on it.
        history: [B, ..., H] int64, negative for none.
        likely: what `process` made of them, if it is known.

    Returns:
        ids [B, ...].
    """
    _check_rows(logits, rngs)
    aware = sampling.repetition_ratio < 1 and history is not None
    points = uniforms(rngs, (1 + aware, *logits.shape[1:-1]))
    likely = process(logits, sampling, history) if likely is None else likely
    ids = pick(likely, points[:, 0])
    if not aware or history is None:
        return ids
    again = repeats(ids, history, sampling.repetition_window, sampling.repetition_ratio)
    plain = pick(logits.float().log_softmax(-1), points[:, 1])
    return torch.where(again, plain, ids)


def _check_rows(logits: Tensor, rngs: Sequence[torch.Generator]) -> None:
    if len(rngs) != len(logits):
        raise UsageError(f"{len(rngs)} generators for {len(logits)} rows")

"""Speculative decoding of a codec language model (Leviathan et al. 2023; Chen et al. 2023).

A draft guesses the next steps, and the network evaluates all of them in one pass. With p the
probability of a code under the network and q that under the draft, a guess is accepted with
probability min(1, p / q); otherwise the code is drawn again from the residual (p - q)+. The result
has exactly the distribution of plain sampling, and at temperature 0 it is the same.

A step of a pattern holds one code of each codebook, independent given the steps before. Every code
is accepted or drawn again by itself, so the step is complete either way. Guesses of later steps
remain only if all codes of the step were accepted.

LANTERN (Jang et al. 2024) relaxes this for codes with similar neighbours: a guess is also given the
probability of the codes nearest to it, up to a limit on the total. For FSQ codes, nearness follows
from their digits.

It does not pay for the shipped `ar`, whose steps of 8 codes hardly ever repeat: no n-gram guess was
right in all of them (benchmarks/studies/speculative.py). It is off unless `sampling.draft` is set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tts.errors import ConfigError, UsageError
from tts.generators.alignment import text_at_steps
from tts.generators.backbone import Mark
from tts.generators.base import Request, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.generator import Generator
from tts.generators.guidance import both, guide_rows
from tts.generators.patterns import Pattern
from tts.generators.protocols import DigitHead, Network, Patterned, masked_head
from tts.generators.sampling import draw, pick, process, uniforms


def can_be_guessed(pattern: Pattern) -> bool:
    """Whether speculative decoding supports a pattern: one step per frame, from left to right, with
    independent codes."""
    several = pattern.stride > 1 or len(pattern.order) > 1 or pattern.levels > 0
    return not several and not pattern.sequential


class Draft(Protocol):
    """A draft, which guesses steps."""

    def propose(self, steps: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
        """Guess the next steps.

        Args:
            steps: [S, K] codes so far, V where a step does not draw a codebook.
            count: most steps to guess.

        Returns:
            codes [n, K] of n <= count steps, and the log-probabilities [n, K, V] from which they
            were drawn; None for the latter if the guess is deterministic.
        """
        ...


class NGram:
    """N-gram draft: guesses the steps that followed the last occurrence of the last `length` steps.

    Args:
        num_codebooks: how many of the first codebooks have to agree; 0 takes all.
    """

    def __init__(self, length: int = 1, num_codebooks: int = 0):
        if length < 1 or num_codebooks < 0:
            raise UsageError(
                f"an n-gram has at least 1 step and codebook, not {length} and {num_codebooks}"
            )
        self.length, self.num_codebooks = length, num_codebooks

    def propose(self, steps: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
        """Guess the next steps; see Draft.propose."""
        size = self.length
        if count < 1 or len(steps) <= size:
            return steps[:0], None
        alike = steps[:, : self.num_codebooks or None]
        windows = alike[:-1].unfold(0, size, 1)  # [S - size, K, size]
        found = (windows == alike[-size:].T).flatten(1).all(1).nonzero()
        if not len(found):
            return steps[:0], None
        begin = int(found[-1]) + size
        return steps[begin : begin + count], None


@dataclass
class Tally:
    """Statistics of guesses: steps guessed and kept; codes in the steps that were verified, and how
    many of them were kept; passes of the network; all steps."""

    guessed: int = 0
    kept: int = 0
    codes: int = 0
    codes_kept: int = 0
    passes: int = 0
    steps: int = 0


class Run:
    """A run of a network for one request: its cache, and the codes of each step.

    Args:
        request: the request, or its Condition.

    Raises:
        UsageError: the network or the options do not support speculative decoding, or the request
            has more than one row.
    """

    def __init__(
        self,
        net: Generator,
        request: Request | Condition,
        rng: torch.Generator,
        options: SamplingOptions,
    ):
        strategy = net.strategy
        pattern = strategy.order_of(net) if isinstance(strategy, Patterned) else None
        if pattern is None or not can_be_guessed(pattern) or net.conditioner.text == "pointer":
            raise UsageError(
                "speculative decoding is for language models of codes with durations, in a "
                "pattern of one step a frame whose codes are drawn independently"
            )
        if options.repetition_ratio < 1 or options.repetition_penalty > 1:
            raise UsageError("speculative decoding has no sampling that looks at repetitions")
        if options.fsq_decode != "drawn":
            raise UsageError("speculative decoding draws codes: fsq_decode: drawn")
        if options.soft_decode:
            raise UsageError("speculative decoding decodes what is drawn: soft_decode: false")
        if isinstance(request, Request):
            if len(request.tokens.lengths) != 1:
                raise UsageError("speculative decoding is for one row at a time")
            request = net.condition(request, [rng], options)
        self.net, self.options, self.pattern = net, options, pattern
        self.head = masked_head(net.head)
        self.condition = request
        self.frames = self.condition.mask.shape[1]
        self.total = pattern.steps(self.frames)
        self.position = pattern.layout(self.frames, self.condition.mask.device).step
        device = self.position.device
        self.known = torch.zeros(
            self.total, self.head.num_codebooks, dtype=torch.bool, device=device
        )
        self.known[self.position, torch.arange(self.head.num_codebooks, device=device)] = True
        self._context = text_at_steps(self.condition, pattern)
        self.cache = net.backbone.start(
            self.condition.memory, self.condition.memory_mask, self.total
        )

    def likely(self, before: Tensor) -> Tensor:
        """Log-probabilities [n, K, V] of the next n steps, given the codes [n, K] before each."""
        begin = self.cache.position
        x = both(self.head.embed(before[None]), self.condition)
        x = x + self._context[:, begin : begin + len(before)]
        hidden = self.net.hidden(x, self.condition, cache=self.cache)
        logits = guide_rows(self.head(hidden), 1, self.options.guidance)[0]
        return process(logits, self.options.categorical())

    def fed(self, steps: Tensor) -> Tensor:
        """The input [n, K] of the next `likely`, if `steps` [S, K] are known."""
        begin = self.cache.position
        if begin:
            return steps[begin - 1 :]
        return torch.cat(
            [steps.new_full((1, self.head.num_codebooks), self.head.codebook_size), steps]
        )

    def clear(self, codes: Tensor, step: int) -> Tensor:
        """Codes [..., K] of a step, V for codebooks that it does not draw."""
        return codes.masked_fill(~self.known[step], self.head.codebook_size)


class SmallModel:
    """Draft model: a smaller generator of the same codes and pattern."""

    def __init__(
        self, net: Generator, request: Request, rng: torch.Generator, options: SamplingOptions
    ):
        self._run, self._rng = Run(net, request, rng, options), rng
        self._marks: list[Mark] = [self._run.cache.mark()]

    @property
    def shape(self) -> tuple[int, int, Pattern]:
        """Number and size of codebooks, and pattern; they have to equal those of the network."""
        return self._run.head.num_codebooks, self._run.head.codebook_size, self._run.pattern

    def propose(self, steps: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
        """Guess the next steps; see Draft.propose."""
        run, cache = self._run, self._run.cache
        # Go back to before the first guess that was not kept.
        while self._marks[-1].position > len(steps):
            self._marks.pop()
        cache.back(self._marks[-1])
        codes, likely = steps, []
        for step in range(len(steps), min(len(steps) + count, run.total)):
            likely.append(run.likely(run.fed(codes))[-1])
            self._marks.append(cache.mark())
            drawn = run.clear(draw(likely[-1][None], [self._rng]), step)
            codes = torch.cat([codes, drawn])
        if not likely:
            return steps[:0], None
        return codes[len(steps) :], torch.stack(likely)


def neighbours(values: Tensor, sizes: Tensor, count: int) -> Tensor:
    """The codes nearest to each code of an FSQ, itself left out: [V, count] from the nearest on.

    Args:
        values: [V, digits] digits of each code.
        sizes: [digits] number of values of each digit; digits are scaled to the same range.

    Raises:
        ConfigError: codes without digits.
    """
    if not values.shape[1]:
        raise ConfigError("relaxed acceptance is for codes of an FSQ (levels of the head)")
    place = values / (sizes - 1).clamp_min(1)
    apart = torch.cdist(place, place).fill_diagonal_(-1.0)
    return apart.argsort(dim=1, stable=True)[:, 1 : count + 1]


def relax(likely: Tensor, guess: Tensor, near: Tensor, bound: float | Tensor) -> Tensor:
    """Relaxed probabilities [..., V]: those of the codes nearest to the guess [...] are moved to
    it, from the nearest on, as long as their sum is at most `bound`.

    Args:
        likely: [..., V] log-probabilities.
        near: [V, n] of `neighbours`.
        bound: on the total variation to the exact distribution; one for all, or [...].
    """
    bound = torch.as_tensor(bound, dtype=torch.float64, device=likely.device).unsqueeze(-1)
    wanted = likely.double().exp()
    around = near[guess]
    moved = wanted.gather(-1, around)
    moved = torch.where(moved.cumsum(-1) <= bound, moved, 0.0)
    wanted = wanted.scatter_add(-1, around, -moved).clamp_min(0)
    return wanted.scatter_add(-1, guess.unsqueeze(-1), moved.sum(-1, keepdim=True))


def verify(
    likely: Tensor,
    guess: Tensor,
    guessed: Tensor | None,
    points: Tensor,
    near: Tensor | None = None,
    bound: float | Tensor = 0.0,
) -> tuple[Tensor, Tensor]:
    """Accept guesses or draw again, so that the result has the distribution `likely`.

    Args:
        likely: log-probabilities [..., V] of the network.
        guess: [...] codes drawn from the log-probabilities `guessed` [..., V]; None for the latter
            if the guess is deterministic.
        points: [2, ...] uniform random numbers in [0, 1).
        near, bound: of `relax`; without them the distribution is exact.

    Returns:
        codes [...], and which of them are accepted guesses, bool [...].
    """
    wanted = likely.double().exp() if near is None else relax(likely, guess, near, bound)
    if guessed is None:
        given = torch.zeros_like(wanted).scatter(-1, guess.unsqueeze(-1), 1.0)
    else:
        given = guessed.double().exp()
    at = guess.unsqueeze(-1)
    points = points.to(wanted)
    kept = points[0] * given.gather(-1, at)[..., 0] < wanted.gather(-1, at)[..., 0]
    rest = (wanted - given).clamp_min(0)
    # If both are equal nothing is rejected, and any distribution will do here.
    rest = torch.where(rest.sum(-1, keepdim=True) > 0, rest, wanted)
    return torch.where(kept, guess, pick(rest.log(), points[1])), kept


@torch.inference_mode()
def speculate(
    net: Generator,
    request: Request | Condition,
    rng: torch.Generator,
    options: SamplingOptions,
    draft: Draft,
    count: int = 4,
    tally: Tally | None = None,
) -> Iterator[Tensor]:
    """`Generator.stream` of one row by speculative decoding.

    Args:
        request: the request, or its Condition; draft: made for this request.
        count: most steps that are guessed at a time; tally: receives the statistics.

    Yields:
        latents [1, u, K].

    Raises:
        UsageError: see `Run`; or the draft model has other codes.
    """
    run, tally = Run(net, request, rng, options), tally or Tally()
    entries, pattern = run.head.codebook_size, run.pattern
    near = None
    if options.relaxed:
        if not isinstance(run.head, DigitHead):
            raise ConfigError("relaxed acceptance is for codes of an FSQ (levels of the head)")
        near = neighbours(run.head.values, run.head.sizes, options.relaxed_neighbours)
    if isinstance(draft, SmallModel) and draft.shape != (run.head.num_codebooks, entries, pattern):
        raise UsageError("the draft has other codes, or another pattern, than the model")
    steps = torch.full_like(run.known, entries, dtype=torch.int64)
    column = torch.arange(run.head.num_codebooks, device=steps.device)
    begin = done = 0
    while begin < run.total:
        guess, guessed = draft.propose(steps[:begin], min(count, run.total - begin - 1))
        known = run.known[begin : begin + len(guess) + 1]
        guess = guess.masked_fill(~known[: len(guess)], entries)
        fed = run.fed(torch.cat([steps[:begin], guess]))
        likely = run.likely(fed)
        points = uniforms([rng], (len(fed), 2, run.head.num_codebooks))[0]
        at = 0
        for at in range(len(fed)):
            if at == len(guess):
                codes = pick(likely[at], points[at, 0])
                steps[begin + at] = run.clear(codes, begin + at)
                break
            # A codebook without a guess counts as not accepted, and no probability moves to it.
            inside = guess[at].clamp(max=entries - 1)
            bound = options.relaxed * (guess[at] < entries).double()
            other = None if guessed is None else guessed[at]
            codes, kept = verify(likely[at], inside, other, points[at], near, bound)
            tally.codes += int(known[at].sum())
            tally.codes_kept += int((kept & (guess[at] < entries) & known[at]).sum())
            steps[begin + at] = run.clear(codes, begin + at)
            if not bool((kept & (guess[at] < entries) | ~known[at]).all()):
                break
        begin += at + 1
        run.cache.trim(begin)
        tally.guessed += len(guess)
        tally.kept += at
        tally.passes, tally.steps = tally.passes + 1, begin
        frontier = pattern.frontier(begin - 1, run.frames)
        if frontier > done:
            yield steps[run.position[done:frontier], column][None]
            done = frontier


def drafted(
    net: Network,
    condition: Condition,
    rngs: Sequence[torch.Generator],
    options: SamplingOptions,
) -> Iterator[Tensor]:
    """Yield latents [B, u, K] by speculative decoding with the draft that `options.draft` names.

    One row is streamed. Several are decoded one after another, since each takes its own number of
    passes, and come in one piece.

    Args:
        condition: of B rows, or with guidance 2 B.

    Raises:
        UsageError, ConfigError: as `speculate`.
    """

    if condition.text is not None or not isinstance(net, Generator):
        raise UsageError("speculative decoding is for one network with durations, not a pointer")

    def one(row: int) -> Iterator[Tensor]:
        draft = NGram(1, options.draft_codebooks)
        alone = condition.row(row, len(rngs))
        return speculate(net, alone, rngs[row], options, draft, options.draft_steps)

    if len(rngs) == 1:
        yield from one(0)
        return
    # Rows are decoded without their padding.
    made = [torch.cat(list(one(row)), 1)[0] for row in range(len(rngs))]
    yield pad_sequence(made, batch_first=True)

"""Speculative decoding of a codec language model (Leviathan et al. 2023; Chen et al. 2023).

A draft guesses the next steps, the network looks at all of them in one pass, and each code is kept
with probability min(1, p / q) of its distributions or drawn again from what the draft gave too
little (p - q)+. What is said then has exactly the distribution of plain sampling, and at
temperature 0 is the same.

A step of a pattern holds a code of each codebook, independent given the steps before. Each is
accepted or drawn again by itself, so the step is complete either way; what was guessed after it
stands only where all codes of the step were right.

It does not pay for the shipped `ar`, whose steps of 8 codes hardly ever repeat: no guess of an
n-gram was right in all of them (benchmarks/studies/speculative.py). It is off unless called for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tts.errors import UsageError
from tts.generators.alignment import at_steps
from tts.generators.backbone import Mark
from tts.generators.base import Request, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.generator import Generator
from tts.generators.guidance import both, guide_rows
from tts.generators.patterns import Pattern
from tts.generators.protocols import masked_head
from tts.generators.sampling import draw, pick, process, uniforms
from tts.generators.strategies.autoregressive import Autoregressive


class Draft(Protocol):
    """What guesses steps."""

    def propose(self, steps: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
        """Guess what comes next.

        Args:
            steps: [S, K] codes so far, V where a step has none of a codebook.
            count: most steps to guess.

        Returns:
            codes [n, K] of n <= count steps, and the log-probabilities [n, K, V] they were drawn
            from; None where they are not drawn but certain.
        """
        ...


class NGram:
    """Draft: what followed the last `length` steps when they were there before, the latest time.

    Args:
        num_codebooks: how many of the first codebooks have to be the same; 0 takes all.
    """

    def __init__(self, length: int = 1, num_codebooks: int = 0):
        if length < 1 or num_codebooks < 0:
            raise UsageError(
                f"an n-gram has at least 1 step and codebook, not {length} and {num_codebooks}"
            )
        self.length, self.num_codebooks = length, num_codebooks

    def propose(self, steps: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
        """Guess what comes next."""
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
    """How guesses fared: steps guessed and kept, passes of the network, steps in all."""

    guessed: int = 0
    kept: int = 0
    passes: int = 0
    steps: int = 0


class Run:
    """A network and one request to it: what step may hold which codes, and what follows.

    Raises:
        UsageError: not a language model of codes, drawn independently from left to right, one step
            a frame; or more than one row.
    """

    def __init__(
        self, net: Generator, request: Request, rng: torch.Generator, options: SamplingOptions
    ):
        strategy, head = net.strategy, net.head
        pattern = strategy.order(net) if isinstance(strategy, Autoregressive) else None
        if (
            pattern is None
            or pattern.sequential
            or pattern.levels
            or pattern.stride > 1
            or len(pattern.order) > 1
            or net.conditioner.text == "pointer"
        ):
            raise UsageError(
                "speculative decoding is for language models of codes with durations, in a "
                "pattern of one step a frame whose codes are drawn independently"
            )
        if options.repetition_ratio < 1 or options.repetition_penalty > 1:
            raise UsageError("speculative decoding has no sampling that looks at repetitions")
        if options.fsq_decode != "drawn":
            raise UsageError("speculative decoding draws codes: fsq_decode: drawn")
        if len(request.tokens.lengths) != 1:
            raise UsageError("speculative decoding is for one row at a time")
        self.net, self.options, self.pattern = net, options, pattern
        self.head = masked_head(head)
        self.condition: Condition = net.condition(request, [rng], options)
        self.frames = self.condition.mask.shape[1]
        self.total = pattern.steps(self.frames)
        self.position = pattern.layout(self.frames, self.condition.mask.device).step
        device = self.position.device
        self.known = torch.zeros(
            self.total, self.head.num_codebooks, dtype=torch.bool, device=device
        )
        self.known[self.position, torch.arange(self.head.num_codebooks, device=device)] = True
        self._context = at_steps(self.condition, pattern)
        self.cache = net.backbone.start(
            self.condition.memory, self.condition.memory_mask, self.total
        )

    def likely(self, before: Tensor) -> Tensor:
        """Log-probabilities [n, K, V] of the next steps, given the codes [n, K] each follows."""
        begin = self.cache.position
        x = both(self.head.embed(before[None]), self.condition)
        x = x + self._context[:, begin : begin + len(before)]
        hidden = self.net.hidden(x, self.condition, cache=self.cache)
        logits = guide_rows(self.head(hidden), 1, self.options.guidance)[0]
        return process(logits, self.options.categorical())

    def fed(self, steps: Tensor) -> Tensor:
        """Codes [n, K] for the next `likely`, where `steps` [S, K] are known."""
        begin = self.cache.position
        if begin:
            return steps[begin - 1 :]
        return torch.cat(
            [steps.new_full((1, self.head.num_codebooks), self.head.codebook_size), steps]
        )

    def clear(self, codes: Tensor, step: int) -> Tensor:
        """Codes [..., K] of a step without those it does not draw."""
        return codes.masked_fill(~self.known[step], self.head.codebook_size)


class SmallModel:
    """Draft: another, smaller generator of the same codes and pattern."""

    def __init__(
        self, net: Generator, request: Request, rng: torch.Generator, options: SamplingOptions
    ):
        self._run, self._rng = Run(net, request, rng, options), rng
        self._marks: list[Mark] = [self._run.cache.mark()]

    @property
    def shape(self) -> tuple[int, int, Pattern]:
        """Codebooks, entries and pattern, which have to be those of the other network."""
        return self._run.head.num_codebooks, self._run.head.codebook_size, self._run.pattern

    def propose(self, steps: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
        """Guess what comes next."""
        run, cache = self._run, self._run.cache
        # Guesses that were not kept are forgotten; what is known of the steps is not.
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


def verify(
    likely: Tensor, guess: Tensor, guessed: Tensor | None, points: Tensor
) -> tuple[Tensor, Tensor]:
    """Keep guesses or draw again, so that the result is distributed as `likely` says.

    Args:
        likely: log-probabilities [..., V]; guess: [...] drawn from `guessed` [..., V], or certain.
        points: [2, ...] uniform in [0, 1).

    Returns:
        codes [...], and which of them are the guess's own draw (bool [...]).
    """
    wanted = likely.double().exp()
    if guessed is None:
        given = torch.zeros_like(wanted).scatter(-1, guess.unsqueeze(-1), 1.0)
    else:
        given = guessed.double().exp()
    at = guess.unsqueeze(-1)
    points = points.to(wanted)
    kept = points[0] * given.gather(-1, at)[..., 0] < wanted.gather(-1, at)[..., 0]
    rest = (wanted - given).clamp_min(0)
    # Where both are the same nothing is rejected, and any distribution will do.
    rest = torch.where(rest.sum(-1, keepdim=True) > 0, rest, wanted)
    return torch.where(kept, guess, pick(rest.log(), points[1])), kept


@torch.inference_mode()
def speculate(
    net: Generator,
    request: Request,
    rng: torch.Generator,
    options: SamplingOptions,
    draft: Draft,
    count: int = 4,
    tally: Tally | None = None,
) -> Iterator[Tensor]:
    """`Generator.stream` of one row with guesses.

    Args:
        draft: of this request; count: most steps it guesses at a time; tally: filled.

    Yields:
        latents [1, u, K].

    Raises:
        UsageError: see `Run`; or a draft of other codes.
    """
    run, tally = Run(net, request, rng, options), tally or Tally()
    entries, pattern = run.head.codebook_size, run.pattern
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
            # A code that was not guessed is one that is not kept.
            inside = guess[at].clamp(max=entries - 1)
            other = None if guessed is None else guessed[at]
            codes, kept = verify(likely[at], inside, other, points[at])
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

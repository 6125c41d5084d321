"""Codebook patterns: in which order an autoregressive generator draws the codes of frames.

Codes [B, T, K] and steps [B, S, P] hold the same tokens: step s of a generator evaluates P slots,
and each code (t, k) is drawn in one slot of one step. A pattern is that mapping as data, after the
patterns of MusicGen (Copet et al. 2023); nothing here knows of models.

A loop over frames of unknown number needs `emits` (what a step draws), `frontier` (how many frames
are complete after it) and `from_steps(steps, frontier)`.
"""

import bisect
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

import torch
from torch import Tensor

from tts.errors import ConfigError, UsageError


@dataclass(frozen=True)
class Layout:
    """Index tables of a pattern for T frames; shared, not to be written to.

    Attributes:
        step: [T, K] int64, the step that draws a code.
        slot: [T, K] int64, the slot of that step.
        time: [S, P] int64, the frame a slot draws for, -1 where it draws nothing.
        codebook: [S, P] int64, its codebook, -1 where it draws nothing.
    """

    step: Tensor
    slot: Tensor
    time: Tensor
    codebook: Tensor

    def to(self, device: torch.device | str) -> "Layout":
        """A copy with its tensors on `device`."""
        return Layout(*(x.to(device) for x in (self.step, self.slot, self.time, self.codebook)))


@dataclass(frozen=True)
class Pattern:
    """The order of codes as a few integers; make one with `make_pattern`.

    Frames are visited in `order` within windows of len(order) frames, one visit every `stride`
    steps, and codebook k of the frame of visit v is drawn in step stride * v + offsets[k]. The
    `levels` codebooks after those follow when all frames are done, one step for each, all frames
    at once (slot t draws frame t).

    Attributes:
        name: key in PATTERNS.
        offsets: steps from the visit of a frame to the draw of each streamed codebook, least 0.
        slots: slot of each streamed codebook.
        stride: steps from one visit to the next.
        order: frames of a window in the order of their visits; (0,) visits left to right.
        levels: codebooks drawn after the last frame, level by level.
        sequential: the slots of a step are drawn one after another (a depth model), each given
            those before it, and not independently.
    """

    name: str
    offsets: tuple[int, ...]
    slots: tuple[int, ...]
    stride: int = 1
    order: tuple[int, ...] = (0,)
    levels: int = 0
    sequential: bool = False

    def __post_init__(self) -> None:
        if not self.offsets or len(self.slots) != len(self.offsets) or self.levels < 0:
            raise ConfigError(f"pattern {self.name}: needs codebooks, one offset and slot each")
        if min(self.offsets) != 0 or min(self.slots) < 0 or self.stride < 1:
            raise ConfigError(f"pattern {self.name}: offsets start at 0, slots at 0, strides at 1")
        if sorted(self.order) != list(range(len(self.order))) or not self.order:
            raise ConfigError(f"pattern {self.name}: order is not a permutation")
        places = {(s, o % self.stride) for s, o in zip(self.slots, self.offsets, strict=True)}
        if len(places) < len(self.offsets):
            raise ConfigError(f"pattern {self.name}: two codebooks share a slot")

    @property
    def codebooks(self) -> int:
        """K."""
        return len(self.offsets) + self.levels

    @cached_property
    def _rank(self) -> list[int]:
        """Visit of each frame of a window."""
        return [self.order.index(at) for at in range(len(self.order))]

    @cached_property
    def _release(self) -> list[int]:
        """Last visit among the frames of a window up to each."""
        return list(accumulate(self._rank, max))

    @property
    def streamable(self) -> bool:
        """Whether frames complete before the last one is begun, whatever their number."""
        return self.levels == 0

    @property
    def latency(self) -> int | None:
        """Most later frames that are begun before a frame can be handed on; None for all."""
        if not self.streamable:
            return None
        late = max(self.offsets) // self.stride
        return max(visit + late - at for at, visit in enumerate(self._release))

    def _streamed_steps(self, frames: int) -> int:
        if frames == 0:
            return 0
        window, at = divmod(frames - 1, len(self.order))
        last = window * len(self.order) + self._release[at]
        return self.stride * last + max(self.offsets) + 1

    def steps(self, frames: int) -> int:
        """S, the steps that draw `frames` frames."""
        return self._streamed_steps(frames) + (self.levels if frames else 0)

    def positions(self, frames: int) -> int:
        """P, the slots of a step (as many as frames where whole levels are drawn at once)."""
        return max(max(self.slots) + 1, frames if self.levels else 0)

    def layout(self, frames: int, device: torch.device | None = None) -> Layout:
        """Index tables for `frames` frames.

        Tables of size S x P grow with the square of T where there are levels; such a generator
        wants `step` and `slot`, or `emits`.
        """
        return _layout(self, frames, device or torch.device("cpu"))

    def valid(self, frames: int) -> Tensor:
        """[S, P] bool, the slots that draw a code."""
        return self.layout(frames).time >= 0

    def to_steps(self, codes: Tensor, empty: int) -> Tensor:
        """Codes [B, T, K] to steps [B, S, P]; slots that draw nothing hold `empty`."""
        if codes.ndim != 3 or codes.shape[2] != self.codebooks:
            raise UsageError(
                f"pattern {self.name} takes codes [B, T, {self.codebooks}], not {list(codes.shape)}"
            )
        batch, frames, _ = codes.shape
        table = self.layout(frames, codes.device)
        steps = codes.new_full((batch, self.steps(frames), self.positions(frames)), empty)
        steps[:, table.step, table.slot] = codes
        return steps

    def from_steps(self, steps: Tensor, frames: int | None = None) -> Tensor:
        """Steps [B, S, P] to codes [B, T, K], the inverse of `to_steps`.

        Args:
            frames: T; the first frames of a run that goes on, too, if they are complete. Left out,
                it follows from S (which permuted orders do not allow).

        Raises:
            UsageError: fewer steps than `frames` frames take, or `frames` is needed.
        """
        if frames is None:
            if len(self.order) > 1:
                raise UsageError(f"pattern {self.name}: the number of frames must be given")
            extra = max(self.offsets) + self.levels
            frames = max(0, (steps.shape[1] - 1 - extra) // self.stride + 1)
        if steps.ndim != 3 or steps.shape[2] < self.positions(frames):
            raise UsageError(
                f"pattern {self.name} takes steps [B, S, {self.positions(frames)}], not "
                f"{list(steps.shape)}"
            )
        if steps.shape[1] < self.steps(frames):
            raise UsageError(f"{frames} frames are not complete in {steps.shape[1]} steps")
        table = self.layout(frames, steps.device)
        return steps[:, table.step, table.slot]

    def frame(self, visit: int) -> int:
        """The frame of a visit, counted from 0."""
        window, at = divmod(visit, len(self.order))
        return window * len(self.order) + self.order[at]

    def emits(self, step: int, frames: int | None = None) -> list[tuple[int, int]]:
        """The (t, k) that a step draws, by codebook.

        Args:
            frames: T, where known; frames from it on are left out.

        Raises:
            UsageError: `frames` is needed (whole levels wait for the last frame).
        """
        self._check_known(frames)
        if self.levels and frames is not None and step >= self._streamed_steps(frames):
            codebook = len(self.offsets) + step - self._streamed_steps(frames)
            return [(t, codebook) for t in range(frames)] if codebook < self.codebooks else []
        drawn = []
        for codebook, offset in enumerate(self.offsets):
            visit, rest = divmod(step - offset, self.stride)
            if rest == 0 and visit >= 0:
                t = self.frame(visit)
                if frames is None or t < frames:
                    drawn.append((t, codebook))
        return drawn

    def drawn(self, step: int, codebook: int, count: int = 0) -> list[int]:
        """The frames whose code of a streamed codebook was drawn before a step, in the order in
        which they were, the last at its end.

        Frames past the end of a run are among them, where an order visits such first.

        Args:
            count: so many that at least `count` of them are inside of any run whose frame of this
                step is, where there are as many; 0 for all.
        """
        window = len(self.order)
        visits = max(0, -(-(step - self.offsets[codebook]) // self.stride))
        # A run ends inside of its last window: no more visits than a window has can miss it.
        first = max(0, visits - count - (window - 1)) if count else 0
        return [self.frame(visit) for visit in range(first, visits)]

    def frontier(self, step: int, frames: int | None = None) -> int:
        """How many leading frames are complete after a step (-1: before the first).

        Args:
            frames: T, where known.

        Raises:
            UsageError: `frames` is needed (whole levels wait for the last frame).
        """
        self._check_known(frames)
        if self.levels and frames is not None:
            return frames if step + 1 >= self.steps(frames) else 0
        visits = max(0, (step - max(self.offsets)) // self.stride + 1)
        window, rest = divmod(visits, len(self.order))
        done = window * len(self.order) + bisect.bisect_left(self._release, rest)
        return done if frames is None else min(done, frames)

    def _check_known(self, frames: int | None) -> None:
        if frames is None and not self.streamable:
            raise UsageError(f"pattern {self.name}: the number of frames must be given")


@lru_cache(maxsize=64)
def _layout(pattern: Pattern, frames: int, device: torch.device) -> Layout:
    # Whoever asks first, training uses it too.
    with torch.inference_mode(False):
        return _made(pattern, frames).to(device)


def _made(pattern: Pattern, frames: int) -> Layout:
    """The index tables of a pattern, on the CPU."""
    time = torch.arange(frames)
    window = len(pattern.order)
    rank = torch.tensor(pattern._rank)
    visit = time.div(window, rounding_mode="floor") * window + rank[time % window]
    step = pattern.stride * visit[:, None] + torch.tensor(pattern.offsets)
    slot = torch.tensor(pattern.slots).expand(frames, -1)
    if pattern.levels:
        after = pattern._streamed_steps(frames) + torch.arange(pattern.levels)
        step = torch.cat([step, after.expand(frames, -1)], 1)
        slot = torch.cat([slot, time[:, None].expand(-1, pattern.levels)], 1)
    shape = (pattern.steps(frames), pattern.positions(frames))
    frame, codebook = torch.full(shape, -1), torch.full(shape, -1)
    frame[step, slot] = time[:, None].expand_as(step)
    codebook[step, slot] = torch.arange(pattern.codebooks).expand_as(step)
    return Layout(step, slot, frame, codebook)

"""Alignment of text with the steps of an autoregressive generator, which also decides its end.

With durations (`DurationAligned`) the text of every step is known beforehand. Without them
(`PointerAligned`) a pointer over the phones decides at every frame whether to stay or to move on
(VALL-E R, Han et al. 2024). No phone is skipped or repeated, the run ends when the pointer passes
the last phone, and bounds on the frames of each phone make it end whatever the network predicts.
In VALL-E R the pointer moves at most once per step; here it moves by frames, `patch` of them per
latent, since phones can be shorter than latents.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from tts.generators import pointer as pointing
from tts.generators.base import SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.patterns import Pattern
from tts.generators.pointer_content import PointerContent
from tts.generators.protocols import Network
from tts.generators.sampling import COLD


class DurationAligned:
    """Text that is aligned before generation, by durations or over a known total length.

    Attributes:
        count: latents of the longest row; lengths: [B or 2 B] latents of each row.
    """

    def __init__(self, condition: Condition, pattern: Pattern | None):
        self.lengths = condition.lengths
        self.count = condition.mask.shape[1]
        self._context = text_at_steps(condition, pattern)

    def text(self, step: int, hidden: Tensor | None) -> Tensor:
        """The text content of a step, [B or 2 B, 1, dim]; [.., 0, dim] after the last step.

        Args:
            hidden: [B or 2 B, 1, dim] state of the step before, which a pointer reads.
        """
        return self._context[:, step : step + 1]


class PointerAligned:
    """Text that a pointer aligns during generation.

    It fills in `frames` and `prior_mean` of the condition step by step, and its `mask` at the end.
    `PointerText.alignment` holds the durations that were found so far.

    Args:
        merge: latents per step, whose text content is the mean of theirs.

    Attributes:
        count: steps of the longest row; an upper bound until the pointer has passed its last phone.
    """

    def __init__(
        self,
        net: Network,
        condition: Condition,
        pattern: Pattern | None,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        merge: int = 1,
    ):
        text, self._conditioner = condition.text, net.conditioner
        assert text is not None
        self._condition, self._text = condition, text
        self._rngs = rngs if options.temperature >= COLD else None
        self._rows = len(rngs)
        self._stride = pattern.stride if pattern else 1
        patch, size = net.patch, text.phones.shape[1]
        # At normal pace nothing has to be computed from it at every step.
        self._pace = None if text.pace is None or bool((text.pace == 1).all()) else text.pace
        if text.durations is None:
            most: Tensor | int = net.conditioner.longest
            if self._pace is not None:
                most = (most / self._pace).ceil().long()[:, None].expand(-1, size)
            self._pointer = pointing.start(text.lengths, 1, most, size)
        else:
            bounds = pointing.bounds(text.durations, options.duration_tolerance)
            self._pointer = pointing.start(text.lengths, *bounds)
        self._merge, self._latents = merge, -(-self._pointer.limit // patch)
        self.count = int(self.lengths.max())
        every, most = len(condition.global_cond), self.count * merge
        condition.frames = condition.frames.new_zeros(every, most, condition.frames.shape[2])
        condition.prior_mean = condition.prior_mean.new_zeros(
            every, most, condition.prior_mean.shape[2]
        )
        self._going = True

    @property
    def lengths(self) -> Tensor:
        """[B] steps of each row; upper bounds, as `count` is."""
        return -(-self._latents // self._merge)

    def text(self, step: int, hidden: Tensor | None) -> Tensor:
        """The text content of a step; see DurationAligned.text."""
        position, rest = divmod(step, self._stride)
        if rest == 0 and self._going:
            self._begin(position, hidden)
        at = min(position, self.count - 1)
        heard = self._condition.frames[:, at * self._merge : (at + 1) * self._merge]
        return heard if self._merge == 1 else heard.mean(1, keepdim=True)

    def _begin(self, position: int, hidden: Tensor | None) -> None:
        """Move the pointer over the frames of step `position`, and write the text of its latents
        into the condition; close the run if all rows have ended."""
        content, condition, text = self._conditioner.content, self._condition, self._text
        assert isinstance(content, PointerContent)
        state = content.before.expand(self._rows, -1) if hidden is None else hidden[: self._rows, 0]
        indices, elapsed_frames = [], []
        first, over = position * self._merge, self._pointer.finished
        for part in range(content.patch * self._merge):
            if position or part:
                self._move(content, state)
            latent, inside = divmod(part, content.patch)
            if inside == 0:
                ended = self._pointer.finished
                bound = self._latents.clamp(max=first + latent)
                self._latents = torch.where(ended, bound, self._latents)
            if part == 0:
                over = ended
                if bool(over.all()):
                    self._close(int(self._latents.max()))
                    return
            phone_index, elapsed = self._place()
            indices.append(phone_index)
            elapsed_frames.append(elapsed)
        text.alignment.durations = self._pointer.durations
        branches = len(condition.global_cond) // self._rows
        phone_index, elapsed = (
            torch.cat(x, 1).repeat(branches, 1) for x in (indices, elapsed_frames)
        )
        spoken_phones = content.phones_at(text.phones, phone_index, elapsed)
        found, mean = content.encode_frames(
            spoken_phones,
            spoken_phones.new_ones(len(spoken_phones), self._merge, 1),
            condition.global_cond,
        )
        frames, mean = self._conditioner.with_prior(found, mean, text.drop_text)
        if position:
            over = over.repeat(branches)[:, None, None]
            frames = torch.where(over, condition.frames[:, first - 1, None], frames)
            mean = torch.where(over, condition.prior_mean[:, first - 1, None], mean)
        condition.frames[:, first : first + self._merge] = frames
        condition.prior_mean[:, first : first + self._merge] = mean

    def _move(self, content: PointerContent, state: Tensor) -> None:
        """Count a frame for the current phone, then stay or move on."""
        phone_index, _ = self._place()

        def leaving(spent: Tensor) -> Tensor:
            phones = self._text.phones[: self._rows]
            spoken_phones = content.phones_at(phones, phone_index, spent.unsqueeze(1))
            score = content.stay_logit(state.unsqueeze(1), spoken_phones).squeeze(1)
            return pointing.advance_probability(score)

        self._pointer = pointing.step(self._pointer, leaving, self._rngs, self._pace)

    def _place(self) -> tuple[Tensor, Tensor]:
        """The phone of the next frame, and the frames spent on it so far, [B, 1] int64 each.
        Finished rows stay at their last phone."""
        phone_index = torch.minimum(self._pointer.index, self._text.lengths - 1).unsqueeze(1)
        return phone_index, self._pointer.counts.gather(1, phone_index)

    def _close(self, count: int) -> None:
        """End the run after `count` latents: cut the condition, and set its mask."""
        condition = self._condition
        self._going, self.count = False, -(-count // self._merge)
        self._text.alignment.durations = self._pointer.durations
        condition.frames, condition.prior_mean = (
            condition.frames[:, :count],
            condition.prior_mean[:, :count],
        )
        index = torch.arange(count, device=self._latents.device)
        mask = (index < self._latents.unsqueeze(1)).float().unsqueeze(-1)
        condition.mask = mask.repeat(len(condition.global_cond) // self._rows, 1, 1)


@lru_cache(maxsize=64)
def begun_frames(pattern: Pattern, frames: int, device: torch.device) -> Tensor:
    """For each step of a pattern, the latent whose text the network is given, [S] int64: the latent
    that was begun last. Steps that only complete earlier latents get the last one.

    Args:
        frames: number of latents.
    """
    with torch.inference_mode(False):  # the cached tensor serves training too
        return _begun_frames(pattern, frames).to(device)


def _begun_frames(pattern: Pattern, frames: int) -> Tensor:
    visit = torch.arange(pattern.steps(frames)).div(pattern.stride, rounding_mode="floor")
    window = len(pattern.order)
    frame = visit - visit % window + torch.tensor(pattern.order)[visit % window]
    return torch.where(frame < frames, frame, frames - 1)


def text_at_steps(condition: Condition, pattern: Pattern | None) -> Tensor:
    """The text content of every step, [B, S, dim]: that of its latent, which for codes follows
    from the pattern."""
    if pattern is None:
        return condition.frames
    frames, lengths = condition.frames, condition.lengths
    position = begun_frames(pattern, frames.shape[1], frames.device)
    index = torch.minimum(position.expand(len(frames), -1), lengths[:, None] - 1)
    return frames.gather(1, index[..., None].expand(-1, -1, frames.shape[-1]))

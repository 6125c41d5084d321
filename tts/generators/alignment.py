"""What text a step of an autoregressive generator is given, and when it ends.

Where durations are given (`DurationAligned`) this is a table. Without them (`PointerAligned`) a
pointer over the phones decides from frame to frame whether to stay or to move on (VALL-E R, Han et
al. 2024): no phone is skipped or repeated, the run ends when the pointer passes the last one, and
bounds on the frames of a phone make it end whatever the network says. VALL-E R moves at most once
a step; here the pointer moves by frames, `patch` of them in a latent, since phones are shorter than
latents.
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
    """Text by durations, or laid over a sequence of known length.

    Attributes:
        count: latents of the longest row; lengths: [B or 2 B] latents of each.
    """

    def __init__(self, condition: Condition, pattern: Pattern | None):
        self.lengths = condition.lengths
        self.count = condition.mask.shape[1]
        self._context = at_steps(condition, pattern)

    def text(self, step: int, hidden: Tensor | None) -> Tensor:
        """What the step sees of the text, [B or 2 B, 1, dim]; empty after the last."""
        return self._context[:, step : step + 1]


class PointerAligned:
    """Text by a pointer. Fills `frames` and `prior_mean` of the condition on the way and its
    `mask` at the end; `PointerText.alignment` says how long each phone has been so far.

    Args:
        merge: latents of a step, which hears the mean of their texts.

    Attributes:
        count: steps of the longest row, an upper bound until the pointer has passed the last phone.
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
        # Where all is as in training no device has to be asked at every step.
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
        """[B] steps of each row, upper bounds as `count`."""
        return -(-self._latents // self._merge)

    def text(self, step: int, hidden: Tensor | None) -> Tensor:
        """As of `DurationAligned`; `hidden` [B or 2 B, 1, dim] of the step before."""
        position, rest = divmod(step, self._stride)
        if rest == 0 and self._going:
            self._begin(position, hidden)
        at = min(position, self.count - 1)
        heard = self._condition.frames[:, at * self._merge : (at + 1) * self._merge]
        return heard if self._merge == 1 else heard.mean(1, keepdim=True)

    def _begin(self, position: int, hidden: Tensor | None) -> None:
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
        """Account for a frame, and stay or move on."""
        phone_index, _ = self._place()

        def leaving(spent: Tensor) -> Tensor:
            phones = self._text.phones[: self._rows]
            spoken_phones = content.phones_at(phones, phone_index, spent.unsqueeze(1))
            score = content.stay_logit(state.unsqueeze(1), spoken_phones).squeeze(1)
            return pointing.advance_probability(score)

        self._pointer = pointing.step(self._pointer, leaving, self._rngs, self._pace)

    def _place(self) -> tuple[Tensor, Tensor]:
        """[B, 1] phone of the next frame, and frames spent on it; the last in finished rows."""
        phone_index = torch.minimum(self._pointer.index, self._text.lengths - 1).unsqueeze(1)
        return phone_index, self._pointer.counts.gather(1, phone_index)

    def _close(self, count: int) -> None:
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
def leads(pattern: Pattern, frames: int, device: torch.device) -> Tensor:
    """[S] the frame whose text a step is given: the last that has been begun; of steps that only
    finish earlier frames the last of all."""
    with torch.inference_mode(False):  # whoever asks first, training uses it too
        return _leads(pattern, frames).to(device)


def _leads(pattern: Pattern, frames: int) -> Tensor:
    visit = torch.arange(pattern.steps(frames)).div(pattern.stride, rounding_mode="floor")
    window = len(pattern.order)
    frame = visit - visit % window + torch.tensor(pattern.order)[visit % window]
    return torch.where(frame < frames, frame, frames - 1)


def at_steps(condition: Condition, pattern: Pattern | None) -> Tensor:
    """What every step sees of the text, [B, S, dim]."""
    if pattern is None:
        return condition.frames
    frames, lengths = condition.frames, condition.lengths
    position = leads(pattern, frames.shape[1], frames.device)
    index = torch.minimum(position.expand(len(frames), -1), lengths[:, None] - 1)
    return frames.gather(1, index[..., None].expand(-1, -1, frames.shape[-1]))

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
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.errors import UsageError
from tts.generators import pointer as pointing
from tts.generators.base import SamplingOptions
from tts.generators.conditioning import Condition, PhoneContent, Text
from tts.generators.patterns import Pattern
from tts.text.tokens import TokenBatch, token_index

if TYPE_CHECKING:
    from tts.generators.generator import Generator


class PointerContent(PhoneContent):
    """Phones to what a latent sees of them where only the past is known.

    As ContentEncoder, but latents are not mixed, and the position in a phone is the number of
    frames spent on it. A score says from the hidden state how much is for staying on a phone.
    """

    def __init__(
        self,
        channels: int,
        dim: int,
        global_dim: int,
        patch: int,
        phone_dim: int,
        phone_blocks: int,
        blocks: int,
        dropout: float = 0.05,
    ):
        super().__init__(
            channels,
            dim,
            global_dim,
            patch,
            phone_dim,
            phone_blocks,
            blocks,
            dropout,
            kernel=1,
            position_dim=2,
        )
        self.before = nn.Parameter(torch.zeros(dim))
        self.score = nn.Sequential(
            nn.Linear(dim + phone_dim, phone_dim), nn.GELU(), nn.Linear(phone_dim, 1)
        )

    def read(
        self,
        tokens: TokenBatch,
        durations: Tensor | None,
        global_cond: Tensor,
        drop_text: Tensor | None,
    ) -> Text:
        """Encoded phones; `drop_text` [B] bool are rows to hear nothing of them."""
        if drop_text is None:
            drop_text = torch.zeros_like(tokens.lengths, dtype=torch.bool)
        return Text(self.phones(tokens, global_cond), tokens.lengths, drop_text, durations)

    def phones_at(self, phones: Tensor, phone_index: Tensor, elapsed: Tensor) -> Tensor:
        """The phones [B, T, phone_dim] of frames, marked with the frames spent before.

        Args:
            phones: [B, S, phone_dim]; phone_index: [B, T] phone of each frame.
            elapsed: [B, T] frames since it began.
        """
        found = phones.gather(1, phone_index.unsqueeze(-1).expand(-1, -1, phones.shape[-1]))
        count = 1 + elapsed.float()
        out: Tensor = found + self.position(torch.stack([count.log() / 2, 1 / count], -1))
        return out

    def stay_logit(self, hidden: Tensor, spoken_phones: Tensor) -> Tensor:
        """Score [B, T] of staying on the phones `spoken_phones` [B, T, phone_dim], given the
        hidden state [B, T, dim] of the latent before the frame to decide for."""
        out: Tensor = self.score(torch.cat([hidden, spoken_phones], -1)).squeeze(-1)
        return out

    def teacher_forced(self, text: Text, frames: int) -> tuple[Tensor, Tensor]:
        """phone_index and elapsed [B, T] by true durations; frames past the end go on with the
        last."""
        if text.durations is None:
            raise UsageError("training needs durations")
        phone_index = torch.minimum(
            token_index(text.durations, frames), text.lengths.unsqueeze(1) - 1
        )
        ends = text.durations.cumsum(1).gather(1, phone_index)
        index = torch.arange(frames, device=phone_index.device)
        return phone_index, index - (ends - text.durations.gather(1, phone_index))

    def loss(self, text: Text, hidden: Tensor) -> Tensor:
        """Cross entropy of staying or moving on after each frame.

        Args:
            hidden: [B, U, dim], the last that is known before the next latent begins.
        """
        assert text.durations is not None
        count = text.durations.sum(1, keepdim=True)
        frames = hidden.shape[1] * self.patch
        phone_index, elapsed = self.teacher_forced(text, frames)
        index = torch.arange(frames, device=phone_index.device)
        after = phone_index.roll(-1, 1)
        stays = (after == phone_index) & (index + 1 < count)
        before = torch.cat([self.before.expand(len(hidden), 1, -1), hidden], 1)
        state = before[:, (index + 1) // self.patch]
        score = self.stay_logit(state, self.phones_at(text.phones, phone_index, elapsed + 1))
        counted = (index < count) & ~text.drop_text.unsqueeze(1)
        error = F.binary_cross_entropy_with_logits(score, stays.float(), reduction="none")
        return (error * counted).sum() / counted.sum().clamp_min(1)


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
    `mask` at the end; `Text.alignment` says how long each phone has been so far.

    Attributes:
        count, lengths: as of `DurationAligned`, upper bounds until the pointer has passed the last
            phone.
    """

    def __init__(
        self,
        net: Generator,
        condition: Condition,
        pattern: Pattern | None,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
    ):
        text, self._conditioner = condition.text, net.conditioner
        assert text is not None
        self._condition, self._text = condition, text
        self._rngs = rngs if options.temperature else None
        self._rows = len(rngs)
        self._stride = pattern.stride if pattern else 1
        patch, size = net.patch, text.phones.shape[1]
        if text.durations is None:
            self._pointer = pointing.start(text.lengths, 1, net.conditioner.longest, size)
        else:
            bounds = pointing.bounds(text.durations, options.duration_tolerance)
            self._pointer = pointing.start(text.lengths, *bounds)
        self.lengths = -(-self._pointer.limit // patch)
        self.count = int(self.lengths.max())
        every = len(condition.global_cond)
        condition.frames = condition.frames.new_zeros(every, self.count, condition.frames.shape[2])
        condition.prior_mean = condition.prior_mean.new_zeros(
            every, self.count, condition.prior_mean.shape[2]
        )
        self._going = True

    def text(self, step: int, hidden: Tensor | None) -> Tensor:
        """As of `DurationAligned`; `hidden` [B or 2 B, 1, dim] of the step before."""
        position, rest = divmod(step, self._stride)
        if rest == 0 and self._going:
            self._begin(position, hidden)
        at = min(position, self.count - 1)
        return self._condition.frames[:, at : at + 1]

    def _begin(self, position: int, hidden: Tensor | None) -> None:
        content, condition, text = self._conditioner.content, self._condition, self._text
        assert isinstance(content, PointerContent)
        state = content.before.expand(self._rows, -1) if hidden is None else hidden[: self._rows, 0]
        indices, elapsed_frames = [], []
        for part in range(content.patch):
            if position or part:
                self._move(content, state)
            if part == 0:
                ended = self._pointer.finished
                self.lengths = torch.where(ended, self.lengths.clamp(max=position), self.lengths)
                if bool(ended.all()):
                    self._close(position)
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
            spoken_phones, spoken_phones.new_ones(len(spoken_phones), 1, 1), condition.global_cond
        )
        frames, mean = self._conditioner.seen(found, mean, text.drop_text)
        if position:
            over = ended.repeat(branches)[:, None]
            frames = torch.where(over.unsqueeze(1), condition.frames[:, position - 1, None], frames)
            mean = torch.where(over.unsqueeze(1), condition.prior_mean[:, position - 1, None], mean)
        condition.frames[:, position : position + 1] = frames
        condition.prior_mean[:, position : position + 1] = mean

    def _move(self, content: PointerContent, state: Tensor) -> None:
        """Account for a frame, and stay or move on."""
        pointer = self._pointer
        phone_index, elapsed = self._place()
        spoken_phones = content.phones_at(self._text.phones[: self._rows], phone_index, elapsed + 1)
        score = content.stay_logit(state.unsqueeze(1), spoken_phones).squeeze(1)
        self._pointer = pointing.step(pointer, pointing.advance_probability(score), self._rngs)

    def _place(self) -> tuple[Tensor, Tensor]:
        """[B, 1] phone of the next frame, and frames spent on it; the last in finished rows."""
        phone_index = torch.minimum(self._pointer.index, self._text.lengths - 1).unsqueeze(1)
        return phone_index, self._pointer.counts.gather(1, phone_index)

    def _close(self, count: int) -> None:
        condition = self._condition
        self._going, self.count = False, count
        self._text.alignment.durations = self._pointer.durations
        condition.frames, condition.prior_mean = (
            condition.frames[:, :count],
            condition.prior_mean[:, :count],
        )
        index = torch.arange(count, device=self.lengths.device)
        mask = (index < self.lengths.unsqueeze(1)).float().unsqueeze(-1)
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

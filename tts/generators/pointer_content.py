"""Text encoder of pointer-aligned generators, which sees no later latents."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.errors import UsageError
from tts.generators.conditioning import PointerText
from tts.generators.content import PhoneContent
from tts.text.tokens import TokenBatch, token_index


class PointerContent(PhoneContent):
    """Text encoder for a pointer: as ContentEncoder, but latents are encoded one by one, and the
    position in a phone is the number of frames since it began. A small network decides from the
    hidden state whether the pointer stays on a phone.
    """

    kernel, position_dim = 1, 2

    def add_own(self, dim: int, phone_dim: int) -> None:
        """The hidden state before the first latent, and the network of the stay logit."""
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
    ) -> PointerText:
        """Encode phones; `drop_text` [B] bool are rows to generate without text."""
        if drop_text is None:
            drop_text = torch.zeros_like(tokens.lengths, dtype=torch.bool)
        return PointerText(self.phones(tokens, global_cond), tokens.lengths, drop_text, durations)

    def phones_at(self, phones: Tensor, phone_index: Tensor, elapsed: Tensor) -> Tensor:
        """The encoded phone of every frame, with its position, [B, T, phone_dim].

        Args:
            phones: [B, S, phone_dim]; phone_index: [B, T] phone of each frame.
            elapsed: [B, T] frames since that phone began.
        """
        found = phones.gather(1, phone_index.unsqueeze(-1).expand(-1, -1, phones.shape[-1]))
        count = 1 + elapsed.float()
        out: Tensor = found + self.position(torch.stack([count.log() / 2, 1 / count], -1))
        return out

    def stay_logit(self, hidden: Tensor, spoken_phones: Tensor) -> Tensor:
        """Logit [B, T] of staying on a phone.

        Args:
            hidden: [B, T, dim] state of the latent before the frame that is decided on.
            spoken_phones: [B, T, phone_dim] the phone, from `phones_at`.
        """
        out: Tensor = self.score(torch.cat([hidden, spoken_phones], -1)).squeeze(-1)
        return out

    def teacher_forced(self, text: PointerText, frames: int) -> tuple[Tensor, Tensor]:
        """`phone_index` and `elapsed` of `phones_at`, [B, T] each, by the true durations; padding
        frames belong to the last phone."""
        if text.durations is None:
            raise UsageError("training needs durations")
        phone_index = torch.minimum(
            token_index(text.durations, frames), text.lengths.unsqueeze(1) - 1
        )
        ends = text.durations.cumsum(1).gather(1, phone_index)
        index = torch.arange(frames, device=phone_index.device)
        return phone_index, index - (ends - text.durations.gather(1, phone_index))

    def loss(self, text: PointerText, hidden: Tensor, merge: int = 1) -> Tensor:
        """Cross entropy of the decisions to stay or to move on after each frame.

        Args:
            hidden: [B, U / merge, dim] state of each step, on which decisions in the next one rest.
            merge: latents per step.
        """
        assert text.durations is not None
        count = text.durations.sum(1, keepdim=True)
        step = self.patch * merge
        frames = hidden.shape[1] * step
        phone_index, elapsed = self.teacher_forced(text, frames)
        index = torch.arange(frames, device=phone_index.device)
        after = phone_index.roll(-1, 1)
        stays = (after == phone_index) & (index + 1 < count)
        before = torch.cat([self.before.expand(len(hidden), 1, -1), hidden], 1)
        state = before[:, (index + 1) // step]
        score = self.stay_logit(state, self.phones_at(text.phones, phone_index, elapsed + 1))
        counted = (index < count) & ~text.drop_text.unsqueeze(1)
        error = F.binary_cross_entropy_with_logits(score, stays.float(), reduction="none")
        return (error * counted).sum() / counted.sum().clamp_min(1)

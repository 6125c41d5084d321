"""Text encoders of generators: one content vector per latent, and a first feature estimate."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.generators.folding import fold
from tts.modules.phone_encoder import PhoneEncoder
from tts.text.tokens import TokenBatch, token_index
from tts_codecs.nn.convnext import ConvNeXt


class PhoneContent(nn.Module):
    """Base of the text encoders: phones, placed in time by a subclass, to one vector per latent and
    a first estimate of the features.

    Args:
        channels: of the features; patch: frames per latent; global_dim: of the voice vector.
        dim, blocks: of the encoder over latents; phone_dim, phone_blocks: of that over phones.

    Attributes:
        kernel: size of the convolutions over latents.
        position_dim: how many numbers describe the position of a frame in its phone.
    """

    kernel: ClassVar[int]
    position_dim: ClassVar[int]

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
        super().__init__()
        self.patch = patch
        self.phones = PhoneEncoder(phone_dim, phone_blocks, 5, cond=global_dim, dropout=dropout)
        self.position = nn.Linear(self.position_dim, phone_dim)
        self.entry = nn.Linear(phone_dim * patch, dim)
        self.blocks = nn.ModuleList(
            ConvNeXt(dim, 3 * dim, self.kernel, cond=global_dim, dropout=dropout)
            for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.prior_mean = nn.Linear(dim, channels * patch)
        self.add_own(dim, phone_dim)

    def add_own(self, dim: int, phone_dim: int) -> None:
        """Create the parameters that only the subclass has."""
        raise NotImplementedError

    def encode_frames(
        self, frames: Tensor, mask: Tensor, global_cond: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Phones per frame [B, T, phone_dim] to content [B, U, dim] and mean [B, U, size]."""
        x = self.entry(fold(frames, self.patch))
        for block in self.blocks:
            x = block(x, mask, global_cond)
        x = self.norm(x)
        return x, self.prior_mean(x)


class ContentEncoder(PhoneContent):
    """Phones and durations to one vector per latent, and a first estimate of the features.

    Phones are encoded, repeated for their frames, marked with the position inside of the phone,
    folded to latents and smoothed by ConvNeXt blocks.
    """

    kernel, position_dim = 7, 3

    def add_own(self, dim: int, phone_dim: int) -> None:
        """A learned vector for frames after the last phone."""
        self.filler = nn.Parameter(torch.zeros(phone_dim))

    def forward(
        self,
        tokens: TokenBatch,
        durations: Tensor,
        global_cond: Tensor,
        frames: int,
        mask: Tensor,
        fill: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Encode phones that are aligned by durations.

        Args:
            durations: [B, S] frames per token; tokens after the last frame have no effect.
            frames: T of the padded output, a multiple of the patch.
            mask: [B, U, 1] valid latents.
            fill: whether frames after the last token are filler (E2 TTS, F5-TTS); otherwise they
                belong to that token.

        Returns:
            content [B, U, dim], mean [B, U, patch * channels].
        """
        index = torch.arange(frames, device=tokens.ids.device)
        phones = self.phones(tokens, global_cond)
        # Frames past a row's end belong to its last phone, however much the batch pads it.
        phone_index = torch.minimum(token_index(durations, frames), tokens.lengths.unsqueeze(1) - 1)
        hidden = phones.gather(1, phone_index.unsqueeze(-1).expand(-1, -1, phones.shape[-1]))
        ends = durations.cumsum(1).gather(1, phone_index)
        length = durations.gather(1, phone_index).clamp_min(1)
        into = (index - (ends - length) + 0.5) / length
        position = torch.stack([into, into.sub(0.5).square(), length.float().log() / 2], -1).float()
        if fill:
            # Relative to a phone of one frame, whose position is always 0.5.
            position = position - position.new_tensor([0.5, 0.0, 0.0])
            hidden = hidden + F.linear(position, self.position.weight)
            after = index >= durations.sum(1, keepdim=True)
            hidden = torch.where(after.unsqueeze(-1), self.filler, hidden)
        else:
            hidden = hidden + self.position(position)
        return self.encode_frames(hidden, mask, global_cond)

"""What every generator is conditioned on: expanded phones and the voice of a recording."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.modules.phone_encoder import PhoneEncoder
from tts.modules.text_reader import Unaligned
from tts.modules.voice_prompt import VoicePrompt
from tts.text.tokens import TokenBatch, token_index
from tts_codecs.envelope import EXTRA, envelope_part
from tts_codecs.nn.convnext import ConvNeXt


@dataclass
class Voiced:
    """An encoded voice: `global_cond` [B, G], `memory` [B, M, D], `mask` [B, M] bool."""

    global_cond: Tensor
    memory: Tensor
    mask: Tensor


@dataclass
class AlignmentResult:
    """When what was asked for is said.

    Attributes:
        durations: [B, S] frames per token: those of the request, or what a pointer has found so
            far, all of them at the end of the stream; None where attention aligns.
    """

    durations: Tensor | None = None


@dataclass
class Text:
    """Encoded phones, where a pointer finds on the way when each is said
    (tts.generators.alignment).

    Attributes:
        phones: [B, S, phone_dim]; lengths: [B] valid ones.
        drop_text: [B] bool, rows that are to hear no text.
        durations: [B, S] frames per token, true or estimated, where known.
        alignment: where the pointer writes what it finds.
        pace: [B] factor on the speed of the pointer; None for 1.
    """

    phones: Tensor
    lengths: Tensor
    drop_text: Tensor
    durations: Tensor | None = None
    alignment: AlignmentResult = field(default_factory=AlignmentResult)
    pace: Tensor | None = None

    def rows(self, count: int) -> "Text":
        """The first `count` rows."""
        some = replace(self, phones=self.phones[:count], lengths=self.lengths[:count])
        durations = None if self.durations is None else self.durations[:count]
        return replace(some, drop_text=self.drop_text[:count], durations=durations)

    def cat(self, other: "Text") -> "Text":
        """The rows of both, paced by the first."""
        phones = torch.cat([self.phones, other.phones])
        return replace(self, phones=phones, drop_text=torch.cat([self.drop_text, other.drop_text]))


@dataclass(frozen=True)
class Silence:
    """What silence is in a recording that is filled in.

    Attributes:
        codes: [B, V] bool, codes of the first codebook that its pauses have.
        spoken: [B, U] bool, latents in which words are due.
    """

    codes: Tensor
    spoken: Tensor


class Outside(Protocol):
    """An external model with the same request (tts.generators.external.ExternalRun)."""

    def probability(self, known: Tensor, drawn: Tensor) -> Tensor:
        """How likely it finds the codes `drawn` [B, U, K] given those `known`, [B, U, K]."""
        ...

    def lead(self, rngs: Sequence[torch.Generator], count: int) -> Tensor:
        """The first `count` latents as it generates them."""
        ...


@dataclass
class Condition:
    """What the network sees beside the latents.

    Attributes:
        frames: [B, U, dim] per latent, added to the embedded latents.
        prior_mean: [B, U, size] first estimate of the relative features; zero where unconditional.
        global_cond: [B, G] voice vector.
        memory: keys and values of the voice prompt for every block; memory_mask: [B, M] bool.
        mask: [B, U, 1] float, valid latents.
        text: where a pointer paces; `frames`, `prior_mean` and `mask` are then filled by it.
        external: another model that helps, where there is one.
        silence: of a recording that is filled in, where it is told.
        unaligned: text that the network has to find by itself, where it has readers for it.
    """

    frames: Tensor
    prior_mean: Tensor
    global_cond: Tensor
    memory: list[tuple[Tensor, Tensor]]
    memory_mask: Tensor
    mask: Tensor
    text: Text | None = None
    external: Outside | None = None
    silence: Silence | None = None
    unaligned: Unaligned | None = None

    @property
    def lengths(self) -> Tensor:
        """[B] valid latents."""
        return self.mask[..., 0].sum(1).long()

    def rows(self, count: int) -> "Condition":
        """The first `count` rows."""
        return Condition(
            self.frames[:count],
            self.prior_mean[:count],
            self.global_cond[:count],
            [(key[:count], value[:count]) for key, value in self.memory],
            self.memory_mask[:count],
            self.mask[:count],
            self.text and self.text.rows(count),
            unaligned=self.unaligned and self.unaligned.rows(slice(count)),
        )

    def of(self, row: int, count: int) -> "Condition":
        """One of `count` rows without padding, of durations that are known: a row, or a pair of
        rows where all rows come twice (Strategy.run)."""
        chosen = list(range(row, len(self.frames), count))
        length = int(self.mask[row].sum())
        return Condition(
            self.frames[chosen, :length],
            self.prior_mean[chosen, :length],
            self.global_cond[chosen],
            [(key[chosen], value[chosen]) for key, value in self.memory],
            self.memory_mask[chosen],
            self.mask[chosen, :length],
            unaligned=self.unaligned and self.unaligned.rows(chosen, length),
        )

    def cat(self, other: "Condition") -> "Condition":
        """The rows of both."""
        pairs = zip(self.memory, other.memory, strict=True)
        return Condition(
            torch.cat([self.frames, other.frames]),
            torch.cat([self.prior_mean, other.prior_mean]),
            torch.cat([self.global_cond, other.global_cond]),
            [(torch.cat([a, c]), torch.cat([b, d])) for (a, b), (c, d) in pairs],
            torch.cat([self.memory_mask, other.memory_mask]),
            torch.cat([self.mask, other.mask]),
            self.text.cat(other.text) if self.text and other.text else None,
            unaligned=self.unaligned and other.unaligned and self.unaligned.cat(other.unaligned),
        )


def voice_mean(prompt: VoicePrompt) -> Tensor:
    """Average spectrum and pitch of the speech in a prompt, [B, 1, C] (0 for voicing).

    Generators work on features relative to it: the long-term spectrum and the pitch of a voice
    never heard in training then need not be learned, only what is said with them.
    """
    features = prompt.features
    index = torch.arange(features.shape[1], device=features.device)
    valid = index < prompt.lengths.unsqueeze(1)
    level = envelope_part(features).mean(-1).masked_fill(~valid, -torch.inf)
    # Two units of the normalised log-mel are about 38 dB: pauses do not count.
    speech = (level > level.amax(1, keepdim=True) - 2.0).unsqueeze(-1).to(features.dtype)
    average = (features * speech).sum(1, keepdim=True) / speech.sum(1, keepdim=True).clamp_min(1)
    voiced = (valid & (features[..., -1] > 0)).to(features.dtype)
    pitch = (features[..., -EXTRA] * voiced).sum(1) / voiced.sum(1).clamp_min(1)
    average[:, 0, -EXTRA] = pitch
    average[:, 0, -1] = 0
    return average


def channel_weights(channels: int, patch: int) -> Tensor:
    """Weight of each dimension of a latent of features in losses, [patch * channels]: pitch and
    voicing are 2 channels among 82, but the ear weighs them more."""
    channel_weight = torch.ones(channels)
    channel_weight[-EXTRA:] = 5.0
    return channel_weight.repeat(patch)


def fold(frames: Tensor, patch: int) -> Tensor:
    """[B, T, D] frames to [B, ceil(T / patch), patch * D] latents, zero-padded."""
    frames = F.pad(frames, (0, 0, 0, -frames.shape[1] % patch))
    out: Tensor = frames.unflatten(1, (-1, patch)).flatten(2)
    return out


class VoiceConditioner(nn.Module):
    """Voice prompt to a global vector and a memory to attend to.

    The global vector joins a speaker-verification embedding with the mean and spread of the
    prompt's features (channel and timbre); the memory keeps its detail. No transcript is needed.
    """

    def __init__(
        self,
        channels: int,
        dim: int,
        global_dim: int,
        patch: int,
        blocks: int = 2,
        speaker_dim: int = 256,
    ):
        super().__init__()
        self.patch = patch
        self.entry = nn.Linear(channels * patch, dim)
        self.blocks = nn.ModuleList(ConvNeXt(dim, 2 * dim, 5) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.global_cond = nn.Sequential(
            nn.Linear(speaker_dim + 2 * channels, 2 * global_dim),
            nn.GELU(),
            nn.Linear(2 * global_dim, global_dim),
        )
        self.null_global_cond = nn.Parameter(torch.zeros(global_dim))
        self.null_memory = nn.Parameter(torch.zeros(dim))

    def forward(self, prompt: VoicePrompt, drop: Tensor | None = None) -> Voiced:
        """Encode; `drop` [B] bool replaces a row by the learned null voice."""
        index = torch.arange(prompt.features.shape[1], device=prompt.features.device)
        valid = (index < prompt.lengths.unsqueeze(1)).unsqueeze(-1).float()
        features = prompt.features * valid
        count = valid.sum(1).clamp_min(1)
        mean = features.sum(1) / count
        spread = (((features - mean.unsqueeze(1)) * valid).square().sum(1) / count + 1e-5).sqrt()
        # Unit vectors of 256 dims have entries near 1/16; bring them to the scale of the rest.
        global_cond = self.global_cond(torch.cat([prompt.speaker * 16, mean, spread], -1))
        mask = fold(valid, self.patch)[..., :1]
        memory = self.entry(fold((features - voice_mean(prompt)) * valid, self.patch))
        for block in self.blocks:
            memory = block(memory, mask)
        memory = self.norm(memory)
        # One null slot keeps attention defined for an empty prompt and absorbs what needs none.
        null = self.null_memory.expand(len(memory), 1, -1)
        memory = torch.cat([null, memory], 1)
        attend = torch.cat([torch.ones_like(mask[:, :1, 0]), mask[..., 0]], 1) > 0
        if drop is not None:
            global_cond = torch.where(drop.unsqueeze(-1), self.null_global_cond, global_cond)
            attend = attend & ~drop.unsqueeze(-1)
            attend[:, 0] = True
        return Voiced(global_cond, memory, attend)


class VectorConditioner(nn.Module):
    """A speaker-verification embedding to the global vector, and nothing to attend to (SV2TTS, Jia
    et al. 2018).

    Args:
        dim: of the one empty slot of the memory; global_dim: of the voice vector. The others are
            those of VoiceConditioner and do not matter.
    """

    def __init__(
        self, channels: int, dim: int, global_dim: int, patch: int, speaker_dim: int = 256
    ):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.global_cond = nn.Sequential(
            nn.Linear(speaker_dim, 2 * global_dim),
            nn.GELU(),
            nn.Linear(2 * global_dim, global_dim),
        )
        self.null_global_cond = nn.Parameter(torch.zeros(global_dim))
        self.null_memory = nn.Parameter(torch.zeros(dim))

    def forward(self, prompt: VoicePrompt, drop: Tensor | None = None) -> Voiced:
        """Encode; `drop` [B] bool replaces a row by the learned null voice."""
        global_cond = self.global_cond(prompt.speaker * 16)
        if drop is not None:
            global_cond = torch.where(drop.unsqueeze(-1), self.null_global_cond, global_cond)
        memory = self.norm(self.null_memory).expand(len(global_cond), 1, -1)
        return Voiced(global_cond, memory, global_cond.new_ones(len(memory), 1, dtype=torch.bool))


class PhoneContent(nn.Module):
    """Phones to one vector per latent, and a first estimate of the features: what is shared by the
    ways to know when each phone is said.

    Args:
        channels: of the features; patch: frames per latent; global_dim: of the voice vector.
        dim, blocks: of the latents; phone_dim, phone_blocks: of the phones.

    Attributes:
        kernel: latents that a block mixes; position_dim: numbers that say where in its phone a
            frame is.
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
        """Make the parameters that only this kind has."""
        raise NotImplementedError

    def encode_frames(
        self, frames: Tensor, mask: Tensor, global_cond: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Phones of frames [B, T, phone_dim] to content [B, U, dim] and mean [B, U, size]."""
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
        """What stands for a frame after the last phone."""
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
        """Encode.

        Args:
            durations: [B, S] frames per token; tokens past the last frame are lost.
            frames: T of the padded output, a multiple of the patch.
            mask: [B, U, 1] valid latents.
            fill: whether frames after the last token are filler (E2 TTS, F5-TTS); else they are of
                that token.

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
            # Against a phone of one frame, which says nothing of its place.
            position = position - position.new_tensor([0.5, 0.0, 0.0])
            hidden = hidden + F.linear(position, self.position.weight)
            after = index >= durations.sum(1, keepdim=True)
            hidden = torch.where(after.unsqueeze(-1), self.filler, hidden)
        else:
            hidden = hidden + self.position(position)
        return self.encode_frames(hidden, mask, global_cond)

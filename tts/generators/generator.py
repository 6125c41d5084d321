"""The generator: conditioning, backbone and head are shared blocks; a strategy runs them.

    request --Conditioner--> condition --+
    latents --Head.embed-----------------+--> Backbone --> Head --> latents
                                              Strategy: which latents, in which order

Every family is this class with another head and strategy (tts.registry), so what is compared is the
family and not its text, voice or network.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.errors import ConfigError
from tts.generators.alignment import PointerContent
from tts.generators.backbone import Backbone, KVCache
from tts.generators.base import AlignmentResult, Infill, Losses, Request, SamplingOptions
from tts.generators.conditioning import (
    Condition,
    ContentEncoder,
    Text,
    VoiceConditioner,
    channel_weights,
    fold,
)
from tts.generators.conditioning import voice_mean as voice_mean
from tts.generators.cuda_graph import StaticKVCache
from tts.generators.latent_space import check_latent_space
from tts.generators.protocols import Head, LatentSpace, Strategy
from tts.losses.perceptual import PerceptualLosses
from tts.text.symbols import PAUSES, SYMBOLS
from tts.text.tokens import TokenBatch

#: ids of phones: letters, without marks and names in brackets
PHONES = [
    at for at, s in enumerate(SYMBOLS) if len(s) == 1 and unicodedata.category(s) in ("Ll", "Lo")
]
#: shares of training rows without text and voice, and without voice
DROP_ALL, DROP_VOICE = 0.1, 0.1


class Conditioner(nn.Module):
    """Text and voice of a request to what the network sees of them.

    Args:
        channels: C of the features; patch: frames per latent.
        dim: of the backbone; voice_dim: of the encoded prompt; global_dim: of the voice vector.
        phone_dim, phone_blocks, content_blocks: sizes of the text encoder.
        text: "expanded" by durations, "padded" with filler to the length of the sequence (E2,
            F5-TTS), where attention has to align, or "pointer", which finds the durations on the
            way (tts.generators.alignment; autoregression only).
        longest: frames after which a pointer leaves a phone where durations are not even estimated.
    """

    content: ContentEncoder | PointerContent

    def __init__(
        self,
        channels: int = 82,
        patch: int = 2,
        dim: int = 256,
        voice_dim: int = 192,
        global_dim: int = 192,
        phone_dim: int = 192,
        phone_blocks: int = 3,
        content_blocks: int = 4,
        text: str = "expanded",
        dropout: float = 0.0,
        longest: int = 50,
    ):
        super().__init__()
        if text not in ("expanded", "padded", "pointer"):
            raise ConfigError(f"text is expanded, padded or pointer, not {text!r}")
        self.channels, self.patch, self.text, self.longest = channels, patch, text, longest
        self.size = channels * patch
        self.voice = VoiceConditioner(channels, voice_dim, global_dim, patch)
        make = PointerContent if text == "pointer" else ContentEncoder
        self.content = make(
            channels, dim, global_dim, patch, phone_dim, phone_blocks, content_blocks, dropout
        )
        self.null_content = nn.Parameter(torch.zeros(dim))
        self.mean_in = nn.Linear(self.size, dim, bias=False)

    def _mask(self, request: Request) -> Tensor:
        count = -(-request.frames // self.patch)
        longest = request.longest
        most = int(count.max()) if longest is None else -(-longest // self.patch)
        index = torch.arange(most, device=count.device)
        return (index < count.unsqueeze(1)).unsqueeze(-1).float()

    def _content(
        self, request: Request, text: Text | None, global_cond: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        frames = mask.shape[1] * self.patch
        if isinstance(self.content, PointerContent):
            assert text is not None
            phone_index, elapsed = self.content.teacher_forced(text, frames)
            return self.content.encode_frames(
                self.content.phones_at(text.phones, phone_index, elapsed), mask, global_cond
            )
        durations = request.durations if self.text == "expanded" else None
        out: tuple[Tensor, Tensor] = self.content(
            request.tokens, durations, global_cond, frames, mask
        )
        return out

    def _read(self, request: Request, global_cond: Tensor, drop_text: Tensor | None) -> Text | None:
        if isinstance(self.content, PointerContent):
            return self.content.read(request.tokens, request.durations, global_cond, drop_text)
        return None

    def seen(
        self, content: Tensor, mean: Tensor, drop_text: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """frames and prior_mean of a Condition; `drop_text` [B] bool are rows to hear no text."""
        # What regression finds is given as it is; only the regression loss moves it.
        frames = content + self.mean_in(mean.detach())
        if drop_text is not None:
            frames = torch.where(drop_text[:, None, None], self.null_content, frames)
            mean = mean * (~drop_text).float()[:, None, None]
        return frames, mean

    def forward(
        self, request: Request, backbone: Backbone, drop: tuple[Tensor, Tensor] | None = None
    ) -> Condition:
        """The condition; `drop` are rows [B] bool to lose text and voice, and the voice alone, in
        training. Without it a pointer is left to find the frames."""
        voiced = self.voice(request.prompt, drop[0] | drop[1] if drop else None)
        drop_text = drop[0] if drop else None
        text = self._read(request, voiced.global_cond, drop_text)
        if text is not None and drop is None:
            sizes = (1, len(self.null_content), self.size)
            mask, frames, mean = (
                voiced.global_cond.new_zeros(len(voiced.global_cond), 0, n) for n in sizes
            )
        else:
            mask = self._mask(request)
            frames, mean = self.seen(
                *self._content(request, text, voiced.global_cond, mask), drop_text
            )
        memory = backbone.project(voiced.memory)
        return Condition(frames, mean, voiced.global_cond, memory, voiced.mask, mask, text)

    def unconditional(
        self, request: Request, given: Condition, uncond: str, rngs: Sequence[torch.Generator]
    ) -> Condition:
        """What guidance pushes away from.

        Args:
            guide: "all", neither text nor voice; "voice", the text in no voice; "phones", other
                phones in the same voice.
            rngs: one per row, for other phones.
        """
        global_cond, memory_mask = given.global_cond, given.memory_mask
        if uncond == "phones":
            request = replace(request, tokens=random_phones(request.tokens, rngs))
        else:
            global_cond = self.voice.null_global_cond.expand_as(global_cond)
            memory_mask = torch.zeros_like(memory_mask)
            memory_mask[:, 0] = True
        drop_text = torch.full_like(request.tokens.lengths, uncond == "all", dtype=torch.bool)
        text = self._read(request, global_cond, drop_text)
        if uncond == "all":
            frames, mean = (
                self.null_content.expand_as(given.frames),
                torch.zeros_like(given.prior_mean),
            )
        elif text is not None:
            frames, mean = given.frames, given.prior_mean
        else:
            frames, mean = self.seen(*self._content(request, None, global_cond, given.mask), None)
        return Condition(frames, mean, global_cond, given.memory, memory_mask, given.mask, text)


def random_phones(tokens: TokenBatch, rngs: Sequence[torch.Generator]) -> TokenBatch:
    """Random phones, pauses where they were (SSR-Speech: guidance without training for it)."""
    ids = tokens.ids.clone()
    pauses = torch.isin(ids, torch.tensor(sorted(PAUSES), device=ids.device))
    for row, (rng, length) in enumerate(zip(rngs, tokens.lengths.tolist(), strict=True)):
        drawn = torch.randint(len(PHONES), (length,), generator=rng)
        ids[row, :length] = torch.tensor(PHONES)[drawn].to(ids.device)
    return replace(tokens, ids=torch.where(pauses, tokens.ids, ids))


class Generator(nn.Module):
    """Phones, durations and a voice to latents; see the module's docstring.

    Args:
        conditioner, backbone, head: the network; the head has one of the contracts of
            tts.generators.protocols.
        strategy: how it is trained and run; has no weights.

    Raises:
        ConfigError: parts that do not fit.
    """

    channel_weight: Tensor

    def __init__(
        self, conditioner: Conditioner, backbone: Backbone, head: nn.Module, strategy: Strategy
    ):
        super().__init__()
        self.conditioner, self.backbone, self.head = conditioner, backbone, head
        self.strategy = strategy
        if conditioner.text == "pointer" and not strategy.paced:
            raise ConfigError("text: pointer is for strategies that go from left to right")
        strategy.check(self)
        channel_weight = channel_weights(conditioner.channels, conditioner.patch)
        self.register_buffer("channel_weight", channel_weight, persistent=False)

    def check_latent_space(self, latents: LatentSpace) -> None:
        """ConfigError where it does not fill such latents: it would fail at its first batch."""
        check_latent_space(latents, self.head, self.patch, self.conditioner.channels)

    @property
    def paces(self) -> bool:
        """Whether a pointer decides on the way how long each phone is."""
        return self.conditioner.text == "pointer"

    @property
    def posterior(self) -> bool:
        """Whether its latents are distributions (tts.generators.protocols.Head)."""
        assert isinstance(self.head, Head)
        return self.head.posterior

    @property
    def patch(self) -> int:
        """Frames per latent."""
        return self.conditioner.patch

    def hidden(
        self,
        x: Tensor,
        condition: Condition,
        t: Tensor | None = None,
        window: int = 0,
        cache: KVCache | StaticKVCache | None = None,
    ) -> Tensor:
        """Embedded latents x [B, U, dim], already with `condition.frames`, to hidden [B, U, dim];
        with a cache, the next latents only."""
        out: Tensor = self.backbone(
            x,
            condition.global_cond,
            condition.memory,
            condition.memory_mask,
            condition.mask,
            t,
            window,
            cache,
        )
        return out

    def loss(
        self,
        request: Request,
        features: Tensor,
        latents: Tensor,
        perceptual: PerceptualLosses | None = None,
        shift: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Training losses.

        Args:
            features: [B, T, C] target; latents: [B, U, *] the same as latents (LatentSpace.encode).
            shift: [B, T, C] what was subtracted from both for the voice (tts.voice.profile).

        Returns:
            "prior" (L1 of the regressed features), those of the strategy and, where it has an
            estimate, the perceptual losses.
        """
        dice = torch.rand(len(features), device=features.device)
        drop_all = dice < DROP_ALL
        drop_voice = dice < DROP_ALL + DROP_VOICE
        condition = self.conditioner(request, self.backbone, (drop_all, drop_voice))
        average = voice_mean(request.prompt)
        target = fold(features - average, self.patch)
        kept = condition.mask * (~drop_all).float()[:, None, None]
        error = (condition.prior_mean - target).abs() * self.channel_weight * kept
        regression = error.sum() / (kept.sum().clamp_min(1) * target.shape[-1])
        condition.prior_mean = condition.prior_mean.detach()
        found: Losses = self.strategy.losses(self, latents, condition)
        losses = {"prior": regression, **found.parts}
        if perceptual and found.estimate is not None:
            made = perceptual.latent_space.to_features(found.estimate()) + average
            if shift is not None:
                made = made + F.pad(shift, (0, 0, 0, made.shape[1] - shift.shape[1]))
            frame_mask = condition.mask.repeat_interleave(self.patch, 1)
            weight = torch.ones_like(dice) if found.weight is None else found.weight
            losses |= perceptual.losses(made, frame_mask, request, weight, drop_all, drop_voice)
        return losses

    def condition(
        self, request: Request, rngs: Sequence[torch.Generator], options: SamplingOptions
    ) -> Condition:
        """That of a request, of B rows or, where guided, 2 B (see Strategy.run)."""
        condition: Condition = self.conditioner(request, self.backbone)
        if options.guided:
            bare = self.conditioner.unconditional(request, condition, options.uncond, rngs)
            condition = condition.cat(bare)
        return condition

    @torch.inference_mode()
    def stream(
        self,
        request: Request,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions | None = None,
        infill: Infill | None = None,
        alignment: AlignmentResult | None = None,
    ) -> Iterator[Tensor]:
        """Yield latents [B, u, *] as they are committed, U = ceil(frames / patch) in all.

        Args:
            rngs: one per row, so a row's result does not depend on its batch.
            infill: latents that are given (continuation, infilling, editing).
            alignment: filled with the durations as they are known.
        """
        options = options or SamplingOptions()
        condition = self.condition(request, rngs, options)
        alignment = alignment or AlignmentResult()
        alignment.durations = request.durations
        if condition.text is not None:
            condition.text.alignment = alignment
        yield from self.strategy.run(self, condition, rngs, options, infill)

    def generate(
        self,
        request: Request,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions | None = None,
        infill: Infill | None = None,
        alignment: AlignmentResult | None = None,
    ) -> Tensor:
        """`stream` in one piece: latents [B, U, *]."""
        return torch.cat(list(self.stream(request, rngs, options, infill, alignment)), 1)

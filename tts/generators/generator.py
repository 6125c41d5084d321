"""The generator: conditioning, backbone and head are shared blocks; a strategy runs them.

    request --Conditioner--> condition --+
    canvas  --Head.embed-----------------+--> Backbone --> Head --> units
                                              Strategy: which units, in which order

Every family is this class with another head and strategy (tts.builder), so what is compared is the
family and not its text, voice or network.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from tts.generators.backbone import Backbone, Cache
from tts.generators.base import Canvas, Losses, Request, SamplingOptions, Strategy
from tts.generators.conditioning import (
    Condition,
    ContentEncoder,
    VoiceConditioner,
    channel_emphasis,
    fold,
)
from tts.generators.conditioning import voice_anchor as voice_anchor
from tts.voice.probe import SpeakerProbe

#: shares of training rows without text and voice, and without voice
DROP_ALL, DROP_VOICE = 0.1, 0.1


class Conditioner(nn.Module):
    """Text and voice of a request to what the network sees of them.

    Args:
        channels: C of the features; patch: frames per unit.
        dim: of the backbone; voice_dim: of the encoded prompt; glob: of the voice vector.
        phone_dim, phone_blocks, content_blocks: sizes of the text encoder.
        text: "expanded" by durations, or "padded" with filler to the length of the canvas
            (E2, F5-TTS), where attention has to align.
    """

    def __init__(
        self,
        channels: int = 82,
        patch: int = 2,
        dim: int = 256,
        voice_dim: int = 192,
        glob: int = 192,
        phone_dim: int = 192,
        phone_blocks: int = 3,
        content_blocks: int = 4,
        text: str = "expanded",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.channels, self.patch, self.text = channels, patch, text
        self.size = channels * patch
        self.voice = VoiceConditioner(channels, voice_dim, glob, patch)
        self.content = ContentEncoder(
            channels, dim, glob, patch, phone_dim, phone_blocks, content_blocks, dropout
        )
        self.null_content = nn.Parameter(torch.zeros(dim))
        self.mean_in = nn.Linear(self.size, dim, bias=False)

    def _mask(self, request: Request) -> Tensor:
        count = -(-request.frames // self.patch)
        index = torch.arange(int(count.max()), device=count.device)
        return (index < count.unsqueeze(1)).unsqueeze(-1).float()

    def _content(self, request: Request, glob: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        durations = request.durations if self.text == "expanded" else None
        return self.content(request.tokens, durations, glob, mask.shape[1] * self.patch, mask)

    def forward(
        self, request: Request, backbone: Backbone, drop: tuple[Tensor, Tensor] | None = None
    ) -> Condition:
        """The condition; `drop` are rows [B] bool to lose text and voice, and the voice alone."""
        mask = self._mask(request)
        voiced = self.voice(request.prompt, drop[0] | drop[1] if drop else None)
        content, mean = self._content(request, voiced.glob, mask)
        # What regression finds is given as it is; only the regression loss moves it.
        frames = content + self.mean_in(mean.detach())
        if drop is not None:
            frames = torch.where(drop[0][:, None, None], self.null_content, frames)
            mean = mean * (~drop[0]).float()[:, None, None]
        memory = backbone.project(voiced.memory)
        return Condition(frames, mean, voiced.glob, memory, voiced.mask, mask)

    def unconditional(self, request: Request, given: Condition, guide: str) -> Condition:
        """What guidance pushes away from: neither text nor voice ("all"), or no voice."""
        glob = self.voice.null_glob.expand_as(given.glob)
        if guide == "voice":
            content, mean = self._content(request, glob, given.mask)
            frames = content + self.mean_in(mean)
        else:
            frames = self.null_content.expand_as(given.frames)
            mean = torch.zeros_like(given.mean)
        only_null = torch.zeros_like(given.memory_mask)
        only_null[:, 0] = True
        return Condition(frames, mean, glob, given.memory, only_null, given.mask)


class Generator(nn.Module):
    """Phones, durations and a voice to units; see the module's docstring.

    Args:
        conditioner, backbone, head: the network.
        strategy: how it is trained and run; has no weights.
    """

    emphasis: Tensor

    def __init__(
        self, conditioner: Conditioner, backbone: Backbone, head: nn.Module, strategy: Strategy
    ):
        super().__init__()
        self.conditioner, self.backbone, self.head = conditioner, backbone, head
        self.strategy = strategy
        emphasis = channel_emphasis(conditioner.channels, conditioner.patch)
        self.register_buffer("emphasis", emphasis, persistent=False)

    @property
    def patch(self) -> int:
        """Frames per unit."""
        return self.conditioner.patch

    def hidden(
        self,
        x: Tensor,
        condition: Condition,
        t: Tensor | None = None,
        window: int = 0,
        cache: Cache | None = None,
    ) -> Tensor:
        """Embedded units x [B, U, dim], already with `condition.frames`, to hidden [B, U, dim];
        with a cache, the next units only."""
        return self.backbone(
            x, condition.glob, condition.memory, condition.memory_mask, condition.mask, t, window,
            cache,
        )  # fmt: skip

    def loss(
        self,
        request: Request,
        features: Tensor,
        units: Tensor,
        probe: SpeakerProbe | None = None,
    ) -> dict[str, Tensor]:
        """Training losses.

        Args:
            features: [B, T, C] target; units: [B, U, *] the same as units (UnitSpace.encode).

        Returns:
            "mean" (L1 of the regressed features), those of the strategy and, with a probe and where
            the strategy has an estimate, "likeness" (1 - cosine between the voice generated and
            the one asked for).
        """
        dice = torch.rand(len(features), device=features.device)
        drop_all = dice < DROP_ALL
        drop_voice = dice < DROP_ALL + DROP_VOICE
        condition = self.conditioner(request, self.backbone, (drop_all, drop_voice))
        anchor = voice_anchor(request.prompt)
        target = fold(features - anchor, self.patch)
        kept = condition.mask * (~drop_all).float()[:, None, None]
        error = (condition.mean - target).abs() * self.emphasis * kept
        regression = error.sum() / (kept.sum().clamp_min(1) * target.shape[-1])
        condition.mean = condition.mean.detach()
        found: Losses = self.strategy.losses(self, units, condition)
        losses = {"mean": regression, **found.parts}
        if probe is not None and found.estimate is not None and found.weight is not None:
            made = found.estimate.unflatten(-1, (self.patch, -1)).flatten(1, 2)
            frame_mask = condition.mask.repeat_interleave(self.patch, 1)
            cosine = probe.likeness(made + anchor, frame_mask, request.prompt.speaker)
            weight = found.weight * (~drop_voice)
            losses["likeness"] = ((1 - cosine) * weight).sum() / weight.sum().clamp_min(1e-3)
        return losses

    @torch.inference_mode()
    def stream(
        self,
        request: Request,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions | None = None,
        canvas: Canvas | None = None,
    ) -> Iterator[Tensor]:
        """Yield units [B, u, *] as they are committed, U = ceil(frames / patch) in all.

        Args:
            rngs: one per row, so a row's result does not depend on its batch.
            canvas: units that are given (continuation, infilling, editing).
        """
        options = options or SamplingOptions()
        condition = self.conditioner(request, self.backbone)
        if options.guidance != 1.0:
            bare = self.conditioner.unconditional(request, condition, options.guide)
            condition = condition.cat(bare)
        yield from self.strategy.run(self, condition, rngs, options, canvas)

    def generate(
        self,
        request: Request,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions | None = None,
        canvas: Canvas | None = None,
    ) -> Tensor:
        """`stream` in one piece: units [B, U, *]."""
        return torch.cat(list(self.stream(request, rngs, options, canvas)), 1)

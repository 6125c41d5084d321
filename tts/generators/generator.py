"""The generator: a conditioner, a backbone and a head, run by a strategy.

    request --Conditioner--> condition --+
    latents --Head.embed-----------------+--> Backbone --> Head --> latents
                                              Strategy: which latents, in which order

Every family is this class with another head and strategy (tts.registry). Comparisons of families
are thus not comparisons of text encoders, voice encoders or backbones.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.errors import ConfigError
from tts.generators.backbone import Backbone, KVCache
from tts.generators.base import ExternalModel, Infill, Losses, Request, SamplingOptions
from tts.generators.conditioner import Conditioner
from tts.generators.conditioning import AlignmentResult, Condition, Silence
from tts.generators.cuda_graph import StaticKVCache
from tts.generators.folding import channel_weights, fold
from tts.generators.latent_space import LatentSpace, check_latent_space
from tts.generators.protocols import Head, Strategy
from tts.generators.soft_codes import CodeValues
from tts.generators.voice_encoders import voice_mean
from tts.text.symbols import PAUSES
from tts.text.tokens import token_index

H = TypeVar("H", bound=nn.Module)
#: shares of training rows without text and voice, and without the voice alone (for guidance)
DROP_ALL, DROP_VOICE = 0.1, 0.1


class Perceptual(Protocol):
    """Losses that frozen networks compute from generated features (tts.losses.perceptual).

    Attributes:
        latent_space: latent space of the generator that is trained.
    """

    latent_space: LatentSpace

    def __bool__(self) -> bool:
        """Whether there is any such loss."""
        ...

    def losses(
        self,
        made: Tensor,
        mask: Tensor,
        request: Request,
        weight: Tensor,
        drop_all: Tensor,
        drop_voice: Tensor,
        real: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Losses by name.

        Args:
            made: [B, T, C] generated features; mask: [B, T, 1], 1 for valid frames.
            request: what they were generated for.
            weight: [B] weight of each row in the loss of the speaker.
            drop_all, drop_voice: [B] bool, rows that were generated without text and voice, and
                without the voice.
            real: [B, T, C] features of the recordings, for losses that compare with them.
        """
        ...


class Generator(nn.Module):
    """Phones, durations and a voice to latents (see the module's docstring).

    Args:
        conditioner, backbone, head: the network; the head fulfils one of the contracts of
            tts.generators.protocols.
        strategy: how the network is trained and run; it has no weights.
        latent_scale: factor that brings continuous latents of a waveform codec to unit scale.

    Raises:
        ConfigError: the parts do not go together.
    """

    channel_weight: Tensor

    def __init__(
        self,
        conditioner: Conditioner,
        backbone: Backbone,
        head: H,
        strategy: Strategy[H],
        latent_scale: float = 1.0,
    ):
        super().__init__()
        self.latent_scale = latent_scale
        self.conditioner, self.backbone = conditioner, backbone
        self.head: nn.Module = head
        self.strategy: Strategy[Any] = strategy
        if conditioner.text == "pointer" and not strategy.supports_pointer:
            raise ConfigError("text: pointer is for strategies that go from left to right")
        conditioner.has_readers = len(backbone.readers) > 0
        if conditioner.has_readers and (not conditioner.untimed or backbone.causal):
            raise ConfigError(
                "readers are for text that is padded or spread, and see the whole sentence"
            )
        strategy.check(self)
        channel_weight = channel_weights(conditioner.channels, conditioner.patch)
        self.register_buffer("channel_weight", channel_weight, persistent=False)

    def check_latent_space(self, latents: LatentSpace) -> None:
        """Raise ConfigError unless the head makes these latents; otherwise only the first batch
        would fail."""
        check_latent_space(latents, self.head, self.patch, self.conditioner.channels)

    @property
    def uses_pointer(self) -> bool:
        """Whether a pointer decides during generation how long each phone is."""
        return self.conditioner.text == "pointer"

    @property
    def posterior(self) -> bool:
        """Whether latents are distributions, not points (tts.generators.protocols.Head)."""
        return self._contract.posterior

    @property
    def _contract(self) -> Head:
        assert isinstance(self.head, Head)  # strategy.check has seen it
        return self.head

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
        """Hidden states [B, U, dim] of the backbone; see Backbone.hidden."""
        return self.backbone.hidden(x, condition, t, window, cache)

    def loss(
        self,
        request: Request,
        features: Tensor,
        latents: Tensor,
        perceptual: Perceptual | None = None,
        shift: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Training losses by name, unweighted.

        Args:
            features: [B, T, C] target; latents: [B, U, *] the same, by LatentSpace.encode.
            shift: [B, T, C] what was subtracted from both for the voice (tts.voice.profile).

        Returns:
            "prior", the L1 error of the regressed features, or for a network with text readers,
            which has no such estimate, "alignment", the cross entropy of their attention; the
            losses of the strategy; and, if the strategy has an estimate, the perceptual losses.
        """
        chance = torch.rand(len(features), device=features.device)
        drop_all = chance < DROP_ALL
        drop_voice = chance < DROP_ALL + DROP_VOICE
        condition = self.conditioner(request, self.backbone, (drop_all, drop_voice))
        average = voice_mean(request.prompt)
        prior = self._prior_loss(condition, features - average, drop_all)
        condition.prior_mean = condition.prior_mean.detach()
        found: Losses = self.strategy.losses(self, latents, condition)
        losses = dict(found.parts)
        if condition.unaligned is None:
            losses["prior"] = prior
        elif condition.unaligned.errors:
            losses["alignment"] = torch.stack(condition.unaligned.errors).mean()
        if perceptual and found.estimate is not None:
            made = perceptual.latent_space.to_features(found.estimate()) + average
            mask = condition.mask.repeat_interleave(self.patch, 1)
            weight = torch.ones_like(chance) if found.weight is None else found.weight
            losses |= perceptual.losses(
                _shifted(made, shift), mask, request, weight, drop_all, drop_voice,
                _shifted(features, shift),
            )  # fmt: skip
        return losses

    def _prior_loss(self, condition: Condition, relative: Tensor, drop_all: Tensor) -> Tensor:
        """Mean absolute error of the regressed estimate of relative features [B, T, C], weighted by
        channel, over the rows that have text; a scalar."""
        target = fold(relative, self.patch)
        kept = condition.mask * (~drop_all).float()[:, None, None]
        error = (condition.prior_mean - target).abs() * self.channel_weight * kept
        return error.sum() / (kept.sum().clamp_min(1) * target.shape[-1])

    def condition(
        self, request: Request, rngs: Sequence[torch.Generator], options: SamplingOptions
    ) -> Condition:
        """The condition of a request: B rows, or with guidance 2 B (see Strategy.run). Heads that
        guide themselves need no unconditional rows."""
        condition: Condition = self.conditioner(request, self.backbone)
        if options.guided and not self._contract.guides_itself:
            bare = self.conditioner.unconditional(
                request, condition, self.backbone, options.uncond, rngs
            )
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
        external: ExternalModel | None = None,
        code_values: CodeValues | None = None,
    ) -> Iterator[Tensor]:
        """Yield latents [B, u, *] as they are committed, U = ceil(frames / patch) in total.

        Args:
            rngs: one per row, so that the result of a row does not depend on its batch.
            infill: known latents, for continuation, infilling and editing.
            alignment: receives the durations as soon as they are known.
            external: a second model of the same codes, for options that need one.
            code_values: what codes stand for, for soft decoding (tts.generators.soft_codes); the
                latents are then [B, u, D], what the codec's decoder takes.
        """
        options = options or SamplingOptions()
        condition = self.condition(request, rngs, options)
        alignment = alignment or AlignmentResult()
        alignment.durations = request.durations
        if condition.text is not None:
            condition.text.alignment, condition.text.pace = alignment, request.pace
        if infill is not None and infill.silent is not None and request.durations is not None:
            spoken = spoken_latents(request, self.patch)
            condition.silence = Silence(infill.silent, spoken)
        condition.external = None if external is None else external.with_request(request)
        condition.code_values = code_values
        yield from self.strategy.run(self, condition, rngs, options, infill)

    def generate(
        self,
        request: Request,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions | None = None,
        infill: Infill | None = None,
        alignment: AlignmentResult | None = None,
        external: ExternalModel | None = None,
        code_values: CodeValues | None = None,
    ) -> Tensor:
        """`stream` in one piece: latents [B, U, *]."""
        pieces = self.stream(request, rngs, options, infill, alignment, external, code_values)
        return torch.cat(list(pieces), 1)


def _shifted(features: Tensor, shift: Tensor | None) -> Tensor:
    """Features [B, T, C] with the shift [B, t, C], t <= T, of their voices added."""
    if shift is None:
        return features
    return features + F.pad(shift, (0, 0, 0, features.shape[1] - shift.shape[1]))


def spoken_latents(request: Request, patch: int) -> Tensor:
    """[B, U] bool, latents all of whose frames belong to phones that are not pauses, by the
    durations of the request."""
    assert request.durations is not None
    tokens, frames = request.tokens, int(request.frames.max())
    pauses = torch.isin(tokens.ids, torch.tensor(sorted(PAUSES), device=tokens.ids.device))
    spoken = (~pauses).gather(1, token_index(request.durations, frames))
    padded: Tensor = F.pad(spoken, (0, -frames % patch), value=True)
    return padded.view(len(padded), -1, patch).all(2)

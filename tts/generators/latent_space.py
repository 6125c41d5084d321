"""Latent spaces: what generators generate, and how it becomes source-filter features.

Latents are features themselves, codes of them, or continuous latents of an autoencoder. Features
are always relative to the average spectrum and pitch of the voice prompt (`voice_mean`), which are
added again at the end: a generator need not learn how an unseen voice sounds on average.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.errors import ConfigError
from tts.generators.folding import fold
from tts.generators.protocols import CodeHead, LatentHead, StepHead
from tts.generators.soft_codes import CodeValues
from tts.generators.voice_encoders import voice_mean
from tts.modules.voice_prompt import VoicePrompt
from tts_codecs.autoencoder import FeatureAutoencoder
from tts_codecs.base import Codec
from tts_codecs.latent import LatentAutoencoder
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.spectral import SpectralAutoencoder


class LatentSpace(Protocol):
    """Latents of a generator to source-filter features [B, T, C] (tts_codecs.envelope) and back.

    Attributes:
        patch: frames per latent.
        look_ahead: how many later frames the decoder needs for a frame.
    """

    patch: int
    look_ahead: int

    @property
    def waveform_codec(self) -> Codec | None:
        """The codec that decodes these latents to a waveform; None if they become features, from
        which a vocoder makes the waveform."""
        ...

    def to(self, device: torch.device) -> None:
        """Move the networks of the codec, if there is one, to a device."""
        ...

    def retimed(self, durations: Tensor, valid: Tensor) -> Tensor:
        """Convert durations [B, S] from frames of features to frames of these latents.

        Args:
            valid: [B, S] bool, tokens that are not padding; each gets at least one frame.
        """
        ...

    def mismatch(self, head: nn.Module, channels: int) -> str:
        """Why a head cannot generate these latents, in words for the user; "" if it can.

        Args:
            channels: C of the features that the generator is conditioned on.
        """
        ...

    def default_arguments(self, strategy: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Default arguments that follow from these latents, such as the number of codebooks.

        Args:
            strategy, head: their kinds (tts.registry).

        Returns:
            Arguments of the strategy, and of the head.
        """
        ...

    def encode(self, features: Tensor, prompt: VoicePrompt) -> Tensor:
        """Features [B, T, C] to target latents [B, ceil(T / patch), *]."""
        ...

    def code_values(self) -> CodeValues | None:
        """What each code stands for, for soft decoding (tts.generators.soft_codes); None if latents
        are no codes, or codes that have to be whole to be decoded."""
        ...

    def start(self, prompt: VoicePrompt) -> Any:
        """The state of the decoder before the first latent."""
        ...

    def decode(self, latents: Tensor, state: Any, last: bool) -> tuple[Tensor, Any]:
        """Decode the next latents of a stream.

        Args:
            latents: [B, u, *]; in place of codes also what they stand for, [B, u, D] float.
            state: from `start`, or from the call before.
            last: whether no latents follow; what look-ahead held back is then decoded too.

        Returns:
            Features [B, t, C], and the state for the next call.
        """
        ...

    def to_features(self, estimate: Tensor) -> Tensor:
        """Relative features [B, T, C] of a strategy's `Losses.estimate`; differentiable."""
        ...


class FeatureLatents:
    """Base of the spaces whose latents become features."""

    @property
    def waveform_codec(self) -> Codec | None:
        """None: a vocoder makes the waveform."""
        return None

    def code_values(self) -> CodeValues | None:
        """None: latents are continuous."""
        return None

    def to(self, device: torch.device) -> None:
        """Do nothing: there is no network."""

    def retimed(self, durations: Tensor, valid: Tensor) -> Tensor:
        """The same durations: frames are those of features."""
        return durations


class FeatureSpace(FeatureLatents):
    """`patch` frames of features as one continuous latent [B, U, patch * C]."""

    look_ahead = 0

    def __init__(self, patch: int = 2):
        self.patch = patch

    def mismatch(self, head: nn.Module, channels: int) -> str:
        """Why a head cannot generate these latents; "" if it can."""
        return size_mismatch(head, self.patch * channels, "features")

    def default_arguments(self, strategy: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Default arguments of strategy and head: none, since heads are made for features."""
        return {}, {}

    def encode(self, features: Tensor, prompt: VoicePrompt) -> Tensor:
        """Features [B, T, C] to target latents [B, ceil(T / patch), *]."""
        return fold(features - voice_mean(prompt), self.patch)

    def start(self, prompt: VoicePrompt) -> Tensor:
        """The state of the decoder: the mean of the voice."""
        return voice_mean(prompt)

    def decode(self, latents: Tensor, state: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """Decode the next latents [B, u, *] of a stream to features [B, t, C]."""
        return self.to_features(latents) + state, state

    def to_features(self, estimate: Tensor) -> Tensor:
        """Latents to relative features [B, U * patch, C]."""
        out: Tensor = estimate.unflatten(-1, (self.patch, -1)).flatten(1, 2)
        return out


def padded_with_mean(features: Tensor, frames: Tensor, prompt: VoicePrompt) -> Tensor:
    """Features [B, T, C] whose padding, past the `frames` [B] of a row, is the mean of the voice.
    That is 0 in relative features, so that a row is encoded the same alone and in a batch."""
    index = torch.arange(features.shape[1], device=features.device)
    inside = (index < frames.unsqueeze(1)).unsqueeze(-1)
    return torch.where(inside, features, voice_mean(prompt))


def check_latent_space(latents: LatentSpace, head: nn.Module, patch: int, channels: int) -> None:
    """Check that a generator can generate these latents; otherwise only its first batch would fail.

    Args:
        patch: frames per latent of the generator; channels: C of the features it is conditioned on.

    Raises:
        ConfigError: it cannot.
    """
    problem = latents.mismatch(head, channels)
    if not problem and latents.patch != patch:
        problem = f"the generator has {patch} frames in a latent, the codec {latents.patch}"
    if problem:
        raise ConfigError(f"generator and codec do not go together: {problem}")


def size_mismatch(head: nn.Module, size: int, what: str) -> str:
    """Why a head does not draw continuous latents of D = `size`, in words for the user; "" if it
    does.

    Args:
        what: name of such latents in the message.
    """
    if isinstance(head, CodeHead):
        return f"a {type(head).__name__} draws codes, not {what}: name a codec of codes"
    if isinstance(head, (LatentHead, StepHead)):
        own = head.empty(1, 1).shape[-1] if isinstance(head, StepHead) else head.size
        if own != size:
            return f"the head has size: {own}, one step of {what} {size}"
    return ""


def codes_mismatch(head: nn.Module, num_codebooks: int, codebook_size: int) -> str:
    """Why a head does not draw codes of these sizes, in words for the user; "" if it does."""
    if not isinstance(head, CodeHead):
        return f"a {type(head).__name__} draws continuous latents, not codes"
    if (head.num_codebooks, head.codebook_size) != (num_codebooks, codebook_size):
        return (
            f"the head has num_codebooks: {head.num_codebooks} and codebook_size: "
            f"{head.codebook_size}, the codec {num_codebooks} and {codebook_size}"
        )
    return ""


def default_code_arguments(
    strategy: str,
    head: str,
    num_codebooks: int,
    codebook_size: int,
    levels: Sequence[int],
    residual: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Default arguments of strategy and head for codes.

    Args:
        strategy, head: their kinds (tts.registry).
        levels: of the digits of FSQ codes; empty for others.
        residual: whether each codebook refines those before it. It is then drawn after them, level
            by level in masked generation and in a delay pattern in autoregression.

    Returns:
        Arguments of the strategy, and of the head.
    """
    order: dict[str, Any] = {}
    residual = residual and num_codebooks > 1
    if residual and strategy == "masked":
        order = {"order": "levels"}
    elif residual and strategy == "autoregressive" and head == "categorical":
        order = {"pattern": {"name": "delay"}}
    if head not in ("categorical", "depth"):
        return order, {}
    sizes = {
        "num_codebooks": num_codebooks,
        "codebook_size": codebook_size,
        "levels": list(levels),
    }
    return order, sizes


@dataclass(frozen=True)
class CodeState:
    """State of a streaming decoder.

    Attributes:
        voice_mean: [B, 1, C] mean of the voice.
        stack: state of the decoder's layers.
        to_drop: how many frames of look-ahead are still to be dropped from its output.
    """

    voice_mean: Tensor
    stack: list[Tensor]
    to_drop: int


class AutoencoderSpace(FeatureLatents):
    """Base of the latents of autoencoders of features: how they are decoded."""

    def __init__(self, autoencoder: FeatureAutoencoder):
        self.autoencoder = autoencoder
        self.patch = autoencoder.patch
        self.look_ahead = autoencoder.look_ahead * autoencoder.patch

    def to(self, device: torch.device) -> None:
        """Move the autoencoder to a device."""
        self.autoencoder.to(device)

    def values(self, latents: Tensor) -> Tensor:
        """The input of the decoder from latents [B, u, *]."""
        raise NotImplementedError

    def mismatch(self, head: nn.Module, channels: int) -> str:
        """Why a head cannot generate these latents; "" if it can."""
        raise NotImplementedError

    def start(self, prompt: VoicePrompt) -> CodeState:
        """The state of the decoder before the first latent."""
        average = voice_mean(prompt)
        stack = self.autoencoder.decoder.initial(len(average), average, 0.0)
        return CodeState(average, stack, self.look_ahead)

    def decode(self, latents: Tensor, state: Any, last: bool) -> tuple[Tensor, CodeState]:
        """Decode the next latents [B, u, *] of a stream to features [B, t, C]."""
        values = self.values(latents)
        if last:
            values = F.pad(values, (0, 0, 0, self.autoencoder.look_ahead))
        features, stack = self.autoencoder.decode_values(values, state.stack)
        drop = min(state.to_drop, features.shape[1])
        features = features[:, drop:] + state.voice_mean
        return features, replace(state, stack=stack, to_drop=state.to_drop - drop)


class CodeSpace(AutoencoderSpace):
    """Codes [B, U, K] of a codec of features, by any quantizer.

    Args:
        merge: how many neighbouring latents share the code of the first codebook (VALL-E R); more
            than 1 needs a residual vector quantizer. It changes encoding only.
        num_codebooks: K, if it is fewer than the codec has.

    Raises:
        ConfigError: the codes cannot be merged.
    """

    autoencoder: SpectralAutoencoder

    def __init__(
        self, autoencoder: SpectralAutoencoder, merge: int = 1, num_codebooks: int | None = None
    ):
        super().__init__(autoencoder)
        self.merge = merge
        self.num_codebooks = autoencoder.quantizer.check_prefix(num_codebooks)
        if merge > 1 and not isinstance(autoencoder.quantizer, ResidualVQ):
            raise ConfigError("merge is of the codes of a residual codec: codec: rvq")

    def mismatch(self, head: nn.Module, channels: int) -> str:
        """Why a head cannot generate these latents; "" if it can."""
        return codes_mismatch(head, self.num_codebooks, self.autoencoder.quantizer.codebook_size)

    def default_arguments(self, strategy: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Default arguments of strategy and head; see `default_code_arguments`."""
        made = self.autoencoder.quantizer
        return default_code_arguments(
            strategy, head, self.num_codebooks, made.codebook_size, made.digits, made.residual
        )

    @torch.no_grad()
    def encode(self, features: Tensor, prompt: VoicePrompt) -> Tensor:
        """Features [B, T, C] to target latents [B, ceil(T / patch), *]."""
        features = features - voice_mean(prompt)
        quantizer = self.autoencoder.quantizer
        if self.merge > 1 and isinstance(quantizer, ResidualVQ):
            vectors = self.autoencoder.vectors(features)
            return quantizer.encode_merged(vectors, self.merge, self.num_codebooks)
        return self.autoencoder.encode(features, self.num_codebooks)

    def values(self, latents: Tensor) -> Tensor:
        """The input of the decoder: the vectors of codes, or with soft decoding what is given."""
        if latents.is_floating_point():
            return latents
        return self.autoencoder.quantizer.decode(latents)

    def code_values(self) -> CodeValues | None:
        """What each code stands for."""
        device = next(self.autoencoder.parameters()).device
        with torch.no_grad():
            origin, table = self.autoencoder.quantizer.contributions(self.num_codebooks, device)
        return CodeValues(origin, table.contiguous())

    def to_features(self, estimate: Tensor) -> Tensor:
        """Relative features of the expected vectors under probabilities of codes [B, U, K, V]."""
        return self.autoencoder.reconstruct(self.autoencoder.quantizer.expected(estimate))


class VAESpace(AutoencoderSpace):
    """Latents [B, U, D] of a variational autoencoder, the means of their distributions.

    Args:
        posterior: give the distributions instead, mean and logarithm of the variance side by side
            [B, U, 2 D]; both are decoded from the mean.
    """

    autoencoder: LatentAutoencoder

    def __init__(self, autoencoder: LatentAutoencoder, posterior: bool = False):
        super().__init__(autoencoder)
        self.posterior = posterior

    def mismatch(self, head: nn.Module, channels: int) -> str:
        """Why a head cannot generate these latents; "" if it can."""
        size = self.autoencoder.size * (2 if self.posterior else 1)
        return size_mismatch(head, size, "distributions" if self.posterior else "latents")

    def default_arguments(self, strategy: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Default arguments of strategy and head: the size of a latent."""
        return {}, {"size": self.autoencoder.size * (2 if self.posterior else 1)}

    @torch.no_grad()
    def encode(self, features: Tensor, prompt: VoicePrompt) -> Tensor:
        """Features [B, T, C] to target latents [B, ceil(T / patch), *]."""
        found = self.autoencoder.encode(features - voice_mean(prompt))
        return torch.cat(found, -1) if self.posterior else found[0]

    def to_features(self, estimate: Tensor) -> Tensor:
        """Latents to relative features [B, U * patch, C]."""
        return self.autoencoder.reconstruct(self.values(estimate))

    def values(self, latents: Tensor) -> Tensor:
        """The means, the input of the decoder, from latents or their distributions."""
        return latents[..., : self.autoencoder.size]

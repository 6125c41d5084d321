"""What generators fill: source-filter features, codes or latents of them, relative to the voice.

Features are taken relative to the average spectrum and pitch of the prompt (`voice_mean`), which
is added again at the end: what a voice never heard in training sounds like on average then need
not be learned.
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
        patch: frames per latent; look_ahead: frames that decoding sees beyond the one it gives.
        waveform_codec: the codec that makes the waveform of them, where no features come between.
    """

    patch: int
    look_ahead: int

    @property
    def waveform_codec(self) -> Codec | None:
        """None where they become features, of which a vocoder makes the waveform."""
        ...

    def to(self, device: torch.device) -> None:
        """Move the networks of its codec, if it has one, to a device."""
        ...

    def retimed(self, durations: Tensor, valid: Tensor) -> Tensor:
        """Durations [B, S] in frames of features to those in frames of these latents, at least one
        of each token that is `valid` [B, S]."""
        ...

    def fits(self, head: nn.Module, channels: int) -> str:
        """What of a head over features of C channels does not go with these latents; "" for
        nothing.

        Training on latents of another size would only fail at its first batch.
        """
        ...

    def declared(self, strategy: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arguments that follow from these latents where nothing else is given: those of a strategy
        and of a head, each of a kind."""
        ...

    def encode(self, features: Tensor, prompt: VoicePrompt) -> Tensor:
        """Features [B, T, C] to target latents [B, ceil(T / patch), *]."""
        ...

    def start(self, prompt: VoicePrompt) -> Any:
        """State of a stream."""
        ...

    def decode(self, latents: Tensor, state: Any, last: bool) -> tuple[Tensor, Any]:
        """The next latents [B, u, *] to features [B, t, C]; with `last` all that was held back."""
        ...

    def to_features(self, estimate: Tensor) -> Tensor:
        """`Losses.estimate` to relative features [B, T, C], with its gradient."""
        ...


class FeatureLatents:
    """What all latents that become features share."""

    @property
    def waveform_codec(self) -> Codec | None:
        """None: a vocoder makes the waveform."""
        return None

    def to(self, device: torch.device) -> None:
        """Nothing to move."""

    def retimed(self, durations: Tensor, valid: Tensor) -> Tensor:
        """The durations [B, S] as they are: frames are those of features."""
        return durations


class FeatureSpace(FeatureLatents):
    """`patch` frames of features as one continuous latent [B, U, patch * C]."""

    look_ahead = 0

    def __init__(self, patch: int = 2):
        self.patch = patch

    def fits(self, head: nn.Module, channels: int) -> str:
        """What of a head over features of C channels does not go with these latents; "" for
        nothing."""
        return size_fits(head, self.patch * channels, "features")

    def declared(self, strategy: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arguments that follow from these latents where nothing else is given: those of a strategy
        and of a head, each of a kind. Heads are of features by themselves."""
        return {}, {}

    def encode(self, features: Tensor, prompt: VoicePrompt) -> Tensor:
        """Features [B, T, C] to target latents [B, ceil(T / patch), *]."""
        return fold(features - voice_mean(prompt), self.patch)

    def start(self, prompt: VoicePrompt) -> Tensor:
        """The mean of the voice."""
        return voice_mean(prompt)

    def decode(self, latents: Tensor, state: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """The next latents [B, u, *] to features [B, t, C]; with `last` all that was held back."""
        return self.to_features(latents) + state, state

    def to_features(self, estimate: Tensor) -> Tensor:
        """Latents to relative features [B, U * patch, C]."""
        out: Tensor = estimate.unflatten(-1, (self.patch, -1)).flatten(1, 2)
        return out


def ended(features: Tensor, frames: Tensor, prompt: VoicePrompt) -> Tensor:
    """Features [B, T, C] with the mean of the voice, 0 relative to it, past the `frames` [B] of a
    row: it is then coded and learned as it is alone, however much the batch pads it."""
    index = torch.arange(features.shape[1], device=features.device)
    inside = (index < frames.unsqueeze(1)).unsqueeze(-1)
    return torch.where(inside, features, voice_mean(prompt))


def check_latent_space(latents: LatentSpace, head: nn.Module, patch: int, channels: int) -> None:
    """ConfigError where a generator with this head, of `patch` frames of C channels a latent, does
    not fill such latents: it would fail at its first batch."""
    problem = latents.fits(head, channels)
    if not problem and latents.patch != patch:
        problem = f"the generator has {patch} frames in a latent, the codec {latents.patch}"
    if problem:
        raise ConfigError(f"generator and codec do not go together: {problem}")


def size_fits(head: nn.Module, size: int, what: str) -> str:
    """Why a head is not one of continuous latents of this size; "" where it is."""
    if isinstance(head, CodeHead):
        return f"a {type(head).__name__} draws codes, not {what}: name a codec of codes"
    if isinstance(head, (LatentHead, StepHead)):
        own = head.empty(1, 1).shape[-1] if isinstance(head, StepHead) else head.size
        if own != size:
            return f"the head has size: {own}, one step of {what} {size}"
    return ""


def declared_codes(
    strategy: str,
    head: str,
    num_codebooks: int,
    codebook_size: int,
    levels: Sequence[int],
    residual: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of a strategy and of a head, each of a kind, that follow from codes: how many of
    how many entries, of what digits (`levels`). Codes that refine those before them are drawn after
    them, with delays or level by level."""
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
    """Stream of codes: the mean of the voice, the decoder's state, and the frames it still looks
    ahead."""

    voice_mean: Tensor
    stack: list[Tensor]
    owed: int


class AutoencoderSpace(FeatureLatents):
    """What latents of every autoencoder of features share: the way back."""

    def __init__(self, autoencoder: FeatureAutoencoder):
        self.autoencoder = autoencoder
        self.patch = autoencoder.patch
        self.look_ahead = autoencoder.look_ahead * autoencoder.patch

    def to(self, device: torch.device) -> None:
        """Move the autoencoder to a device."""
        self.autoencoder.to(device)

    def values(self, latents: Tensor) -> Tensor:
        """Latents [B, u, *] to what the decoder takes."""
        raise NotImplementedError

    def fits(self, head: nn.Module, channels: int) -> str:
        """What of a head over features of C channels does not go with these latents; "" for
        nothing."""
        raise NotImplementedError

    def start(self, prompt: VoicePrompt) -> CodeState:
        """Before the first latent."""
        average = voice_mean(prompt)
        stack = self.autoencoder.decoder.initial(len(average), average, 0.0)
        return CodeState(average, stack, self.look_ahead)

    def decode(self, latents: Tensor, state: Any, last: bool) -> tuple[Tensor, CodeState]:
        """The next latents [B, u, *] to features [B, t, C]; with `last` all that was held back."""
        values = self.values(latents)
        if last:
            values = F.pad(values, (0, 0, 0, self.autoencoder.look_ahead))
        features, stack = self.autoencoder.decode_values(values, state.stack)
        drop = min(state.owed, features.shape[1])
        features = features[:, drop:] + state.voice_mean
        return features, replace(state, stack=stack, owed=state.owed - drop)


class CodeSpace(AutoencoderSpace):
    """Codes [B, U, K] of a codec of features, by whatever quantizer.

    Args:
        merge: neighbours that share the code of the first codebook (VALL-E R); more than 1 needs a
            residual vector quantizer. It changes how recordings are coded, and nothing of the way
            back.
        num_codebooks: K, where it is fewer than the codec has.

    Raises:
        ConfigError: codes that cannot be merged.
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

    def fits(self, head: nn.Module, channels: int) -> str:
        """What of a head over features of C channels does not go with these latents; "" for
        nothing."""
        if not isinstance(head, CodeHead):
            return f"a {type(head).__name__} draws continuous latents, not codes"
        wanted = (self.num_codebooks, self.autoencoder.quantizer.codebook_size)
        if (head.num_codebooks, head.codebook_size) != wanted:
            return (
                f"the head has num_codebooks: {head.num_codebooks} and codebook_size: "
                f"{head.codebook_size}, the codec "
                f"{wanted[0]} and {wanted[1]}"
            )
        return ""

    def declared(self, strategy: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arguments that follow from these latents where nothing else is given: those of a strategy
        and of a head, each of a kind (`declared_codes`)."""
        made = self.autoencoder.quantizer
        return declared_codes(
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
        """Of codes."""
        return self.autoencoder.quantizer.decode(latents)

    def to_features(self, estimate: Tensor) -> Tensor:
        """Probabilities of codes [B, U, K, V] to the relative features of their expectation."""
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

    def fits(self, head: nn.Module, channels: int) -> str:
        """What of a head over features of C channels does not go with these latents; "" for
        nothing."""
        size = self.autoencoder.size * (2 if self.posterior else 1)
        return size_fits(head, size, "distributions" if self.posterior else "latents")

    def declared(self, strategy: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arguments that follow from these latents where nothing else is given: those of a strategy
        and of a head, each of a kind. How many numbers a latent is."""
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
        """Of latents, or of their distributions."""
        return latents[..., : self.autoencoder.size]

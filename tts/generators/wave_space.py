"""Latent space of a codec of waveforms, which the codec itself decodes to audio.

Latents are not relative to the voice, and no source-filter features are made on the way. What a
generator is conditioned on is the same as with every other latent space.
"""

from typing import Any

import torch
from torch import Tensor, nn

from tts.errors import UsageError
from tts.generators.latent_space import codes_mismatch, default_code_arguments, size_mismatch
from tts.generators.protocols import CodeHead, Head
from tts.generators.soft_codes import CodeValues
from tts.modules.voice_prompt import VoicePrompt
from tts.prosody.durations import frames_until
from tts_codecs.base import Codec

#: source-filter features in a second
FEATURE_RATE = 50.0


class WaveSpace:
    """Latents of a codec of waveforms: codes [B, U, K], or continuous ones [B, U, D].

    A latent is a whole number `patch` of frames of about 20 ms: a codec of 25 latents a second has
    2 frames of 20 ms in each, one of 12.5 has 4, one of 75 has 1 of 13 ms. If the frame rate is not
    that of features, durations are converted (`retimed`).

    Args:
        codec: any of tts_codecs.
        scale: factor from continuous latents of the codec to those of the generator.

    Attributes:
        patch, look_ahead: see tts.generators.latent_space.LatentSpace.
        frame_rate: frames in a second; factor: frames per frame of features.
    """

    def __init__(self, codec: Codec, scale: float = 1.0):
        self.codec, self.info, self.scale = codec, codec.info, scale
        self.coded = self.info.kind == "codes"
        self.patch = max(1, round(FEATURE_RATE / self.info.frame_rate))
        self.frame_rate = self.info.frame_rate * self.patch
        self.factor = self.frame_rate / FEATURE_RATE
        self.look_ahead = self.info.look_ahead * self.patch

    @property
    def waveform_codec(self) -> Codec:
        """The codec."""
        return self.codec

    def to(self, device: torch.device) -> None:
        """Move the codec to a device."""
        self.codec.to(device)

    def mismatch(self, head: nn.Module, channels: int) -> str:
        """Why a head cannot generate these latents; "" if it can."""
        if not self.coded:
            if isinstance(head, Head) and head.posterior:
                return f"a {type(head).__name__} draws distributions, {self.info.name} has none"
            return size_mismatch(head, self.info.dim, "latents")
        if isinstance(head, CodeHead) and len(set(self.info.sizes)) > 1:
            return f"the codebooks of {self.info.name} are not of one size"
        return codes_mismatch(head, self.info.num_codebooks, self.info.codebook_size)

    def default_arguments(self, strategy: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Default arguments of strategy and head; see LatentSpace.default_arguments."""
        info = self.info
        if not self.coded:
            return {}, {"size": info.dim}
        return default_code_arguments(
            strategy, head, info.num_codebooks, info.codebook_size, info.levels, info.residual
        )

    def retimed(self, durations: Tensor, valid: Tensor) -> Tensor:
        """Convert durations [B, S] to frames of these latents; see LatentSpace.retimed. Every row
        gets a whole number of latents."""
        if self.factor == 1:
            return durations
        out = frames_until(durations.cumsum(1) * self.factor, valid)
        last = valid.long().sum(1, keepdim=True) - 1
        rest = -out.sum(1, keepdim=True) % self.patch
        return out.scatter_add(1, last, rest)

    def frames(self, latents: Tensor) -> Tensor:
        """Latents [B, u, *] as the codec takes them, without the scale."""
        return latents if self.coded else latents / self.scale

    def _no_features(self) -> UsageError:
        return UsageError(
            f"{self.info.name} is a codec of waveforms: there are no features of what is generated"
        )

    def code_values(self) -> CodeValues | None:
        """None: the codec takes codes alone."""
        return None

    def encode(self, features: Tensor, prompt: VoicePrompt) -> Tensor:
        """Raise UsageError: latents are encoded from waveforms (tts.data.coded)."""
        raise self._no_features()

    def start(self, prompt: VoicePrompt) -> Any:
        """Raise UsageError: latents are decoded to a waveform (tts.pipeline.wave_decoder)."""
        raise self._no_features()

    def decode(self, latents: Tensor, state: Any, last: bool) -> tuple[Tensor, Any]:
        """Raise UsageError, as `start`."""
        raise self._no_features()

    def to_features(self, estimate: Tensor) -> Tensor:
        """Raise UsageError, as `start`."""
        raise self._no_features()

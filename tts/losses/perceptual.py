"""Perceptual losses of generated features by frozen networks: speaker similarity and phones.

Both are losses of the clean estimate: no sampling and no speech recognizer is in the loop.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tts.generators.base import Request
from tts.generators.latent_space import LatentSpace
from tts.losses.phone import PhoneProbe
from tts.losses.speaker import SpeakerProbe


@dataclass
class PerceptualLosses:
    """Frozen networks of the perceptual losses; None leaves a loss out.

    Attributes:
        latent_space: of the generator that is trained.
        voice: reads the speaker embedding; phones: reads the phones.
    """

    latent_space: LatentSpace
    voice: SpeakerProbe | None = None
    phones: PhoneProbe | None = None

    def to(self, device: torch.device) -> "PerceptualLosses":
        """The same with its networks, the codec's too, on `device`."""
        voice = self.voice and self.voice.to(device)
        self.latent_space.to(device)
        return replace(self, voice=voice, phones=self.phones and self.phones.to(device))

    def __bool__(self) -> bool:
        return not (self.voice is None and self.phones is None)

    def losses(
        self,
        made: Tensor,
        mask: Tensor,
        request: Request,
        weight: Tensor,
        drop_all: Tensor,
        drop_voice: Tensor,
    ) -> dict[str, Tensor]:
        """The losses by name.

        Args:
            made: [B, T, C] features; mask: [B, T, 1].
            weight: [B] of the speaker loss of each row.
            drop_all, drop_voice: [B] rows that heard no text, and no voice.

        Returns:
            "speaker_loss", 1 - cosine between the voice generated and the one asked for;
            "phone_loss", cross entropy of the phones asked for.
        """
        losses = {}
        if self.voice is not None:
            cosine = self.voice.similarity(made, mask, request.prompt.speaker)
            losses["speaker_loss"] = _mean(1 - cosine, weight * ~drop_voice)
        if self.phones is not None and request.durations is not None:
            errors = self.phones.errors(made, mask, request.tokens, request.durations)
            losses["phone_loss"] = _mean(errors, (~drop_all).float())
        return losses


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-3)

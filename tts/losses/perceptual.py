"""Perceptual losses of generated features: frozen networks judge the speaker and the phones.

They are computed from the strategy's estimate of the clean latents, without sampling.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tts.generators.base import Request
from tts.generators.latent_space import LatentSpace
from tts.losses.identity import SpeakerIdentity
from tts.losses.phone import PhoneProbe
from tts.losses.speaker import SpeakerProbe


@dataclass
class PerceptualLosses:
    """The frozen networks of the perceptual losses; without one its losses are left out.

    Attributes:
        latent_space: latent space of the generator that is trained.
        voice: probe that predicts the speaker embedding.
        phones: probe that classifies phones.
        identity: speaker classifier.
        recognizer: phone recognizer, which sees more context than `phones`.
    """

    latent_space: LatentSpace
    voice: SpeakerProbe | None = None
    phones: PhoneProbe | None = None
    identity: SpeakerIdentity | None = None
    recognizer: PhoneProbe | None = None

    def to(self, device: torch.device) -> "PerceptualLosses":
        """The same losses with all networks, that of the codec too, on `device`."""
        voice = self.voice and self.voice.to(device)
        self.latent_space.to(device)
        phones = self.phones and self.phones.to(device)
        identity = self.identity and self.identity.to(device)
        recognizer = self.recognizer and self.recognizer.to(device)
        return replace(self, voice=voice, phones=phones, identity=identity, recognizer=recognizer)

    def __bool__(self) -> bool:
        networks = (self.voice, self.phones, self.identity, self.recognizer)
        return any(each is not None for each in networks)

    def losses(
        self,
        fake: Tensor,
        mask: Tensor,
        request: Request,
        weight: Tensor,
        drop_all: Tensor,
        drop_voice: Tensor,
        real: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses by name.

        Args:
            fake: [B, T, C] generated features; mask: [B, T, 1].
            weight: [B] of each row in the losses of the speaker.
            drop_all, drop_voice: [B] bool, rows generated without text, and without voice.
            real: [B, T, C] the recorded features.

        Returns:
            "speaker_loss", 1 - cosine of the predicted and the true speaker embedding;
            "phone_loss", cross entropy of the true phones; "identity_loss" and "style_loss",
            distances to the recorded features (SpeakerIdentity.distances); "recognizer_loss",
            distance to them in the states of the recognizer (PhoneProbe.distance).
        """
        losses = {}
        if self.voice is not None:
            cosine = self.voice.similarity(fake, mask, request.prompt.speaker)
            losses["speaker_loss"] = _mean(1 - cosine, weight * ~drop_voice)
        if self.phones is not None and request.durations is not None:
            errors = self.phones.errors(fake, mask, request.tokens, request.durations)
            losses["phone_loss"] = _mean(errors, (~drop_all).float())
        if self.identity is not None and real is not None:
            # The last latent may reach past the end of the recording.
            count = real.shape[1]
            identity, style = self.identity.distances(fake[:, :count], real, mask[:, :count])
            losses["identity_loss"] = _mean(identity, weight * ~drop_voice)
            losses["style_loss"] = _mean(style, weight * ~drop_voice)
        if self.recognizer is not None and real is not None:
            count = real.shape[1]
            made, spoken = fake[:, :count], mask[:, :count]
            rows = weight * ~drop_all
            losses["recognizer_loss"] = self.recognizer.distance(made, real, spoken, rows)
        return losses


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-3)

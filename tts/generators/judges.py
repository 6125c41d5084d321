"""What frozen networks say of generated features, as losses: whose voice, and how clear.

Both are of the clean estimate, so no sampling is in the loop and no recognizer is asked.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tts.align.phone_probe import PhoneProbe
from tts.generators.base import Request
from tts.generators.protocols import UnitSpace
from tts.voice.probe import SpeakerProbe


@dataclass
class Judges:
    """Frozen probes; None leaves a loss out.

    Attributes:
        units: of the generator that is judged.
    """

    units: UnitSpace
    voice: SpeakerProbe | None = None
    phones: PhoneProbe | None = None

    def to(self, device: torch.device) -> "Judges":
        """The same on another device."""
        voice = self.voice and self.voice.to(device)
        return replace(self, voice=voice, phones=self.phones and self.phones.to(device))

    def __bool__(self) -> bool:
        return not (self.voice is None and self.phones is None)

    def losses(
        self, made: Tensor, mask: Tensor, request: Request, weight: Tensor,
        drop_all: Tensor, drop_voice: Tensor,
    ) -> dict[str, Tensor]:  # fmt: skip
        """What they find.

        Args:
            made: [B, T, C] features; mask: [B, T, 1].
            weight: [B] of the likeness of each row.
            drop_all, drop_voice: [B] rows that heard no text, and no voice.

        Returns:
            "likeness", 1 - cosine between the voice generated and the one asked for; "clarity",
            cross entropy of the phones asked for.
        """
        losses = {}
        if self.voice is not None:
            cosine = self.voice.likeness(made, mask, request.prompt.speaker)
            losses["likeness"] = _mean(1 - cosine, weight * ~drop_voice)
        if self.phones is not None and request.durations is not None:
            errors = self.phones.errors(made, mask, request.tokens, request.durations)
            losses["clarity"] = _mean(errors, (~drop_all).float())
        return losses


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-3)

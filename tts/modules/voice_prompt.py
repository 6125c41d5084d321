"""VoicePrompt, a voice as the input of networks."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class VoicePrompt:
    """A batch of voice prompts.

    Attributes:
        speaker: [B, 256] speaker embedding.
        features: [B, P, C] source-filter features of a few seconds of the recording.
        lengths: [B] valid frames of `features`.
    """

    speaker: Tensor
    features: Tensor
    lengths: Tensor

    def to(self, device: torch.device | str) -> "VoicePrompt":
        """A copy with its tensors on `device`."""
        return VoicePrompt(
            self.speaker.to(device), self.features.to(device), self.lengths.to(device)
        )

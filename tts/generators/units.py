"""What generators fill: source-filter features, or codes of them, relative to the voice.

Features are taken relative to the average spectrum and pitch of the prompt (`voice_anchor`), which
is added again at the end: what a voice never heard in training sounds like on average then need
not be learned.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tts.generators.conditioning import VoicePrompt, fold, voice_anchor
from tts_codecs.spectral import SpectralAutoencoder


class FeatureUnits:
    """`patch` frames of features as one continuous unit [B, U, patch * C]."""

    def __init__(self, patch: int = 2):
        self.patch = patch

    def encode(self, features: Tensor, prompt: VoicePrompt) -> Tensor:
        """See UnitSpace."""
        return fold(features - voice_anchor(prompt), self.patch)

    def start(self, prompt: VoicePrompt) -> Tensor:
        """The anchor."""
        return voice_anchor(prompt)

    def decode(self, units: Tensor, state: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """See UnitSpace."""
        return units.unflatten(-1, (self.patch, -1)).flatten(1, 2) + state, state


@dataclass(frozen=True)
class CodeState:
    """Stream of codes: the anchor, the decoder's state, and the frames it still looks ahead."""

    anchor: Tensor
    stack: list[Tensor]
    owed: int


class CodeUnits:
    """Codes [B, U, K] of the spectral codec."""

    def __init__(self, autoencoder: SpectralAutoencoder):
        self.autoencoder = autoencoder
        self.patch = autoencoder.patch

    @torch.no_grad()
    def encode(self, features: Tensor, prompt: VoicePrompt) -> Tensor:
        """See UnitSpace."""
        return self.autoencoder.encode(features - voice_anchor(prompt))

    def start(self, prompt: VoicePrompt) -> CodeState:
        """Before the first unit."""
        anchor = voice_anchor(prompt)
        stack = self.autoencoder.decoder.initial(len(anchor), anchor, 0.0)
        return CodeState(anchor, stack, self.autoencoder.look_ahead * self.patch)

    def decode(self, units: Tensor, state: Any, last: bool) -> tuple[Tensor, CodeState]:
        """See UnitSpace."""
        values = self.autoencoder.quantizer.decode(units)
        if last:
            values = F.pad(values, (0, 0, 0, self.autoencoder.look_ahead))
        features, stack = self.autoencoder.decode_values(values, state.stack)
        drop = min(state.owed, features.shape[1])
        features = features[:, drop:] + state.anchor
        return features, replace(state, stack=stack, owed=state.owed - drop)

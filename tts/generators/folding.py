"""Frames of features as latents: so many are folded into one, and each dimension has its weight."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tts_codecs.envelope import EXTRA


def channel_weights(channels: int, patch: int) -> Tensor:
    """Weight of each dimension of a latent of features in losses, [patch * channels]: pitch and
    voicing are 2 channels among 82, but the ear weighs them more."""
    channel_weight = torch.ones(channels)
    channel_weight[-EXTRA:] = 5.0
    return channel_weight.repeat(patch)


def fold(frames: Tensor, patch: int) -> Tensor:
    """[B, T, D] frames to [B, ceil(T / patch), patch * D] latents, zero-padded."""
    frames = F.pad(frames, (0, 0, 0, -frames.shape[1] % patch))
    out: Tensor = frames.unflatten(1, (-1, patch)).flatten(2)
    return out

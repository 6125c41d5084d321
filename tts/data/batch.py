"""Training batches: their type, and what networks read from batches of segments."""

from typing import Any

import torch
from torch import Tensor

from tts.modules.voice_prompt import VoicePrompt
from tts.text.tokens import TokenBatch

#: tensors of a batch by name, and further values that a task adds
Batch = dict[str, Any]


def tokens_of(batch: Batch) -> TokenBatch:
    """The phone tokens of a batch: its "ids" and "mods" [B, S] and "lengths" [B]."""
    return TokenBatch(batch["ids"], batch["mods"], batch["lengths"])


def prompt_of(batch: Batch) -> VoicePrompt:
    """The voice prompts of a batch: its "speaker", "prompt_features" and "prompt_frames"."""
    return VoicePrompt(batch["speaker"], batch["prompt_features"], batch["prompt_frames"])


def frame_mask(batch: Batch) -> Tensor:
    """A mask [B, T, 1] of the "features" of a batch: 1 for frames, 0 for padding."""
    index = torch.arange(batch["features"].shape[1], device=batch["features"].device)
    return (index < batch["frames"].unsqueeze(1)).unsqueeze(-1).float()

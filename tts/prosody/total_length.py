"""Total length of a sentence, for generators that align by attention and need no phone durations
(E2 TTS, F5-TTS, Seed-TTS DiT)."""

from collections.abc import Callable

import torch
from torch import Tensor

from tts.modules.voice_prompt import VoicePrompt
from tts.text.lengths import FRAMES, usual_frames
from tts.text.symbols import SIL
from tts.text.tokens import TokenBatch

#: frames per phone of the slowest and fastest voices
SLOWEST, FASTEST = 7.0, 3.0


@torch.inference_mode()
def frames_per_phone(
    probe: Callable[[Tensor, Tensor], Tensor] | None, prompt: VoicePrompt
) -> Tensor:
    """Speaking rate of the voices of prompts, in frames per phone [B]: the frames that the probe
    reads as speech, divided by the number of phones in them.

    Args:
        probe: features [B, T, C] and mask [B, T, 1] to phone logits (tts.losses.phone). Without it,
            or if it finds fewer than 10 phones, the rate is FRAMES.
    """
    features = prompt.features
    default = features.new_full((len(features),), FRAMES)
    if probe is None:
        return default
    index = torch.arange(features.shape[1], device=features.device)
    mask = (index < prompt.lengths.unsqueeze(1)).unsqueeze(-1).float()
    phones = probe(features, mask).argmax(-1).masked_fill(mask[..., 0] == 0, SIL)
    said = phones != SIL
    # A phone of one frame between two others is more often a slip of the probe than a phone.
    same_next = torch.cat([phones[:, 1:] == phones[:, :-1], torch.zeros_like(said[:, :1])], 1)
    changed = torch.ones_like(said)
    changed[:, 1:] = phones[:, 1:] != phones[:, :-1]
    count = (said & changed & same_next).sum(1)
    found = said.sum(1) / count.clamp_min(1)
    return torch.where(count >= 10, found.clamp(FASTEST, SLOWEST), default)


def total_frames(tokens: TokenBatch, paces: Tensor, speed: Tensor, patch: int) -> Tensor:
    """Frames [B] of sentences: a whole number of latents, and at least as many frames as tokens.

    Args:
        paces: [B] frames per phone (`frames_per_phone`); speed: [B], above 1 is faster.
    """
    frames, silence = usual_frames(tokens, paces), tokens.ids == SIL
    spoken = (frames * ~silence).sum(1) / speed
    total = (spoken + (frames * silence).sum(1)).round().long()
    total = torch.maximum(total, tokens.lengths)
    return total + -total % patch

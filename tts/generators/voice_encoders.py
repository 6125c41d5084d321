"""Voice encoders of generators: a voice prompt to a global vector and a memory to attend to."""

import torch
from torch import Tensor, nn

from tts.generators.conditioning import EncodedVoice
from tts.generators.folding import fold
from tts.modules.voice_prompt import VoicePrompt
from tts_codecs.envelope import EXTRA, envelope_part
from tts_codecs.nn.convnext import ConvNeXt


def voice_mean(prompt: VoicePrompt) -> Tensor:
    """Average spectrum and pitch of the speech in a prompt, [B, 1, C] (0 for voicing).

    Generators work on features relative to it, so that they need not learn the long-term spectrum
    and the pitch of unseen voices.
    """
    features = prompt.features
    index = torch.arange(features.shape[1], device=features.device)
    valid = index < prompt.lengths.unsqueeze(1)
    level = envelope_part(features).mean(-1).masked_fill(~valid, -torch.inf)
    # Two units of the normalised log-mel are about 38 dB: pauses do not count.
    speech = (level > level.amax(1, keepdim=True) - 2.0).unsqueeze(-1).to(features.dtype)
    average = (features * speech).sum(1, keepdim=True) / speech.sum(1, keepdim=True).clamp_min(1)
    voiced = (valid & (features[..., -1] > 0)).to(features.dtype)
    pitch = (features[..., -EXTRA] * voiced).sum(1) / voiced.sum(1).clamp_min(1)
    average[:, 0, -EXTRA] = pitch
    average[:, 0, -1] = 0
    return average


class VoiceConditioner(nn.Module):
    """Encoder of a voice prompt to a global vector and a memory to attend to.

    The global vector is computed from a speaker-verification embedding and from mean and standard
    deviation of the prompt's features (channel and timbre); the memory keeps the detail of the
    prompt. No transcript is needed.

    Args:
        channels: of the features; dim: of the memory; global_dim: of the global vector.
        patch: frames per position of the memory; blocks: of its encoder.
    """

    def __init__(
        self,
        channels: int,
        dim: int,
        global_dim: int,
        patch: int,
        blocks: int = 2,
        speaker_dim: int = 256,
    ):
        super().__init__()
        self.patch = patch
        self.entry = nn.Linear(channels * patch, dim)
        self.blocks = nn.ModuleList(ConvNeXt(dim, 2 * dim, 5) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.global_cond = nn.Sequential(
            nn.Linear(speaker_dim + 2 * channels, 2 * global_dim),
            nn.GELU(),
            nn.Linear(2 * global_dim, global_dim),
        )
        self.null_global_cond = nn.Parameter(torch.zeros(global_dim))
        self.null_memory = nn.Parameter(torch.zeros(dim))

    def forward(self, prompt: VoicePrompt, drop: Tensor | None = None) -> EncodedVoice:
        """Encode; `drop` [B] bool replaces a row by the learned null voice."""
        index = torch.arange(prompt.features.shape[1], device=prompt.features.device)
        valid = (index < prompt.lengths.unsqueeze(1)).unsqueeze(-1).float()
        features = prompt.features * valid
        count = valid.sum(1).clamp_min(1)
        mean = features.sum(1) / count
        spread = (((features - mean.unsqueeze(1)) * valid).square().sum(1) / count + 1e-5).sqrt()
        # A unit vector of 256 dimensions has entries of about 1/16; the other inputs have about 1.
        global_cond = self.global_cond(torch.cat([prompt.speaker * 16, mean, spread], -1))
        mask = fold(valid, self.patch)[..., :1]
        memory = self.entry(fold((features - voice_mean(prompt)) * valid, self.patch))
        for block in self.blocks:
            memory = block(memory, mask)
        memory = self.norm(memory)
        # A null position keeps attention defined for empty prompts, and lets heads attend to
        # nothing.
        null = self.null_memory.expand(len(memory), 1, -1)
        memory = torch.cat([null, memory], 1)
        attend = torch.cat([torch.ones_like(mask[:, :1, 0]), mask[..., 0]], 1) > 0
        if drop is not None:
            global_cond = torch.where(drop.unsqueeze(-1), self.null_global_cond, global_cond)
            attend = attend & ~drop.unsqueeze(-1)
            attend[:, 0] = True
        return EncodedVoice(global_cond, memory, attend)


class VectorConditioner(nn.Module):
    """Encoder of the speaker-verification embedding alone, with an empty memory (SV2TTS, Jia et al.
    2018).

    Args:
        dim: of the null position of the memory; global_dim: of the global vector.
        channels, patch: not used; the arguments are those of VoiceConditioner.
    """

    def __init__(
        self, channels: int, dim: int, global_dim: int, patch: int, speaker_dim: int = 256
    ):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.global_cond = nn.Sequential(
            nn.Linear(speaker_dim, 2 * global_dim),
            nn.GELU(),
            nn.Linear(2 * global_dim, global_dim),
        )
        self.null_global_cond = nn.Parameter(torch.zeros(global_dim))
        self.null_memory = nn.Parameter(torch.zeros(dim))

    def forward(self, prompt: VoicePrompt, drop: Tensor | None = None) -> EncodedVoice:
        """Encode; `drop` [B] bool replaces a row by the learned null voice."""
        global_cond = self.global_cond(prompt.speaker * 16)
        if drop is not None:
            global_cond = torch.where(drop.unsqueeze(-1), self.null_global_cond, global_cond)
        memory = self.norm(self.null_memory).expand(len(global_cond), 1, -1)
        return EncodedVoice(
            global_cond, memory, global_cond.new_ones(len(memory), 1, dtype=torch.bool)
        )

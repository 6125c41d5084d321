"""Flow matching over units of source-filter features with expanded phones (the first voice).

Conditional flow matching (Lipman et al. 2023) from noise to features given content and voice, as in
Matcha-TTS and F5-TTS, with two differences that pay at small scale: the network predicts the clean
features as a correction to a regressed mean (velocity follows from it), and the voice prompt is a
memory that is encoded once and attended to, not part of the sequence that is integrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.align.aligner import TokenBatch
from tts.generators.conditioning import (
    ContentEncoder,
    VoiceConditioner,
    VoicePrompt,
    fold,
    voice_anchor,
)
from tts.modules.transformer import DiTBlock, rotary, timestep_embedding
from tts.voice.probe import SpeakerProbe


@dataclass(frozen=True)
class FlowOptions:
    """Sampling settings.

    Attributes:
        steps: network evaluations (guided ones run conditional and unconditional in one batch).
        guidance: s in s * cond + (1 - s) * uncond; 1 switches guidance off.
        guide: what the unconditional branch lacks, "all" (text and voice) or "voice".
        method: "euler" or "midpoint" (two evaluations a step).
        sway: F5-TTS's sway coefficient, -1 puts more steps near the noise, 0 is uniform.
        temperature: scale of the initial noise.
    """

    steps: int = 8
    guidance: float = 2.0
    guide: str = "all"
    method: str = "euler"
    sway: float = -1.0
    temperature: float = 1.0


def time_grid(steps: int, sway: float) -> Tensor:
    """steps + 1 times from 0 (noise) to 1 (data)."""
    u = torch.linspace(0, 1, steps + 1)
    return u + sway * (torch.cos(torch.pi / 2 * u) - 1 + u)


class FlowGenerator(nn.Module):
    """Phones, durations and a voice to source-filter features (see tts_codecs.envelope)."""

    def __init__(
        self,
        channels: int = 82,
        patch: int = 2,
        dim: int = 256,
        heads: int = 4,
        hidden: int = 1024,
        blocks: int = 6,
        content_blocks: int = 4,
        phone_dim: int = 192,
        phone_blocks: int = 3,
        voice_dim: int = 192,
        glob: int = 192,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.channels, self.patch, self.heads, self.dim = channels, patch, heads, dim
        size = channels * patch
        # Pitch and voicing are 2 channels among 82, but the ear weighs them more.
        emphasis = torch.ones(channels)
        emphasis[-2:] = 5.0
        self.emphasis = emphasis.repeat(patch)
        self.voice = VoiceConditioner(channels, voice_dim, glob, patch)
        self.content = ContentEncoder(
            channels, dim, glob, patch, phone_dim, phone_blocks, content_blocks, dropout
        )
        self.null_content = nn.Parameter(torch.zeros(dim))
        self.entry = nn.Linear(2 * size, dim)
        self.time = nn.Sequential(nn.Linear(128, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.glob = nn.Linear(glob, dim)
        self.modulation = nn.Linear(dim, 8 * dim)
        self.blocks = nn.ModuleList(
            DiTBlock(dim, heads, hidden, voice_dim, 5, dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.head = nn.Linear(dim, size)
        for layer in (self.modulation, self.head):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def _denoise(
        self,
        x: Tensor,
        t: Tensor,
        content: Tensor,
        mean: Tensor,
        glob: Tensor,
        memory: Sequence[tuple[Tensor, Tensor]],
        memory_mask: Tensor,
        mask: Tensor,
    ) -> Tensor:
        """Predicted clean units [B, U, size] from noisy ones at time t [B]."""
        hidden = self.entry(torch.cat([x, mean], -1)) + content
        moment = F.silu(self.time(timestep_embedding(t, 128)) + self.glob(glob))
        modulation = self.modulation(moment).unflatten(-1, (8, self.dim))
        table = rotary(torch.arange(x.shape[1], device=x.device), self.dim // self.heads)
        attend = torch.cat([memory_mask, mask[..., 0] > 0], 1)[:, None, None, :]
        for block, pair in zip(self.blocks, memory, strict=True):
            hidden = block(hidden, modulation[:, :6], table, mask, attend, pair)
        hidden = self.norm(hidden) * (1 + modulation[:, 6:7]) + modulation[:, 7:8]
        return mean + self.head(hidden)

    def _memory(self, memory: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [block.attention.project_memory(memory) for block in self.blocks]  # type: ignore[union-attr, operator]

    def loss(
        self,
        tokens: TokenBatch,
        durations: Tensor,
        prompt: VoicePrompt,
        features: Tensor,
        frames: Tensor,
        probe: SpeakerProbe | None = None,
    ) -> dict[str, Tensor]:
        """Training losses.

        Args:
            durations: [B, S] frames per token; features: [B, T, channels]; frames: [B]
                valid frames.

        Returns:
            "mean" (L1 of the regressed features), "flow" (weighted squared error) and, with a
            probe, "likeness" (1 - cosine between the voice generated and the one asked for).
        """
        target = fold(features - voice_anchor(prompt), self.patch)
        batch, units, _ = target.shape
        device = features.device
        count = -(-frames // self.patch)
        mask = (torch.arange(units, device=device) < count.unsqueeze(1)).unsqueeze(-1).float()
        dice = torch.rand(batch, device=device)
        drop_all, drop_voice = dice < 0.1, dice < 0.2
        voiced = self.voice(prompt, drop_voice)
        content, mean = self.content(tokens, durations, voiced.glob, units * self.patch, mask)
        keep = (~drop_all).float()[:, None, None]
        emphasis = self.emphasis.to(device)
        regression = ((mean - target).abs() * emphasis * mask * keep).sum() / (
            (mask * keep).sum().clamp_min(1) * target.shape[-1]
        )
        mean = mean.detach()
        content = torch.where(drop_all[:, None, None], self.null_content, content)
        t = torch.sigmoid(torch.randn(batch, device=device) - 0.2)
        noise = torch.randn_like(target)
        blend = t[:, None, None]
        noisy = (1 - blend) * noise + blend * target
        clean = self._denoise(
            noisy, t, content, mean * keep, voiced.glob, self._memory(voiced.memory),
            voiced.mask, mask,
        )  # fmt: skip
        # The velocity error is the clean error over 1 - t; clipped, as it diverges at t = 1.
        weight = (1 - blend).clamp_min(0.2).pow(-2) * mask * emphasis
        flow = ((clean - target).square() * weight).sum() / (mask.sum() * target.shape[-1])
        losses = {"mean": regression, "flow": flow}
        if probe is not None:
            made = clean.unflatten(-1, (self.patch, self.channels)).flatten(1, 2)
            frame_mask = mask.repeat_interleave(self.patch, 1)
            cosine = probe.likeness(made + voice_anchor(prompt), frame_mask, prompt.speaker)
            # Late in the flow the noisy input shows the voice; early only the prompt can.
            weight = (1 - t) * (~drop_voice)
            losses["likeness"] = ((1 - cosine) * weight).sum() / weight.sum().clamp_min(1e-3)
        return losses

    @torch.inference_mode()
    def generate(
        self,
        tokens: TokenBatch,
        durations: Tensor,
        prompt: VoicePrompt,
        generators: Sequence[torch.Generator],
        options: FlowOptions | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Sample.

        Args:
            durations: [B, S] frames per token.
            generators: one per row, so a row's result does not depend on its batch.

        Returns:
            features [B, T, channels], frames [B].
        """
        options = options or FlowOptions()
        frames = durations.sum(1)
        units = -(-int(frames.max()) // self.patch)
        device = durations.device
        count = -(-frames // self.patch)
        mask = (torch.arange(units, device=device) < count.unsqueeze(1)).unsqueeze(-1).float()
        voiced = self.voice(prompt)
        content, mean = self.content(tokens, durations, voiced.glob, units * self.patch, mask)
        noise = mean.new_zeros(mean.shape)
        for row, generator in enumerate(generators):
            shape = (int(count[row]), mean.shape[-1])
            noise[row, : shape[0]] = torch.randn(shape, generator=generator).to(device)
        memory, glob, attend = voiced.memory, voiced.glob, voiced.mask
        guided = options.guidance != 1.0
        batch = len(frames)
        if guided:
            null_glob = self.voice.null_glob.expand_as(glob)
            if options.guide == "voice":
                plain, plain_mean = self.content(
                    tokens, durations, null_glob, units * self.patch, mask
                )
            else:
                plain, plain_mean = self.null_content.expand_as(content), torch.zeros_like(mean)
            content = torch.cat([content, plain])
            mean_in = torch.cat([mean, plain_mean])
            glob = torch.cat([glob, null_glob])
            memory = torch.cat([memory, memory])
            only_null = torch.zeros_like(attend)
            only_null[:, 0] = True
            attend = torch.cat([attend, only_null])
            mask_in = torch.cat([mask, mask])
        else:
            mean_in, mask_in = mean, mask
        pairs = self._memory(memory)

        def velocity(x: Tensor, t: float) -> Tensor:
            rows = torch.cat([x, x]) if guided else x
            clean = self._denoise(
                rows, torch.full((len(rows),), t, device=device), content, mean_in, glob, pairs,
                attend, mask_in,
            )  # fmt: skip
            if guided:
                cond, uncond = clean[:batch], clean[batch:]
                clean = options.guidance * cond + (1 - options.guidance) * uncond
            return (clean - x) / max(1 - t, 1e-3)

        x = noise * options.temperature
        evaluations = options.steps // 2 if options.method == "midpoint" else options.steps
        grid = time_grid(max(1, evaluations), options.sway).tolist()
        for now, then in zip(grid, grid[1:], strict=False):
            if options.method == "midpoint":
                middle = x + velocity(x, now) * (then - now) / 2
                x = x + velocity(middle, (now + then) / 2) * (then - now)
            else:
                x = x + velocity(x, now) * (then - now)
        features = x.unflatten(-1, (self.patch, self.channels)).flatten(1, 2)
        return features + voice_anchor(prompt), frames

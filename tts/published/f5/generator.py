"""F5-TTS v1 Base for its published weights: a flow that continues the recording of a voice.

The prompt's mel frames are the start of what is integrated and its words the start of the text
(Chen et al. 2024). Unlike the other families it needs the words of the reference, and frames of
24 kHz audio decoded by Vocos (tts_codecs.vocos). Own code; for the weights see
tts.published.f5.conversion.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from tts.errors import AudioError, TextError, UsageError
from tts.generators.base import SamplingOptions
from tts.generators.guidance import guide_rows
from tts.generators.integration import time_grid
from tts.published.f5.network import F5Config, F5Network
from tts.published.f5.prompt import F5Prompt, closed, speech_frames
from tts.published.f5.tokenizer import CharacterTokens
from tts_codecs.vocos import centred_log_mel

#: as published: 32 steps, strength 2 in cond + w * (cond - uncond), which is s = 3
DEFAULTS = SamplingOptions(steps=32, guidance=3.0, sway=-1.0)
#: frames of prompt and speech together that the model was made for (87 s)
MAX_FRAMES = 8192
_LOUDNESS = 0.1
# "Empirically pruned" steps: of 32 even ones before the sway, those that are kept.
_PRUNED = {
    5: (0, 2, 4, 8, 16, 32),
    6: (0, 2, 4, 6, 8, 16, 32),
    7: (0, 2, 4, 6, 8, 16, 24, 32),
    10: (0, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32),
    12: (0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32),
    16: (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32),
}


def step_grid(steps: int, sway: float) -> Tensor:
    """steps + 1 times from 0 (noise) to 1 (data), pruned where that is known to be better."""
    if steps in _PRUNED:
        return time_grid(32, sway)[list(_PRUNED[steps])]
    return time_grid(steps, sway)


class F5Generator(nn.Module):
    """Prompts and texts to mel frames.

    Args:
        network: see tts.published.f5.network; tokens: its vocabulary.
    """

    sample_rate = 24000
    frame_rate = 24000 / 256

    def __init__(self, network: F5Network, tokens: CharacterTokens):
        super().__init__()
        if network.config.vocabulary != len(tokens):
            raise UsageError(
                f"the network has {network.config.vocabulary} tokens, the vocabulary {len(tokens)}"
            )
        self.network, self.tokens = network, tokens

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.network.head.weight.device

    def prompt(self, samples: Tensor, transcript: str) -> F5Prompt:
        """A prompt from a recording [N] at 24 kHz in -1..1, best under 12 s, and its words.

        Quiet recordings are raised to the loudness the model knows; `gain` undoes it.

        Raises:
            AudioError: silent or too short; UsageError: no words.
        """
        text = closed(transcript)
        samples = samples.float()
        if len(samples) < 256:
            raise AudioError("the reference is shorter than one frame")
        level = float(samples.square().mean().sqrt())
        if not level > 1e-5:
            raise AudioError("the reference is silent")
        gain = min(1.0, level / _LOUDNESS)
        whole = samples[: len(samples) // 256 * 256] / gain
        mel = centred_log_mel(whole[None], 1e-5, n_mels=self.network.config.channels)
        return F5Prompt(mel[0].to(self.device), text, gain)

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[F5Prompt],
        texts: Sequence[str],
        rngs: Sequence[torch.Generator],
        options: SamplingOptions = DEFAULTS,
        speed: float = 1.0,
        frames: Sequence[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Say texts in the voices of prompts.

        Args:
            rngs: one per row, so a row's result does not depend on its batch.
            options: steps, guidance, sway and temperature are read.
            frames: of each row without its prompt; by default as the prompt's pace and `speed` say.

        Returns:
            features [B, T, channels] without the prompts, frames [B].

        Raises:
            TextError, UsageError: nothing to say, too long, or a setting it does not have.
        """
        ids, lengths, totals = [], [], []
        for row, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
            text = text.strip()
            if not text:
                raise TextError("there is nothing to say")
            ids.append(torch.tensor(self.tokens(prompt.text + text)))
            lengths.append(len(prompt.features))
            count = speech_frames(prompt, text, speed) if frames is None else frames[row]
            totals.append(lengths[-1] + count)
        known = torch.tensor(lengths, device=self.device)
        found, filled = self.sample(
            pad_sequence([p.features for p in prompts], batch_first=True).to(self.device),
            known,
            pad_sequence(ids, batch_first=True, padding_value=-1).to(self.device),
            torch.tensor(totals, device=self.device),
            rngs,
            options,
        )
        rows = [
            row[start:end] for row, start, end in zip(found, lengths, filled.tolist(), strict=True)
        ]
        return pad_sequence(rows, batch_first=True), filled - known

    @torch.inference_mode()
    def sample(
        self,
        given: Tensor,
        lengths: Tensor,
        ids: Tensor,
        frames: Tensor,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions = DEFAULTS,
    ) -> tuple[Tensor, Tensor]:
        """Integrate from noise with the frames that are given at the start of each row.

        Args:
            given: [B, P, channels] known frames; lengths: [B] how many of each row.
            ids: [B, S] characters of both parts, -1 where padded.
            frames: [B] in all; more where there are more characters or known frames than that.

        Returns:
            [B, T, channels] with the known frames in it, frames [B].
        """
        if options.method != "euler" or options.uncond != "all":
            raise UsageError("f5-base has the method euler and the uncond all only")
        least = torch.maximum((ids >= 0).sum(1), lengths) + 1
        frames = torch.maximum(least, frames)
        total = int(frames.max())
        if total > MAX_FRAMES:
            raise UsageError(
                f"prompt and text make {total / self.frame_rate:.0f} s; f5-base takes "
                f"{MAX_FRAMES / self.frame_rate:.0f} s: say less at a time"
            )
        index = torch.arange(total, device=given.device)
        mask = index < frames.unsqueeze(1)
        fixed = (index < lengths.unsqueeze(1)).unsqueeze(-1)
        cond = F.pad(given, (0, 0, 0, total - given.shape[1])) * fixed
        x = torch.zeros_like(cond)
        for row, (rng, count) in enumerate(zip(rngs, frames.tolist(), strict=True)):
            x[row, :count] = torch.randn(count, x.shape[-1], generator=rng).to(x)
        x = x * options.temperature
        text, conds, masks = self.network.text(ids, frames), cond, mask
        guided = options.guidance != 1.0
        if guided:
            text = torch.cat([text, self.network.text(ids, frames, drop=True)])
            conds = torch.cat([cond, torch.zeros_like(cond)])
            masks = torch.cat([mask, mask])
        grid = step_grid(options.steps, options.sway).tolist()
        for now, then in zip(grid, grid[1:], strict=False):
            rows = torch.cat([x, x]) if guided else x
            times = torch.full((len(rows),), now, device=x.device)
            out = self.network.velocity(rows, conds, text, times, masks)
            x = x + guide_rows(out, len(x), options.guidance) * (then - now)
        return torch.where(fixed, cond, x), frames


def build_f5(vocabulary: list[str], **sizes: Any) -> F5Generator:
    """A generator for checkpoints: its tokens, and the sizes of `F5Config`."""
    config = F5Config(**{**sizes, "vocabulary": len(vocabulary)})
    return F5Generator(F5Network(config), CharacterTokens(vocabulary))


def f5_sampling_options(**_: Any) -> dict[str, tuple[str, ...]]:
    """Options of the sampler that it reads, see tts.registry.sampling_options."""
    return {
        "steps": (), "guidance": (), "temperature": (), "sway": (), "method": ("euler",),
        "uncond": ("all",),
    }  # fmt: skip

"""F5-TTS v1 Base for its published weights: a flow that continues the recording of a voice.

The prompt's mel frames are the start of what is integrated and its words the start of the text
(Chen et al. 2024). Unlike the other families it needs the words of the reference, and frames of
24 kHz audio decoded by Vocos (tts_codecs.vocos).

Licences: the published weights are CC BY-NC 4.0, not for commercial use; the published code, of
which none is used here, is MIT. No weights come with this project.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from tts.errors import AudioError, TextError, UsageError
from tts.generators.base import SamplingOptions
from tts.generators.guidance import guide_rows
from tts.generators.integration import time_grid
from tts.modules.f5_dit import F5Config, F5Network
from tts.text.f5_tokens import CharacterTokens
from tts_codecs.checkpoint import load_state
from tts_codecs.download import HubFile, check_sha256
from tts_codecs.vocos import centred_log_mel

LICENCE = "CC BY-NC 4.0 (F5-TTS weights, SWivid: not for commercial use, name the source)"
WEIGHTS = HubFile(
    repo="SWivid/F5-TTS",
    revision="84e5a410d9cead4de2f847e7c9369a6440bdfaca",
    path="F5TTS_v1_Base/model_1250000.safetensors",
    sha256="670900fd14e6c458b95da6e9ed317cdb20dbaf7a1c02ac06a05475a9d32b6a38",
    size=1_348_435_761,
    licence=LICENCE,
)
VOCABULARY = replace(
    WEIGHTS,
    path="F5TTS_v1_Base/vocab.txt",
    sha256="2a05f992e00af9b0bd3800a8d23e78d520dbd705284ed2eedb5f4bd29398fa3c",
    size=13_800,
)
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


@dataclass(frozen=True)
class F5Prompt:
    """The recording to continue.

    Attributes:
        features: [P, 100] log-mel frames (see `F5Generator.prompt`).
        text: its words, ending as the model expects it.
        gain: what the loudness of the output has to be multiplied by.
    """

    features: Tensor
    text: str
    gain: float = 1.0


def closed(transcript: str) -> str:
    """A transcript that ends in a full stop and two spaces, which sets off what follows.

    Raises:
        UsageError: no words.
    """
    text = transcript.strip()
    if not text:
        raise UsageError("f5-base needs the words spoken in the reference")
    if text.endswith("。"):
        return text
    return text + ("  " if text.endswith(".") else ".  ")


def speech_frames(prompt: F5Prompt, text: str, speed: float = 1.0) -> int:
    """Frames for a text: it takes as long per byte (UTF-8) as the prompt does.

    Under 10 bytes it takes 0.3 of that speed, whatever was asked for.
    """
    size = len(text.encode())
    rate = len(prompt.features) / len(prompt.text.encode())
    return max(1, int(rate * size / (0.3 if size < 10 else speed)))


class F5Generator(nn.Module):
    """Prompts and texts to mel frames.

    Args:
        network: see tts.modules.f5_dit; tokens: its vocabulary.
    """

    sample_rate = 24000
    frame_rate = 24000 / 256
    licence = LICENCE

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
    ) -> tuple[Tensor, Tensor]:
        """Say texts in the voices of prompts.

        Args:
            rngs: one per row, so a row's result does not depend on its batch.
            options: steps, guidance, sway and temperature are read.

        Returns:
            features [B, T, channels] without the prompts, frames [B].

        Raises:
            TextError, UsageError: nothing to say, too long, or a setting it does not have.
        """
        ids, lengths, totals = [], [], []
        for prompt, text in zip(prompts, texts, strict=True):
            text = text.strip()
            if not text:
                raise TextError("there is nothing to say")
            ids.append(torch.tensor(self.tokens(prompt.text + text)))
            lengths.append(len(prompt.features))
            totals.append(lengths[-1] + speech_frames(prompt, text, speed))
        known = torch.tensor(lengths, device=self.device)
        found, frames = self.sample(
            pad_sequence([p.features for p in prompts], batch_first=True).to(self.device),
            known,
            pad_sequence(ids, batch_first=True, padding_value=-1).to(self.device),
            torch.tensor(totals, device=self.device),
            rngs,
            options,
        )
        rows = [
            row[start:end] for row, start, end in zip(found, lengths, frames.tolist(), strict=True)
        ]
        return pad_sequence(rows, batch_first=True), frames - known

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
        if options.method != "euler" or options.guide != "all":
            raise UsageError("f5-base has the method euler and the guide all only")
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
            moment = torch.full((len(rows),), now, device=x.device)
            out = self.network.velocity(rows, conds, text, moment, masks)
            x = x + guide_rows(out, len(x), options.guidance) * (then - now)
        return torch.where(fixed, cond, x), frames


def build_f5(vocabulary: list[str], **sizes: Any) -> F5Generator:
    """A generator for checkpoints: its tokens, and the sizes of `F5Config`."""
    config = F5Config(**{**sizes, "vocabulary": len(vocabulary)})
    return F5Generator(F5Network(config), CharacterTokens(vocabulary))


def f5_sampling_options(**_: Any) -> dict[str, tuple[str, ...]]:
    """Options of the sampler that it reads, see tts.builder.sampling_options."""
    return {
        "steps": (), "guidance": (), "temperature": (), "sway": (), "method": ("euler",),
        "guide": ("all",),
    }  # fmt: skip


_NAMES = [
    (r"^(ema_model\.)?(transformer\.)?", ""),
    (r"^time_embed\.time_mlp\.", "time."),
    (r"^text_embed\.text_embed\.", "text.embed."),
    (r"^text_embed\.text_blocks\.", "text.blocks."),
    (r"\.dwconv\.", ".depthwise."),
    (r"\.pwconv1\.", ".up."),
    (r"\.pwconv2\.", ".down."),
    (r"\.grn\.", "."),
    (r"^input_embed\.proj\.", "entry."),
    (r"^input_embed\.conv_pos_embed\.conv1d\.0\.", "place.0."),
    (r"^input_embed\.conv_pos_embed\.conv1d\.2\.", "place.1."),
    (r"^transformer_blocks\.", "blocks."),
    (r"\.attn_norm\.linear\.", ".modulation."),
    (r"\.attn\.to_out\.0\.", ".attention.out."),
    (r"\.ff\.ff\.0\.0\.", ".up."),
    (r"\.ff\.ff\.2\.", ".down."),
    (r"^norm_out\.linear\.", "modulation."),
    (r"^proj_out\.", "head."),
]
# Counters of the moving average, and tables that follow from the sizes.
_COMPUTED = re.compile(r"^(initted|step|(ema_model\.)?(mel_spec\..*|.*rotary_embed\.inv_freq))$")
_PROJECTION = re.compile(r"^(.*)\.attn\.to_([qkv])\.(weight|bias)$")


def from_published(state: dict[str, Tensor], heads: int) -> dict[str, Tensor]:
    """State dict of the published layout to that of `F5Network`; unknown names stay as they are.

    Published queries and keys rotate neighbouring pairs; ours rotate the halves of a head, so
    their rows are put in that order.
    """
    out: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        if _COMPUTED.match(name):
            continue
        for old, new in _NAMES:
            name = re.sub(old, new, name)
        if found := _PROJECTION.match(name):
            block, which, kind = found.groups()
            if which != "v":
                pairs = value.unflatten(0, (heads, -1, 2))
                value = pairs.transpose(1, 2).flatten(0, 2)
            parts.setdefault(f"{block}.attention.qkv.{kind}", {})[which] = value
        else:
            out[name] = value
    for name, each in parts.items():
        out[name] = torch.cat([each[which] for which in "qkv" if which in each])
    return out


def load_published(
    weights: str | Path,
    vocabulary: str | Path,
    sha256: str | None = WEIGHTS.sha256,
    vocabulary_sha256: str | None = VOCABULARY.sha256,
    config: F5Config | None = None,
) -> F5Generator:
    """F5-TTS v1 Base from local files, whose licence (`LICENCE`) the caller has accepted.

    Args:
        weights: model_1250000.safetensors; vocabulary: vocab.txt.
        sha256, vocabulary_sha256: by default those of the published files; None skips the check.
        config: other sizes, for weights of the same kind.

    Raises:
        CheckpointError: missing, another file, or of another architecture.
    """
    if vocabulary_sha256 is not None:
        check_sha256(vocabulary, vocabulary_sha256)
    tokens = CharacterTokens.load(vocabulary)
    config = replace(config or F5Config(), vocabulary=len(tokens))
    network = F5Network(config)
    load_state(network, weights, sha256, lambda state: from_published(state, config.heads))
    return F5Generator(network.requires_grad_(False).eval(), tokens)

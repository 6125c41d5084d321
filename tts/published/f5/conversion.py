"""The published files of F5-TTS v1 Base: where they are, and their weights as ours.

Licences: the published weights are CC BY-NC 4.0, not for commercial use; the published code, of
which none is used here, is MIT. No weights come with this project.
"""

import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from tts.published.f5.generator import F5Generator
from tts.published.f5.network import F5Config, F5Network
from tts.published.f5.tokenizer import CharacterTokens
from tts_codecs.checkpoint import load_state
from tts_codecs.download import HubFile, check_sha256

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
    (r"^input_embed\.conv_pos_embed\.conv1d\.0\.", "position.0."),
    (r"^input_embed\.conv_pos_embed\.conv1d\.2\.", "position.1."),
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

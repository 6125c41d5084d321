"""Weights of a small NanoCodec by a formula, and archives of NeMo with them."""

from __future__ import annotations

import io
import math
import tarfile
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from tts_codecs.nanocodec_weights import NanoCodecConfig

TINY = NanoCodecConfig(22050, (2, 3), 4, 12, (5, 4, 3), 2, (3, 5), (1, 3))
HOP = 6


def shapes(config: NanoCodecConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state dict of NeMo's model, its discriminators left out."""
    found: dict[str, tuple[int, ...]] = {}

    def conv(name: str, out: int, inner: int, kernel: int, channels: int = 0) -> None:
        where = f"{name}.conv.parametrizations.weight.original"
        found[f"{where}0"], found[f"{where}1"] = (out, 1, 1), (out, inner, kernel)
        found[f"{name}.conv.bias"] = (channels or out,)

    def half_snake(name: str, dim: int) -> None:
        found[f"{name}.activation.snake_act.alpha"] = (1, dim // 2, 1)

    def branches(name: str, dim: int, snake: bool) -> None:
        for j, kernel in enumerate(config.kernels):
            for k in range(len(config.dilations)):
                unit = f"{name}.res_blocks.{j}.res_blocks.{k}"
                for part in ("input", "skip"):
                    conv(f"{unit}.{part}_conv", dim, dim, kernel)
                    if snake:
                        half_snake(f"{unit}.{part}_activation", dim)

    width, dim = config.groups * len(config.levels), config.encoder_dim
    conv("audio_encoder.pre_conv", dim, 1, 7)
    for i, stride in enumerate(config.strides):
        branches(f"audio_encoder.res_layers.{i}", dim, False)
        conv(f"audio_encoder.down_sample_conv_layers.{i}", 2 * dim, dim, 2 * stride)
        dim *= 2
    conv("audio_encoder.post_conv", width, dim, 7)
    dim = config.decoder_dim
    conv("audio_decoder.pre_conv", dim, width, 7)
    for i, stride in enumerate(reversed(config.strides)):
        half_snake(f"audio_decoder.activations.{i}", dim)
        conv(f"audio_decoder.up_sample_conv_layers.{i}", dim, 1, 2 * stride, dim // 2)
        dim //= 2
        branches(f"audio_decoder.res_layers.{i}", dim, True)
    half_snake("audio_decoder.post_activation", dim)
    conv("audio_decoder.post_conv", 1, dim, 3)
    return found


def weights(config: NanoCodecConfig = TINY) -> dict[str, Tensor]:
    """Weights by a formula: directions, norms, biases and alphas are sines of the place of a value
    and of the place of its tensor among the sorted names."""
    out = {}
    for number, (name, shape) in enumerate(sorted(shapes(config).items())):
        place = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)
        wave = (place * (1.7 + 0.37 * number)).sin().view(shape)
        if name.endswith("original0"):
            wave = 2 + 0.5 * wave
        elif name.endswith("alpha"):
            wave = 1 + 0.5 * wave
        elif name.endswith("bias"):
            wave = 0.05 * wave
        out[name] = wave.float()
    levels = torch.tensor(config.levels, dtype=torch.int32).view(1, -1, 1)
    basis = torch.cat([levels[:, :1] * 0 + 1, levels[:, :-1]], 1).cumprod(1).int()
    for group in range(config.groups):
        out[f"vector_quantizer.fsqs.{group}.num_levels"] = levels.clone()
        out[f"vector_quantizer.fsqs.{group}.dim_base_index"] = basis.clone()
    for part, gain in (("encoder", 2.5), ("decoder", 0.04)):  # outputs of fitting size
        out[f"audio_{part}.post_conv.conv.parametrizations.weight.original0"] *= gain
    return out


def sines(samples: int) -> Tensor:
    """A waveform [1, 1, N] by a formula."""
    place = torch.arange(samples, dtype=torch.float64)
    return (0.5 * (0.31 * place).sin() + 0.3 * (0.037 * place * place / 9).sin()).float()[
        None, None
    ]


#: config of the archive of a NanoCodec, as NeMo writes it
ENCODER = {
    "_target_": "nemo.collections.tts.modules.audio_codec_modules.HiFiGANEncoder",
    "activation": "lrelu", "pad_mode": "replicate", "resblock_dilation_sizes": [1, 3],
}  # fmt: skip
DECODER = {
    "_target_": "nemo.collections.tts.modules.audio_codec_modules.CausalHiFiGANDecoder",
    "activation": "half_snake", "output_activation": "clamp", "pad_mode": "zeros",
    "resblock_dilation_sizes": [1, 3],
}  # fmt: skip
DESCRIBED = {"sample_rate": 22050, "audio_encoder": ENCODER, "audio_decoder": DECODER}


def pickled(state: Any) -> bytes:
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def archive(path: Path, parts: dict[str, bytes], mode: str = "w") -> Path:
    """A tar file of these files."""
    with tarfile.open(path, mode) as made:  # type: ignore[call-overload]
        for name, data in parts.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return path


def nemo_file(path: Path, described: Any = DESCRIBED, state: Any = None) -> Path:
    """An archive of NeMo with this config and these weights."""
    state = weights() if state is None else state
    config = yaml.safe_dump(described).encode()
    return archive(path, {"model_config.yaml": config, "model_weights.ckpt": pickled(state)})

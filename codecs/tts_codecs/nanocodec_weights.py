"""Files of published weights of NanoCodec: their sizes, and their tensors by our names.

NVIDIA publishes archives of NeMo (`.nemo`); the state dict of one, saved as safetensors, is read as
well. Sizes are those of the shapes. Dilations and the sample rate are not told by shapes: without
the config of an archive they are those of all published weights.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from torch import Tensor

from tts_codecs.checkpoint import read_state, wrong_model
from tts_codecs.errors import CheckpointError
from tts_codecs.nemo_archive import read_archive
from tts_codecs.nn.weight_norm import folded
from tts_codecs.sources import ARCHIVE

#: largest dilation that is believed
_MOST_DILATION = 100


@dataclass(frozen=True)
class NanoCodecConfig:
    """Sizes; the defaults are those of the weights for 0.6 kbit/s.

    Attributes:
        sample_rate: Hz.
        strides: of the encoder, from the samples on; the decoder has them in reverse.
        encoder_dim: channels of the first layer of the encoder.
        decoder_dim: channels of the first layer of the decoder.
        levels: levels of the channels of a group.
        groups: number of groups, each a codebook.
        kernels, dilations: of the residual units, see `ResidualBranches`.
    """

    sample_rate: int = 22050
    strides: tuple[int, ...] = (2, 3, 6, 7, 7)
    encoder_dim: int = 24
    decoder_dim: int = 864
    levels: tuple[int, ...] = (9, 8, 8, 7)
    groups: int = 4
    kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)


#: sizes of the published weights by their bitrate in kbit/s
CONFIGS = {
    0.6: NanoCodecConfig(),
    1.78: NanoCodecConfig(levels=(8, 7, 6, 6), groups=13),
    1.89: NanoCodecConfig(strides=(2, 2, 4, 8, 8), levels=(8, 7, 6, 6), groups=8),
}


def read_weights(
    path: str | Path, sha256: str | None = None
) -> tuple[NanoCodecConfig, dict[str, Tensor]]:
    """The sizes of a file of weights, and its tensors by the names of NanoCodec.

    Args:
        path: of the archive `.nemo`, or of its state dict as `.safetensors`.
        sha256: 64 hex digits, verified if given.

    Raises:
        CheckpointError: missing, damaged, or not of a NanoCodec.
    """
    described: Mapping[str, Any] | None = None
    if Path(path).suffix == ARCHIVE:
        described, state = read_archive(path, sha256)
    else:
        state = read_state(path, sha256)
    try:
        levels = _levels(state)
        tensors = folded({k: v for k, v in state.items() if k.startswith("audio_")})
        config = _sizes(tensors, levels)
        if described is not None:
            config = _with_config(config, described)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: not weights of this model ({error})") from error
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        raise wrong_model(path, error) from error
    return config, _own_names(tensors)


def _levels(state: Mapping[str, Tensor]) -> list[tuple[int, ...]]:
    """The levels of every group, as stored."""
    found: list[tuple[int, ...]] = []
    for group in count():
        levels = state.get(f"vector_quantizer.fsqs.{group}.num_levels")
        if levels is None:
            return found
        found.append(tuple(int(each) for each in levels.flatten()))
    return found


def _sizes(tensors: Mapping[str, Tensor], levels: list[tuple[int, ...]]) -> NanoCodecConfig:
    """The sizes of tensors by the names of NeMo, and of groups of these levels.

    Raises:
        CheckpointError: they are not of a NanoCodec.
        LookupError: a tensor is missing.
    """
    if not levels or len(set(levels)) > 1:
        raise CheckpointError("its groups have no levels, or different ones")

    def kernels(name: str) -> list[int]:
        """Kernel sizes of the convolutions of this name, with {} for their number."""
        listed = (f"audio_decoder.{name}.conv.weight".format(each) for each in count())
        found: list[int] = []
        for each in listed:
            if each not in tensors:
                return found
            found.append(tensors[each].shape[2])
        return found

    units = "res_layers.0.res_blocks.0.res_blocks.{}.input_conv"
    config = NanoCodecConfig(
        strides=tuple(each // 2 for each in kernels("up_sample_conv_layers.{}")[::-1]),
        encoder_dim=len(tensors["audio_encoder.pre_conv.conv.weight"]),
        decoder_dim=len(tensors["audio_decoder.pre_conv.conv.weight"]),
        levels=levels[0],
        groups=len(levels),
        kernels=tuple(kernels("res_layers.0.res_blocks.{}.res_blocks.0.input_conv")),
        dilations=NanoCodecConfig.dilations[: len(kernels(units))],
    )
    if not config.strides or not all(config.strides):
        raise CheckpointError("it has no strides, or one of 0")
    if not all(each % 2 for each in config.kernels):
        raise CheckpointError("kernels of its residual units are of even size")
    return config


#: keys of NeMo's config that shapes do not tell: the value of NanoCodec, and that of a missing key
_ENCODER = {"activation": ("lrelu", "lrelu"), "pad_mode": ("replicate", "reflect")}
_DECODER = {
    "activation": ("half_snake", "lrelu"), "pad_mode": ("zeros", "zeros"),
    "output_activation": ("clamp", "tanh"),
}  # fmt: skip


def _with_config(config: NanoCodecConfig, described: Mapping[str, Any]) -> NanoCodecConfig:
    """The sizes with those that the config of an archive adds; CheckpointError if it describes
    another codec."""
    parts = (("audio_encoder", "HiFiGANEncoder", _ENCODER),
             ("audio_decoder", "CausalHiFiGANDecoder", _DECODER))  # fmt: skip
    dilations = set()
    for part, kind, wanted in parts:
        given = described.get(part)
        if not isinstance(given, Mapping):
            raise CheckpointError(f"its config has no {part}")
        found = str(given.get("_target_")).rpartition(".")[2]
        if found != kind:
            raise CheckpointError(f"its {part} is {found}, not {kind}")
        for key, (value, otherwise) in wanted.items():
            if given.get(key, otherwise) != value:
                told = f"{key} of its {part} is {given.get(key, otherwise)!r}, not {value!r}"
                raise CheckpointError(told)
        dilations.add(tuple(given.get("resblock_dilation_sizes", NanoCodecConfig.dilations)))
    rate, own = described.get("sample_rate"), dilations.pop()
    if dilations or described.get("semantic_codec") or not (isinstance(rate, int) and rate > 0):
        raise CheckpointError("its config describes other networks")
    if not all(isinstance(each, int) and 1 <= each <= _MOST_DILATION for each in own):
        raise CheckpointError(f"its dilations are not whole numbers of 1 to {_MOST_DILATION}")
    return replace(config, sample_rate=rate, dilations=own)


#: parts of NeMo's names to those of NanoCodec
_RENAMED = {
    "audio_": "", ".up_sample_conv_layers.": ".resampling.",
    ".down_sample_conv_layers.": ".resampling.", ".res_layers.": ".residual.",
    ".activation.snake_act.": ".", ".input_activation.": ".block.0.", ".input_conv.": ".block.1.",
    ".skip_activation.": ".block.2.", ".skip_conv.": ".block.3.",
}  # fmt: skip
_UNIT = re.compile(r"\.res_blocks\.(\d+)\.res_blocks\.(\d+)\.")


def _own_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert tensors of NeMo's encoder and decoder, with folded weight normalisation, to the state
    dict of NanoCodec."""
    out = {}
    for name, value in tensors.items():
        name = _UNIT.sub(r".branches.\1.\2.", name)
        for old, new in _RENAMED.items():
            name = name.replace(old, new)
        out[name] = value
    return out

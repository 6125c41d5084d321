"""The source-filter vocoder as the decoder of a waveform codec (tts_codecs.neural)."""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from tts_codecs.errors import CodecError
from tts_codecs.mel import MelConfig
from tts_codecs.nn.waveform import States, WaveDecoder
from tts_codecs.parts import build_part
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


def build_vocoder(
    arguments: dict[str, Any] | None, rate: int, mel: MelConfig
) -> SourceFilterVocoder:
    """Build the vocoder of a decoder. Its pitch network is not trained, as pulses have no gradient.

    Args:
        arguments: of SourceFilterVocoder, with an `n_fft` of 40 ms by default.
        rate: of the waveform in Hz; mel: analysis of what the vocoder decodes.

    Raises:
        CodecError: sizes that do not fit each other, or an unknown argument.
    """
    if not isinstance(arguments or {}, dict):
        raise CodecError(f"vocoder of a decoder holds its arguments, not {arguments!r}")
    sizes = {"n_fft": 2 * mel.hop * rate // mel.sample_rate, **(arguments or {})}
    vocoder = build_part(
        {"vocoder": SourceFilterVocoder}, {**sizes, "kind": "vocoder"}, "decoder",
        sample_rate=rate, mel=mel,
    )  # fmt: skip
    vocoder.pitch.requires_grad_(False)
    return cast(SourceFilterVocoder, vocoder)


def early_samples(vocoder: SourceFilterVocoder, samples: int) -> int:
    """How many of the `samples` by which a decoder of whole vectors is late come early from its
    vocoder."""
    return samples - (vocoder.look_ahead * vocoder.hop + vocoder.n_fft - vocoder.step)


class SourceFilterDecoder(WaveDecoder):
    """Decoder of vectors that consist of `patch` frames of the vocoder's normalised log-mel, 50
    frames a second (tts_codecs.vocoder.source_filter).

    The vectors of a MelEncoder at 16 kHz are such frames; learned vectors become similar in
    training. The pitch network is not trained, as pulses have no gradient: training starts from
    the weights of a vocoder (`options.vocoder` of `task: codec`).

    Args:
        hop: samples per vector.
        dim: width of a vector: `patch` times the number of mel bands.
        rate: sample rate of the waveform in Hz.
        patch: mel frames per vector.
        vocoder: arguments of SourceFilterVocoder. Its `n_fft` is 40 ms by default.

    Raises:
        CodecError: sizes that do not fit each other, or an unknown argument.
    """

    def __init__(
        self,
        hop: int,
        dim: int,
        rate: int = 16000,
        patch: int = 1,
        vocoder: dict[str, Any] | None = None,
    ):
        super().__init__()
        mel = MelConfig()
        self.vocoder = build_vocoder(vocoder, rate, mel)
        self.patch, self.hop = patch, hop
        if hop != patch * self.vocoder.hop or dim != patch * mel.n_mels:
            raise CodecError(
                f"source_filter of {patch} frames in a vector: at {rate} Hz hop is "
                f"{patch * self.vocoder.hop} and dim {patch * mel.n_mels}, not {hop} and {dim}"
            )
        self.look_ahead = -(-self.vocoder.total_look_ahead // patch)
        self.early = early_samples(self.vocoder, self.look_ahead * hop)

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first vector: samples that are held back, and the vocoder's."""
        return [
            like.new_zeros(batch, self.early),
            replace(self.vocoder.initial(batch, like), pending=0),
        ]

    def forward(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Vectors [B, n, dim] and states to samples [B, n * hop] and new states."""
        mel = x.unflatten(-1, (self.patch, -1)).flatten(1, 2)
        wav, vocoder, _ = self.vocoder.chunk(mel, states[1])
        held = torch.cat([states[0], wav], 1)
        ready = x.shape[1] * self.hop
        return held[:, :ready], [held[:, ready:], vocoder]

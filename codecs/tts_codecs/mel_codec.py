"""Continuous codecs whose latents are acoustic features, decoded by the vocoder.

The latents of `MelCodec` are a log-mel spectrogram, from which the vocoder estimates the pitch. Use
it for copy synthesis and to vocode mels of other models.

The latents of `FeatureCodec` are source-filter features (tts_codecs.envelope): a mel envelope
without harmonics, pitch and voicing. They are a smooth target for generators and quantizers, and
their pitch can be changed. The generators of this project are trained on them.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tts_codecs.base import (
    Codec,
    CodecInfo,
    Encoded,
    check_batch,
    check_encoded,
    check_stream,
    check_wav,
)
from tts_codecs.envelope import EXTRA, envelope_part, source_part, unpack_pitch
from tts_codecs.mel import log_mel
from tts_codecs.mel_stream import MelStream, MelStreamState
from tts_codecs.sources import UNDECLARED
from tts_codecs.vocoder.source_filter import SourceFilterVocoder, VocoderState


@dataclass(frozen=True)
class FrameState:
    """State of a decoding stream: the vocoder's state, the rows of the stream, and whether it has
    ended."""

    vocoder: VocoderState
    batch: int
    finished: bool = False


class _FrameCodec(Codec):
    """Common base of both codecs: latents that the vocoder decodes frame by frame.

    Args:
        vocoder: decodes the latents.
        licence: shown in `info`.
    """

    name: str
    extra: int  # number of latent channels after the mel bands

    def __init__(self, vocoder: SourceFilterVocoder, licence: str = UNDECLARED):
        super().__init__()
        self.vocoder, self.licence = vocoder, licence

    @property
    def info(self) -> CodecInfo:
        """Static description: 50 frames/s with the default vocoder, and the vocoder's
        look-ahead."""
        mel = self.vocoder.mel
        look_ahead = self.vocoder.total_look_ahead
        return CodecInfo(
            name=self.name,
            sample_rate=self.vocoder.sample_rate,
            hop=self.vocoder.hop,
            kind="latents",
            num_codebooks=0,
            codebook_size=0,
            dim=mel.n_mels + self.extra,
            bitrate=None,
            causal=look_ahead == 0,
            look_ahead=look_ahead,
            licence=self.licence,
        )

    @abstractmethod
    def _analyse(self, wav: Tensor) -> Tensor:
        """Analyse a waveform [B, N] at the mel's sample rate to latents [B, T, D]; N is a multiple
        of the mel's hop."""

    @abstractmethod
    def _split(self, latents: Tensor) -> tuple[Tensor, Tensor | None]:
        """Split latents [B, T, D] into the vocoder's inputs: the mel [B, T, n_mels], and F0 [B, T]
        in Hz if the latents contain it, else None."""

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        wav = check_wav(wav)[:, 0].to(self.device)
        wav = F.pad(wav, (0, -wav.shape[1] % self.info.hop))
        wav = self.vocoder.at_mel_rate(wav)
        return Encoded(self._analyse(wav), self.info.frame_rate)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode latents ``[B, T, D]`` to ``wav [B, 1, T * hop]``."""
        latents = check_encoded(encoded, self.info).to(self.device)
        if latents.shape[1] == 0:
            return latents.new_zeros(len(latents), 1, 0)
        wav, _ = self.vocoder(*self._split(latents))
        return wav.unsqueeze(1)

    def init_state(self, batch: int) -> FrameState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        return FrameState(self.vocoder.initial(check_batch(batch), self.vocoder.window), batch)

    @torch.no_grad()
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream."""
        latents = check_encoded(encoded, self.info).to(self.device)
        check_stream(latents, state, FrameState)
        mel, f0 = self._split(latents)
        if last:
            wav, _ = self.vocoder.finish(mel, state.vocoder, f0)
            return wav.unsqueeze(1), FrameState(state.vocoder, state.batch, last)
        wav, vocoder, _ = self.vocoder.chunk(mel, state.vocoder, f0)
        return wav.unsqueeze(1), FrameState(vocoder, state.batch)


class MelCodec(_FrameCodec):
    """Codec of normalised log-mels [B, T, 80] (tts_codecs.mel), harmonics included. The vocoder's
    pitch network estimates F0 from them.

    Use it for copy synthesis, or to vocode mels of other models with the same analysis settings.
    For latents that a model predicts or quantizes, use `FeatureCodec`.
    """

    name = "mel"
    extra = 0

    @property
    def stream(self) -> MelStream:
        """The streaming mel analysis."""
        vocoder = self.vocoder
        return MelStream(vocoder.mel, vocoder.sample_rate, vocoder.hop)

    def init_encoding(self, batch: int) -> MelStreamState:
        """State of a new stream of waveforms, for `encode_chunk`."""
        return self.stream.initial(batch, self.vocoder.window)

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: MelStreamState, last: bool = False
    ) -> tuple[Tensor, MelStreamState]:
        """Encode the next samples wav [B, 1, n] of a stream to latents [B, t, D]; n may be 0.

        A frame is returned once all samples of its window have arrived. With `last` the stream
        ends: the rest is padded with silence to a whole frame.
        """
        return self.stream(wav, state, last)

    def _analyse(self, wav: Tensor) -> Tensor:
        return log_mel(wav, self.vocoder.mel)

    def _split(self, latents: Tensor) -> tuple[Tensor, Tensor | None]:
        return latents, None


class FeatureCodec(_FrameCodec):
    """Codec of source-filter features [B, T, 82] (tts_codecs.envelope): a mel envelope of 80 bands
    without harmonics, log-pitch and voicing. The vocoder takes the pitch from the latents.

    Use it for latents that a model predicts or quantizes, or whose pitch is to be changed. The
    encoder smooths the spectrum according to the estimated pitch. Where that estimate is wrong
    (overlapping speakers, music), copy synthesis by `MelCodec` is closer to the original.
    """

    name = "features"
    extra = EXTRA

    def _analyse(self, wav: Tensor) -> Tensor:
        return self.vocoder.analyse(wav)[0]

    def _split(self, latents: Tensor) -> tuple[Tensor, Tensor | None]:
        return envelope_part(latents), unpack_pitch(source_part(latents))

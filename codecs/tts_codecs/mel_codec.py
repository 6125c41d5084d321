"""Continuous codecs of frames of analysis, decoded by the vocoder.

`MelCodec` has the full mel spectrogram as frames, which anything that makes mels can fill and from
which the vocoder reads the pitch itself: for copy synthesis and for mels from elsewhere.

`FeatureCodec` has source-filter features (tts_codecs.envelope) as frames, a mel envelope with pitch
and voicing beside it: a smooth target for generators and quantizers, and one whose pitch can be
changed. It is what the generators here are trained on.
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
from tts_codecs.vocoder.source_filter import SourceFilterVocoder, VocoderState


@dataclass(frozen=True)
class FrameState:
    """Stream state: that of the vocoder, and whether the last frame was seen."""

    vocoder: VocoderState
    batch: int
    finished: bool = False


class _FrameCodec(Codec):
    """What both have in common: one latent per frame, decoded by the vocoder."""

    name: str
    extra: int  # latent channels after the mel bands

    def __init__(self, vocoder: SourceFilterVocoder):
        super().__init__()
        self.vocoder = vocoder

    @property
    def info(self) -> CodecInfo:
        """50 frames/s with the default vocoder; its look-ahead is that of the vocoder."""
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
            licence="MIT; weights trained on LibriSpeech (CC BY 4.0)",
        )

    @abstractmethod
    def _analyse(self, wav: Tensor) -> Tensor:
        """[B, N] at the mel's rate, N a multiple of its hop, to latents."""

    @abstractmethod
    def _split(self, latents: Tensor) -> tuple[Tensor, Tensor | None]:
        """Latents to the vocoder's mel and, where they say it, pitch."""

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        wav = check_wav(wav)[:, 0].to(self.device)
        wav = F.pad(wav, (0, -wav.shape[1] % self.info.hop))
        wav = self.vocoder.at_mel_rate(wav)
        return Encoded(self._analyse(wav), None, self.info.frame_rate)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode frames ``[B, T, K]`` or ``[B, T, D]`` to ``wav [B, 1, T * hop]``."""
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
        assert isinstance(state, FrameState)
        latents = check_encoded(encoded, self.info).to(self.device)
        check_stream(latents, state.batch, state.finished)
        mel, f0 = self._split(latents)
        if last:
            wav, _ = self.vocoder.finish(mel, state.vocoder, f0)
            return wav.unsqueeze(1), FrameState(state.vocoder, state.batch, last)
        wav, vocoder, _ = self.vocoder.chunk(mel, state.vocoder, f0)
        return wav.unsqueeze(1), FrameState(vocoder, state.batch)


class MelCodec(_FrameCodec):
    """Normalised log-mels [B, T, 80] (tts_codecs.mel), harmonics and all; the vocoder's pitch
    network finds the pitch in them.

    Use it for copy synthesis, or to hear mels made elsewhere with the same analysis settings. For
    latents to be predicted or coded take `FeatureCodec`.
    """

    name = "mel"
    extra = 0

    @property
    def stream(self) -> MelStream:
        """What analyses a waveform in pieces."""
        vocoder = self.vocoder
        return MelStream(vocoder.mel, vocoder.sample_rate, vocoder.hop)

    def init_encoding(self, batch: int) -> MelStreamState:
        """State of a new stream of waveforms, for `encode_chunk`."""
        return self.stream.initial(batch, self.vocoder.window)

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: MelStreamState, last: bool = False
    ) -> tuple[Tensor, MelStreamState]:
        """Frames [B, t, D] of the next samples of a stream, wav [B, 1, n], n may be 0; what does
        not fill a frame is held back, and padded with silence at the `last` piece. A frame comes
        once the samples are there that its window sees."""
        return self.stream(wav, state, last)

    def _analyse(self, wav: Tensor) -> Tensor:
        return log_mel(wav, self.vocoder.mel)

    def _split(self, latents: Tensor) -> tuple[Tensor, Tensor | None]:
        return latents, None


class FeatureCodec(_FrameCodec):
    """Source-filter features [B, T, 82]: 80 bands of a mel envelope without harmonics, log pitch,
    voicing (tts_codecs.envelope). The latents say the pitch; the vocoder does not look for it.

    Use it for latents that a model predicts or codes, or whose pitch is to be changed. The encoder
    smooths away what the pitch repeats, so where the pitch is read wrong (two voices, music) copy
    synthesis by `MelCodec` is closer.
    """

    name = "features"
    extra = EXTRA

    def _analyse(self, wav: Tensor) -> Tensor:
        return self.vocoder.analyse(wav)[0]

    def _split(self, latents: Tensor) -> tuple[Tensor, Tensor | None]:
        return envelope_part(latents), unpack_pitch(source_part(latents))

"""Spectral codec: mel bands and pitch to grouped FSQ codes, and back to a waveform by the vocoder.

After Langman et al. 2024, "Spectral Codecs", with the bands coded jointly: at 2 kbit/s a code that
belongs to one band would waste bits on bands that say little. What is coded are source-filter
features (tts_codecs.envelope): harmonics cost bits, their pitch does not. 25 frames/s x 8 codes of
1000 entries are 1.99 kbit/s. The codes of a frame are independent codebooks, so generators may
predict them in any order or in parallel.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tts_codecs.autoencoder import FeatureAutoencoder
from tts_codecs.base import (
    CodecInfo,
    Encoded,
    check_batch,
    check_codes,
    check_encoded,
    check_stream,
    check_wav,
)
from tts_codecs.envelope import envelope_part, source_part, unpack_pitch
from tts_codecs.layered import LayeredCodec
from tts_codecs.mel import MelConfig
from tts_codecs.quantizers import GroupedFSQ, Quantizer, QuantizerOutput, build_quantizer
from tts_codecs.vocoder.source_filter import SourceFilterVocoder, VocoderState


@dataclass
class SpectralState:
    """Stream state of the decoder."""

    stack: list[Tensor]
    vocoder: VocoderState
    owed: int  # leading frames of the decoder's output that belong to its look-ahead
    batch: int
    finished: bool = False


class SpectralAutoencoder(FeatureAutoencoder):
    """The trained part: features [B, T, channels] to codes [B, T / patch, K] and back.

    Args:
        channels, patch, dim, blocks, look_ahead: see FeatureAutoencoder.
        levels, groups, noise: of the grouped FSQ that is used by default.
        quantizer: another one (tts_codecs.quantizers.build_quantizer), such as
            {"kind": "rvq", "dim": 32, "num_codebooks": 8, "codebook_size": 1024}. One with learned
            entries gets vectors bounded by tanh, which an FSQ does by itself: a network trained
            with one can then go on with the other.
        name: shown in `info`.
    """

    def __init__(
        self,
        channels: int = 82,
        patch: int = 2,
        dim: int = 256,
        blocks: int = 5,
        look_ahead: int = 1,
        levels: tuple[int, ...] = (8, 5, 5, 5),
        groups: int = 8,
        noise: float = 0.3,
        quantizer: dict[str, Any] | None = None,
        name: str = "spectral",
    ):
        made: Quantizer = (
            GroupedFSQ(list(levels), groups, symmetric=True, noise=noise)
            if quantizer is None
            else build_quantizer(quantizer)
        )
        super().__init__(channels, patch, dim, blocks, look_ahead, made.dim, made.dim)
        self.quantizer, self.name = made, name
        self.bounded = not made.bounds

    def vectors(self, features: Tensor) -> Tensor:
        """[B, T, channels] to what is quantized, [B, U, quantizer.dim]."""
        latents = self.latents(features)
        return latents.tanh() if self.bounded else latents

    def encode(self, features: Tensor, num_codebooks: int | None = None) -> Tensor:
        """[B, T, channels] to codes [B, U, K] int64, or of the first `num_codebooks`."""
        return self.quantizer.encode(self.vectors(features), num_codebooks)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, U, K] to features [B, U * patch, channels]."""
        return self.restore(self.quantizer.decode(codes))

    def forward(self, features: Tensor) -> tuple[Tensor, QuantizerOutput]:
        """Training pass: reconstruction through the (noisy) quantizer, and what that returned."""
        out: QuantizerOutput = self.quantizer(self.vectors(features))
        return self.reconstruct(out.quantized), out


class SpectralCodec(LayeredCodec):
    """SpectralAutoencoder and vocoder under the codec contract."""

    def __init__(self, autoencoder: SpectralAutoencoder, vocoder: SourceFilterVocoder):
        super().__init__()
        self.autoencoder, self.vocoder = autoencoder, vocoder
        self.mel: MelConfig = vocoder.mel
        self.name = autoencoder.name
        self.num_codebooks = autoencoder.quantizer.num_codebooks

    @property
    def layered(self) -> Quantizer:
        """The quantizer whose codebooks are counted."""
        return self.autoencoder.quantizer

    @property
    def frames_per_second(self) -> float:
        """Frames per second."""
        return self.mel.sample_rate / (self.mel.hop * self.autoencoder.patch)

    @property
    def info(self) -> CodecInfo:
        """25 frames/s, 8 codebooks of 1000: 1.99 kbit/s with the default arguments."""
        auto, quantizer = self.autoencoder, self.autoencoder.quantizer
        hop = self.vocoder.hop * auto.patch
        look_ahead = auto.look_ahead + -(-self.vocoder.total_look_ahead // auto.patch)
        return CodecInfo(
            name=self.name,
            sample_rate=self.vocoder.sample_rate,
            hop=hop,
            kind="codes",
            num_codebooks=self.num_codebooks,
            codebook_size=quantizer.codebook_size,
            dim=quantizer.dim,
            bitrate=quantizer.prefix_bits(self.num_codebooks) * self.frames_per_second,
            causal=False,
            look_ahead=look_ahead,
            licence="MIT; weights trained on LibriSpeech (CC BY 4.0)",
            residual=quantizer.residual,
            levels=quantizer.digits,
        )

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        hop = self.info.hop
        wav = check_wav(wav)
        wav = F.pad(wav[:, 0].to(self.device), (0, -wav.shape[2] % hop))
        features, _ = self.vocoder.analyse(self.vocoder.at_mel_rate(wav))
        codes = self.autoencoder.encode(features, self.num_codebooks)
        return Encoded(codes, None, self.info.frame_rate)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode frames ``[B, T, K]`` or ``[B, T, D]`` to ``wav [B, 1, T * hop]``."""
        codes = check_encoded(encoded, self.info).to(self.device)
        if codes.shape[1] == 0:
            return torch.zeros(len(codes), 1, 0, device=codes.device)
        features = self.autoencoder.decode(codes)
        wav, _ = self.vocoder(envelope_part(features), unpack_pitch(source_part(features)))
        return wav.unsqueeze(1)

    def init_state(self, batch: int) -> SpectralState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        like = self.vocoder.window
        return SpectralState(
            self.autoencoder.decoder.initial(check_batch(batch), like, 0.0),
            self.vocoder.initial(batch, like),
            self.autoencoder.look_ahead * self.autoencoder.patch,
            batch,
        )

    @torch.no_grad()
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream."""
        assert isinstance(state, SpectralState)
        codes = check_codes(encoded, self.sizes).to(self.vocoder.window.device)
        check_stream(codes, state.batch, state.finished)
        values = self.autoencoder.quantizer.decode(codes)
        if last:
            values = F.pad(values, (0, 0, 0, self.autoencoder.look_ahead))
        stack, vocoder, owed = state.stack, state.vocoder, state.owed
        if not values.shape[1]:
            features = values.new_zeros(state.batch, 0, self.autoencoder.channels)
        else:
            features, stack = self.autoencoder.decode_values(values, stack)
            drop = min(owed, features.shape[1])
            owed -= drop
            features = features[:, drop:]
        mel, f0 = envelope_part(features), unpack_pitch(source_part(features))
        if last:
            wav, _ = self.vocoder.finish(mel, vocoder, f0)
        else:
            wav, vocoder, _ = self.vocoder.chunk(mel, vocoder, f0)
        new = SpectralState(stack, vocoder, owed, state.batch, last)
        return wav.unsqueeze(1), new

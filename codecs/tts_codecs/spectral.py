"""Spectral codec: mel envelope and pitch as grouped FSQ codes, decoded by the vocoder.

After Langman et al. 2024, "Spectral Codecs", but the bands are coded jointly: at 2 kbit/s, codes of
single bands would waste bits on bands that hardly vary. The codec codes source-filter features
(tts_codecs.envelope), since harmonics in a mel cost many bits and a pitch few. 25 frames/s of 8
codes with 1000 entries each are 1.99 kbit/s. The codebooks of a frame are independent, so that
generators may predict its codes in any order or in parallel.
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
    trusted,
)
from tts_codecs.envelope import envelope_part, source_part, unpack_pitch
from tts_codecs.layered import LayeredCodec
from tts_codecs.mel import MelConfig
from tts_codecs.quantizers import GroupedFSQ, Quantizer, QuantizerOutput, build_quantizer
from tts_codecs.sources import UNDECLARED
from tts_codecs.vocoder.source_filter import SourceFilterVocoder, VocoderState


@dataclass
class SpectralState:
    """State of a decoding stream.

    Attributes:
        stack: state of the autoencoder's decoder.
        vocoder: state of the vocoder.
        to_drop: leading feature frames of the decoder's output that are still to be dropped: they
            come from its look-ahead delay.
        batch: rows of the stream.
        finished: whether the stream has ended.
    """

    stack: list[Tensor]
    vocoder: VocoderState
    to_drop: int
    batch: int
    finished: bool = False


class SpectralAutoencoder(FeatureAutoencoder):
    """The trained part of the codec: features [B, T, channels] to codes [B, U, K] and back,
    U = ceil(T / patch).

    Args:
        channels, patch, dim, blocks, look_ahead: see FeatureAutoencoder.
        levels, groups, noise: arguments of the default quantizer, a GroupedFSQ.
        quantizer: another quantizer (tts_codecs.quantizers.build_quantizer), such as
            {"kind": "rvq", "dim": 32, "num_codebooks": 8, "codebook_size": 1024}. The input of a
            quantizer with learned entries is bounded by tanh. An FSQ bounds it itself, so a network
            that was trained with one quantizer can be trained further with the other.
        name: name of the codec in `info`.
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
        built: Quantizer = (
            GroupedFSQ(list(levels), groups, symmetric=True, noise=noise)
            if quantizer is None
            else build_quantizer(quantizer)
        )
        super().__init__(channels, patch, dim, blocks, look_ahead, built.dim, built.dim)
        self.quantizer, self.name = built, name
        self.bounded = not built.bounds

    def vectors(self, features: Tensor) -> Tensor:
        """Input of the quantizer [B, U, quantizer.dim] for features [B, T, channels]."""
        latents = self.latents(features)
        return latents.tanh() if self.bounded else latents

    def encode(self, features: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Encode features [B, T, channels] to codes [B, U, K] int64, or to those of the first
        `num_codebooks` codebooks only."""
        return self.quantizer.encode(self.vectors(features), num_codebooks)

    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes [B, U, K] to features [B, U * patch, channels]."""
        return self.restore(self.quantizer.decode(codes))

    def forward(self, features: Tensor) -> tuple[Tensor, QuantizerOutput]:
        """Training pass: the features [B, U * patch, channels] reconstructed through the (noisy)
        quantizer, and the quantizer's output."""
        out: QuantizerOutput = self.quantizer(self.vectors(features))
        return self.reconstruct(out.quantized), out


class SpectralCodec(LayeredCodec):
    """Spectral codec: a SpectralAutoencoder and a vocoder as one `Codec`.

    Args:
        autoencoder: codes the features.
        vocoder: analyses waveforms to features, and makes waveforms of them.
        licence: shown in `info`.
    """

    def __init__(
        self,
        autoencoder: SpectralAutoencoder,
        vocoder: SourceFilterVocoder,
        licence: str = UNDECLARED,
    ):
        super().__init__()
        self.licence = licence
        self.autoencoder, self.vocoder = autoencoder, vocoder
        self.mel: MelConfig = vocoder.mel
        self.name = autoencoder.name
        self.num_codebooks = autoencoder.quantizer.num_codebooks

    @property
    def layered(self) -> Quantizer:
        """The quantizer whose number of codebooks can be chosen."""
        return self.autoencoder.quantizer

    @property
    def frames_per_second(self) -> float:
        """Frames per second."""
        return self.mel.sample_rate / (self.mel.hop * self.autoencoder.patch)

    @property
    def info(self) -> CodecInfo:
        """Static description: 25 frames/s, 8 codebooks of 1000 entries and 1.99 kbit/s with the
        default arguments."""
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
            licence=self.licence,
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
        return Encoded(codes, self.info.frame_rate)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode codes ``[B, T, K]`` to ``wav [B, 1, T * hop]``."""
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
        codes = check_codes(encoded, self.sizes).to(self.vocoder.window.device)
        check_stream(codes, state, SpectralState)
        with trusted():  # they are checked
            values = self.autoencoder.quantizer.decode(codes)
        if last:
            values = F.pad(values, (0, 0, 0, self.autoencoder.look_ahead))
        stack, vocoder, to_drop = state.stack, state.vocoder, state.to_drop
        if not values.shape[1]:
            features = values.new_zeros(state.batch, 0, self.autoencoder.channels)
        else:
            features, stack = self.autoencoder.decode_values(values, stack)
            drop = min(to_drop, features.shape[1])
            to_drop -= drop
            features = features[:, drop:]
        mel, f0 = envelope_part(features), unpack_pitch(source_part(features))
        if last:
            wav, _ = self.vocoder.finish(mel, vocoder, f0)
        else:
            wav, vocoder, _ = self.vocoder.chunk(mel, vocoder, f0)
        new = SpectralState(stack, vocoder, to_drop, state.batch, last)
        return wav.unsqueeze(1), new

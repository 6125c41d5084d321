"""Encoder and decoder of waveform codecs (tts_codecs.neural) by source-filter features of all
bands, with the vocoder as decoder.

They are to 24 kHz what the codec `rvq` is to the band below 8 kHz: envelope, pitch and voicing
(tts_codecs.envelope) are coded, and the vocoder makes the waveform. The envelope reaches up to the
Nyquist frequency, so that the upper band is coded as well, and not inferred from the one below.
Unlike `rvq` they also encode a stream, as the pitch of unvoiced frames is that of the last voiced
one.
"""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.envelope import (
    EXTRA,
    envelope_of_power,
    envelope_part,
    held_pitch,
    source_part,
    unpack_pitch,
)
from tts_codecs.errors import CodecError
from tts_codecs.mel import MelConfig, basis, full_band
from tts_codecs.nn.causal import CachedLinear, CausalStack, steadily
from tts_codecs.nn.waveform import States, WaveDecoder, WaveEncoder
from tts_codecs.vocoder.decoder import build_vocoder, early_samples
from tts_codecs.vocoder.pitch import PitchNet

#: later frames that the pitch network sees, as in the vocoder
_PITCH_LOOK_AHEAD = 2


def _check_hop(what: str, hop: int, patch: int, mel: MelConfig) -> None:
    if patch < 1 or hop != patch * mel.hop:
        raise CodecError(
            f"{what} of {patch} frames in a vector: at {mel.sample_rate} Hz hop is "
            f"{max(patch, 1) * mel.hop}, not {hop}"
        )


class FeatureEncoder(WaveEncoder):
    """Streaming encoder of source-filter features with the bands of `tts_codecs.mel.full_band`.

    A pitch network that is not trained finds the F0, by which the spectrum is smoothed; a stack of
    ConvNeXt blocks then makes vectors of `patch` frames each. They are bounded by tanh, as those
    of the codec `rvq`.

    Args:
        hop: samples per vector; dim: width of a vector.
        rate: sample rate in Hz.
        patch: frames of 20 ms in a vector.
        width, blocks: of the network.
        look_ahead: later vectors that the network sees. The attribute of this name adds those that
            windows and pitch network need.
        pitch_dim, pitch_blocks: width and number of the pitch network's blocks.

    Raises:
        CodecError: sizes that do not fit each other.
    """

    window: Tensor
    bank: Tensor

    def __init__(
        self,
        hop: int,
        dim: int,
        rate: int = 16000,
        patch: int = 2,
        width: int = 256,
        blocks: int = 5,
        look_ahead: int = 2,
        pitch_dim: int = 160,
        pitch_blocks: int = 4,
    ):
        super().__init__()
        self.mel = full_band(rate)
        _check_hop("encoder features", hop, patch, self.mel)
        self.patch, self.hop = patch, hop
        self.channels = self.mel.n_mels + EXTRA
        needed = (self.mel.n_fft - self.mel.hop) // 2 + _PITCH_LOOK_AHEAD * self.mel.hop
        #: later vectors that the features of a vector need
        self.analysis_ahead = -(-needed // hop)
        #: number of samples of the input that are after the window of the last frame
        self.unseen = self.analysis_ahead * hop - needed
        self.look_ahead = self.analysis_ahead + look_ahead
        self.pitch = PitchNet(self.mel.n_mels, pitch_dim, pitch_blocks, _PITCH_LOOK_AHEAD)
        self.pitch.requires_grad_(False)
        self.stack = CausalStack(self.channels * patch, width, 3 * width, blocks, 5, look_ahead)
        self.to_code = nn.Linear(width, dim)
        bank, window = basis(self.mel, "cpu")
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", window, persistent=False)
        floor = torch.tensor(self.mel.floor, device="cpu")
        self.silence = (floor.log().item() - self.mel.mean) / self.mel.std

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first sample."""
        mel = self.mel
        return [
            like.new_zeros(batch, mel.n_fft - mel.hop + self.unseen),
            like.new_zeros(batch, _PITCH_LOOK_AHEAD, mel.n_fft // 2 + 1),
            self.pitch.stack.initial(batch, like, self.silence),
            like.new_zeros(batch, 2, dtype=torch.float64),
            self.stack.initial(batch, like, 0.0),
        ]

    @torch.no_grad()
    def _analysis(self, wav: Tensor, states: States) -> tuple[Tensor, States]:
        """Samples [B, n * hop] and the first four states to features [B, n * patch, channels],
        delayed by `analysis_ahead` vectors, and new states."""
        samples, delayed, pitch_state, memory = states
        mel, count = self.mel, wav.shape[1] // self.mel.hop
        seen = torch.cat([samples, wav], 1)
        used = seen[:, : mel.n_fft + (count - 1) * mel.hop]
        power = torch.fft.rfft(used.unfold(1, mel.n_fft, mel.hop) * self.window).abs().square()
        frames = ((power.sqrt() @ self.bank).clamp_min(mel.floor).log() - mel.mean) / mel.std
        logits, pitch_state = self.pitch(frames, pitch_state)
        f0 = self.pitch.decode(logits)
        late = torch.cat([delayed, power], 1)  # the pitch network delays its output
        before = torch.cat([memory[:, :1], f0[:, :-1]], 1)
        envelope = envelope_of_power(
            late[:, :count], before.to(frames.dtype), f0.to(frames.dtype), mel
        )
        extra, last = held_pitch(f0, memory[:, 1])
        features = torch.cat([envelope, extra.to(envelope.dtype)], -1)
        memory = torch.stack([f0[:, -1], last], 1)
        return features, [seen[:, wav.shape[1] :], late[:, count:], pitch_state, memory]

    def features(self, wav: Tensor) -> Tensor:
        """Features [B, T * patch, channels] of waveforms [B, T * hop]."""
        ahead = self.analysis_ahead
        wav = F.pad(wav, (0, ahead * self.hop))
        return self._analysis(wav, self.initial(len(wav), wav)[:4])[0][:, ahead * self.patch :]

    def forward(self, wav: Tensor, states: States) -> tuple[Tensor, States]:
        """Samples [B, n * hop] and states to vectors [B, n, dim] and new states."""
        features, analysis = self._analysis(wav, states[:4])
        folded = features.unflatten(1, (-1, self.patch)).flatten(2)
        hidden, stack = self.stack(folded, states[4])
        return self.to_code(hidden).tanh(), [*analysis, stack]


class FeatureDecoder(WaveDecoder):
    """Decoder of vectors to source-filter features of all bands (`FeatureEncoder`), of which the
    vocoder makes the waveform.

    Pulses of the vocoder have no gradient, so the pitch is learned from the auxiliary loss
    `features` alone.

    Args:
        hop: samples per vector; dim: width of a vector.
        rate: sample rate in Hz.
        patch: frames of 20 ms in a vector.
        width, blocks: of the network that makes the features.
        look_ahead: later vectors that it sees. The attribute of this name adds those that the
            vocoder needs.
        vocoder: arguments of SourceFilterVocoder. Its `n_fft` is 40 ms by default.

    Raises:
        CodecError: sizes that do not fit each other, or an unknown argument.
    """

    def __init__(
        self,
        hop: int,
        dim: int,
        rate: int = 16000,
        patch: int = 2,
        width: int = 256,
        blocks: int = 5,
        look_ahead: int = 1,
        vocoder: dict[str, Any] | None = None,
    ):
        super().__init__()
        mel = full_band(rate)
        _check_hop("decoder features", hop, patch, mel)
        self.vocoder = build_vocoder(vocoder, rate, mel)
        self.patch, self.hop, self.channels = patch, hop, mel.n_mels + EXTRA
        self.stack = CausalStack(dim, width, 3 * width, blocks, 7, look_ahead)
        self.to_features = CachedLinear(width, self.channels * patch)
        self.stack_ahead = look_ahead
        vocoder_ahead = -(-self.vocoder.total_look_ahead // patch)
        self.look_ahead = look_ahead + vocoder_ahead
        self.early = early_samples(self.vocoder, vocoder_ahead * hop)

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first vector: samples that are held back, the network's and the
        vocoder's."""
        return [
            like.new_zeros(batch, self.early),
            self.stack.initial(batch, like, 0.0),
            replace(self.vocoder.initial(batch, like), pending=0),
        ]

    def _features(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Vectors [B, n, dim] to features [B, n * patch, channels], which belong to the vectors
        `stack_ahead` earlier, and the new state."""
        if self.training:
            hidden, states = self.stack(x, states)
            made = self.to_features(hidden)
        else:
            # Rounding must not change voicing or pitch, whose errors the phase accumulates.
            hidden, states = steadily(self.stack, x, states)
            made = steadily(self.to_features, hidden).to(x.dtype)
        return made.reshape(len(x), -1, self.channels), states

    def features(self, x: Tensor) -> Tensor:
        """Features [B, T * patch, channels] of vectors [B, T, dim]."""
        x = F.pad(x, (0, 0, 0, self.stack_ahead))
        made, _ = self._features(x, self.stack.initial(len(x), x, 0.0))
        return made[:, self.stack_ahead * self.patch :]

    def forward(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Vectors [B, n, dim] and states to samples [B, n * hop] and new states."""
        features, stack = self._features(x, states[1])
        f0 = unpack_pitch(source_part(features)).detach()
        wav, vocoder, _ = self.vocoder.chunk(envelope_part(features), states[2], f0)
        held = torch.cat([states[0], wav], 1)
        ready = x.shape[1] * self.hop
        return held[:, :ready], [held[:, ready:], stack, vocoder]

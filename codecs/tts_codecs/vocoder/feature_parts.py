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
from tts_codecs.mel import MelConfig, band_points, basis, full_band
from tts_codecs.nn.causal import CachedLinear, CausalStack, steadily
from tts_codecs.nn.waveform import States, WaveDecoder, WaveEncoder
from tts_codecs.vocoder.decoder import build_vocoder, early_samples
from tts_codecs.vocoder.pitch import PitchNet
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

#: later frames that the pitch network sees, as in the vocoder
_PITCH_LOOK_AHEAD = 2
#: bands up to 8 kHz, which pitch network and vocoder know
_BANDS = MelConfig().n_mels
#: log-magnitude by which pulses above 8 kHz are weaker than noise before training
_FEWER_PULSES = 2.0


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
        self.pitch = PitchNet(_BANDS, pitch_dim, pitch_blocks, _PITCH_LOOK_AHEAD)
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
        logits, pitch_state = self.pitch(frames[..., :_BANDS], pitch_state)
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


class UpperBand(nn.Module):
    """Filters of the vocoder above 8 kHz from the bands there.

    The log-magnitude of a bin is interpolated between bands, with a correction by two layers, which
    is 0 at first. So the vocoder itself stays one of the bands below.

    Args:
        mel: analysis with bands above those of the vocoder.
        vocoder: the vocoder.
        width: of the hidden layer.

    Raises:
        CodecError: there are fewer than two bands, or no bins, above 8 kHz.
    """

    between: Tensor
    level: Tensor

    def __init__(self, mel: MelConfig, vocoder: SourceFilterVocoder, width: int = 64):
        super().__init__()
        self.bands, self.parts = vocoder.mel.n_mels, vocoder.upsample
        hertz = torch.arange(vocoder.bins, device="cpu") * (mel.sample_rate / vocoder.n_fft)
        hertz = hertz[hertz >= vocoder.mel.f_max]
        centres = torch.tensor(band_points(mel)[self.bands + 1 : -1], device="cpu").float()
        self.size, count = len(hertz), len(centres)
        if count < 2 or not self.size:
            raise CodecError(f"decoder features: {mel.sample_rate} Hz has too little above 8 kHz")
        right = torch.searchsorted(centres, hertz).clamp(1, count - 1)
        share = ((hertz - centres[right - 1]) / (centres[right] - centres[right - 1])).clamp(0, 1)
        between = torch.zeros(count, self.size, device="cpu")
        between[right - 1, torch.arange(self.size)] = 1 - share
        between[right, torch.arange(self.size)] = share
        bank, window = basis(mel, "cpu")
        # What a band has of noise of variance 1, which is what the filters are applied to.
        unit = (bank.sum(0)[self.bands :] * window.square().sum().sqrt()).log()
        level = torch.stack([mel.mean - unit - _FEWER_PULSES, mel.mean - unit])
        self.register_buffer("between", mel.std * between, persistent=False)
        self.register_buffer("level", level @ between, persistent=False)
        self.first = CachedLinear(mel.n_mels + EXTRA, width)
        self.second = CachedLinear(width, self.parts * 2 * self.size)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, T, bands + 2] to log-magnitudes of pulses and noise [B, T, parts, 2, bins],
        as `upper` of `SourceFilterVocoder.chunk`."""
        above = envelope_part(features)[..., self.bands :] @ self.between
        change = self.second(F.gelu(self.first(features)))
        change = change.unflatten(-1, (self.parts, 2, self.size))
        return change + self.level + above[:, :, None, None]


class FeatureDecoder(WaveDecoder):
    """Decoder of vectors to source-filter features of all bands (`FeatureEncoder`), of which the
    vocoder makes the waveform.

    The vocoder has the bands up to 8 kHz, as that of 24 kHz that is shipped. What it infers of the
    band above is replaced by what is coded (`UpperBand`). Pulses have no gradient, so the pitch is
    learned from the auxiliary loss `features` alone.

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
        self.vocoder = build_vocoder(vocoder, rate, MelConfig())
        self.patch, self.hop, self.channels = patch, hop, mel.n_mels + EXTRA
        self.stack = CausalStack(dim, width, 3 * width, blocks, 7, look_ahead)
        self.to_features = CachedLinear(width, self.channels * patch)
        self.upper = UpperBand(mel, self.vocoder) if mel.n_mels > _BANDS else None
        self.stack_ahead = look_ahead
        vocoder_ahead = -(-self.vocoder.total_look_ahead // patch)
        self.look_ahead = look_ahead + vocoder_ahead
        self.early = early_samples(self.vocoder, vocoder_ahead * hop)

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first vector: samples that are held back, the network's, the vocoder's,
        and features that the vocoder's delay holds back."""
        return [
            like.new_zeros(batch, self.early),
            self.stack.initial(batch, like, 0.0),
            replace(self.vocoder.initial(batch, like), pending=0),
            like.new_full((batch, self.vocoder.look_ahead, self.channels), self.vocoder.silence),
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

    def _speak(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        """Features [B, n * patch, channels] and the last two states to samples [B, n * hop],
        which the vocoder delays, and new states."""
        frames = features.shape[1]
        late = torch.cat([states[1], features], 1)
        upper = None if self.upper is None else self.upper(late[:, :frames])
        f0 = unpack_pitch(source_part(features)).detach()
        wav, vocoder, _ = self.vocoder.chunk(features[..., :_BANDS], states[0], f0, upper=upper)
        return wav, [vocoder, late[:, frames:]]

    def forward(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Vectors [B, n, dim] and states to samples [B, n * hop] and new states."""
        features, stack = self._features(x, states[1])
        wav, spoken = self._speak(features, states[2:])
        held = torch.cat([states[0], wav], 1)
        ready = x.shape[1] * self.hop
        return held[:, :ready], [held[:, ready:], stack, *spoken]

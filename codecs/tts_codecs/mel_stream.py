"""Streaming log-mel analysis, equal to the analysis of the whole waveform.

A frame needs (n_fft - hop) / 2 samples after its end, and more if the waveform is resampled first.
Source-filter features cannot be analysed like this: their pitch is interpolated over unvoiced
stretches, up to the next voiced frame, however late that is.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import resample

from tts_codecs.base import check_batch, check_stream, check_wav
from tts_codecs.mel import MelConfig, log_mel, mel_of_padded

#: zero crossings of the resampling filter, as in SourceFilterVocoder.at_mel_rate
WIDTH = 64


@dataclass(frozen=True)
class MelStreamState:
    """State of a stream.

    Attributes:
        raw: samples [B, n] at the codec's sample rate that resampling still needs.
        behind: how many of them are resampled already, and only serve as left context.
        resampled: samples [B, n] at the mel's sample rate, from the start of the next window on.
        begun: whether `resampled` already includes the reflection at the start of the waveform.
        seen: number of samples of the stream so far.
        batch: rows of the stream.
        finished: whether the stream has ended.
    """

    raw: Tensor
    behind: int
    resampled: Tensor
    begun: bool
    seen: int
    batch: int
    finished: bool = False


class MelStream:
    """Streaming version of `log_mel`.

    Args:
        config: analysis settings.
        rate: sample rate of the codec in Hz; the waveform is resampled to that of the mel.
        hop: samples per frame at that rate.
    """

    def __init__(self, config: MelConfig, rate: int, hop: int):
        self.config, self.rate, self.hop = config, rate, hop
        common = math.gcd(rate, config.sample_rate)
        self.down, self.up = rate // common, config.sample_rate // common
        # Receptive field of torchaudio's filter on each side, in samples. The context is rounded up
        # to whole periods, so that every piece begins at the same phase of the filter.
        reach = math.ceil(WIDTH * self.down / (min(self.down, self.up) * 0.99)) + self.down
        #: samples of context on each side that resampling needs; 0 if the rates are equal
        self.context = 0 if self.down == self.up else self.down * math.ceil(reach / self.down)

    def initial(self, batch: int, like: Tensor) -> MelStreamState:
        """State before the first sample, on the device of `like`."""
        none = like.new_zeros(check_batch(batch), 0)
        return MelStreamState(none, 0, none, False, 0, batch)

    def __call__(
        self, wav: Tensor, state: MelStreamState, last: bool = False
    ) -> tuple[Tensor, MelStreamState]:
        """Analyse the next samples wav [B, 1, n] of a stream; n may be 0.

        Returns:
            the frames [B, t, n_mels] that are complete, and the new state. With `last` the stream
            ends: the waveform is padded with silence to whole frames, and all are returned.
        """
        check_stream(check_wav(wav, piece=True), state, MelStreamState)
        wav = wav[:, 0].to(state.raw)
        seen = state.seen + wav.shape[1]
        if last:
            wav = F.pad(wav, (0, -seen % self.hop))
        state = replace(state, seen=seen, finished=last)
        resampled, state = self._at_mel_rate(wav, state, last)
        return self._frames(torch.cat([state.resampled, resampled], 1), state, last)

    def _at_mel_rate(
        self, wav: Tensor, state: MelStreamState, last: bool
    ) -> tuple[Tensor, MelStreamState]:
        """The next samples at the mel's sample rate [B, m] for wav [B, n], and the new state."""
        if not self.context:
            return wav, state
        raw = torch.cat([state.raw, wav], 1)
        ahead = raw.shape[1] - state.behind
        use = ahead if last else max(0, ahead - self.context) // self.down * self.down
        if use <= 0:
            return wav[:, :0], replace(state, raw=raw)
        piece = raw if last else raw[:, : state.behind + use + self.context]
        resampled = resample(piece, self.rate, self.config.sample_rate, lowpass_filter_width=WIDTH)
        skip = state.behind // self.down * self.up
        new = resampled[:, skip : skip + use * self.up // self.down]
        behind = min(self.context, state.behind + use)
        return new, replace(state, raw=raw[:, state.behind + use - behind :], behind=behind)

    def _frames(
        self, wav: Tensor, state: MelStreamState, last: bool
    ) -> tuple[Tensor, MelStreamState]:
        """The complete frames [B, t, n_mels] of wav [B, m] at the mel's rate, and the new state.
        Both ends of the whole waveform are reflected, as in `log_mel`."""
        config = self.config
        pad = (config.n_fft - config.hop) // 2
        none = wav.new_zeros(state.batch, 0, config.n_mels)
        if not state.begun:
            if last:
                return log_mel(wav, config) if wav.shape[1] else none, state
            if wav.shape[1] <= pad:
                return none, replace(state, resampled=wav)
            wav = F.pad(wav.unsqueeze(1), (pad, 0), mode="reflect").squeeze(1)
        after = config.n_fft - config.hop - pad
        if last and wav.shape[1] > pad:
            wav = F.pad(wav.unsqueeze(1), (0, after), mode="reflect").squeeze(1)
        count = max(0, (wav.shape[1] - config.n_fft) // config.hop + 1)
        frames = mel_of_padded(wav, config) if count else none
        return frames, replace(state, resampled=wav[:, count * config.hop :], begun=True)

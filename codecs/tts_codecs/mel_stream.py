"""The log-mel analysis of a waveform that comes in pieces, equal to that of the whole.

A frame needs (n_fft - hop) / 2 samples after its end, and more where the waveform is brought to
another rate first. Only the mel has such a bound: the pitch of source-filter features is bridged
over unvoiced stretches, to the next voiced frame however late that comes.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import resample

from tts_codecs.base import check_batch, check_stream, check_wav
from tts_codecs.mel import MelConfig, log_mel, mel_of_padded

#: zero crossings of the filter that changes the rate, as in SourceFilterVocoder.at_mel_rate
WIDTH = 64


@dataclass(frozen=True)
class MelStreamState:
    """What a stream remembers.

    Attributes:
        raw: samples [B, n] at the rate of the codec that are not used up; behind: how many of them
            lie before the next one that is brought to the rate of the mel.
        held: samples [B, n] at the rate of the mel, from the first that the next frame sees.
        begun: a frame was made, so that `held` begins before it.
        seen: samples so far; batch: rows; finished: the last piece was seen.
    """

    raw: Tensor
    behind: int
    held: Tensor
    begun: bool
    seen: int
    batch: int
    finished: bool = False


class MelStream:
    """Makes the frames of `log_mel` piece by piece.

    Args:
        config: of the analysis; rate, hop: of the codec, whose frames are those of the analysis.
    """

    def __init__(self, config: MelConfig, rate: int, hop: int):
        self.config, self.rate, self.hop = config, rate, hop
        common = math.gcd(rate, config.sample_rate)
        self.down, self.up = rate // common, config.sample_rate // common
        reach = math.ceil(WIDTH * self.down / (min(self.down, self.up) * 0.99)) + self.down
        #: samples on either side that the filter sees, whole periods of its phases
        self.context = 0 if self.down == self.up else self.down * math.ceil(reach / self.down)

    def initial(self, batch: int, like: Tensor) -> MelStreamState:
        """State before the first sample, on the device of `like`."""
        none = like.new_zeros(check_batch(batch), 0)
        return MelStreamState(none, 0, none, False, 0, batch)

    def __call__(
        self, wav: Tensor, state: MelStreamState, last: bool = False
    ) -> tuple[Tensor, MelStreamState]:
        """The next samples [B, 1, n], n may be 0, to the frames [B, t, n_mels] that are ready; with
        `last` to all that are left, the waveform padded to whole frames by silence."""
        check_stream(check_wav(wav, piece=True), state.batch, state.finished)
        wav = wav[:, 0].to(state.raw)
        seen = state.seen + wav.shape[1]
        if last:
            wav = F.pad(wav, (0, -seen % self.hop))
        state = replace(state, seen=seen, finished=last)
        made, state = self._at_mel_rate(wav, state, last)
        return self._frames(torch.cat([state.held, made], 1), state, last)

    def _at_mel_rate(
        self, wav: Tensor, state: MelStreamState, last: bool
    ) -> tuple[Tensor, MelStreamState]:
        if not self.context:
            return wav, state
        raw = torch.cat([state.raw, wav], 1)
        ahead = raw.shape[1] - state.behind
        use = ahead if last else max(0, ahead - self.context) // self.down * self.down
        if use <= 0:
            return wav[:, :0], replace(state, raw=raw)
        seen = raw if last else raw[:, : state.behind + use + self.context]
        found = resample(seen, self.rate, self.config.sample_rate, lowpass_filter_width=WIDTH)
        skip = state.behind // self.down * self.up
        made = found[:, skip : skip + use * self.up // self.down]
        behind = min(self.context, state.behind + use)
        return made, replace(state, raw=raw[:, state.behind + use - behind :], behind=behind)

    def _frames(
        self, held: Tensor, state: MelStreamState, last: bool
    ) -> tuple[Tensor, MelStreamState]:
        config = self.config
        pad = (config.n_fft - config.hop) // 2
        none = held.new_zeros(state.batch, 0, config.n_mels)
        if not state.begun:
            if last:
                return log_mel(held, config) if held.shape[1] else none, state
            if held.shape[1] <= pad:
                return none, replace(state, held=held)
            held = F.pad(held.unsqueeze(1), (pad, 0), mode="reflect").squeeze(1)
        after = config.n_fft - config.hop - pad
        if last and held.shape[1] > pad:
            held = F.pad(held.unsqueeze(1), (0, after), mode="reflect").squeeze(1)
        count = max(0, (held.shape[1] - config.n_fft) // config.hop + 1)
        frames = mel_of_padded(held, config) if count else none
        return frames, replace(state, held=held[:, count * config.hop :], begun=True)

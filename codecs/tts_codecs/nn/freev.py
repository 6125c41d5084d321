"""Decoder of log-mels after FreeV (Lv et al. 2024): the amplitudes start from the mel itself.

The pseudo-inverse of the filter bank takes a mel back to a spectrum that is already close; a small
network corrects it and another finds the phase. A codec may give it the mel of its encoder, coded
or not, or let what comes out of the quantizer become one.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError
from tts_codecs.mel import MelConfig, basis
from tts_codecs.nn.causal import CausalStack
from tts_codecs.nn.waveform import States, WaveDecoder

_LEAST = 1e-5  # amplitude of a bin
_MOST = 100.0


class FreevDecoder(WaveDecoder):
    """Vectors that are `patch` frames of a normalised log-mel (tts_codecs.mel) to samples.

    Causal but for `look_ahead` vectors, of which the centred windows of the transform take
    (n_fft - step) / 2 samples and the networks the frames that are left.

    Args:
        hop: samples per vector; dim: `patch` times the number of bands.
        rate: Hz; n_fft: window; patch: frames per vector.
        width: of the networks; amplitude_blocks, phase_blocks: their depths.
        look_ahead: later vectors that the first samples of one wait for.
    """

    inverse: Tensor
    synthesis: Tensor

    def __init__(
        self,
        hop: int,
        dim: int,
        rate: int = 16000,
        n_fft: int = 1024,
        patch: int = 1,
        width: int = 256,
        amplitude_blocks: int = 1,
        phase_blocks: int = 6,
        look_ahead: int = 2,
    ):
        super().__init__()
        if hop % (2 * patch) or dim % patch or n_fft < 2 * (hop // patch):
            raise CodecError(
                f"freev of {patch} frames in a vector: hop {hop} has to be even frames, dim {dim} "
                f"whole ones, n_fft {n_fft} two at least"
            )
        self.patch, self.step, self.look_ahead = patch, hop // patch, look_ahead
        self.n_fft, self.bins = n_fft, n_fft // 2 + 1
        # Frames after its own that a sample is a sum of.
        windows = -(-(n_fft - self.step) // (2 * self.step))
        ahead = look_ahead * patch - windows
        if ahead < 0:
            raise CodecError(f"freev: windows of {n_fft} need look_ahead {-(-windows // patch)}")
        #: samples that are complete and wait, as a vector's come out together
        self.early = windows * self.step - (n_fft - self.step) // 2
        self.mel = MelConfig(rate, n_fft, self.step, dim // patch, f_max=rate / 2)
        bank, window = basis(self.mel, "cpu")
        self.register_buffer("inverse", torch.linalg.pinv(bank), persistent=False)
        # Where the windows' squares do not overlap to 1, each sample is divided by their sum.
        square = F.pad(window.square(), (0, -n_fft % self.step)).view(-1, self.step).sum(0)
        weight = square.repeat(-(-n_fft // self.step))[:n_fft]
        self.register_buffer("synthesis", window / weight, persistent=False)
        self.amplitude = CausalStack(self.mel.n_mels, width, 3 * width, amplitude_blocks, 7, ahead)
        self.phase = CausalStack(self.mel.n_mels, width, 3 * width, phase_blocks, 7, ahead)
        self.ahead = ahead
        self.correction = nn.Linear(width, self.bins)
        self.angle = nn.Linear(width, 2 * self.bins)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)
        self.silence = (math.log(self.mel.floor) - self.mel.mean) / self.mel.std

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first vector."""
        states = [like.new_zeros(batch, self.early + self.n_fft - self.step)]
        states.append(like.new_full((batch, self.ahead, self.mel.n_mels), self.silence))
        states += self.amplitude.initial(batch, like, self.silence)
        return states + self.phase.initial(batch, like, self.silence)

    def prior(self, mel: Tensor) -> Tensor:
        """Logarithms of amplitudes [B, T, bins] of a normalised log-mel [B, T, n_mels], by the
        pseudo-inverse of its filter bank."""
        loud = (mel * self.mel.std + self.mel.mean).clamp_max(8).exp()
        return (loud @ self.inverse).abs().clamp_min(_LEAST).log()

    def forward(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Vectors [B, n, dim] and states to samples [B, n * hop] and new states."""
        mel = x.unflatten(-1, (self.patch, -1)).flatten(1, 2)
        count = mel.shape[1]
        late = torch.cat([states[1], mel], 1)  # the networks answer `ahead` frames late
        loud, amplitude = self.amplitude(mel, states[2:4])
        turned, phase = self.phase(mel, states[4:])
        log_amplitude = self.prior(late[:, :count]) + self.correction(loud)
        real, imaginary = self.angle(turned).chunk(2, -1)
        spectrum = torch.polar(log_amplitude.exp().clamp_max(_MOST), torch.atan2(imaginary, real))
        total = F.pad(self._summed(spectrum), (self.early, 0))
        total = total + F.pad(states[0], (0, total.shape[1] - states[0].shape[1]))
        ready = count * self.step
        return total[:, :ready], [total[:, ready:], late[:, count:], *amplitude, *phase]

    def _summed(self, spectrum: Tensor) -> Tensor:
        """Frames [B, F, bins] to the sum of their windows, [B, n_fft + (F - 1) * step]."""
        frames = torch.fft.irfft(spectrum, self.n_fft) * self.synthesis
        count = frames.shape[1]
        summed: Tensor = F.fold(
            frames.transpose(1, 2),
            (1, self.n_fft + (count - 1) * self.step),
            (1, self.n_fft),
            stride=(1, self.step),
        )[:, 0, 0]
        return summed

    def overlapped(self, spectrum: Tensor) -> Tensor:
        """The waveform [B, T * step] of centred frames [B, T, bins] of tts_codecs.mel."""
        edge = (self.n_fft - self.step) // 2
        return self._summed(spectrum)[:, edge : edge + spectrum.shape[1] * self.step]

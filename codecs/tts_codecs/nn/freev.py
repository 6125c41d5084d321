"""Decoder of log-mels after FreeV (Lv et al. 2024), whose amplitudes start from the mel itself.

The pseudo-inverse of the mel filter bank gives a first estimate of the amplitude spectrum. A small
network corrects it, and another network predicts the phase. In a codec the decoder's input can be
the mel of a MelEncoder, or learned vectors that training turns into a mel.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError
from tts_codecs.mel import MelConfig, basis
from tts_codecs.nn.causal import CausalStack
from tts_codecs.nn.waveform import States, WaveDecoder

_LEAST = 1e-5  # smallest and largest amplitude of a bin
_MOST = 100.0


class FreevDecoder(WaveDecoder):
    """Decoder of vectors that consist of `patch` frames of a normalised log-mel (tts_codecs.mel).

    It is causal except for `look_ahead` vectors. The centred windows of the STFT need
    (n_fft - step) / 2 samples of it, and the networks use the rest.

    Args:
        hop: samples per vector.
        dim: width of a vector: `patch` times the number of mel bands.
        rate: sample rate in Hz.
        n_fft: window length.
        patch: mel frames per vector.
        width: width of both networks.
        amplitude_blocks, phase_blocks: numbers of their blocks.
        look_ahead: later vectors on which the samples of a vector depend.

    Raises:
        CodecError: sizes that do not fit each other.
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
        # Number of later frames whose windows contain a sample.
        windows = -(-(n_fft - self.step) // (2 * self.step))
        ahead = look_ahead * patch - windows
        if ahead < 0:
            raise CodecError(f"freev: windows of {n_fft} need look_ahead {-(-windows // patch)}")
        #: complete samples that are still held, as the samples of a vector are returned together
        self.early = windows * self.step - (n_fft - self.step) // 2
        self.mel = MelConfig(rate, n_fft, self.step, dim // patch, f_max=rate / 2)
        bank, window = basis(self.mel, "cpu")
        self.register_buffer("inverse", torch.linalg.pinv(bank), persistent=False)
        # Divide by the overlap-added squared windows, which need not sum to 1.
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
        """Log-amplitudes [B, T, bins] of a normalised log-mel [B, T, n_mels], by the pseudo-inverse
        of the filter bank."""
        loud = (mel * self.mel.std + self.mel.mean).clamp_max(8).exp()
        return (loud @ self.inverse).abs().clamp_min(_LEAST).log()

    def forward(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Vectors [B, n, dim] and states to samples [B, n * hop] and new states."""
        mel = x.unflatten(-1, (self.patch, -1)).flatten(1, 2)
        count = mel.shape[1]
        late = torch.cat([states[1], mel], 1)  # the networks' output is delayed
        loud, amplitude = self.amplitude(mel, states[2:4])
        turned, phase = self.phase(mel, states[4:])
        log_amplitude = self.prior(late[:, :count]) + self.correction(loud)
        real, imaginary = self.angle(turned).chunk(2, -1)
        spectrum = torch.polar(log_amplitude.exp().clamp_max(_MOST), torch.atan2(imaginary, real))
        total = F.pad(self._overlap_add(spectrum), (self.early, 0))
        total = total + F.pad(states[0], (0, total.shape[1] - states[0].shape[1]))
        ready = count * self.step
        return total[:, :ready], [total[:, ready:], late[:, count:], *amplitude, *phase]

    def _overlap_add(self, spectrum: Tensor) -> Tensor:
        """Inverse STFT of frames [B, F, bins] to samples [B, n_fft + (F - 1) * step]."""
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
        """Waveform [B, T * step] of spectra [B, T, bins], whose frames are centred as those of
        tts_codecs.mel."""
        edge = (self.n_fft - self.step) // 2
        return self._overlap_add(spectrum)[:, edge : edge + spectrum.shape[1] * self.step]

"""Speech enhancer: reduces noise and reverberation of a recording before it becomes a voice.

A voice is made of all that a recording holds, and generators repeat its hiss and its echo with
every word. The enhancer attenuates the bands of a spectrum in which something else is louder than
the person (a mask in the sense of Wang and Chen 2018, "Supervised Speech Separation Based on Deep
Learning"). What it leaves is a part of what was recorded; nothing is generated.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from tts_codecs.nn.convnext import ConvNeXt

SAMPLE_RATE = 16000
N_FFT, HOP = 512, 128
#: power below which all is silence, relative to the mean power of a recording
_FLOOR = 1e-6
#: share of the frames that estimate the level of the background
_QUIET = 0.1
#: factor of the decibels that the network predicts. With all of them speech would be attenuated too
#: where the network errs
STRENGTH = 0.5


class SpeechEnhancer(nn.Module):
    """Speech enhancer by a mask over mel bands, of samples [B, N] at 16 kHz.

    Args:
        bands: mel bands of the mask.
        dim, blocks, kernel: sizes of the network.
    """

    spread: Tensor
    window: Tensor

    def __init__(self, bands: int = 64, dim: int = 128, blocks: int = 5, kernel: int = 9):
        super().__init__()
        bank = melscale_fbanks(N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, bands, SAMPLE_RATE)
        # Each frequency belongs to the bands beside it, with weights that sum to one.
        bank[: int(bank[:, 0].argmax()) + 1, 0] = 1.0
        bank[int(bank[:, -1].argmax()) :, -1] = 1.0
        self.register_buffer("spread", bank / bank.sum(1, keepdim=True), persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.entry = nn.Linear(2 * bands, dim)
        self.blocks = nn.ModuleList(ConvNeXt(dim, 2 * dim, kernel) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, bands)
        nn.init.zeros_(self.out.weight)
        nn.init.constant_(self.out.bias, 3.0)

    def spectrum(self, samples: Tensor) -> Tensor:
        """Return the complex spectrum [B, T, N_FFT / 2 + 1] of samples [B, N]."""
        found = torch.stft(samples, N_FFT, HOP, window=self.window, return_complex=True)
        return found.transpose(1, 2)

    def power(self, spectrum: Tensor) -> Tensor:
        """Return the mean power of each band of a spectrum, [B, T, bands]."""
        return spectrum.abs().square() @ self.spread / self.spread.sum(0)

    def levels(self, power: Tensor, unit: Tensor) -> Tensor:
        """Return the logarithm of powers [B, T, bands] relative to `unit` [B, 1, 1]."""
        return (power / unit + _FLOOR).log()

    def gains(self, levels: Tensor) -> Tensor:
        """Return the logarithm of the gain, at most 0, of each band for levels [B, T, bands]."""
        quiet = levels.kthvalue(max(1, math.ceil(_QUIET * levels.shape[1])), 1, keepdim=True)[0]
        x = self.entry(torch.cat([levels, levels - quiet], -1) / 4)
        mask = torch.ones_like(x[..., :1])
        for block in self.blocks:
            x = block(x, mask)
        return F.logsigmoid(self.out(self.norm(x)))

    def forward(self, samples: Tensor, strength: float = STRENGTH) -> Tensor:
        """Return enhanced samples [B, N].

        Args:
            samples: [B, N], with N at least `N_FFT`.
            strength: factor of the decibels that the network predicts, from 0, which leaves the
                recording as it is, to 1.
        """
        spectrum = self.spectrum(samples)
        gains = strength * self.gains(self.levels(self.power(spectrum), _unit(spectrum)))
        return torch.istft(
            (spectrum * (gains.exp() @ self.spread.T)).transpose(1, 2),
            N_FFT, HOP, window=self.window, length=samples.shape[1],
        )  # fmt: skip

    def loss(self, recorded: Tensor, clean: Tensor) -> Tensor:
        """Return the mean distance in dB of enhanced recordings from clean speech, over all bands.

        Args:
            recorded: [B, N] recordings.
            clean: [B, N], the person alone. In both, what is more than 60 dB below the mean power
                counts as silence.
        """
        spectrum, wanted = self.spectrum(recorded), self.spectrum(clean)
        power, unit = self.power(spectrum), _unit(wanted)
        gains = self.gains(self.levels(power, _unit(spectrum)))
        made = self.levels(power * (2 * gains).exp(), unit)
        distance = made - self.levels(self.power(wanted), unit)
        return distance.abs().mean() * 10 / math.log(10)


def _unit(spectrum: Tensor) -> Tensor:
    """Return the mean power [B, 1, 1] of spectra [B, T, F]."""
    return spectrum.abs().square().mean((1, 2), keepdim=True).clamp_min(1e-12)

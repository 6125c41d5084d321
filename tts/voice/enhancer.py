"""Speech enhancer: takes noise and the room out of a recording before it becomes a voice.

A voice is made of all that a recording holds, and generators repeat its hiss and its echo with
every word. The enhancer turns down the bands of a spectrum in which something else is louder than
the person (a mask in the sense of Wang and Chen 2018, "Supervised Speech Separation Based on Deep
Learning"): what it leaves is a part of what was recorded, and nothing is made up.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from tts_codecs.nn.convnext import ConvNeXt

SAMPLE_RATE = 16000
N_FFT, HOP = 512, 128
#: in units of the mean power of a recording: what is quieter is silence, whatever it is
_FLOOR = 1e-6
#: share of the frames of a recording that tell how loud it is when nobody speaks
_QUIET = 0.1
#: how much of the decibels by which a band is to be turned down, it is. All of it takes away of the
#: person too, where the network errs.
STRENGTH = 0.5


class SpeechEnhancer(nn.Module):
    """Samples [B, N] at 16 kHz to as many in which one person speaks, close and in silence.

    Args:
        bands: of the spectrum, mel spaced; dim, blocks, kernel: sizes of the network.
    """

    spread: Tensor
    window: Tensor

    def __init__(self, bands: int = 64, dim: int = 128, blocks: int = 5, kernel: int = 9):
        super().__init__()
        bank = melscale_fbanks(N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, bands, SAMPLE_RATE)
        # Every frequency belongs to the bands beside it, in shares that sum to one.
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
        """Samples [B, N] to complex [B, T, N_FFT / 2 + 1]."""
        found = torch.stft(samples, N_FFT, HOP, window=self.window, return_complex=True)
        return found.transpose(1, 2)

    def power(self, spectrum: Tensor) -> Tensor:
        """Mean power of each band, [B, T, bands]."""
        return spectrum.abs().square() @ self.spread / self.spread.sum(0)

    def levels(self, power: Tensor, unit: Tensor) -> Tensor:
        """Logarithm of powers [B, T, bands] in units of `unit` [B, 1, 1]."""
        return (power / unit + _FLOOR).log()

    def gains(self, levels: Tensor) -> Tensor:
        """Levels [B, T, bands] to the logarithm, at most 0, of what each is multiplied by."""
        quiet = levels.kthvalue(max(1, math.ceil(_QUIET * levels.shape[1])), 1, keepdim=True)[0]
        x = self.entry(torch.cat([levels, levels - quiet], -1) / 4)
        mask = torch.ones_like(x[..., :1])
        for block in self.blocks:
            x = block(x, mask)
        return F.logsigmoid(self.out(self.norm(x)))

    def forward(self, samples: Tensor, strength: float = STRENGTH) -> Tensor:
        """Samples [B, N], N at least `N_FFT`, to [B, N].

        Args:
            strength: of the decibels that the network says, from 0, the recording, to 1.
        """
        spectrum = self.spectrum(samples)
        gains = strength * self.gains(self.levels(self.power(spectrum), _unit(spectrum)))
        return torch.istft(
            (spectrum * (gains.exp() @ self.spread.T)).transpose(1, 2),
            N_FFT, HOP, window=self.window, length=samples.shape[1],
        )  # fmt: skip

    def loss(self, recorded: Tensor, clean: Tensor) -> Tensor:
        """How far the bands of what is made of recordings [B, N] are from those of the person alone
        [B, N], in dB. What is more than 60 dB below the mean power is silence in both."""
        spectrum, wanted = self.spectrum(recorded), self.spectrum(clean)
        power, unit = self.power(spectrum), _unit(wanted)
        gains = self.gains(self.levels(power, _unit(spectrum)))
        made = self.levels(power * (2 * gains).exp(), unit)
        distance = made - self.levels(self.power(wanted), unit)
        return distance.abs().mean() * 10 / math.log(10)


def _unit(spectrum: Tensor) -> Tensor:
    """Mean power of recordings [B, T, F], [B, 1, 1]."""
    return spectrum.abs().square().mean((1, 2), keepdim=True).clamp_min(1e-12)

"""Multi-resolution STFT discriminator (Jang et al. 2021, Défossez et al. 2022), a small one."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from tts_codecs.adversaries.base import Adversary, Judgement, check_windows


class SpectrogramDiscriminator(nn.Module):
    """Discriminator of one resolution: convolutions over time and frequency of the complex STFT."""

    window: Tensor

    def __init__(self, n_fft: int, hop: int, channels: int = 16, layers: int = 4):
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        sizes = [2] + [channels] * layers
        self.convs = nn.ModuleList(
            weight_norm(
                nn.Conv2d(
                    a,
                    b,
                    (3, 5),
                    stride=(1, 2),
                    padding=(2 ** max(i - 1, 0), 2),
                    dilation=(2 ** max(i - 1, 0), 1),
                )
            )
            for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False))
        )
        self.out = weight_norm(nn.Conv2d(channels, 1, (3, 3), padding=(1, 1)))

    def forward(self, wav: Tensor) -> Judgement:
        """[B, N] to (scores [B, T', F'], feature maps of every layer)."""
        spectrum = torch.stft(
            wav, self.n_fft, self.hop, window=self.window, center=False, return_complex=True
        )
        # Compress magnitudes but keep phases, so that quiet bands have an influence.
        magnitude = spectrum.abs().clamp_min(1e-5)
        spectrum = spectrum / magnitude * magnitude.pow(0.3)
        x = torch.stack([spectrum.real, spectrum.imag], 1).transpose(2, 3)
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        return self.out(x).squeeze(1), features


class MultiResolutionDiscriminator(Adversary):
    """One SpectrogramDiscriminator per window length.

    Raises:
        CodecError: a window is too short or too long.
    """

    def __init__(self, n_ffts: Sequence[int] = (256, 512, 1024), channels: int = 16):
        super().__init__()
        check_windows(n_ffts)
        self.n_ffts = tuple(n_ffts)
        self.parts = nn.ModuleList(
            SpectrogramDiscriminator(n_fft, n_fft // 4, channels) for n_fft in n_ffts
        )

    @property
    def least_samples(self) -> int:
        """The longest window."""
        return max(self.n_ffts)

    def forward(self, wav: Tensor) -> list[Judgement]:
        """Scores and feature maps of each resolution, for a waveform [B, N]."""
        return [part(wav) for part in self.parts]

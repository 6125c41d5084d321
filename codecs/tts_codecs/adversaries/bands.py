"""Discriminator of log-mel spectrograms at several resolutions."""

from collections.abc import Sequence

from torch import Tensor, nn

from tts_codecs.adversaries.base import Adversary, Judgement, check_windows
from tts_codecs.mel import MelConfig, log_mel
from tts_codecs.mel_discriminator import MelDiscriminator


class MelBandDiscriminator(Adversary):
    """One MelDiscriminator per resolution, on the log-mel of the waveform. It sees magnitudes over
    time and frequency, but no phase.

    Args:
        rate: Hz of the waveform.
        n_ffts: window lengths in samples; the hop is a quarter of each.
        bands: number of mel bands.
        channels: channels of each network.

    Raises:
        CodecError: a window is too short or too long.
    """

    def __init__(
        self, rate: int, n_ffts: Sequence[int] = (512, 1024), bands: int = 64, channels: int = 16
    ):
        super().__init__()
        check_windows(n_ffts)
        self.analyses = [MelConfig(rate, n, n // 4, bands, f_max=rate / 2) for n in n_ffts]
        self.parts = nn.ModuleList(MelDiscriminator(channels) for _ in n_ffts)

    @property
    def least_samples(self) -> int:
        """The longest window."""
        return max(analysis.n_fft for analysis in self.analyses)

    def forward(self, wav: Tensor) -> list[Judgement]:
        """Scores and feature maps of each resolution, for a waveform [B, N]."""
        pairs = zip(self.parts, self.analyses, strict=True)
        return [part(log_mel(wav, analysis)) for part, analysis in pairs]

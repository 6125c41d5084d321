"""Log-mel analysis that all codecs and generators share.

Frame t is centred at sample (t + 1/2) * hop, so that N samples give exactly N / hop frames, and a
vocoder returns hop samples per frame.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor

from tts_codecs.errors import CodecError


@dataclass(frozen=True)
class MelConfig:
    """Analysis settings. All shipped weights use the defaults: 16 kHz, 80 bands, 50 frames/s.

    Attributes:
        sample_rate: Hz.
        n_fft: window length in samples.
        hop: samples per frame.
        n_mels: number of mel bands.
        f_min, f_max: frequency range of the bands in Hz.
        floor: smallest magnitude of a band, before the logarithm.
        mean, std: normalisation of the log-mels to about zero mean and unit variance.
    """

    sample_rate: int = 16000
    n_fft: int = 1024
    hop: int = 320
    n_mels: int = 80
    f_min: float = 0.0
    f_max: float = 8000.0
    floor: float = 1e-5
    # One pair for all bands and all corpora: with a pair per band, the near-empty top bands of
    # band-limited recordings would be amplified.
    mean: float = -5.5
    std: float = 2.2

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop


def full_band(rate: int) -> MelConfig:
    """The analysis at a sample rate that continues the bands of the default one to the Nyquist
    frequency, in the same windows, frames and steps of the mel scale.

    The normalised bands that both have are equal, up to the filter that resamples a waveform. At
    24 kHz there are 90 bands, 10 of them above 8 kHz.

    Raises:
        CodecError: the rate is below that of the default analysis, or windows and frames are not
            whole numbers of samples.
    """
    base = MelConfig()
    ratio = rate / base.sample_rate
    n_fft, hop = round(base.n_fft * ratio), round(base.hop * ratio)
    if rate < base.sample_rate or n_fft != base.n_fft * ratio or hop != base.hop * ratio:
        raise CodecError(
            f"mel of all bands: a rate is at least {base.sample_rate} Hz, with frames and windows "
            f"of whole samples, not {rate}"
        )
    step = float(hz_to_mel(base.f_max)) / (base.n_mels + 1)
    # The last band ends at the mel of number n_mels + 1; rounding must not lose one.
    bands = int(hz_to_mel(rate / 2) / step + 1e-6) - 1
    level = math.log(ratio)  # a window has more samples, so magnitudes are larger
    return MelConfig(
        rate, n_fft, hop, bands, base.f_min,
        round(float(mel_to_hz((bands + 1) * step)), 6),
        base.floor * ratio, base.mean + level, base.std,
    )  # fmt: skip


# Slaney's mel scale, linear to 1 kHz and logarithmic above, as of `melscale_fbanks`.
_LINEAR_HZ, _KNEE_HZ, _LOG_STEP = 200 / 3, 1000, np.log(6.4) / 27


def hz_to_mel(hertz: np.ndarray | float) -> np.ndarray:
    """Positions on the mel scale of frequencies in Hz."""
    hertz = np.asarray(hertz, dtype=np.float64)
    high = _KNEE_HZ / _LINEAR_HZ + np.log(np.maximum(hertz, 1e-3) / _KNEE_HZ) / _LOG_STEP
    return np.where(hertz < _KNEE_HZ, hertz / _LINEAR_HZ, high)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Frequencies in Hz of positions on the mel scale."""
    mel = np.asarray(mel, dtype=np.float64)
    knee = _KNEE_HZ / _LINEAR_HZ
    return np.where(mel < knee, mel * _LINEAR_HZ, _KNEE_HZ * np.exp((mel - knee) * _LOG_STEP))


def band_points(config: MelConfig) -> np.ndarray:
    """Frequencies [n_mels + 2] in Hz where the bands of an analysis begin, peak and end: band b
    begins at point b, peaks at b + 1 and ends at b + 2."""
    low, high = hz_to_mel(config.f_min), hz_to_mel(config.f_max)
    return mel_to_hz(np.linspace(low, high, config.n_mels + 2))


@lru_cache(maxsize=16)
def basis(config: MelConfig, device: str) -> tuple[Tensor, Tensor]:
    """Mel filter bank [bins, n_mels] and analysis window [n_fft]."""
    # The device is set explicitly, since networks may be built on the meta device, whose tensors
    # have no values to cache.
    with torch.device(device):
        bank = torchaudio.functional.melscale_fbanks(
            config.n_fft // 2 + 1,
            config.f_min,
            config.f_max,
            config.n_mels,
            config.sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        return bank, torch.hann_window(config.n_fft)


def frame_signal(wav: Tensor, config: MelConfig) -> Tensor:
    """Complex short-time spectra [B, T, bins] of a waveform [B, N], with T = ceil(N / hop)."""
    wav = F.pad(wav, (0, -wav.shape[1] % config.hop))
    pad = (config.n_fft - config.hop) // 2
    # Reflection needs more samples than are reflected; very short clips are padded with silence.
    mode = "reflect" if wav.shape[1] > pad else "constant"
    wav = F.pad(wav.unsqueeze(1), (pad, config.n_fft - config.hop - pad), mode=mode).squeeze(1)
    return _spectra(wav, config)


def _spectra(wav: Tensor, config: MelConfig) -> Tensor:
    """Complex spectra [B, T, bins] of all complete windows of a waveform [B, N]."""
    _, window = basis(config, str(wav.device))
    return torch.stft(
        wav, config.n_fft, config.hop, window=window, center=False, return_complex=True
    ).transpose(1, 2)


def log_mel(wav: Tensor, config: MelConfig | None = None) -> Tensor:
    """Log-mel spectrogram (natural logarithm of magnitudes), normalised by `mean` and `std`.

    Args:
        wav: [B, N] in -1..1 at `config.sample_rate`; N is padded up to a multiple of hop.
        config: analysis settings.

    Returns:
        [B, T, n_mels] with T = ceil(N / hop).

    Raises:
        CodecError: `wav` does not have two dimensions.
    """
    config = config or MelConfig()
    if wav.dim() != 2:
        raise CodecError(f"log_mel takes a waveform [B, N], not {list(wav.shape)}")
    return _log_mel(frame_signal(wav, config), config)


def mel_of_padded(wav: Tensor, config: MelConfig) -> Tensor:
    """Log-mel frames [B, t, n_mels] of the complete windows in `wav` [B, N], without any padding:
    the first window begins at the first sample."""
    return _log_mel(_spectra(wav, config), config)


def _log_mel(spectra: Tensor, config: MelConfig) -> Tensor:
    bank, _ = basis(config, str(spectra.device))
    mel = spectra.abs() @ bank
    return (mel.clamp_min(config.floor).log() - config.mean) / config.std

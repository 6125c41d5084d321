"""Log-mel analysis shared by every codec and generator.

Frame t covers samples centred at (t + 1/2) * hop, so N samples give exactly N / hop frames and a
vocoder returns hop samples per frame.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor

from tts_codecs.errors import CodecError


@dataclass(frozen=True)
class MelConfig:
    """Analysis settings. The defaults (16 kHz, 80 bands, 50 frames/s) are those of all weights."""

    sample_rate: int = 16000
    n_fft: int = 1024
    hop: int = 320
    n_mels: int = 80
    f_min: float = 0.0
    f_max: float = 8000.0
    floor: float = 1e-5
    # Corpus-wide constants that bring log-mels to about zero mean and unit variance, one pair for
    # all bands: a per-band pair would amplify the near-empty top bands of band-limited recordings.
    mean: float = -5.5
    std: float = 2.2

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop


@lru_cache(maxsize=16)
def basis(config: MelConfig, device: str) -> tuple[Tensor, Tensor]:
    """Mel filter bank [bins, n_mels] and analysis window."""
    # Also where a network is built without memory: what is kept here has values.
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
    """Complex short-time spectrum [B, T, bins] of [B, N], T = ceil(N / hop)."""
    wav = F.pad(wav, (0, -wav.shape[1] % config.hop))
    pad = (config.n_fft - config.hop) // 2
    # Reflection needs more samples than it mirrors; a very short clip is padded with silence.
    mode = "reflect" if wav.shape[1] > pad else "constant"
    wav = F.pad(wav.unsqueeze(1), (pad, config.n_fft - config.hop - pad), mode=mode).squeeze(1)
    return _spectra(wav, config)


def _spectra(wav: Tensor, config: MelConfig) -> Tensor:
    """Those of all whole windows of [B, N]."""
    _, window = basis(config, str(wav.device))
    return torch.stft(
        wav, config.n_fft, config.hop, window=window, center=False, return_complex=True
    ).transpose(1, 2)


def log_mel(wav: Tensor, config: MelConfig | None = None) -> Tensor:
    """Natural-log mel spectrogram, normalised by the constants of `config`.

    Args:
        wav: [B, N] in -1..1 at `config.sample_rate`; N is padded up to a multiple of hop.
        config: analysis settings.

    Returns:
        [B, T, n_mels] with T = ceil(N / hop).
    """
    config = config or MelConfig()
    if wav.dim() != 2:
        raise CodecError(f"log_mel takes a waveform [B, N], not {list(wav.shape)}")
    return _log_mel(frame_signal(wav, config), config)


def mel_of_padded(wav: Tensor, config: MelConfig) -> Tensor:
    """`log_mel` of the frames [B, t, n_mels] whose whole windows lie in [B, N], the first of which
    begins with it."""
    return _log_mel(_spectra(wav, config), config)


def _log_mel(spectra: Tensor, config: MelConfig) -> Tensor:
    bank, _ = basis(config, str(spectra.device))
    mel = spectra.abs() @ bank
    return (mel.clamp_min(config.floor).log() - config.mean) / config.std

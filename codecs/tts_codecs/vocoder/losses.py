"""Spectral losses between waveforms."""

from functools import lru_cache

import torch
import torchaudio
from torch import Tensor

#: (window length, number of mel bands) of each resolution
SCALES = ((256, 20), (512, 40), (1024, 80), (2048, 120))
#: shortest waveform in samples, that of the longest window
LEAST_SAMPLES = max(n_fft for n_fft, _ in SCALES)


@lru_cache(maxsize=64)
def _basis(n_fft: int, n_mels: int, sample_rate: int, device: str) -> tuple[Tensor, Tensor]:
    bank = torchaudio.functional.melscale_fbanks(
        n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate, norm="slaney", mel_scale="slaney"
    )
    return torch.hann_window(n_fft, device=device), bank.to(device)


def multi_scale_spectral_loss(
    fake: Tensor,
    real: Tensor,
    sample_rate: int,
    scales: tuple[tuple[int, int], ...] = SCALES,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Multi-resolution STFT loss: L1 distances of log-mel and of log-magnitude spectra, averaged
    over window lengths.

    Args:
        fake, real: generated and real waveform, [B, N].
        sample_rate: Hz.
        scales: (n_fft, number of mel bands) pairs; the hop is n_fft / 4.
        rows: [B] weights of the rows, all equal by default.

    Returns:
        (mel loss, magnitude loss), scalars.
    """
    mel_loss, magnitude_loss = fake.new_zeros(()), fake.new_zeros(())

    def distance(a: Tensor, b: Tensor, floor: float) -> Tensor:
        error = ((a + floor).log() - (b + floor).log()).abs()
        if rows is None:
            return error.mean()
        return (error.mean(dim=(1, 2)) * rows).sum() / rows.sum()

    for n_fft, n_mels in scales:
        window, bank = _basis(n_fft, n_mels, sample_rate, str(fake.device))

        def magnitude(wav: Tensor, n_fft: int = n_fft, window: Tensor = window) -> Tensor:
            spectrum = torch.stft(
                wav, n_fft, n_fft // 4, window=window, center=False, return_complex=True
            )
            return (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()

        a, b = magnitude(fake), magnitude(real)
        mel_a, mel_b = a.transpose(1, 2) @ bank, b.transpose(1, 2) @ bank
        mel_loss = mel_loss + distance(mel_a, mel_b, 1e-5)
        magnitude_loss = magnitude_loss + distance(a, b, 1e-3)
    return mel_loss / len(scales), magnitude_loss / len(scales)


def phase_loss(fake: Tensor, real: Tensor, n_fft: int = 1024) -> Tensor:
    """Anti-wrapping phase loss (Ai and Ling 2023), as FreeV is trained with, of waveforms [B, N].

    The sum of the mean errors of the phase, of its difference along frequency (group delay), and of
    its difference along time (instantaneous frequency), each modulo 2 pi.
    """
    window = torch.hann_window(n_fft, device=real.device)

    def phase(wav: Tensor) -> Tensor:
        spectrum = torch.stft(wav, n_fft, n_fft // 4, window=window, return_complex=True)
        # The offset keeps the gradient of the angle finite in silence.
        return torch.atan2(spectrum.imag, spectrum.real + 1e-7)

    error = phase(fake) - phase(real)
    parts = (error, error.diff(dim=1), error.diff(dim=2))
    turn = 2 * torch.pi
    return sum(((p - turn * (p / turn).round()).abs().mean() for p in parts), real.new_zeros(()))

"""Speaker encoder with the GE2E loss (Wan et al. 2018), in the architecture of Resemblyzer.

Its weights (Apache-2.0, Resemble AI) ship in `checkpoints/speaker`. They were trained for speaker
verification on thousands of people, which a synthesis corpus of a few hours cannot replace.
"""

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

SAMPLE_RATE = 16000
_HOP = 160
_N_FFT = 400
_BANDS = 40
_PARTIAL = 160  # frames: 1.6 s windows, the length the encoder was trained on
_TARGET_DBFS = -30.0


class SpeakerEncoder(nn.Module):
    """Encoder of an utterance as a speaker embedding of unit length.

    Three LSTM layers read 40 mel powers. Windows of 1.6 s, which overlap by half, are embedded on
    their own, and the embeddings are averaged.
    """

    dim = 256
    bank: Tensor
    window: Tensor

    def __init__(self, hidden: int = 256):
        super().__init__()
        self.lstm = nn.LSTM(_BANDS, hidden, 3, batch_first=True)
        self.linear = nn.Linear(hidden, self.dim)
        bank = torchaudio.functional.melscale_fbanks(
            _N_FFT // 2 + 1,
            0.0,
            SAMPLE_RATE / 2,
            _BANDS,
            SAMPLE_RATE,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", torch.hann_window(_N_FFT), persistent=False)

    def mel(self, samples: Tensor) -> Tensor:
        """Return the mel powers [T, 40] of samples [N] at 16 kHz, raised to -30 dBFS if quiet."""
        rms_db = 10 * torch.log10(samples.square().mean().clamp_min(1e-12))
        samples = samples * 10 ** (torch.clamp(_TARGET_DBFS - rms_db, min=0.0) / 20)
        power = (
            torch.stft(
                samples,
                _N_FFT,
                _HOP,
                window=self.window,
                center=True,
                pad_mode="constant",
                return_complex=True,
            )
            .abs()
            .square()
        )
        return power.T @ self.bank

    def forward(self, mels: Tensor) -> Tensor:
        """Embed windows: mel powers [B, T, 40] to unit vectors [B, 256]."""
        _, (hidden, _) = self.lstm(mels)
        return F.normalize(torch.relu(self.linear(hidden[-1])), dim=1)

    @torch.inference_mode()
    def embed(self, samples: Tensor) -> Tensor:
        """Embed one utterance.

        Args:
            samples: [N] float at 16 kHz, mono.

        Returns:
            A unit vector [256].
        """
        mel = self.mel(samples)
        if len(mel) < _PARTIAL:
            mel = F.pad(mel, (0, 0, 0, _PARTIAL - len(mel)))
        windows = mel.unfold(0, _PARTIAL, _PARTIAL // 2).transpose(1, 2)
        return F.normalize(self(windows).mean(0), dim=0)

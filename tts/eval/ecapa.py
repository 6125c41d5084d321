"""ECAPA-TDNN speaker encoder, inference only (Desplanques et al. 2020, arXiv:2005.07143).

Loads the VoxCeleb checkpoint that SpeechBrain publishes (`embedding_model.ckpt`) and follows the
same feature conventions, so that similarities compare with published ones. Two things differ from
the paper, both in that checkpoint: batch norm comes after the activation, and the features are
mean-normalised per sentence without dividing by the deviation.
"""

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tts.errors import AudioError, CheckpointError

__all__ = ["SAMPLE_RATE", "EcapaTdnn", "SpeakerEncoder", "fbank"]

SAMPLE_RATE = 16_000
N_FFT, HOP, N_MELS = 400, 160, 80
MIN_SAMPLES = 1_600  # shorter than this the dilated reflect padding has nothing to mirror


def _mel_filters() -> Tensor:
    """Triangular mel filters [F=201, M=80], each as wide on both sides as its lower half-band."""
    mels = torch.linspace(0.0, 2595.0 * float(np.log10(1 + SAMPLE_RATE / 2 / 700)), N_MELS + 2)
    hz = 700.0 * (10 ** (mels / 2595.0) - 1)
    centre, width = hz[1:-1, None], (hz[1:] - hz[:-1])[:-1, None]
    slope = (torch.linspace(0, SAMPLE_RATE // 2, N_FFT // 2 + 1)[None] - centre) / width
    return torch.clamp(torch.minimum(slope + 1, 1 - slope), min=0).T.contiguous()


def fbank(samples: Tensor) -> Tensor:
    """Log mel energies in dB, at most 80 dB below the loudest: [B, N] at 16 kHz to [B, T, 80]."""
    window = torch.hamming_window(N_FFT, device=samples.device)
    spectrum = torch.stft(
        samples, N_FFT, HOP, window=window, center=True, pad_mode="constant", return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    energies = power.transpose(1, 2) @ _mel_filters().to(samples.device)
    decibels = 10 * torch.log10(energies.clamp(min=1e-10))
    return torch.maximum(decibels, decibels.amax((1, 2), keepdim=True) - 80)


class _Tdnn(nn.Module):
    """Convolution with mirrored edges, ReLU, batch norm: [B, C, T] to [B, D, T]."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            inputs,
            outputs,
            kernel,
            dilation=dilation,
            padding=dilation * (kernel - 1) // 2,
            padding_mode="reflect",
        )
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.relu(self.conv(x)))


class _Res2Net(nn.Module):
    """Split channels in `scale` groups, each convolved after adding the one before."""

    def __init__(self, channels: int, scale: int, dilation: int) -> None:
        super().__init__()
        width = channels // scale
        self.scale = scale
        self.blocks = nn.ModuleList(_Tdnn(width, width, 3, dilation) for _ in range(scale - 1))

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = x.chunk(self.scale, dim=1)
        parts, carried = [first], torch.zeros_like(first)
        for part, block in zip(rest, self.blocks, strict=True):
            carried = block(part + carried)
            parts.append(carried)
        return torch.cat(parts, dim=1)


class _SqueezeExcite(nn.Module):
    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, squeezed, 1)
        self.conv2 = nn.Conv1d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.conv2(F.relu(self.conv1(x.mean(2, keepdim=True))))
        return torch.sigmoid(gate) * x


class _Block(nn.Module):
    def __init__(self, channels: int, scale: int, squeezed: int, dilation: int) -> None:
        super().__init__()
        self.tdnn1 = _Tdnn(channels, channels)
        self.res2net_block = _Res2Net(channels, scale, dilation)
        self.tdnn2 = _Tdnn(channels, channels)
        self.se_block = _SqueezeExcite(channels, squeezed)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(x))))


def _moments(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and deviation over time: two [B, C, 1]."""
    mean = (weight * x).sum(2, keepdim=True)
    variance = (weight * (x - mean).square()).sum(2, keepdim=True)
    return mean, variance.clamp(min=1e-12).sqrt()


class _AttentiveStatistics(nn.Module):
    def __init__(self, channels: int, attention: int) -> None:
        super().__init__()
        self.tdnn = _Tdnn(3 * channels, attention)
        self.conv = nn.Conv1d(attention, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = _moments(x, x.new_full((1, 1, 1), 1 / x.shape[2]))
        context = torch.cat([x, mean.expand_as(x), deviation.expand_as(x)], dim=1)
        weight = self.conv(torch.tanh(self.tdnn(context))).softmax(dim=2)
        return torch.cat(_moments(x, weight), dim=1)


class EcapaTdnn(nn.Module):
    """Features [B, T, mels] to speaker embeddings [B, size]."""

    def __init__(
        self,
        channels: int = 1024,
        *,
        mels: int = N_MELS,
        size: int = 192,
        scale: int = 8,
        squeezed: int = 128,
        attention: int = 128,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([_Tdnn(mels, channels, 5)])
        self.blocks.extend(_Block(channels, scale, squeezed, d) for d in (2, 3, 4))
        self.mfa = _Tdnn(3 * channels, 3 * channels)
        self.asp = _AttentiveStatistics(3 * channels, attention)
        self.asp_bn = nn.BatchNorm1d(6 * channels)
        self.fc = nn.Conv1d(6 * channels, size, 1)

    def forward(self, features: Tensor) -> Tensor:
        x = features.transpose(1, 2)
        kept = []
        for block in self.blocks:
            x = block(x)
            kept.append(x)
        pooled = self.asp(self.mfa(torch.cat(kept[1:], dim=1)))
        return self.fc(self.asp_bn(pooled)).squeeze(2)


# SpeechBrain wraps every convolution and norm once more: "blocks.0.conv.conv.weight".
_WRAPPER = re.compile(r"\.(?:conv|norm)(\.[a-z_]+)$")


def _build(state: dict[str, Tensor], path: Path) -> EcapaTdnn:
    """The network whose sizes the weights show. Raises CheckpointError for other weights."""
    plain = {_WRAPPER.sub(r"\1", key): value for key, value in state.items()}
    try:
        first = plain["blocks.0.conv.weight"]
        groups = [
            key for key in plain if re.match(r"blocks\.1\.res2net_block\.blocks\.\d+\.conv\.w", key)
        ]
        net = EcapaTdnn(
            first.shape[0],
            mels=first.shape[1],
            size=plain["fc.weight"].shape[0],
            scale=len(groups) + 1,
            squeezed=plain["blocks.1.se_block.conv1.weight"].shape[0],
            attention=plain["asp.conv.weight"].shape[1],
        )
        net.load_state_dict(plain)
    except (KeyError, RuntimeError, IndexError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path} does not hold ECAPA-TDNN weights: {reason}") from error
    return net.eval().requires_grad_(False)


class SpeakerEncoder:
    """Embeds speech for comparing voices.

    Args:
        path: `embedding_model.ckpt` of SpeechBrain's `spkrec-ecapa-voxceleb`, or a state dict of
            the same names in another width.
        device: where the network runs.

    Raises:
        CheckpointError: no such file, damaged, or other weights.
    """

    def __init__(self, path: str | Path, device: str | torch.device = "cpu") -> None:
        path = Path(path)
        if not path.is_file():
            raise CheckpointError(f"ECAPA weights not found: {path}")
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises many types for a damaged file
            raise CheckpointError(f"{path} cannot be read as PyTorch weights") from error
        if not isinstance(state, dict):
            raise CheckpointError(f"{path} does not hold a state dict")
        self.device = torch.device(device)
        self.net = _build(state, path).to(self.device)

    @torch.inference_mode()
    def embed(self, samples: np.ndarray | Tensor) -> np.ndarray:
        """Mono float samples [N] at 16 kHz to a float32 embedding [192], not normalised.

        Raises:
            AudioError: not one channel, shorter than 0.1 s, or not finite.
        """
        wave = torch.as_tensor(samples, dtype=torch.float32, device=self.device)
        if wave.ndim != 1 or wave.numel() < MIN_SAMPLES:
            raise AudioError(
                f"a speaker embedding needs 0.1 s of mono audio, got {wave.numel()} samples"
            )
        if not bool(torch.isfinite(wave).all()):
            raise AudioError("a speaker embedding needs finite samples")
        features = fbank(wave[None])
        embedding = self.net(features - features.mean(1, keepdim=True))[0]
        return embedding.float().cpu().numpy()

    @staticmethod
    def similarity(a: np.ndarray, b: np.ndarray) -> float:
        """Cosine of two embeddings [D], -1 to 1."""
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        return float(np.dot(a, b) / max(norms, 1e-12))

"""Source-filter features: a mel envelope without harmonics, pitch and voicing.

In a voiced log-mel the harmonics repeat at every multiple of F0, which two numbers, pitch and
voicing, describe better. Smoothing the power spectrum over a width of F0 removes the harmonics (as
in CheapTrick, Morise 2015) and leaves a smooth target for generators and quantizers. The pulse
train of the vocoder restores them.
"""

import math
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tts_codecs.mel import MelConfig, basis, frame_signal

#: channels after the mel bands: normalised log2 pitch, voicing (+1 voiced, -1 not)
EXTRA = 2
#: channels of a frame with the default analysis
CHANNELS = MelConfig().n_mels + EXTRA
_CENTRE_HZ = 160.0
_OCTAVES = 0.5
_UNVOICED_WIDTH = 150.0
#: frames whose spectra are smoothed at a time
_BLOCK = 1000
_NEIGHBOURS = 35  # number of bands in the local average of `contrasted`: wider than a formant


#: features as a tensor or as an array
Array = TypeVar("Array", Tensor, np.ndarray)


def envelope_part(features: Array) -> Array:
    """The mel bands [..., n_mels] of features [..., n_mels + 2]; a view."""
    return features[..., :-EXTRA]


def contrasted(mel: Tensor, contrast: float) -> Tensor:
    """Mel frames [B, t, n_mels] with changed spectral contrast: the difference of each band to the
    average of its neighbouring bands is multiplied by `contrast`. Above 1 formants stand out more,
    below 1 the valleys between them are filled."""
    return mel @ _contrast_matrix(mel.shape[-1], contrast, mel.dtype, mel.device)


@lru_cache(maxsize=8)
def _contrast_matrix(
    bands: int, contrast: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The matrix [bands, bands] by which `contrasted` multiplies frames."""
    with torch.inference_mode(False):
        half, each = _NEIGHBOURS // 2, torch.eye(bands, dtype=dtype, device=device)[None]
        around = F.avg_pool1d(F.pad(each, (half, half), mode="replicate"), _NEIGHBOURS, 1)
        return torch.lerp(around, each, contrast)[0]


def source_part(features: Array) -> Array:
    """Pitch and voicing [..., 2] of features [..., n_mels + 2]; a view."""
    return features[..., -EXTRA:]


def mel_envelope(wav: Tensor, f0: Tensor, config: MelConfig | None = None) -> Tensor:
    """Normalised log-mel of the spectrum after pitch-adaptive smoothing.

    Args:
        wav: [B, N] with N a multiple of hop.
        f0: [B, N / hop] Hz at frame ends, 0 = unvoiced.

    Returns:
        [B, T, n_mels], normalised as in `log_mel`.
    """
    config = config or MelConfig()
    power = frame_signal(wav, config).abs().square()  # [B, T, bins]
    before = torch.cat([f0[:, :1], f0[:, :-1]], 1)
    return envelope_of_power(power, before, f0, config)


def envelope_of_power(power: Tensor, before: Tensor, f0: Tensor, config: MelConfig) -> Tensor:
    """Normalised log-mel [B, T, n_mels] of power spectra [B, T, bins] after pitch-adaptive
    smoothing, given the F0 [B, T] in Hz at the beginning (`before`) and end of each frame."""
    centre = torch.where((before > 0) & (f0 > 0), (before + f0) / 2, torch.maximum(before, f0))
    width = torch.where(centre > 0, centre, torch.full_like(centre, _UNVOICED_WIDTH))
    bank, _ = basis(config, str(power.device))
    # In blocks: smoothing needs some ten times the memory of its result.
    blocks = zip(power.split(_BLOCK, 1), width.split(_BLOCK, 1), strict=True)
    mel = torch.cat([_smoothed(part, over, config).sqrt() @ bank for part, over in blocks], 1)
    return (mel.clamp_min(config.floor).log() - config.mean) / config.std


def _smoothed(power: Tensor, width: Tensor, config: MelConfig) -> Tensor:
    """Power spectra [B, t, bins], each averaged over its `width` [B, t] in Hz."""
    # The average is a difference of the spectrum's integral at two frequencies. The integral is the
    # linearly interpolated cumulative sum, mirrored at both ends.
    bins = power.shape[-1]
    half = (width / 2 * config.n_fft / config.sample_rate).unsqueeze(-1)
    pad = 32
    mirrored = torch.cat(
        [power[..., 1 : pad + 1].flip(-1), power, power[..., -pad - 1 : -1].flip(-1)], -1
    )
    total = torch.nn.functional.pad(mirrored.double().cumsum(-1), (1, 0))
    index = torch.arange(bins, device=power.device) + pad + 0.5

    def integral(at: Tensor) -> Tensor:
        low = at.floor().clamp(0, total.shape[-1] - 2)
        part = (at - low).clamp(0, 1).double()
        low = low.long()
        return total.gather(-1, low) * (1 - part) + total.gather(-1, low + 1) * part

    area = integral(index + half) - integral(index - half)
    return (area / (2 * half)).clamp_min(0).to(power.dtype)


def pack_pitch(f0: Tensor) -> Tensor:
    """Convert F0 [B, T] in Hz (0 = unvoiced) to log-pitch and voicing [B, T, 2]. The log-pitch is
    interpolated over unvoiced stretches."""
    out = f0.new_zeros(*f0.shape, EXTRA)
    voiced = f0 > 0
    out[..., 1] = voiced.to(f0.dtype) * 2 - 1
    height = ((f0.clamp_min(1.0) / _CENTRE_HZ).log2() / _OCTAVES) * voiced
    index = torch.arange(f0.shape[1], device=f0.device).expand_as(f0)
    # Find the nearest voiced frame on each side and interpolate linearly between the two.
    left = torch.where(voiced, index, torch.full_like(index, -1)).cummax(1).values
    far = f0.shape[1]
    right = torch.where(voiced, index, torch.full_like(index, far)).flip(1).cummin(1).values.flip(1)
    has_left, has_right = left >= 0, right < far
    left_at, right_at = left.clamp_min(0), right.clamp_max(far - 1)
    a, b = height.gather(1, left_at), height.gather(1, right_at)
    part = (index - left).to(f0.dtype) / (right - left).clamp_min(1)
    line = a + (b - a) * part
    bridged = torch.where(has_left & has_right, line, torch.where(has_left, a, b))
    out[..., 0] = torch.where(has_left | has_right, bridged, torch.zeros_like(bridged))
    return out


def held_pitch(f0: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Convert F0 [B, T] in Hz (0 = unvoiced) to log-pitch and voicing [B, T, 2] in a stream.

    Unlike that of `pack_pitch`, the log-pitch of unvoiced frames is that of the last voiced frame,
    so that no later frames are needed.

    Args:
        last: [B] log-pitch of the last voiced frame so far; 0 before the first.

    Returns:
        [B, T, 2], and `last` for the frames that follow.
    """
    voiced = f0 > 0
    height = (f0.clamp_min(1.0) / _CENTRE_HZ).log2() / _OCTAVES
    index = torch.arange(1, f0.shape[1] + 1, device=f0.device) * voiced
    held = torch.cat([last.unsqueeze(1).to(height), height], 1).gather(1, index.cummax(1).values)
    return torch.stack([held, voiced.to(f0.dtype) * 2 - 1], -1), held[:, -1]


def unpack_pitch(extra: Tensor) -> Tensor:
    """Convert log-pitch and voicing [B, T, 2] to F0 [B, T] in Hz, float64, 0 where unvoiced."""
    extra = extra.double()  # errors would accumulate in the phase, see PitchNet.forward
    f0 = _CENTRE_HZ * torch.exp2(extra[..., 0].clamp(-4, 4) * _OCTAVES)
    return f0 * (extra[..., 1] > 0)


def shift_pitch(log_pitch: Array, factor: float) -> Array:
    """Log-pitch [...] (the first channel of `source_part`) with F0 multiplied by `factor`."""
    return log_pitch + math.log2(factor) / _OCTAVES

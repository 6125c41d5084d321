"""Waveform and mel spectrogram of an utterance, drawn to stretch to any width."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

_COLUMNS = 1200  # at most: more than a page shows
_ROW = 6  # pixels of a codebook
_RANGE = 9.0  # nepers below the loudest that are drawn
# From silence to loud: dark blue, violet, red, orange, pale yellow.
_COLOURS = ((8, 10, 38), (66, 20, 104), (160, 42, 96), (232, 104, 52), (252, 190, 66),
            (252, 250, 200))  # fmt: skip


def waveform_path(samples: NDArray[np.float32], columns: int = 600) -> str:
    """The outline of samples [N] as an SVG path in a box of `columns` by 2, centred on 1."""
    if samples.size == 0:
        return ""
    edges = np.linspace(0, samples.size, min(columns, samples.size) + 1).astype(int)[:-1]
    scale = 1 / max(1e-3, float(np.abs(samples).max()))
    high = 1 - scale * np.maximum.reduceat(samples, edges)
    low = 1 - scale * np.minimum.reduceat(samples, edges)
    step = columns / len(edges)
    points = [f"{i * step:.1f},{y:.3f}" for i, y in enumerate(high)]
    points += [f"{i * step:.1f},{y:.3f}" for i, y in reversed(list(enumerate(low)))]
    return f"M{'L'.join(points)}Z"


def mel_image(samples: NDArray[np.float32], sample_rate: int) -> bytes:
    """The mel spectrogram of samples [N] as a PNG, low bands at the bottom."""
    import torch

    from tts_codecs.mel import MelConfig, log_mel

    config = MelConfig(sample_rate=sample_rate, hop=sample_rate // 50, f_max=sample_rate / 2)
    padded = np.pad(samples, (0, max(0, config.n_fft - samples.size)))
    with torch.inference_mode():
        mel = log_mel(torch.from_numpy(padded)[None], config)[0].T.numpy()
    if mel.shape[1] > _COLUMNS:
        edges = np.linspace(0, mel.shape[1], _COLUMNS + 1).astype(int)[:-1]
        mel = np.maximum.reduceat(mel, edges, axis=1)
    level = np.clip(1 + (mel - mel.max()) * config.std / _RANGE, 0, 1)
    buffer = io.BytesIO()
    _painted(level[::-1]).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _painted(level: NDArray[np.float32]) -> "Image":
    """Values 0 to 1 [H, W] as a picture with a palette."""
    from PIL import Image

    table = np.asarray(_COLOURS, dtype=np.float64)
    at = np.linspace(0, len(table) - 1, 64)
    palette = np.stack([np.interp(at, np.arange(len(table)), c) for c in table.T], 1)
    image = Image.fromarray(np.rint(level * 63).astype(np.uint8), "P")
    image.putpalette(np.rint(palette).astype(np.uint8).ravel().tolist())
    return image


def codes_image(codes: NDArray[np.int64], sizes: Sequence[int]) -> bytes:
    """Codes [T, K] as a PNG: a row of each codebook, the first on top, a colour of each entry.

    Args:
        sizes: entries of each of the K codebooks.
    """
    # Neighbouring entries of a codebook have nothing in common: neither have their colours.
    spread = codes[:_COLUMNS] * 0.61803398875 % 1.0
    whole = np.asarray(sizes, dtype=np.float64)[None] > 64
    level = np.where(whole, spread, codes[:_COLUMNS] / np.maximum(1, np.asarray(sizes) - 1))
    rows = np.repeat(level.T.astype(np.float32), _ROW, 0)
    buffer = io.BytesIO()
    _painted(rows).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_url(png: bytes) -> str:
    """A picture inside of a page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"

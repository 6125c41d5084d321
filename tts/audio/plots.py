"""Plots of mel spectrograms with phones."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tts.audio.files import atomic_output, check_parent, write_all
from tts.errors import MissingDependencyError, UsageError

__all__ = ["save_mel_plot"]

_EXTENSIONS = ("png", "svg", "pdf")


def save_mel_plot(
    path: str | os.PathLike[str],
    mel: NDArray[np.floating],
    phones: Sequence[str] | None = None,
    durations: Sequence[int] | NDArray[np.integer] | None = None,
    title: str | None = None,
    *,
    frames_per_second: float | None = None,
) -> None:
    """Draw a mel spectrogram into a PNG, SVG or PDF file, atomically.

    Args:
        mel: [n_mels, T].
        phones: [P] labels above the plot; durations: [P] frames of each, at most T in sum.
        frames_per_second: for a time axis in seconds; None for frames.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        UsageError: shapes do not fit, or the extension is unknown.
        OutputError: the file cannot be written.
    """
    extension = Path(os.fspath(path)).suffix.lstrip(".").lower()
    if extension not in _EXTENSIONS:
        known = ", ".join(_EXTENSIONS)
        raise UsageError(f"unknown picture extension of {os.fspath(path)!r}; use one of {known}")
    check_parent(path)
    values = np.asarray(mel, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise UsageError(f"a mel of shape [n_mels, T] is needed, not {list(values.shape)}")
    if (phones is None) != (durations is None):
        raise UsageError("phones and durations go together: give both or none")
    ends = np.zeros(0)
    if phones is not None and durations is not None:
        ends = np.cumsum(np.asarray(durations))
        if len(phones) != ends.size or (ends.size and ends[-1] > values.shape[1]):
            raise UsageError(
                f"{len(phones)} phones with {ends.size} durations of {int(ends[-1:].sum())} frames "
                f"do not fit {values.shape[1]} frames"
            )
    try:
        # The object interface: pyplot would keep figures and choose a backend for the process.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingDependencyError(
            "plots need matplotlib: pip install matplotlib (or the extra 'tts[eval]')"
        ) from exc

    seconds = values.shape[1] / frames_per_second if frames_per_second else values.shape[1]
    per_frame = seconds / values.shape[1]
    figure = Figure(figsize=(min(24.0, max(6.0, values.shape[1] / 40)), 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(
        np.ma.masked_invalid(values),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0.0, seconds, 0.0, float(values.shape[0])),
    )
    figure.colorbar(image, ax=axes, pad=0.01)
    axes.set_xlabel("seconds" if frames_per_second else "frames")
    axes.set_ylabel("mel band")
    if title:
        axes.set_title(_plain(title), pad=18 if ends.size else 6)
    for phone, first, last in zip(phones or (), np.append(0, ends), ends, strict=False):
        axes.axvline(last * per_frame, color="white", linewidth=0.5, alpha=0.6)
        middle = (first + last) / 2 * per_frame
        axes.annotate(
            _plain(phone),
            (middle, 1.01),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=8,
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=extension, dpi=100)
    with atomic_output(path) as handle:
        write_all(handle, buffer.getvalue())


def _plain(text: str) -> str:
    """Escape text that matplotlib would read as mathematics."""
    return text.replace("$", r"\$")

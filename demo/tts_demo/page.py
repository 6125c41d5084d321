"""The parts of the page that are written in HTML: figures of a request, words, the picture."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tts_demo.picture import data_url, mel_image, waveform_path

if TYPE_CHECKING:
    from tts.speech import Span

_FOLDER = Path(__file__).parent
CSS = _FOLDER / "page.css"
SCRIPT = _FOLDER / "page.js"

TITLE = "Text to speech"
INTRO = """# Text to speech
In a built-in voice, or in the voice of a few seconds of anybody who agreed to it. Everything is
computed on this machine; nothing is sent anywhere, and files are deleted within 20 minutes.
"""
CONSENT = (
    "<p class='consent'>Only use a recording of <b>your own voice, or of somebody who agreed to "
    "it</b>, and tell listeners that the speech is synthetic.</p>"
)
_WORDS_UNDER = 24  # more would not be readable under the picture


def state(text: str, share: float | None = None) -> str:
    """What is happening, with a bar while `share` (0 to 1) of the work is done."""
    bar = "" if share is None else f"<progress max='1' value='{share:.3f}'></progress>"
    return f"<p class='state'>{escape(text)}</p>{bar}"


def status(
    text: str,
    *,
    first_audio: float = 0.0,
    rtf: float = 0.0,
    seconds: float = 0.0,
    share: float | None = None,
    kind: str = "",
) -> str:
    """What is happening, and the figures of the request.

    Args:
        share: of the work done, 0 to 1; None shows no bar.
        kind: "busy", "done", "error" or "".
    """
    figures = "".join(
        f"<div class='figure'><dt>{name}</dt><dd>{value}</dd></div>"
        for name, value in (
            ("First audio", f"{first_audio:.2f} s" if first_audio else "–"),
            ("RTF", f"{rtf:.3f}" if rtf else "–"),
            ("Audio", f"{seconds:.1f} s" if seconds else "–"),
        )
    )
    return (
        f"<div class='status {kind}' role='status'>{state(text, share)}"
        f"<dl class='figures'>{figures}</dl></div>"
    )


def words(spans: Sequence["Span"]) -> str:
    """Words that light up as they are said and can be clicked."""
    if not spans:
        return ""
    body = " ".join(
        f"<span class='word' data-start='{w.start:.3f}' data-end='{w.end:.3f}' "
        f"title='{w.start:.2f} to {w.end:.2f} s'>{escape(w.text)}</span>"
        for w in spans
    )
    return f"<p class='words'>{body}</p>"


def figure(
    samples: NDArray[np.float32], sample_rate: int, spans: Sequence["Span"] = ()
) -> str:  # fmt: skip
    """Waveform and mel spectrogram of samples [N], with the words where they are said."""
    seconds = samples.size / sample_rate
    if not seconds:
        return ""
    under = ""
    if 0 < len(spans) <= _WORDS_UNDER:
        under = "".join(
            f"<span style='left:{100 * w.start / seconds:.2f}%;"
            f"width:{100 * (w.end - w.start) / seconds:.2f}%'>{escape(w.text)}</span>"
            for w in spans
        )
        under = f"<div class='under' aria-hidden='true'>{under}</div>"
    mel = data_url(mel_image(samples, sample_rate))
    return (
        f"<div class='picture' data-seconds='{seconds:.3f}' title='click to listen from here'>"
        "<svg viewBox='0 0 600 2' preserveAspectRatio='none' role='img' aria-label='waveform'>"
        f"<path d='{waveform_path(samples)}'/></svg>"
        f"<img src='{mel}' alt='mel spectrogram'><i class='head'></i></div>{under}"
        f"<div class='axis'><span>0 s</span><span>{seconds:.2f} s</span></div>"
    )


def speech(words_part: str, figure_part: str = "") -> str:
    """Words and picture of one utterance."""
    hint = "<p class='hint'>Words and picture of the speech appear here.</p>"
    if words_part or figure_part:
        hint = ""
    return f"<div class='speech'>{words_part}{figure_part}{hint}</div>"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<div class='rows'><table><tr>{head}</tr>{body}</table></div>"

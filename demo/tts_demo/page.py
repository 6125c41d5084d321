"""The parts of the page that are written in HTML: figures of a request, words, the picture."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tts_demo.picture import data_url, mel_image, waveform_path

if TYPE_CHECKING:
    from tts.types import Span

_FOLDER = Path(__file__).parent
CSS = _FOLDER / "page.css"
SCRIPTS = ("words.js", "takes.js", "player.js", "page.js")

TITLE = "Text to speech"
INTRO = """# Text to speech
In a built-in voice, or in the voice of a few seconds of anybody who agreed to it. Everything is
computed on this machine; nothing is sent anywhere, and files are deleted within 20 minutes.
"""
CONSENT = (
    "<p class='consent'>Only use a recording of <b>your own voice, or of somebody who agreed to "
    "it</b>, and tell listeners that the speech is synthetic.</p>"
)
TAKES = (
    "<p class='hint'>What you have spoken is listed here and kept in this browser, "
    "also when the page is loaded again.</p><ol class='takes'></ol>"
)
_WORDS_UNDER = 24  # more would not be readable under the picture


def script() -> str:
    """The page's own script, as the one function that Gradio calls."""
    parts = "\n".join((_FOLDER / name).read_text("utf-8") for name in SCRIPTS)
    return f"() => {{\n{parts}\n}}"


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
    steps: str = "",
    sound: str = "",
    wav: str = "",
    take: Mapping[str, Any] | None = None,
) -> str:
    """What is happening, and the figures of the request.

    Args:
        share: of the work done, 0 to 1; None shows no bar.
        kind: "busy", "done", "error" or "".
        steps: of the sampler; not shown where it is empty.
        sound: address of the MP3 that the player of the page is to play, maybe unfinished; wav:
            of the whole as WAV; take: what is to be kept of it in the browser (takes.js).
    """
    shown = [
        ("First audio", f"{first_audio:.2f} s" if first_audio else "–"),
        ("RTF", f"{rtf:.3f}" if rtf else "–"),
        ("Audio", f"{seconds:.1f} s" if seconds else "–"),
    ]
    if steps:
        shown.append(("Steps", steps))
    told = {"sound": sound, "wav": wav, "take": json.dumps(take) if take else ""}
    data = "".join(f" data-{k}='{escape(v, quote=True)}'" for k, v in told.items() if v)
    return (
        f"<div class='status {kind}' role='status'{data}>{state(text, share)}{figures(shown)}</div>"
    )


def figures(values: Sequence[tuple[str, str]]) -> str:
    """Names and values side by side."""
    body = "".join(
        f"<div class='figure'><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in values
    )
    return f"<dl class='figures'>{body}</dl>"


def player(label: str, url: str = "", wav: str = "") -> str:
    """A player with links that download what it plays; filled by player.js where `url` is empty."""
    source = f" src='{escape(url, quote=True)}'" if url else ""
    hidden = "" if url else " hidden"
    mp3 = f"<a class='mp3' href='{escape(url, quote=True)}' download{hidden}>Download</a>"
    links = mp3 if url else f"{mp3} <a class='wav' href='#' download hidden>Download WAV</a>"
    if wav:
        links += f" <a class='wav' href='{escape(wav, quote=True)}' download>Download WAV</a>"
    return (
        f"<div class='player'><audio controls preload='metadata'{source} "
        f"aria-label='{escape(label, quote=True)}'></audio><p class='links'>{links}</p></div>"
    )


def words(spans: Sequence["Span"], new: Sequence[bool] = ()) -> str:
    """Words that light up as they are said and can be clicked; `new` are marked."""
    if not spans:
        return ""
    marked = new or [False] * len(spans)
    body = " ".join(
        f"<span class='word{' new' if fresh else ''}' data-start='{w.start:.3f}' "
        f"data-end='{w.end:.3f}' title='{w.start:.2f} to {w.end:.2f} s'>{escape(w.text)}</span>"
        for w, fresh in zip(spans, marked, strict=True)
    )
    return f"<p class='words' tabindex='0'>{body}</p>"


def figure(samples: NDArray[np.float32], sample_rate: int, spans: Sequence["Span"] = ()) -> str:
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


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], last: Sequence[str] = ()) -> str:
    """A plain table.

    Args:
        last: HTML of one more cell of each row.
    """
    head = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in heads)
    body = ""
    for number, row in enumerate(rows):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        body += f"<tr>{cells}{f'<td>{last[number]}</td>' if last else ''}</tr>"
    return f"<div class='rows' tabindex='0'><table><tr>{head}</tr>{body}</table></div>"

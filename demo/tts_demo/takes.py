"""The takes of a visitor: what was spoken, kept in the browser, so that a reload loses nothing.

This machine keeps none of it. Each take holds its audio as MP3 in the text of a data URL, which is
what a browser's own storage can hold; the oldest go when there is no room.
"""

import base64
import time
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

import gradio as gr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Take: TypeAlias = dict[str, Any]

#: browsers give a page about five million characters
ROOM = 3_500_000
MOST = 30
KEY = "tts-takes-1"
_KEYS = {"id": str, "text": str, "model": str, "voice": str, "seed": int, "seconds": float,
         "audio": str}  # fmt: skip
_PREFIX = "data:audio/mpeg;base64,"


def make_take(
    samples: "NDArray[np.float32]", sample_rate: int, *, text: str, model: str, voice: str,
    seed: int,
) -> Take:  # fmt: skip
    """A take of samples [N]; MP3 holds them at the nearest rate that it knows."""
    from tts.speech import Audio

    audio = Audio(samples, sample_rate)
    if sample_rate > 48000:
        audio = audio.resampled(48000)
    data = base64.b64encode(audio.to_bytes("mp3")).decode("ascii")
    return {
        "id": f"{time.time_ns():x}", "text": text[:300], "model": model, "voice": voice,
        "seed": seed, "seconds": round(audio.seconds, 2), "audio": _PREFIX + data,
    }  # fmt: skip


def usable(takes: Any) -> list[Take]:
    """Those of what a browser sends that are takes; it may send anything."""
    if not isinstance(takes, list):
        return []
    return [take for take in takes if _is_take(take)][:MOST]


def _is_take(take: Any) -> bool:
    if not isinstance(take, dict) or set(take) != set(_KEYS):
        return False
    right = all(
        isinstance(take[key], (int, float) if kind is float else kind)
        for key, kind in _KEYS.items()
    )
    encoded = str(take["audio"]).removeprefix(_PREFIX)
    plain = encoded.isascii() and encoded.replace("+", "").replace("/", "").rstrip("=").isalnum()
    return right and take["audio"].startswith(_PREFIX) and plain


def added(takes: Any, take: Take | None) -> list[Take]:
    """Takes with a new one first, the oldest dropped where there is no room."""
    kept: list[Take] = []
    size = 0
    for each in ([take] if take else []) + usable(takes):
        size += len(each["audio"]) + len(each["text"])
        if len(kept) == MOST or size > ROOM:
            break
        kept.append(each)
    return kept


def without(takes: Any, wanted: str | None) -> list[Take]:
    """Takes less the one of an id."""
    return [take for take in usable(takes) if take["id"] != wanted]


def label(take: Take) -> str:
    """A take in a line."""
    text = take["text"] if len(take["text"]) <= 48 else take["text"][:47] + "…"
    return f"{text} ({take['voice']}, {take['model']}, seed {take['seed']})"


def shown(takes: Sequence[Take]) -> str:
    """HTML of all takes: a player and a link that downloads each."""
    if not takes:
        return "<p class='hint'>What you have spoken is listed here, and kept in this browser.</p>"
    rows = "".join(
        f"<li><p>{escape(take['text'])}</p>"
        f"<p class='about'>{escape(take['voice'])}, {escape(take['model'])}, seed {take['seed']}, "
        f"{take['seconds']:.1f} s</p>"
        f"<audio controls preload='none' src='{take['audio']}' "
        f"aria-label='take: {escape(take['text'][:60], quote=True)}'></audio>"
        f"<a href='{take['audio']}' download='take-{number}-seed-{take['seed']}.mp3'>Download</a>"
        "</li>"
        for number, take in enumerate(takes, 1)
    )
    return f"<ol class='takes'>{rows}</ol>"


def listed(takes: Any) -> tuple[list[Take], str, Any]:
    """What the browser is to keep, the list, and the choice of a take."""
    kept = usable(takes)
    choices = [(f"{number}. {label(take)}", take["id"]) for number, take in enumerate(kept, 1)]
    first = choices[0][1] if choices else None
    return kept, shown(kept), gr.Dropdown(choices, value=first, visible=bool(choices))


def again(takes: Any, wanted: str | None) -> tuple[Any, Any]:
    """Text and seed of a take, for the fields; nothing changes without one."""
    for take in usable(takes):
        if take["id"] == wanted:
            return take["text"], take["seed"]
    return gr.skip(), gr.skip()


def takes_list(text: gr.Textbox, seed: gr.Number, made: gr.State, blocks: gr.Blocks) -> None:
    """Lay out the list; `made` is a State that a new take is put into."""
    kept = gr.BrowserState([], storage_key=KEY, secret="takes are no secret of this machine")
    with gr.Accordion("Takes", open=True):
        rows = gr.HTML(shown([]), elem_id="takes")
        with gr.Row():
            chosen = gr.Dropdown([], label="Take", visible=False, scale=3, min_width=160)
            use = gr.Button("Use its text and seed", min_width=120)
            delete = gr.Button("Delete it", variant="stop", min_width=80)
    private: dict[str, Any] = {
        "queue": False, "show_progress": "hidden", "api_visibility": "private",
    }  # fmt: skip
    outputs = [kept, rows, chosen]
    made.change(lambda old, new: listed(added(old, new)), [kept, made], outputs, **private)
    delete.click(lambda old, wanted: listed(without(old, wanted)), [kept, chosen], outputs,
                 **private)  # fmt: skip
    use.click(again, [kept, chosen], [text, seed], **private)
    blocks.load(listed, kept, outputs, **private)

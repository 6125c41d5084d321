"""The voices of this machine's user: keep a clone under a name, hear, rename and delete voices."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from tts.errors import OutputError, UsageError
from tts_demo import page
from tts_demo.fields import (
    SENTENCE,
    RecordingFields,
    VoiceFields,
    recording_fields,
    told,
    voice_choices,
)
from tts_demo.limits import SPOKEN
from tts_demo.studio import Studio
from tts_demo.wish import Wish

CONSENT = "This is my own voice, or its owner agreed that I keep it"
_CLOSED = (
    "Others can reach this page, so its visitors can hear the voices of this machine but not "
    "change them."
)
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@contextmanager
def _stored(studio: Studio) -> Iterator[None]:
    """Errors of the voice store as they are told here: without folders and options of commands."""
    if not studio.library:
        raise UsageError("the voices of this machine cannot be changed from here")
    try:
        yield
    except OutputError as error:
        raise OutputError("the voices of this machine cannot be written") from error
    except UsageError as error:
        plain = str(error).replace(": replace it with --force", ": choose another name")
        raise UsageError(plain) from error


def keep(studio: Studio, session: str, wish: Wish, name: str, consent: bool) -> str:
    """Keep the clone of a wish's recording as a voice; the status to show.

    Raises:
        gr.Error: one line on what is wrong.
    """
    with told(), _stored(studio):
        from tts.voice.store import new_voice_path

        name = (name or "").strip()
        if not wish.recording:
            raise UsageError("no recording: give one first")
        if consent is not True:
            raise UsageError("tick that the owner of the voice agreed")
        path = new_voice_path(name)
        voice, _ = studio.voice(studio.model(wish.model), wish, session)
        meta = voice.meta | {"consent": "told on the demo page"}
        replace(voice, name=name, meta=meta).save(path, new=True)
    return page.state(f"Kept as {name}.")


def rename(studio: Studio, name: str | None, new: str) -> str:
    """Give an added voice another name; the status to show. Errors as `keep`."""
    with told(), _stored(studio):
        from tts.voice.store import rename_voice

        rename_voice(name or "", (new or "").strip())
    return page.state(f"{name} is now {new.strip()}.")


def delete(studio: Studio, name: str | None) -> Any:
    """Delete an added voice; the status to show, which stays as it is where there is no name: the
    visitor thought better of it. Errors as `keep`."""
    if not name:
        return gr.skip()
    with told(), _stored(studio):
        from tts.voice.store import remove_voice

        remove_voice(name)
    return page.state(f"{name} is deleted.")


def describe(name: str | None) -> str:
    """HTML of what is known of a voice."""
    if name not in [known for _, known in voice_choices()]:
        return "<p class='about'>choose a voice</p>"
    from tts.catalog import voice_info
    from tts.voice.store import find_stored

    info = voice_info(find_stored(name))
    problem = "its file is damaged" if info.problem else ""
    words = problem or info.words or "nothing is noted of it"
    return f"<p class='about'>{escape(f'{info.kind}: {words}')}</p>"


def preview(studio: Studio, session: str, name: str | None) -> str:
    """HTML of a player of a sentence in a voice. Errors as `keep`."""
    with told():
        from tts.types import Options

        audio = studio.utter(session, Wish(SENTENCE, studio.models[0], name), Options())
    if audio is None:
        return page.state("Stopped.")
    return page.player(
        f"{name} says a sentence", studio.sounds.add(session, f"{name}.wav", audio.to_bytes())
    )


def keep_fields(
    studio: Studio,
    model: gr.Dropdown | str,
    recording: RecordingFields,
    voices: VoiceFields,
) -> None:
    """Lay out what keeps a recording as a voice; the choices of `voices` then list it."""
    if not studio.library:
        return
    with gr.Row(equal_height=True):
        name = gr.Textbox(
            label="Keep the voice under a name",
            max_lines=1,
            min_width=160,
            placeholder="letters, digits, - and _",
            scale=3,
        )
        button = gr.Button("Keep voice", min_width=110, scale=1)
    consent = gr.Checkbox(label=CONSENT)
    status = gr.HTML("", elem_classes="kept")

    def run(
        request: gr.Request,
        chosen: str,
        called: str,
        agreed: bool,
        *given: Any,
    ) -> str:
        wish = Wish("", chosen, None, *given)
        return keep(studio, request.session_hash or "", wish, called, agreed)

    chosen = gr.State(model) if isinstance(model, str) else model
    kept = button.click(
        run,
        [chosen, name, consent, *recording.given],
        status,
        concurrency_limit=1,
        concurrency_id="keep",
        **_QUIET,
    )
    voices.after(kept)


def library_tab(studio: Studio, voices: VoiceFields) -> None:
    """Lay out the tab in the Blocks that are being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            if studio.library:
                recording = recording_fields(
                    studio, adapting=True, opened=True, label="3 to 10 s of one person"
                )
                keep_fields(studio, studio.models[0], recording, voices)
            else:
                gr.Markdown(_CLOSED)
        with gr.Column(scale=5, min_width=320):
            voice = voices.field()
            about = gr.HTML(describe(voice.value), elem_id="voice-about")
            hear = gr.Button("Hear it")
            player = gr.HTML("", elem_id="voice-player")
            if studio.library:
                with gr.Row(equal_height=True):
                    new = gr.Textbox(label="New name", max_lines=1, scale=3, min_width=160)
                    renamed = gr.Button("Rename", scale=1, min_width=110)
                deleted = gr.Button("Delete voice", variant="stop")
            status = gr.HTML("", elem_id="voice-status")

    def listen(request: gr.Request, name: str | None) -> str:
        return preview(studio, request.session_hash or "", name)

    voice.change(describe, voice, about, queue=False, **_QUIET)
    hear.click(listen, voice, player, concurrency_limit=SPOKEN, concurrency_id="speak", **_QUIET)
    if studio.library:
        voices.after(
            renamed.click(
                lambda name, new: rename(studio, name, new),
                [voice, new],
                status,
                queue=False,
                **_QUIET,
            )
        )
        voices.after(
            deleted.click(
                lambda name: delete(studio, name),
                voice,
                status,
                queue=False,
                js=_CONFIRM,
                **_QUIET,
            )
        )


_CONFIRM = "name => confirm(`Delete the voice ${name} from this machine?`) ? name : null"

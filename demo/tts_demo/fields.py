"""Fields that several tabs share, and how their errors are told."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

import gradio as gr

from tts.errors import TTSError
from tts.voice.store import stored_voices
from tts_demo import page
from tts_demo.studio import Studio

SENTENCE = "The birch canoe slid on the smooth planks."


def voice_choices() -> list[tuple[str, str]]:
    """(label, name) of the stored voices, "default" first."""
    voices = sorted(stored_voices().values(), key=lambda v: (v.name != "default", v.name))
    return [(v.name if v.shipped else f"{v.name} (added)", v.name) for v in voices]


class VoiceFields:
    """The choices of a voice on the page, which all list the voices that there are.

    A choice opens once the page has asked for them: what it lists before is of the time when the
    demo was started.
    """

    def __init__(self) -> None:
        self._fields: list[gr.Dropdown] = []
        self._changes: list[Any] = []

    def field(self) -> gr.Dropdown:
        """Lay out one more choice."""
        choices = voice_choices()
        self._fields.append(
            gr.Dropdown(
                choices,
                value=choices[0][1] if choices else None,
                label="Voice",
                min_width=140,
                interactive=False,
            )
        )
        return self._fields[-1]

    def after(self, event: Any) -> None:
        """List the voices again when an event has changed them."""
        self._changes.append(event)

    def connect(self, blocks: gr.Blocks) -> None:
        """List the voices when the page is loaded and after each change; call it once, when all
        choices are laid out."""
        quick: dict[str, Any] = {
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        blocks.load(self.listed, self._fields, self._fields, **quick)
        for event in self._changes:
            event.success(self.listed, self._fields, self._fields, **quick)

    @staticmethod
    def listed(*chosen: str | None) -> Any:
        """The choices of today for fields with these values; a voice that is gone is replaced by
        the first."""
        known = voice_choices()
        names = [name for _, name in known]
        first = next(iter(names), None)
        updates = [
            gr.Dropdown(known, value=each if each in names else first, interactive=True)
            for each in chosen
        ]
        return updates[0] if len(updates) == 1 else updates


@dataclass(frozen=True)
class RecordingFields:
    """A recording to clone, by upload or microphone, what it says, and what is done with it."""

    sound: gr.Audio
    transcript: gr.Textbox
    adapt: gr.Checkbox
    enhance: gr.Checkbox

    @property
    def given(self) -> list[Any]:
        """The fields in the order in which `Wish` takes their values, after the voice."""
        return [self.sound, self.transcript, self.adapt, self.enhance]


def recording_fields(
    studio: Studio,
    adapting: bool = False,
    opened: bool = False,
    below: Callable[[RecordingFields], None] | None = None,
    label: str = "3 to 10 s of one person, used instead of the voice above",
) -> RecordingFields:
    """Lay out a recording to clone, which is judged as soon as it is given.

    Args:
        adapting: whether the model can be fitted to it here.
        below: lays out what else belongs to it.
    """
    from tts_demo.judging import meter

    with gr.Accordion("Clone a voice from a recording", open=opened):
        gr.HTML(page.CONSENT)
        recording = gr.Audio(
            sources=["upload", "microphone"],
            type="filepath",
            editable=False,
            buttons=[],
            label=label,
        )
        meter(studio, recording)
        transcript = gr.Textbox(
            label="What it says (optional)",
            max_lines=3,
            info="Word for word; only models that continue the recording need it.",
        )
        adapt = gr.Checkbox(
            False,
            label="Fit the model to the recording",
            elem_id="adapt",
            visible=adapting,
            info="Nearer to the person; takes some seconds, once for each recording.",
        )
        enhance = gr.Checkbox(
            True,
            label="Take noise and the room out of the recording",
            elem_classes="enhance",
            info="As far as the model can; without it the voice keeps them.",
        )
        fields = RecordingFields(recording, transcript, adapt, enhance)
        if below is not None:
            below(fields)
    return fields


@contextmanager
def told() -> Iterator[None]:
    """Errors as one line on the page."""
    try:
        yield
    except gr.Error:
        raise
    except TTSError as error:
        line = " ".join(str(error).split())
        raise gr.Error(escape(line, quote=False), print_exception=False) from error
    except MemoryError as error:
        raise gr.Error("not enough memory", print_exception=False) from error
    except Exception as error:
        # The details go to the terminal: they may name folders of this machine.
        raise gr.Error(f"unexpected {type(error).__name__}", print_exception=True) from error


def ending_in_status(
    steps: Iterator[tuple[Any, ...]], outputs: int, shown: Callable[[str], str]
) -> Iterator[tuple[Any, ...]]:
    """The same changes of the page; after an error, the status tells it too instead of what was
    being done.

    Args:
        outputs: how many each change has, of which the first is the status.
        shown: the status of a message.
    """
    try:
        yield from steps
    except gr.Error as error:
        message = unescape(str(error.message))
        yield shown(message), *[gr.skip()] * (outputs - 1)
        raise


def failed(message: str) -> str:
    """A status with figures that tells an error."""
    return page.status(message, kind="error")


def warn(lines: Sequence[str]) -> None:
    """Warnings as notes on the page."""
    for line in lines:
        gr.Warning(escape(line, quote=False))


def stopper(
    studio: Studio,
    button: gr.Button,
    status: gr.HTML,
    events: Sequence[Any],
    stopped: str = page.status("Stopped."),
) -> None:
    """Make a button stop what its session is having spoken, at once, and say so."""

    def stop(request: gr.Request) -> str:
        studio.stop(request.session_hash or "")
        return stopped

    button.click(
        stop,
        outputs=status,
        cancels=list(events),
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )

"""The tab that compares: one text in one voice, said by several models side by side."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from tts.errors import TTSError, UsageError
from tts_demo import page
from tts_demo.choosing import about
from tts_demo.fields import (
    SENTENCE,
    VoiceFields,
    ending_in_status,
    recording_fields,
    stopper,
    told,
    warn,
)
from tts_demo.limits import SPOKEN
from tts_demo.speak import options_of
from tts_demo.studio import Moment, Studio, check_text
from tts_demo.wish import Wish

if TYPE_CHECKING:
    from tts.config import ModelConfig
    from tts.types import Chunk

_SIDE_BY_SIDE = 4  # chosen at first


def compare(
    studio: Studio, session: str, wish: Wish, chosen: Sequence[str], seed: float | None
) -> Generator[tuple[Any, ...], None, None]:
    """One text by several models as what changes on the page: a status, then for each model of
    the studio its figures, player and picture.

    Raises:
        gr.Error: one line on what is wrong with the request; what is wrong with one model stands
            in its place.
    """
    with told(), studio.ticket(session) as ticket:
        wanted = [name for name in studio.models if name in chosen]
        if not wanted:
            raise UsageError("no model: choose at least one")
        check_text(wish.text)
        options = options_of(1.0, seed, 1.0, None, None, None)

        def change(state: str, done: int, name: str = "", shown: str = "") -> tuple[Any, ...]:
            share = done / len(wanted) if done < len(wanted) else None
            # What stays must not be drawn again: it may be playing.
            parts = [shown if name == each else gr.skip() for each in studio.models]
            return page.state(state, share), *parts

        yield page.state("Speaking", 0.0), *[""] * len(studio.models)
        for number, name in enumerate(wanted):
            state = f"{name}: {number + 1} of {len(wanted)}"
            yield change(state, number, name, page.status("Speaking", kind="busy"))
            chunks, moment = [], None
            try:
                with closing(studio.speak(ticket, replace(wish, model=name), options)) as moments:
                    for moment in moments:
                        if number == 0:
                            warn(moment.warnings)
                        if moment.chunk is not None:
                            chunks.append(moment.chunk)
            except TTSError as error:
                line = " ".join(str(error).split())
                yield change(state, number + 1, name, page.status(line, kind="error"))
                continue
            if ticket.stopped or not chunks or moment is None:
                yield change("Stopped.", len(wanted), name)
                return
            yield change(state, number + 1, name, _column(studio, session, name, chunks, moment))
        yield change("Done.", len(wanted))


def _column(studio: Studio, session: str, name: str, chunks: "list[Chunk]", moment: Moment) -> str:
    """What one model made: figures, player, words and picture."""
    from tts.types import joined

    audio = joined(chunks, chunks[0].sample_rate)
    status = page.status(
        f"Done in {moment.elapsed:.2f} s.",
        first_audio=moment.first_audio,
        rtf=moment.elapsed / audio.seconds,
        seconds=audio.seconds,
        kind="done",
        steps=steps_of(studio.model(name).config),
    )
    player = page.player(
        f"{name} says it", studio.sounds.add(session, f"{name}.wav", audio.to_bytes())
    )
    figure = page.figure(audio.samples, audio.sample_rate, audio.words)
    return status + player + page.speech(page.words(audio.words), figure)


def steps_of(config: "ModelConfig") -> str:
    """How often the generator of a model computes for one sentence, in words."""
    if config.family.startswith("ar"):
        return f"{config.sampling.steps if config.family != 'ar' else 1} a frame"
    return str(config.sampling.steps)


def compare_tab(studio: Studio, voices: VoiceFields) -> None:
    """Lay out the tab in the Blocks that are being built."""
    if len(studio.models) < 2:
        gr.Markdown(
            "Only one model has its weights here, so there is nothing to compare it with yet. "
            "`tts demo --model NAME_OR_YAML`, given more than once, puts more of them here."
        )
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            text = gr.Textbox(SENTENCE, label="Text", lines=3, max_lines=8)
            recording = recording_fields(studio)
        with gr.Column(scale=4, min_width=320):
            with gr.Row():
                voice = voices.field()
                seed = gr.Number(0, label="Seed", precision=0, min_width=100)
            models = gr.CheckboxGroup(
                studio.models, value=studio.models[:_SIDE_BY_SIDE], label="Models"
            )
            with gr.Row():
                start = gr.Button("Compare", variant="primary", scale=3, min_width=120)
                stop = gr.Button("Stop", variant="stop", scale=1, min_width=80)
            status = gr.HTML(page.state("Ready."))
    outputs: list[Any] = [status]
    with gr.Row(elem_classes="grid"):
        for name in studio.models:
            with gr.Column(min_width=280, elem_classes="speaking"):
                gr.Markdown(f"**{name}**")
                gr.HTML(about(name))
                outputs.append(gr.HTML("", elem_classes="column"))

    def run(
        request: gr.Request,
        text: str,
        voice: str | None,
        chosen: list[str],
        seed: float | None,
        *given: Any,
    ) -> Generator[tuple[Any, ...], None, None]:
        wish = Wish(text, "", voice, *given)
        with closing(compare(studio, request.session_hash or "", wish, chosen, seed)) as steps:
            yield from ending_in_status(steps, len(outputs), page.state)

    event = start.click(
        run,
        [text, voice, models, seed, *recording.given],
        outputs,
        show_progress="hidden",
        concurrency_limit=SPOKEN,
        concurrency_id="speak",
        api_visibility="private",
    )
    stopper(studio, stop, status, [event], page.state("Stopped."))

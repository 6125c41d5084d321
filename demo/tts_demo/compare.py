"""The tab that compares: one text in one voice, said by several models side by side."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np

from tts.errors import TTSError, UsageError
from tts_demo import page
from tts_demo.choosing import about
from tts_demo.fields import (
    SENTENCE,
    ending_in_status,
    recording_fields,
    stopper,
    told,
    voice_field,
    warn,
)
from tts_demo.limits import SPOKEN
from tts_demo.speak import options_of, to_pcm
from tts_demo.studio import Studio, Wish, check_text

_SIDE_BY_SIDE = 4  # chosen at first


def compare(
    studio: Studio, session: str, wish: Wish, chosen: Sequence[str], seed: float | None
) -> Generator[tuple[Any, ...], None, None]:
    """One text by several models as what changes on the page: a status, then for each model of
    the studio its figures, its audio and its picture.

    Raises:
        gr.Error: one line on what is wrong with the request; what is wrong with one model stands
            in its column.
    """
    with told(), studio.ticket(session) as ticket:
        wanted = [name for name in studio.models if name in chosen]
        if not wanted:
            raise UsageError("no model: choose at least one")
        check_text(wish.text)
        options = options_of(1.0, seed, 1.0, None, None, None)
        shown: dict[str, tuple[Any, ...]] = {name: ("", None, "") for name in studio.models}

        def row(state: str, done: int) -> tuple[Any, ...]:
            share = done / len(wanted) if done < len(wanted) else None
            parts = [part for name in studio.models for part in shown[name]]
            return page.state(state, share), *parts

        for number, name in enumerate(wanted):
            shown[name] = (page.status("Speaking", kind="busy"), None, "")
            yield row(f"{name}: {number + 1} of {len(wanted)}", number)
            pieces, moment, rate = [], None, 0
            try:
                with closing(studio.speak(ticket, replace(wish, model=name), options)) as moments:
                    for moment in moments:
                        if number == 0:
                            warn(moment.warnings)
                        if moment.chunk is not None:
                            pieces.append(moment.chunk.samples)
                            rate = moment.chunk.sample_rate
            except TTSError as error:
                line = " ".join(str(error).split())
                shown[name] = (page.status(line, kind="error"), None, "")
                continue
            if ticket.stopped or not pieces or moment is None:
                yield row("Stopped.", len(wanted))
                return
            samples = np.concatenate(pieces)
            seconds = len(samples) / rate
            status = page.status(
                f"Done in {moment.elapsed:.2f} s.", first_audio=moment.first_audio,
                rtf=moment.elapsed / seconds, seconds=seconds, kind="done",
            )  # fmt: skip
            picture = page.speech(page.figure(samples, rate))
            shown[name] = (status, (rate, to_pcm(samples)), picture)
        yield row("Done.", len(wanted))


def compare_tab(studio: Studio) -> None:
    """Lay out the tab in the Blocks that are being built."""
    if len(studio.models) < 2:
        gr.Markdown(
            "Only one model has its weights here, so there is nothing to compare it with yet. "
            "`tts demo --model NAME_OR_YAML`, given more than once, puts more of them here."
        )
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            text = gr.Textbox(SENTENCE, label="Text", lines=3, max_lines=8)
            recording, transcript, _ = recording_fields()
        with gr.Column(scale=4, min_width=320):
            with gr.Row():
                voice = voice_field()
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
                outputs += [
                    gr.HTML(page.status("")),
                    gr.Audio(
                        label=name, interactive=False, buttons=["download"], format="wav",
                        waveform_options=gr.WaveformOptions(show_recording_waveform=False),
                    ),
                    gr.HTML(""),
                ]  # fmt: skip

    def run(
        request: gr.Request, text: str, voice: str | None, recording: str | None, transcript: str,
        chosen: list[str], seed: float | None,
    ) -> Generator[tuple[Any, ...], None, None]:  # fmt: skip
        wish = Wish(text, "", voice, recording, transcript)
        with closing(compare(studio, request.session_hash or "", wish, chosen, seed)) as steps:
            yield from ending_in_status(steps, len(outputs), page.state)

    event = start.click(
        run, [text, voice, recording, transcript, models, seed], outputs, show_progress="hidden",
        concurrency_limit=SPOKEN, concurrency_id="speak", api_visibility="private",
    )  # fmt: skip
    stopper(studio, stop, status, [event], page.state("Stopped."))

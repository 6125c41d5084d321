"""The tab that speaks: audio plays while it is computed, words light up as they are said."""

import secrets
from collections.abc import Generator
from contextlib import closing
from typing import Any

import gradio as gr

from tts_demo import page, retakes
from tts_demo.choosing import about, estimate
from tts_demo.fields import (
    SENTENCE,
    VoiceFields,
    ending_in_status,
    failed,
    recording_fields,
    stopper,
    voice_choices,
)
from tts_demo.library import keep_fields
from tts_demo.limits import MAX_CHARACTERS, PITCH, SPEED, SPOKEN
from tts_demo.pronouncing import pronunciation_fields
from tts_demo.speak import options_of, speak
from tts_demo.studio import Studio
from tts_demo.wish import Wish

_EXAMPLES = (
    (SENTENCE, 1.0),
    ("Dr. Reyes paid $12.50 for 3 lemons on May 4th, and left at 9:30.", 1.0),
    ("Slowly now. Every word has its place, and every pause its reason.", 0.8),
    ("Quick, the train leaves in two minutes and we have not even packed!", 1.2),
)
#: the fields of a take in place of those of the page
_TAKEN = "(text, seed, model, voice, ...old) => [...window.ttsTake, ...old]"


def used_again(
    studio: Studio, text: Any, seed: Any, model: Any, voice: Any, old_model: Any, old_voice: Any
) -> tuple[Any, ...]:
    """Text, seed, model and voice of a take, for the fields; what is not here any more stays as
    it is chosen."""
    known = [name for _, name in voice_choices()]
    return (
        str(text)[:MAX_CHARACTERS],
        seed if isinstance(seed, int) else 0,
        model if model in studio.models else old_model,
        voice if voice in known else old_voice,
    )


def speak_tab(studio: Studio, voices: VoiceFields) -> None:
    """Lay out the tab in the Blocks that are being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            text = gr.Textbox(
                SENTENCE,
                label="Text",
                lines=4,
                max_lines=12,
                elem_id="text",
                placeholder=f"What to say, up to {MAX_CHARACTERS:,} characters",
            )
            size = gr.HTML(estimate(SENTENCE, studio.models[0]), elem_id="estimate")
            # Above all that may be changed: a phone shows them without scrolling.
            with gr.Row():
                start = gr.Button(
                    "Speak",
                    variant="primary",
                    scale=3,
                    min_width=120,
                    elem_id="go-speak",
                    elem_classes="to-result",
                )
                stop = gr.Button("Stop", variant="stop", scale=1, min_width=80)
            with gr.Row():
                model = gr.Dropdown(
                    studio.models, value=studio.models[0], label="Model", min_width=140
                )
                voice = voices.field()
            kind = gr.HTML(about(studio.models[0]), elem_id="about")
            recording = recording_fields(
                studio,
                adapting=True,
                below=lambda given: keep_fields(studio, model, given, voices),
            )
            pronunciation_fields(studio, model, voice)
            markup = gr.Checkbox(
                label="The text has markup",
                info='[pause 0.5], or SSML: <break time="1s"/>, <emphasis>, <prosody rate="slow">',
            )
            speed = gr.Slider(*SPEED, value=1.0, step=0.05, label="Speed")
            with gr.Accordion("Advanced", open=False):
                with gr.Row():
                    seed = gr.Number(0, label="Seed", precision=0, min_width=120)
                    another = gr.Button("Another seed", min_width=120)
                    pitch = gr.Slider(*PITCH, value=1.0, step=0.05, label="Pitch", min_width=160)
                with gr.Row():
                    steps, guidance, temperature = (
                        gr.Textbox(
                            label=name, placeholder="the model's own", max_lines=1, min_width=120
                        )
                        for name in ("Steps", "Guidance", "Temperature")
                    )
        with gr.Column(scale=6, min_width=320, elem_classes="speaking", elem_id="result-speak"):
            status = gr.HTML(page.status("Ready."), elem_id="status")
            gr.HTML(page.player("What was spoken"), elem_id="player")
            shown = gr.HTML(page.speech(""), elem_id="speech")
            sentences = retakes.retake_fields()
            with gr.Accordion("Takes", open=True):
                gr.HTML(page.TAKES, elem_id="takes")
    names = [name for _, name in voice_choices()]
    if names:
        examples = [
            [said, names[number % len(names)], rate]
            for number, (said, rate) in enumerate(_EXAMPLES)
        ]
        gr.Examples(examples, [text, voice, speed], label="Examples", cache_examples=False)

    def run(
        request: gr.Request,
        text: str,
        model: str,
        voice: str | None,
        *values: Any,
    ) -> Generator[tuple[Any, ...], None, None]:
        count = len(recording.given)
        wish = Wish(text, model, voice, *values[:count])
        with closing(
            speak(studio, request.session_hash or "", wish, lambda: options_of(*values[count:]))
        ) as steps:
            yield from ending_in_status(steps, 2, failed)

    inputs = [
        text, model, voice, *recording.given, speed, seed, pitch, steps, guidance,
    ]  # fmt: skip
    event = gr.on(
        [start.click, text.submit],
        run,
        [*inputs, temperature, markup],
        [status, shown],
        show_progress="hidden",
        concurrency_limit=SPOKEN,
        concurrency_id="speak",
        trigger_mode="once",
        api_visibility="private",
    )
    stopper(studio, stop, status, [event])
    retakes.connect(studio, sentences, status, shown, event)
    quick: dict[str, Any] = {
        "queue": False,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    gr.on([text.change, model.change, speed.change], estimate, [text, model, speed], size, **quick)
    model.change(about, model, kind, **quick)
    another.click(lambda: secrets.randbelow(1_000_000), None, seed, **quick)
    # takes.js clicks it, and says of which take.
    again = gr.Button("again", elem_id="again", visible="hidden")
    again.click(
        lambda *values: used_again(studio, *values),
        [text, seed, model, voice, model, voice],
        [text, seed, model, voice],
        js=_TAKEN,
        **quick,
    )

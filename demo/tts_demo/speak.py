"""The tab that speaks: audio plays while it is computed, words light up as they are said."""

import secrets
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from tts.errors import UsageError
from tts_demo import page
from tts_demo.choosing import about, estimate
from tts_demo.fields import (
    SENTENCE,
    ending_in_status,
    failed,
    recording_fields,
    stopper,
    told,
    voice_choices,
    voice_field,
    warn,
)
from tts_demo.limits import MAX_CHARACTERS, PITCH, SPEED, SPOKEN
from tts_demo.live import LiveAudio, Segments
from tts_demo.studio import Moment, Studio, Wish
from tts_demo.takes import make_take, takes_list

if TYPE_CHECKING:
    from tts.speech import Options, Span

_EXAMPLES = (
    (SENTENCE, 1.0),
    ("Dr. Reyes paid $12.50 for 3 lemons on May 4th, and left at 9:30.", 1.0),
    ("Slowly now. Every word has its place, and every pause its reason.", 0.8),
    ("Quick, the train leaves in two minutes and we have not even packed!", 1.2),
)


def _number(name: str, text: str | None, kind: type[int] | type[float]) -> Any:
    """What a field says; None where it is empty."""
    if text is None or not text.strip():
        return None
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name} {text.strip()[:20]!r} is not {what}") from None


def options_of(
    speed: float, seed: float | None, pitch: float, steps: str | None, guidance: str | None,
    temperature: str | None, markup: bool = False,
) -> "Options":  # fmt: skip
    """Options of the fields; an empty one takes the model's default.

    Raises:
        UsageError: not a number, or out of range.
    """
    from tts.speech import Options

    options = Options(
        int(seed or 0), float(speed), float(pitch), _number("steps", steps, int),
        _number("guidance", guidance, float), _number("temperature", temperature, float),
        markup="ssml" if markup else "none",
    )  # fmt: skip
    options.check()
    return options


def to_pcm(samples: "np.ndarray[Any, np.dtype[np.float32]]") -> "np.ndarray[Any, Any]":
    """Samples [N] as a file would hold them; Gradio would make floats as loud as can be."""
    from tts.audio.writer import to_pcm16

    return np.frombuffer(to_pcm16(samples), dtype="<i2")


def speak(
    studio: Studio, session: str, wish: Wish, options: Callable[[], "Options"]
) -> Generator[tuple[Any, ...], None, None]:
    """A request as what changes on the page: status, live segment, words and picture, whole audio.

    Raises:
        gr.Error: one line on what is wrong.
    """
    skip = gr.skip()
    with told(), studio.ticket(session) as ticket:
        known = wish.model in studio.models and studio.is_loaded(wish.model)
        state = "Speaking" if known else "Loading the model"
        yield page.status(state, share=0.0, kind="busy"), skip, page.speech(""), None
        chosen = options()
        rate, segments = 0, None
        pieces: list[Any] = []
        spans: list[Span] = []
        moment = Moment()
        try:
            with closing(studio.speak(ticket, wish, chosen)) as moments:
                for moment in moments:
                    warn(moment.warnings)
                    chunk = moment.chunk
                    if moment.adapted is not None:
                        share = moment.adapted
                        state = "Fitting the model to the recording"
                        yield page.status(state, share=share, kind="busy"), skip, skip, skip
                        continue
                    if chunk is None:
                        yield page.status("Speaking", share=0.0, kind="busy"), skip, skip, skip
                        continue
                    rate = chunk.sample_rate
                    segments = segments or Segments(rate)
                    pieces.append(chunk.samples)
                    spans += chunk.words
                    seconds = sum(map(len, pieces)) / rate
                    status = page.status(
                        "Speaking", first_audio=moment.first_audio,
                        rtf=moment.elapsed / seconds, seconds=seconds, share=moment.share,
                        kind="busy",
                    )  # fmt: skip
                    shown = page.speech(page.words(spans)) if chunk.words else skip
                    yield status, segments.add(chunk.samples), shown, skip
            if segments is None or ticket.stopped:
                yield page.status("Stopped."), skip, skip, skip
                return
            last = segments.finish()
        finally:
            if segments is not None:
                segments.close()
        samples = np.concatenate(pieces)
        seconds = len(samples) / rate
        loaded = f" The model took {moment.loading:.1f} s to load." if not known else ""
        status = page.status(
            f"Done in {moment.elapsed:.2f} s.{loaded}", first_audio=moment.first_audio,
            rtf=moment.elapsed / seconds, seconds=seconds, kind="done",
        )  # fmt: skip
        shown = page.speech(page.words(spans), page.figure(samples, rate, spans))
        yield status, last, shown, (rate, to_pcm(samples))


def take_of(whole: Any, wish: Wish, seed: float | None) -> Any:
    """A take of a whole recording (rate, samples [N]); no change without one."""
    if not isinstance(whole, tuple):
        return gr.skip()
    rate, samples = whole
    voice = "a recording" if wish.recording else str(wish.voice)
    return make_take(
        samples.astype(np.float32) / 32768, rate, text=wish.text, model=wish.model, voice=voice,
        seed=int(seed or 0),
    )  # fmt: skip


def speak_tab(studio: Studio, blocks: gr.Blocks) -> None:
    """Lay out the tab in the Blocks that are being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            text = gr.Textbox(
                SENTENCE, label="Text", lines=4, max_lines=12,
                placeholder=f"What to say, up to {MAX_CHARACTERS:,} characters",
            )  # fmt: skip
            size = gr.HTML(estimate(SENTENCE, studio.models[0]), elem_id="estimate")
            # Above all that may be changed: a phone shows them without scrolling.
            with gr.Row():
                start = gr.Button("Speak", variant="primary", scale=3, min_width=120)
                stop = gr.Button("Stop", variant="stop", scale=1, min_width=80)
            with gr.Row():
                model = gr.Dropdown(
                    studio.models, value=studio.models[0], label="Model", min_width=140
                )
                voice = voice_field()
            kind = gr.HTML(about(studio.models[0]), elem_id="about")
            recording, transcript, adapt = recording_fields(adapting=True)
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
        with gr.Column(scale=6, min_width=320, elem_classes="speaking"):
            status = gr.HTML(page.status("Ready."), elem_id="status")
            live = LiveAudio(
                label="Plays while it is computed", sources=["microphone"], streaming=True,
                autoplay=True, interactive=False, buttons=[], elem_id="live",
            )  # fmt: skip
            shown = gr.HTML(page.speech(""), elem_id="speech")
            whole = gr.Audio(
                label="Whole recording", interactive=False, buttons=["download"],
                format="wav", elem_id="whole",
                waveform_options=gr.WaveformOptions(show_recording_waveform=False),
            )  # fmt: skip
            made = gr.State(None)
            takes_list(text, seed, made, blocks)
    voices = [name for _, name in voice_choices()]
    if voices:
        examples = [
            [said, voices[number % len(voices)], rate]
            for number, (said, rate) in enumerate(_EXAMPLES)
        ]
        gr.Examples(examples, [text, voice, speed], label="Examples", cache_examples=False)

    def run(
        request: gr.Request, text: str, model: str, voice: str | None, recording: str | None,
        transcript: str, adapt: bool, *values: Any,
    ) -> Generator[tuple[Any, ...], None, None]:  # fmt: skip
        wish = Wish(text, model, voice, recording, transcript, adapt)
        with closing(
            speak(studio, request.session_hash or "", wish, lambda: options_of(*values))
        ) as steps:
            for step in ending_in_status(steps, 4, failed):
                # The last one brings the whole recording.
                yield *step, take_of(step[3], wish, values[1])

    inputs = [
        text, model, voice, recording, transcript, adapt, speed, seed, pitch, steps, guidance,
    ]  # fmt: skip
    event = gr.on(
        [start.click, text.submit], run, [*inputs, temperature, markup],
        [status, live, shown, whole, made],
        show_progress="hidden", concurrency_limit=SPOKEN, concurrency_id="speak",
        trigger_mode="once", api_visibility="private",
    )  # fmt: skip
    stopper(studio, stop, status, [event])
    quick: dict[str, Any] = {
        "queue": False, "show_progress": "hidden", "api_visibility": "private",
    }  # fmt: skip
    gr.on([text.change, model.change, speed.change], estimate, [text, model, speed], size, **quick)
    model.change(about, model, kind, **quick)
    another.click(lambda: secrets.randbelow(1_000_000), None, seed, **quick)

"""The tab that speaks: audio plays while it is computed, words light up as they are said."""

import secrets
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import gradio as gr

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
from tts_demo.sounds import Sound
from tts_demo.studio import Moment, Studio, Wish

if TYPE_CHECKING:
    from tts.types import Audio, Chunk, Options

_EXAMPLES = (
    (SENTENCE, 1.0),
    ("Dr. Reyes paid $12.50 for 3 lemons on May 4th, and left at 9:30.", 1.0),
    ("Slowly now. Every word has its place, and every pause its reason.", 0.8),
    ("Quick, the train leaves in two minutes and we have not even packed!", 1.2),
)
#: the fields of a take in place of those of the page
_TAKEN = "(text, seed, model, voice, ...old) => [...window.ttsTake, ...old]"


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
    from tts.types import Options

    options = Options(
        int(seed or 0), float(speed), float(pitch), _number("steps", steps, int),
        _number("guidance", guidance, float), _number("temperature", temperature, float),
        markup="ssml" if markup else "none",
    )  # fmt: skip
    options.check()
    return options


def speak(
    studio: Studio, session: str, wish: Wish, options: Callable[[], "Options"]
) -> Generator[tuple[Any, ...], None, None]:
    """A request as what changes on the page: status, words and picture.

    Raises:
        gr.Error: one line on what is wrong.
    """
    with told(), studio.ticket(session) as ticket:
        known = wish.model in studio.models and studio.is_loaded(wish.model)
        yield page.status("Speaking" if known else "Loading the model", share=0.0, kind="busy"), ""
        chosen = options()
        with (
            closing(studio.speak(ticket, wish, chosen)) as moments,
            studio.sounds.open("speech.mp3") as sound,
        ):
            heard = yield from _heard(moments, sound)
        if heard is None or ticket.stopped:
            yield page.status("Stopped."), gr.skip()
            return
        moment, audio = heard
        loaded = f" The model took {moment.loading:.1f} s to load." if not known else ""
        yield whole(
            studio, audio, take_of(wish, chosen, audio), moment, sound.url,
            f"Done in {moment.elapsed:.2f} s.{loaded}",
        )  # fmt: skip


def _heard(
    moments: Iterator[Moment], sound: Sound
) -> Generator[tuple[Any, ...], None, "tuple[Moment, Audio] | None"]:
    """The changes of the page while a text is spoken into a sound; returns what was made."""
    from tts.audio.encoder import StreamEncoder
    from tts.types import joined

    encoder, rate = None, 0
    chunks: list[Chunk] = []
    moment = Moment()
    try:
        for moment in moments:
            warn(moment.warnings)
            chunk = moment.chunk
            if chunk is None:
                fitting = moment.adapted is not None
                state = "Fitting the model to the recording" if fitting else "Speaking"
                yield page.status(state, share=moment.adapted or 0.0, kind="busy"), gr.skip()
                continue
            rate = chunk.sample_rate
            encoder = encoder or StreamEncoder("mp3", rate)
            sound.write(encoder.encode(chunk.samples))
            chunks.append(chunk)
            seconds = sum(len(each.samples) for each in chunks) / rate
            status = page.status(
                "Speaking", first_audio=moment.first_audio, rtf=moment.elapsed / seconds,
                seconds=seconds, share=moment.share, kind="busy", sound=sound.url,
            )  # fmt: skip
            said = [word for each in chunks for word in each.words] if chunk.words else []
            yield status, page.speech(page.words(said)) if said else gr.skip()
        if encoder is None:
            return None
        sound.write(encoder.finish())
    finally:
        if encoder is not None:
            encoder.close()
    return moment, joined(chunks, rate)


def whole(
    studio: Studio, audio: "Audio", take: dict[str, Any], moment: Moment, url: str, state: str
) -> tuple[str, str]:
    """Status, words and picture of a whole utterance; `url` is its MP3."""
    status = page.status(
        state, first_audio=moment.first_audio, rtf=moment.elapsed / audio.seconds,
        seconds=audio.seconds, kind="done", sound=url, take=take,
        wav=studio.sounds.add("speech.wav", audio.to_bytes("wav")),
    )  # fmt: skip
    figure = page.figure(audio.samples, audio.sample_rate, audio.words)
    return status, page.speech(page.words(audio.words), figure)


def take_of(wish: Wish, options: "Options", audio: "Audio", note: str = "") -> dict[str, Any]:
    """What the browser keeps of an utterance beside its audio (takes.js)."""
    return {
        "id": f"{time.time_ns():x}", "text": wish.text, "model": wish.model,
        "voice": "a recording" if wish.recording else str(wish.voice), "seed": options.seed,
        "seconds": round(audio.seconds, 2), "note": note,
    }  # fmt: skip


def used_again(
    studio: Studio, text: Any, seed: Any, model: Any, voice: Any, old_model: Any, old_voice: Any
) -> tuple[Any, ...]:
    """Text, seed, model and voice of a take, for the fields; what is not here any more stays as
    it is chosen."""
    known = [name for _, name in voice_choices()]
    return (
        str(text)[:MAX_CHARACTERS], seed if isinstance(seed, int) else 0,
        model if model in studio.models else old_model, voice if voice in known else old_voice,
    )  # fmt: skip


def speak_tab(studio: Studio) -> None:
    """Lay out the tab in the Blocks that are being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            text = gr.Textbox(
                SENTENCE, label="Text", lines=4, max_lines=12, elem_id="text",
                placeholder=f"What to say, up to {MAX_CHARACTERS:,} characters",
            )  # fmt: skip
            size = gr.HTML(estimate(SENTENCE, studio.models[0]), elem_id="estimate")
            # Above all that may be changed: a phone shows them without scrolling.
            with gr.Row():
                start = gr.Button(
                    "Speak", variant="primary", scale=3, min_width=120, elem_id="go-speak",
                    elem_classes="to-result",
                )  # fmt: skip
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
        with gr.Column(scale=6, min_width=320, elem_classes="speaking", elem_id="result-speak"):
            status = gr.HTML(page.status("Ready."), elem_id="status")
            gr.HTML(page.player("What was spoken"), elem_id="player")
            shown = gr.HTML(page.speech(""), elem_id="speech")
            with gr.Accordion("Takes", open=True):
                gr.HTML(page.TAKES, elem_id="takes")
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
            yield from ending_in_status(steps, 2, failed)

    inputs = [
        text, model, voice, recording, transcript, adapt, speed, seed, pitch, steps, guidance,
    ]  # fmt: skip
    event = gr.on(
        [start.click, text.submit], run, [*inputs, temperature, markup], [status, shown],
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
    # takes.js clicks it, and says of which take.
    again = gr.Button("again", elem_id="again", visible="hidden")
    again.click(
        lambda *values: used_again(studio, *values), [text, seed, model, voice, model, voice],
        [text, seed, model, voice], js=_TAKEN, **quick,
    )  # fmt: skip

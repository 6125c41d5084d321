"""A text that is spoken, as what changes on the page: it is heard while it is computed."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import gradio as gr

from tts.errors import UsageError
from tts_demo import page
from tts_demo.fields import (
    told,
    warn,
)
from tts_demo.sounds import Sound
from tts_demo.studio import Moment, Studio
from tts_demo.wish import Wish

if TYPE_CHECKING:
    from tts.types import Audio, Chunk, Options


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
    speed: float,
    seed: float | None,
    pitch: float,
    steps: str | None,
    guidance: str | None,
    temperature: str | None,
    markup: bool = False,
) -> "Options":
    """Options of the fields; an empty one takes the model's default.

    Raises:
        UsageError: not a number, or out of range.
    """
    from tts.types import Options

    options = Options(
        int(seed or 0),
        float(speed),
        float(pitch),
        _number("steps", steps, int),
        _number("guidance", guidance, float),
        _number("temperature", temperature, float),
        markup="ssml" if markup else "none",
    )
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
            closing(studio.speak(ticket, wish, chosen, keep=True)) as moments,
            studio.sounds.open(session, "speech.mp3") as sound,
        ):
            heard = yield from _heard(moments, sound)
        if heard is None or ticket.stopped:
            yield page.status("Stopped."), gr.skip()
            return
        moment, audio = heard
        loaded = f" The model took {moment.loading:.1f} s to load." if not known else ""
        yield whole(
            studio,
            session,
            audio,
            take_of(wish, chosen, audio),
            moment,
            sound.url,
            f"Done in {moment.elapsed:.2f} s.{loaded}",
        )


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
                "Speaking",
                first_audio=moment.first_audio,
                rtf=moment.elapsed / seconds,
                seconds=seconds,
                share=moment.share,
                kind="busy",
                sound=sound.url,
            )
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
    studio: Studio,
    session: str,
    audio: "Audio",
    take: dict[str, Any],
    moment: Moment,
    url: str,
    state: str,
) -> tuple[str, str]:
    """Status, words and picture of a whole utterance; `url` is its MP3."""
    status = page.status(
        state,
        first_audio=moment.first_audio,
        rtf=moment.elapsed / audio.seconds,
        seconds=audio.seconds,
        kind="done",
        sound=url,
        take=take,
        wav=studio.sounds.add(session, "speech.wav", audio.to_bytes("wav")),
    )
    figure = page.figure(audio.samples, audio.sample_rate, audio.words)
    return status, page.speech(page.words(audio.words), figure)


def take_of(wish: Wish, options: "Options", audio: "Audio", note: str = "") -> dict[str, Any]:
    """What the browser keeps of an utterance beside its audio (takes.js)."""
    return {
        "id": f"{time.time_ns():x}",
        "text": wish.text,
        "model": wish.model,
        "voice": "a recording" if wish.recording else str(wish.voice),
        "seed": options.seed,
        "seconds": round(audio.seconds, 2),
        "note": note,
    }

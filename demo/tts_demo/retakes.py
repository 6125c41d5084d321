"""One sentence of what was spoken, said again with another seed, with all takes of it to choose
from."""

import secrets
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from tts_demo import page
from tts_demo.fields import ending_in_status, failed, told
from tts_demo.limits import SPOKEN
from tts_demo.sentences import Spoken
from tts_demo.speak import take_of, whole
from tts_demo.studio import Moment, Studio

_SHOWN = 60  # characters of a sentence in the list


@dataclass
class Fields:
    """What the handlers change besides status and speech."""

    box: gr.Accordion
    sentence: gr.Dropdown
    takes: gr.Radio
    heard: gr.HTML

    @property
    def all(self) -> list[Any]:
        """In the order of `chosen`."""
        return [self.box, self.sentence, self.takes, self.heard]


def retake_fields() -> Fields:
    """Lay out the fields; they are seen once something was spoken."""
    with gr.Accordion("Say one sentence again", open=False, visible=False) as box:
        sentence = gr.Dropdown([], label="Sentence", elem_id="sentence")
        takes = gr.Radio([], label="Its takes: the chosen one is used", elem_id="sentence-takes")
        heard = gr.HTML("", elem_id="sentence-heard")
    return Fields(box, sentence, takes, heard)


def chosen(studio: Studio, session: str, number: int | None) -> tuple[Any, ...]:
    """The fields for a sentence of what a session had spoken last; hidden where there is none."""
    spoken = studio.last(session)
    if spoken is None:
        return gr.Accordion(visible=False), gr.skip(), gr.skip(), ""
    count = len(spoken.sentences)
    at = number if isinstance(number, int) and 0 <= number < count else 0
    lines = [
        (f"{n}. {each.text[:_SHOWN]}{'…' if len(each.text) > _SHOWN else ''}", n - 1)
        for n, each in enumerate(spoken.sentences, 1)
    ]
    found = spoken.sentences[at]
    seeds = [(f"seed {seed}", seed) for seed in found.takes]
    players = []
    for seed in found.takes:
        name = f"sentence-{at + 1}-seed-{seed}.wav"
        url = studio.sounds.add(session, name, spoken.take(at, seed).to_bytes())
        player = page.player(f"sentence {at + 1}, seed {seed}", url)
        players.append(f"<p class='about'>seed {seed}</p>{player}")
    return (
        gr.Accordion(visible=True), gr.Dropdown(lines, value=at),
        gr.Radio(seeds, value=found.seed), "".join(players),
    )  # fmt: skip


def again(
    studio: Studio, session: str, number: int | None, seed: int
) -> Generator[tuple[Any, ...], None, None]:
    """Another take of a sentence as what changes on the page: status, words and picture.

    Raises:
        gr.Error: one line on what is wrong.
    """
    with told(), studio.ticket(session) as ticket:
        spoken = studio.spoken(session)
        at = -1 if number is None else int(number)
        spoken.find(at)
        yield page.status(f"Saying sentence {at + 1} again", share=0.0, kind="busy"), gr.skip()
        chunks, begun = spoken.again(at, seed), time.perf_counter()
        with closing(studio.moments(ticket, spoken.model, chunks, Moment())) as moments:
            for _ in moments:
                pass
        if ticket.stopped:
            yield page.status("Stopped."), gr.skip()
            return
        yield _all(
            studio,
            session,
            spoken,
            f"Sentence {at + 1} said again in {time.perf_counter() - begun:.2f} s.",
        )


def use(
    studio: Studio, session: str, number: int | None, seed: Any
) -> Generator[tuple[Any, ...], None, None]:
    """An earlier take of a sentence in the place of the one that is used; see `again`."""
    with told():
        spoken = studio.spoken(session)
        at = -1 if number is None else int(number)
        spoken.use(at, int(seed) if isinstance(seed, int) else -1)
        yield _all(studio, session, spoken, f"Sentence {at + 1} with seed {seed}.")


def _all(studio: Studio, session: str, spoken: Spoken, state: str) -> tuple[str, str]:
    """Status, words and picture of the text with the takes that are used."""
    audio = spoken.audio()
    url = studio.sounds.add(session, "speech.mp3", audio.to_bytes("mp3"))
    note = ", ".join(f"sentence {n} with seed {seed}" for n, seed in spoken.takes)
    take = take_of(spoken.wish, spoken.options, audio, note)
    return whole(studio, session, audio, take, Moment(), url, state)


def connect(studio: Studio, fields: Fields, status: gr.HTML, shown: gr.HTML, event: Any) -> None:
    """Make the fields work.

    Args:
        event: of the text being spoken, after which its sentences can be chosen.
    """
    with fields.box, gr.Row():
        seed = gr.Number(None, label="Seed", precision=0, min_width=120, placeholder="a new one")
        button = gr.Button("Say it again", min_width=140)

    def show(request: gr.Request, number: int | None = None) -> tuple[Any, ...]:
        return chosen(studio, request.session_hash or "", number)

    def say(
        request: gr.Request, number: int | None, wanted: int | None
    ) -> Generator[tuple[Any, ...], None, None]:
        # An empty field comes as None or 0: what was said before is no other take.
        drawn = int(wanted) if wanted else 1 + secrets.randbelow(1_000_000)
        with closing(again(studio, request.session_hash or "", number, drawn)) as steps:
            yield from ending_in_status(steps, 2, failed)

    def take(
        request: gr.Request, number: int | None, wanted: Any
    ) -> Generator[tuple[Any, ...], None, None]:
        with closing(use(studio, request.session_hash or "", number, wanted)) as steps:
            yield from ending_in_status(steps, 2, failed)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    queued = quiet | {"concurrency_limit": SPOKEN, "concurrency_id": "speak"}
    event.then(show, None, fields.all, **quiet)
    fields.sentence.input(show, fields.sentence, fields.all, **quiet)
    for made in (
        button.click(say, [fields.sentence, seed], [status, shown], **queued),
        fields.takes.input(take, [fields.sentence, fields.takes], [status, shown], **queued),
    ):
        made.then(show, fields.sentence, fields.all, **quiet)

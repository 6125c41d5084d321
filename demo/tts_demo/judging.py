"""A recording judged as soon as it is given: figures as meters, and what would help."""

from collections.abc import Generator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from tts.errors import AudioError, TTSError
from tts_demo.limits import MAX_SECONDS
from tts_demo.studio import Studio
from tts_demo.wish import Wish

if TYPE_CHECKING:
    from tts.audio.reference import Reference

_WORDS = ("poor", "fair", "good")


@dataclass(frozen=True)
class Figure:
    """One figure of a recording.

    Attributes:
        name: what is judged; value: as shown.
        share: of a meter that is full where it is best, 0 to 1; fair, good: where that begins.
    """

    name: str
    value: str
    share: float
    fair: float
    good: float

    @property
    def grade(self) -> int:
        """0 poor, 1 fair, 2 good."""
        return (self.share >= self.fair) + (self.share >= self.good)

    def html(self) -> str:
        """A row of the table of meters."""
        label = escape(f"{self.name}: {self.value}, {_WORDS[self.grade]}", quote=True)
        return (
            f"<tr><th scope='row'>{escape(self.name)}</th><td><meter min='0' max='1' "
            f"low='{self.fair}' high='{self.good}' optimum='1' value='{self.share:.2f}' "
            f"aria-label='{label}'></meter></td><td>{escape(self.value)}</td>"
            f"<td>{_WORDS[self.grade]}</td></tr>"
        )


def figures(reference: "Reference") -> list[Figure]:
    """Length, level, clipping and noise of a recording as it is, untrimmed and unlevelled."""
    import numpy as np

    from tts.audio.level import FRAME_SECONDS, active_frames, frame_levels
    from tts.audio.reference import clipped_share
    from tts.voice.judge import levels

    samples = reference.samples
    peak = float(np.abs(samples).max())
    found = frame_levels(samples, reference.sample_rate)
    active = active_frames(found)
    speech = float(active.sum()) * FRAME_SECONDS
    loud = float(found[active].mean())
    clipped = clipped_share(samples, peak)
    space, _ = levels(reference)
    return [
        Figure("Length", f"{speech:.1f} s of sound", min(1.0, speech / 10), 0.15, 0.3),
        Figure("Level", f"{loud:.0f} dBFS", min(1.0, max(0.0, (loud + 60) / 45)), 0.2, 0.45),
        Figure("Quiet behind it", f"{space:.0f} dB", min(1.0, space / 50), 14 / 50, 0.5),
        Figure(
            "Not clipped", f"{100 * clipped:.2f} % at the limit", 1 - min(1.0, clipped / 0.002),
            0.5, 0.95,
        ),
    ]  # fmt: skip


def _html(rows: list[Figure], people: str, lines: list[str]) -> str:
    worst = min((row.grade for row in rows), default=0)
    verdict = ("A poor voice may come of it", "Usable", "A good recording")[
        min(worst, 1 if lines else 2)
    ]
    advice = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return (
        f"<div class='judged' role='status'><p class='state'>{verdict}. {people}</p>"
        f"<table>{''.join(row.html() for row in rows)}</table>"
        f"{f'<ul>{advice}</ul>' if advice else ''}</div>"
    )


def refused(line: str) -> str:
    """What is shown of a recording that cannot be used."""
    return f"<div class='judged' role='status'><p class='state bad'>{escape(line)}</p></div>"


def judge(
    studio: Studio, session: str, recording: str | None, model: str
) -> Generator[str, None, None]:
    """HTML of what a recording is like: first its figures, then whether one person speaks in it.

    Its voice is encoded on the way, so that the first words in it come at once.
    """
    if not recording:
        yield ""
        return
    from tts.audio.reference import load_reference

    try:
        try:
            with Path(recording).open("rb") as file:
                reference = load_reference(file, 16000, target_dbfs=None, trim=False)
        except OSError as error:
            raise AudioError("the recording is not there any more: give it again") from error
        if reference.seconds_in > MAX_SECONDS:
            length = f"{reference.seconds_in:.0f} s long; {MAX_SECONDS:.0f} s are the most"
            raise AudioError(f"the recording is {length}")
        rows = figures(reference)
        yield _html(rows, "Listening for one person …", [])
        wish = Wish("", model, None, recording)
        _, warnings = studio.voice(studio.model(model), wish, session)
    except TTSError as error:
        yield refused(" ".join(str(error).split()))
        return
    name = Path(recording).name
    lines = [line.removeprefix(f"{name}: ") for line in warnings]
    people = "One person is heard."
    if any("more than one person" in line or "several people" in line for line in lines):
        people = "More than one person is heard."
    elif any("no speech" in line for line in lines):
        people = "No speech is heard."
    yield _html(rows, people, lines)


def meter(studio: Studio, recording: gr.Audio) -> gr.HTML:
    """Lay out what is told of a recording, and tell it whenever there is another."""
    shown = gr.HTML("", elem_classes="meter")

    def run(request: gr.Request, given: str | None) -> Generator[Any, None, None]:
        yield from judge(studio, request.session_hash or "", given, studio.models[0])

    recording.change(
        run,
        recording,
        shown,
        show_progress="hidden",
        concurrency_limit=1,
        concurrency_id="judge",
        api_visibility="private",
    )
    return shown

"""The tab that edits: the words of a recording, changed, heard in its own voice."""

from collections.abc import Generator, Sequence
from contextlib import closing
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from tts.errors import AudioError, UsageError
from tts_demo import page
from tts_demo.fields import VoiceFields, ending_in_status, stopper, told, warn
from tts_demo.judging import meter
from tts_demo.limits import MAX_CHARACTERS, SPOKEN
from tts_demo.studio import Studio

if TYPE_CHECKING:
    from tts.editing.edited import Edited
    from tts.types import Span

_HISTORY = 8  # results that stay on the page
_HELP = (
    "Give a recording of up to 60 s and the words it says, then click a word to hear it and to "
    "change it below. What you do not change stays the recording, sample for sample."
)


def _edited(
    studio: Studio,
    session: str,
    model: str,
    recording: str | None,
    said: str,
    wanted: str,
    seed: float | None,
) -> "Edited | None":
    """The recording with other words, None where it was stopped.

    Raises:
        UsageError, AudioError, AlignmentError, TextError: see `TTS.edit`.
    """
    from tts.cancel import Cancelled
    from tts.types import Options

    if not recording:
        raise UsageError("no recording: give one first")
    if not said.strip():
        raise UsageError("no words: write what the recording says")
    for text in (said, wanted):
        if len(text) > MAX_CHARACTERS:
            raise UsageError(f"the words are longer than {MAX_CHARACTERS:,} characters")
    options = Options(seed=int(seed or 0))
    options.check()
    loaded = studio.model(model)
    with studio.ticket(session) as ticket:
        try:
            # As an open file: messages then name the file and not its place on this machine.
            with (
                Path(recording).open("rb") as file,
                loaded.cancellation.watching(lambda: ticket.stopped),
            ):
                return loaded.edit(file, said, wanted, options)
        except Cancelled:
            return None
        except OSError as error:
            raise AudioError("the recording is not there any more: give it again") from error


def _exact(studio: Studio, session: str, edited: "Edited", name: str) -> str:
    """Address of a WAV file in which what is kept has the values that were read."""
    mark = studio.marker(edited.sample_rate)
    edited.samples = mark(edited.samples)
    return studio.sounds.add(session, name, edited.exact_bytes("wav"))


def chips(spans: "Sequence[Span]") -> str:
    """Words that can be clicked, and reached with the keyboard, to be heard and changed."""
    body = " ".join(
        f"<button type='button' class='word chip' data-number='{number}' "
        f"data-start='{each.start:.3f}' data-end='{each.end:.3f}'>{escape(each.text)}</button>"
        for number, each in enumerate(spans)
    )
    return f"<div class='words' role='group' aria-label='words of the recording'>{body}</div>"


def result(edited: "Edited", url: str, state: str) -> str:
    """One edited recording: its player, its words with the new ones marked, its picture."""
    rate = edited.sample_rate
    kept = [(each.out / rate, (each.out + each.end - each.source) / rate) for each in edited.kept]

    def is_new(span: "Span") -> bool:
        middle = (span.start + span.end) / 2
        return not any(first <= middle <= last for first, last in kept)

    new = [is_new(span) for span in edited.words]
    shown = page.words(edited.words, new)
    figure = page.figure(edited.samples, rate, edited.words)
    return (
        f"<section class='speaking result'><p class='about'>{escape(state)}</p>"
        f"{page.player('The edited recording', url)}{page.speech(shown, figure)}</section>"
    )


def find_words(
    studio: Studio, session: str, model: str, recording: str | None, said: str
) -> Generator[tuple[Any, ...], None, None]:
    """The words of a recording as what changes on the page: status, words, the field with them.

    Raises:
        gr.Error: one line on what is wrong.
    """
    with told():
        yield page.state("Finding the words", 0.0), gr.skip(), gr.skip()
        found = _edited(studio, session, model, recording, said, said, 0)
        if found is None:
            yield page.state("Stopped."), gr.skip(), gr.skip()
            return
        warn(found.warnings)
        url = _exact(studio, session, found, "recording.wav")
        words = f"<div class='speech'>{chips(found.words)}</div>"
        player = page.player("The recording", url)
        shown = f"<section class='speaking'>{player}{words}</section>"
        yield page.state(f"{len(found.words)} words found."), shown, " ".join(said.split())


def change(
    studio: Studio,
    session: str,
    model: str,
    recording: str | None,
    said: str,
    wanted: str,
    seed: float | None,
    history: Sequence[str],
) -> Generator[tuple[Any, ...], None, None]:
    """A recording with other words as what changes on the page: status, results, all results.

    Raises:
        gr.Error: one line on what is wrong.
    """
    with told():
        if not wanted.strip():
            raise UsageError("no words: write what the recording is to say")
        yield page.state("Changing the words", 0.0), gr.skip(), gr.skip()
        found = _edited(studio, session, model, recording, said, wanted, seed)
        if found is None:
            yield page.state("Stopped."), gr.skip(), gr.skip()
            return
        warn(found.warnings)
        kept = sum(each.end - each.source for each in found.kept) / found.sample_rate
        changes = "; ".join(
            f"{' '.join(each.old) or '(nothing)'} → {' '.join(each.new) or '(nothing)'}"
            for each in found.changes
        )
        state = (
            f"{found.seconds:.2f} s, {kept:.2f} s as recorded, seed {int(seed or 0)}: "
            f"{changes or 'no change'}"
        )
        all_of_them = [result(found, _exact(studio, session, found, "edited.wav"), state), *history]
        yield page.state("Done."), "".join(all_of_them[:_HISTORY]), all_of_them[:_HISTORY]


def edit_tab(studio: Studio, voices: VoiceFields) -> None:
    """Lay out the tab in the Blocks that are being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            gr.Markdown(_HELP)
            gr.HTML(page.CONSENT)
            recording = gr.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                editable=False,
                buttons=[],
                label="Recording to change",
                elem_id="edited-recording",
            )
            meter(studio, recording)
            said = gr.Textbox(label="The words it says, all of them", lines=2, elem_id="said-words")
            with gr.Row():
                model = gr.Dropdown(
                    studio.models, value=studio.models[0], label="Model", min_width=140
                )
                find = gr.Button("Find words", variant="primary", min_width=120)
            words = gr.HTML("", elem_id="words")
            wanted = gr.Textbox(label="The words it is to say", lines=2, elem_id="wanted")
            with gr.Row():
                seed = gr.Number(0, label="Seed", precision=0, min_width=100)
                start = gr.Button(
                    "Change words",
                    variant="primary",
                    scale=2,
                    min_width=120,
                    elem_id="go-edit",
                    elem_classes="to-result",
                )
                stop = gr.Button("Stop", variant="stop", scale=1, min_width=80)
        with gr.Column(scale=6, min_width=320, elem_id="result-edit"):
            status = gr.HTML(page.state("Ready."), elem_id="edit-status")
            results = gr.HTML("", elem_id="edits")
            history = gr.State([])

    def run_find(request: gr.Request, *values: Any) -> Generator[tuple[Any, ...], None, None]:
        with closing(find_words(studio, request.session_hash or "", *values)) as steps:
            yield from ending_in_status(steps, 3, page.state)

    def run(request: gr.Request, *values: Any) -> Generator[tuple[Any, ...], None, None]:
        with closing(change(studio, request.session_hash or "", *values)) as steps:
            yield from ending_in_status(steps, 3, page.state)

    queued: dict[str, Any] = {
        "show_progress": "hidden",
        "concurrency_limit": SPOKEN,
        "concurrency_id": "speak",
        "api_visibility": "private",
    }
    found = find.click(run_find, [model, recording, said], [status, words, wanted], **queued)
    event = gr.on(
        [start.click, wanted.submit],
        run,
        [model, recording, said, wanted, seed, history],
        [status, results, history],
        **queued,
    )
    stopper(studio, stop, status, [found, event], page.state("Stopped."))

"""How words are said: hear it, and keep it in the user's lexicon, which all texts follow."""

from html import escape
from typing import Any

import gradio as gr

from tts.errors import OutputError, UsageError
from tts_demo import page
from tts_demo.fields import told
from tts_demo.limits import SPOKEN
from tts_demo.studio import Studio
from tts_demo.wish import Wish

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_HELP = "Other words that sound like it, or IPA: jif, or [[dʒˈɪf]]. Empty: as it is said now."


def hear(studio: Studio, session: str, model: str, voice: str | None, word: str, said: str) -> str:
    """HTML of the phones of a word and a player of it, as it would be said.

    Raises:
        gr.Error: one line on what is wrong.
    """
    with told():
        from tts.text.user_lexicon import check_said, check_word
        from tts.types import Options

        text = check_said(said) if said.strip() else check_word(word)
        phones = " ".join(str(each) for each in studio.model(model).phonemize(text))
        audio = studio.utter(session, Wish(text, model, voice), Options())
    if audio is None:
        return page.state("Stopped.")
    url = studio.sounds.add(session, "word.wav", audio.to_bytes())
    return f"<p class='about'>/{escape(phones)}/</p>{page.player(f'{word} as it is said', url)}"


def keep(studio: Studio, model: str, word: str, said: str) -> str:
    """Keep how a word is said, in place of what was kept; the status to show. Errors as `hear`."""
    with told():
        from tts.text.user_lexicon import add_word

        language = _language(studio, model)
        try:
            add_word(language, word, said, replace=True)
        except OutputError as error:
            raise OutputError("the lexicon of this machine cannot be written") from error
    return page.state(f"{' '.join(word.split())} is kept: all texts say it so.")


def forget(studio: Studio, model: str, word: str | None) -> str:
    """Forget a word; the status to show. Errors as `hear`."""
    with told():
        from tts.text.user_lexicon import remove_word

        remove_word(_language(studio, model), word or "")
    return page.state(f"{word} is forgotten.")


def _language(studio: Studio, model: str) -> str:
    if not studio.library:
        raise UsageError("the lexicon of this machine cannot be changed from here")
    return studio.model(model).config.language


def known(studio: Studio, model: str) -> Any:
    """The choice of the words that are kept."""
    from tts.text.user_lexicon import read_lexicon

    try:
        found = read_lexicon(studio.model(model).config.language)
    except UsageError:
        found = {}
    lines = [(f"{word}: {said}", word) for word, said in sorted(found.items())]
    return gr.Dropdown(lines, value=lines[0][1] if lines else None, visible=bool(lines))


def pronunciation_fields(studio: Studio, model: gr.Dropdown, voice: gr.Dropdown) -> None:
    """Lay out the fields in the Blocks that are being built."""
    with gr.Accordion("Pronunciation", open=False) as box:
        with gr.Row():
            word = gr.Textbox(label="Word", max_lines=1, min_width=120, elem_id="word")
            said = gr.Textbox(
                label="Said as", max_lines=1, min_width=120, info=_HELP, elem_id="said"
            )
        with gr.Row():
            listen = gr.Button("Hear word", min_width=100)
            if studio.library:
                kept = gr.Button("Keep word", min_width=100)
        status = gr.HTML("", elem_id="word-status")
        if studio.library:
            words = gr.Dropdown([], label="Words that are kept", visible=False)
            gone = gr.Button("Forget word", min_width=100)

    def run(request: gr.Request, *values: Any) -> str:
        return hear(studio, request.session_hash or "", *values)

    listen.click(
        run,
        [model, voice, word, said],
        status,
        concurrency_limit=SPOKEN,
        concurrency_id="speak",
        **_QUIET,
    )
    if studio.library:

        def listed(name: str) -> Any:
            return known(studio, name)

        box.expand(listed, model, words, queue=False, **_QUIET)
        for made in (
            kept.click(
                lambda *v: keep(studio, *v), [model, word, said], status, queue=False, **_QUIET
            ),
            gone.click(
                lambda *v: forget(studio, *v), [model, words], status, queue=False, **_QUIET
            ),
        ):
            made.success(listed, model, words, queue=False, **_QUIET)

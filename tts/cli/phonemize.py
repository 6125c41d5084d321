"""`tts phonemize`: sentences and phones of a text, without synthesis."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.cli.common import (
    TextFile,
    chosen_markup,
    load_model,
    read_text,
    show,
    tell_of_texts,
    warn_language,
)
from tts.cli.complete import Emoji, Markup, Plain, Ssml, model_names_for

if TYPE_CHECKING:
    from tts.config import ModelConfig
    from tts.text.symbols import Phones
    from tts.types import Options


def phonemize(
    context: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(help="What would be said; - or a pipe: from stdin.", show_default=False),
    ] = None,
    text_file: TextFile = None,
    language: Annotated[
        str | None, typer.Option(help="espeak code of the text; default that of the model.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(metavar="NAME|YAML", help="Who would say it.", autocompletion=model_names_for),
    ] = "default",
    markup: Markup = "none",
    ssml: Ssml = False,
    plain: Plain = False,
    emoji: Emoji = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, with each word.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """Show what will be said: each sentence as it is read, and its phones below it.

    Your lexicon, [[phones]] in the text, markup and emoji are taken into account as in
    `tts synthesize`. Pauses that a voice makes where the text has no mark are not shown.

    Example: `tts phonemize "Dr. Smith paid $5."`
    """
    tell_of_texts(context, quiet)
    from tts.config import load_model_config
    from tts.resources import model_config
    from tts.types import Options

    words = read_text(text, text_file, quiet)
    options = Options(language=language, markup=chosen_markup(markup, ssml, plain), emoji=emoji)
    options.check()
    config = load_model_config(model_config(model))
    if not quiet:
        warn_language(config, [language])
    rows = [_row(phones) for phones in _sentences(model, config, words, options)]
    if as_json:
        spoken = language or config.language
        told = {"model": config.name, "language": spoken, "sentences": rows}
        show(json.dumps(told, ensure_ascii=False))
        return
    for number, row in enumerate(rows):
        show(("\n" if number else "") + row["text"])
        if row["phones"]:
            show(row["phones"])


def _sentences(
    name: str, config: "ModelConfig", text: str, options: "Options"
) -> "Iterator[Phones]":
    """As the model reads them; one of phones needs no weights for that."""
    if config.published is not None:
        model, _ = load_model(name, "cpu", options.language)
        return model.sentences(text, options.language, options.markup, options.emoji)
    from tts.text.analysis import read_sentences
    from tts.text.frontend import Frontend
    from tts.text.phonemes import check_language
    from tts.text.user_lexicon import UserLexicon

    code = check_language(options.language or config.language)
    frontend = Frontend(code, lexicon=UserLexicon(code))
    return read_sentences(frontend, text, options.markup, options.emoji)


def _row(phones: "Phones") -> dict[str, Any]:
    """A sentence for JSON; `at` of a word is where in the text it was written."""
    from tts.text.symbols import decode_phones

    places: list[tuple[int, int] | None] = [*phones.spans] or [None] * len(phones.words)
    return {
        "text": phones.text,
        "phones": str(phones) if phones.words else "",
        "pause_after": round(phones.pause_after, 3),
        "words": [
            {
                "text": word,
                "phones": decode_phones(phones.ids[first:last], phones.mods[first:last]),
                "at": place,
            }
            for (word, first, last), place in zip(phones.words, places, strict=True)
        ],
    }

"""`tts lexicon`: pronunciations of words for all texts of a language."""

import json
from typing import Annotated

import typer

from tts.cli.common import say, show
from tts.errors import UsageError

app = typer.Typer(help="Say how words are said, for every text.", rich_markup_mode=None)

LANGUAGE = typer.Option("--language", "-l", help="espeak code of the texts it is for.")


def _code(language: str) -> str:
    from tts.text.phonemes import check_language

    return check_language(language)


@app.command()
def add(
    word: Annotated[str, typer.Argument(help="One or more words; with a capital: exactly so.")],
    said: Annotated[
        str | None,
        typer.Argument(help="Other words that sound like it, or [[IPA]].", show_default=False),
    ] = None,
    phones: Annotated[str | None, typer.Option(help="How it is said, in IPA.")] = None,
    language: Annotated[str, LANGUAGE] = "en-us",
    force: Annotated[bool, typer.Option("--force", help="Replace what it was said as.")] = False,
) -> None:
    """Keep how a word is said: tts lexicon add GIF jif, or --phones "dʒˈɪf"."""
    from tts.text.user_lexicon import add_word

    if (said is None) == (phones is None):
        raise UsageError("give the words it sounds like, or --phones, one of them")
    if phones is not None:
        said = f"[[{phones.strip().strip('/')}]]"
    path = add_word(_code(language), word, said or "", force)
    say(f"added {' '.join(word.split())}: {path}")


@app.command("list")
def list_words(
    language: Annotated[str, LANGUAGE] = "en-us",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the words of a language."""
    from tts.text.user_lexicon import read_lexicon

    code = _code(language)
    known = read_lexicon(code)
    if as_json:
        show(json.dumps(known, ensure_ascii=False, sort_keys=True))
        return
    for word, said in sorted(known.items()):
        show(f"{word:24} {said}")
    if not known:
        say(f"no words in the lexicon of {code}; add one with: tts lexicon add WORD SAID")


@app.command()
def remove(
    word: Annotated[str, typer.Argument(help="A word you added.")],
    language: Annotated[str, LANGUAGE] = "en-us",
) -> None:
    """Forget a word."""
    from tts.text.user_lexicon import remove_word

    say(f"removed {' '.join(word.split())}: {remove_word(_code(language), word)}")

"""Completion of names of models and voices in the shell, without loading them."""

from collections.abc import Callable
from typing import Annotated

import typer

from tts.errors import TTSError


def model_names_for(incomplete: str) -> list[str]:
    """Names of models with a prefix."""
    from tts.resources import model_names

    try:
        return [name for name in model_names() if name.startswith(incomplete)]
    except TTSError:
        return []


def voice_names_for(incomplete: str) -> list[str]:
    """Names of voices with a prefix."""
    from tts.voice.store import stored_voices

    try:
        return [name for name in stored_voices() if name.startswith(incomplete)]
    except TTSError:
        return []


def added_names_for(incomplete: str) -> list[str]:
    """Names of the user's voices with a prefix."""
    from tts.voice.store import stored_voices

    try:
        known = stored_voices().values()
    except TTSError:
        return []
    return [each.name for each in known if not each.shipped and each.name.startswith(incomplete)]


def one_of(*values: str) -> Callable[[str], list[str]]:
    """Make a completion function for fixed values."""

    def offered(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return offered


devices_for = one_of("auto", "cpu", "cuda")
#: the option of every command that computes
Device = Annotated[
    str, typer.Option("--device", help="auto, cpu or cuda.", autocompletion=devices_for)
]
formats_for = one_of("wav", "flac", "ogg", "opus", "mp3")
markups_for = one_of("none", "plain", "pauses", "ssml")
# The options of every command that reads a text with markup.
Markup = Annotated[
    str,
    typer.Option(
        "--markup",
        help="Of the text: none, plain, pauses ([pause 0.5]) or ssml.",
        autocompletion=markups_for,
    ),
]
Ssml = Annotated[bool, typer.Option("--ssml", help="The text is SSML: --markup ssml.")]
Plain = Annotated[
    bool, typer.Option("--plain", help="Read Markdown and HTML as they stand: --markup plain.")
]
Emoji = Annotated[
    bool, typer.Option("--emoji", help="Say the names of emoji, which are silent otherwise.")
]

"""Aliases: names that OpenAI's clients send, and the models and voices that they stand for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tts.errors import UsageError
from tts.resources import nearest

#: models of OpenAI, which stand for the first model of the server
MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
#: voices of OpenAI, which clients have in their menus, and built-in voices of like sex and age
VOICES = {
    "alloy": "default", "ash": "david", "ballad": "felix", "cedar": "david", "coral": "alba",
    "echo": "bruno", "fable": "felix", "marin": "elena", "nova": "elena", "onyx": "bruno",
    "sage": "alba", "shimmer": "elena", "verse": "david",
}  # fmt: skip


class Aliases:
    """Other names of models and voices. If a model or voice has the name itself, the alias has no
    effect.

    Args:
        models: names of the server's models; the first is the default.
        given: aliases as NAME=TARGET, where the target is the name of a model, of a voice, or of
            both. "NAME=" removes an alias.

    Attributes:
        models: model of each alias.
        voices: voice of each alias.

    Raises:
        UsageError: an alias is not of that form.
    """

    def __init__(self, models: Iterable[str], given: Iterable[str] = ()):
        names = list(models)
        self.models = {name: names[0] for name in ("default", *MODELS) if name not in names}
        self.voices = dict(VOICES)
        self._targets: list[str] = []
        for each in given:
            name, equals, target = (part.strip() for part in each.partition("="))
            if not name or not equals:
                raise UsageError(f"an alias is NAME=TARGET, not {each!r}")
            name = name.lower()
            self.models.pop(name, None)
            self.voices.pop(name, None)
            self._targets.append(target)
            if target in names:
                self.models[name] = target
            if target:
                self.voices[name] = target

    def check(self, voices: Collection[str]) -> None:
        """Check that every target exists.

        Args:
            voices: ids of all voices.

        Raises:
            UsageError: a target is neither a model nor a voice.
        """
        for target in self._targets:
            if target and target not in self.models.values() and target not in voices:
                known = sorted({*self.models.values(), *voices})
                raise UsageError(
                    f"alias of an unknown model or voice {target!r}{nearest(target, known)}"
                )

    def model(self, name: str, known: Collection[str]) -> str:
        """Return the model that a name stands for; the name itself if it is no alias."""
        return name if name in known else self.models.get(name.lower(), name)

    def voice(self, name: str, known: Collection[str]) -> str:
        """Return the voice that a name stands for; the name itself if it is no alias."""
        if name in known:
            return name
        target = self.voices.get(name.lower(), name)
        # Where the built-in voices are not installed, their names still speak.
        return "default" if target not in known and VOICES.get(name.lower()) == target else target

    def add_to(self, voices: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return a list of voices (`VoiceLibrary.describe`) with the aliases after them."""
        listed = [dict(voice) for voice in voices]
        ids = {voice["id"] for voice in listed}
        for name in sorted(self.voices):
            target = self.voice(name, ids)
            if name not in ids and target in ids:
                listed.append(
                    {"id": name, "name": f"{name} ({target})", "kind": "alias", "voice": target}
                )
        return listed

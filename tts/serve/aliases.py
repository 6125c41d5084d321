"""Names that OpenAI's clients send, and what they mean here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tts.errors import UsageError
from tts.resources import nearest

#: models of OpenAI: the first model of the server
MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
#: voices of OpenAI, which clients have in their menus, and a built-in one of like sex and age
VOICES = {
    "alloy": "default", "ash": "david", "ballad": "felix", "cedar": "david", "coral": "alba",
    "echo": "bruno", "fable": "felix", "marin": "elena", "nova": "elena", "onyx": "bruno",
    "sage": "alba", "shimmer": "elena", "verse": "david",
}  # fmt: skip


class Aliases:
    """Other names of models and voices. A model or voice that has such a name itself wins.

    Args:
        models: names of the server's models, the first one the default.
        given: NAME=TARGET; a target is a model, a voice, or both. "NAME=" takes an alias away.

    Raises:
        UsageError: not of that form.
    """

    def __init__(self, models: Iterable[str], given: Iterable[str] = ()):
        names = list(models)
        self.models = {name: names[0] for name in ("default", *MODELS) if name not in names}
        self.voices = dict(VOICES)
        for each in given:
            name, equals, target = (part.strip() for part in each.partition("="))
            if not name or not equals:
                raise UsageError(f"an alias is NAME=TARGET, not {each!r}")
            name = name.lower()
            self.models.pop(name, None)
            self.voices.pop(name, None)
            if target in names:
                self.models[name] = target
            if target:
                self.voices[name] = target
        self._given = [each.partition("=")[2].strip() for each in given]

    def check(self, voices: Collection[str]) -> None:
        """UsageError for a target that is no model and no voice."""
        for target in self._given:
            if target and target not in self.models.values() and target not in voices:
                known = sorted({*self.models.values(), *voices})
                raise UsageError(
                    f"alias of an unknown model or voice {target!r}{nearest(target, known)}"
                )

    def model(self, name: str, known: Collection[str]) -> str:
        """The model that a request means, or the name as it is."""
        return name if name in known else self.models.get(name.lower(), name)

    def voice(self, name: str, known: Collection[str]) -> str:
        """The voice that a request means, or the name as it is."""
        if name in known:
            return name
        target = self.voices.get(name.lower(), name)
        # Without the shipped voices their names still speak.
        return "default" if target not in known and VOICES.get(name.lower()) == target else target

    def listed(self, known: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Voices with the aliases after them, each told as the voice that it means."""
        own = [dict(voice) for voice in known]
        names = {voice["id"] for voice in own}
        for name in sorted(self.voices):
            target = self.voice(name, names)
            if name not in names and target in names:
                own.append(
                    {"id": name, "name": f"{name} ({target})", "kind": "alias", "voice": target}
                )
        return own

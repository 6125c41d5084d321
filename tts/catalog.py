"""What there is to choose from: models with what was measured of them, and voices."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts import scores
from tts.errors import UsageError
from tts.resources import model_config, model_names
from tts.voice import file as voice_file
from tts.voice.store import StoredVoice, stored_voices

if TYPE_CHECKING:
    from tts.config import ModelConfig

_ACCENTS = {
    "en-us": "American English", "en-gb": "British English", "en": "English", "de": "German",
    "fr-fr": "French", "es": "Spanish", "es-419": "Latin American Spanish", "it": "Italian",
    "pt": "Portuguese", "pt-br": "Brazilian Portuguese", "nl": "Dutch", "pl": "Polish",
}  # fmt: skip
_SEXES = {"F": "female", "M": "male"}


@dataclass(frozen=True)
class ModelInfo:
    """A model that `TTS.load` knows by name.

    Attributes:
        name, family, description, language, licence: as its config says.
        missing: parts whose weights are not there; published: the name to fetch them by.
        scores: what `tts eval --publish` measured: wer, similarity, quality (DistillMOS),
            rtf, first_audio_seconds and more; None where nothing was.
        config: all of its config.
    """

    name: str
    family: str
    description: str
    language: str
    licence: str
    missing: tuple[str, ...]
    published: str | None
    scores: dict[str, Any] | None
    config: "ModelConfig" = field(repr=False)

    @property
    def ready(self) -> bool:
        """Whether its weights are there."""
        return not self.missing

    @property
    def quality(self) -> str:
        """What was measured of its speech, in words; empty where nothing was."""
        return scores.quality(self.scores)

    @property
    def speed(self) -> str:
        """How fast it speaks on one CPU core, in words; empty where it was not measured."""
        return scores.speed(self.scores)

    @property
    def first_audio(self) -> str:
        """How soon it is heard, in words; empty where it was not measured."""
        return scores.first_audio(self.scores)

    @property
    def words(self) -> str:
        """Quality, speed and first audio in a line."""
        if not self.ready and self.config.trained_by and not self.published:
            return f"not trained (tts train {self.config.trained_by})"
        if not self.ready:
            fetch = f" (tts models fetch {self.published})" if self.published else ""
            return f"weights are missing: {', '.join(self.missing)}{fetch}"
        return scores.words(self.scores)


@dataclass(frozen=True)
class VoiceInfo:
    """A voice that is known by its name.

    Attributes:
        name: for `voice=`; path: its file; shipped: built in, not added by the user.
        sex: "female", "male", or empty where nobody told.
        accent: of the language of the recording, e.g. "American English", or empty.
        seconds: of speech it was made of, None for a mixture.
        adapted: whether weights were fitted to it too.
        meta: all that is kept on it: source, licence, attribution, who consented and the like.
        problem: why its file cannot be used, empty if it can.
    """

    name: str
    path: Path
    shipped: bool
    sex: str = ""
    accent: str = ""
    seconds: float | None = None
    adapted: bool = False
    meta: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def kind(self) -> str:
        """ "built-in", or "added" by the user."""
        return "built-in" if self.shipped else "added"

    @property
    def sample(self) -> str:
        """The command that makes this voice heard."""
        return f"tts voices sample {self.name} -o {self.name}.wav"

    @property
    def words(self) -> str:
        """What is known of it, in a line."""
        found = [self.sex, self.accent]
        if self.seconds:
            found.append(f"of {self.seconds:g} s")
        if self.meta.get("mixed"):
            found.append(f"mixed of {self.meta['mixed']}")
        return ", ".join(filter(None, [*found, "adapted" if self.adapted else "", self.problem]))


def models() -> list[ModelInfo]:
    """All models that are known by name."""
    return [model_info(name) for name in model_names()]


def model_info(name: str) -> ModelInfo:
    """What is known of a model; errors as of `TTS.load`, but for weights that are missing."""
    # With what PyTorch is needed for, which the list of voices does without.
    from tts.config import PARTS, load_model_config
    from tts.registry import checkpoint_folder

    config = load_model_config(model_config(name))
    named = {part: value for part in PARTS if (value := getattr(config, part))}
    folders = {part: checkpoint_folder(v) for part, v in named.items() if v != "features"}
    missing = [part for part, each in folders.items() if not (each / "model.safetensors").is_file()]
    measured = folders["generator"] / "scores.json"
    return ModelInfo(
        name,
        config.family,
        config.description,
        config.language,
        config.licence,
        tuple(missing),
        config.published,
        json.loads(measured.read_text("utf-8")) if measured.is_file() else None,
        config,
    )


def voices() -> list[VoiceInfo]:
    """All built-in and added voices, those with a damaged file too."""
    return [voice_info(stored) for stored in stored_voices().values()]


def voice_info(stored: StoredVoice) -> VoiceInfo:
    """What a stored voice says of itself."""
    shown = str(stored.path)
    try:
        tensors, notes = voice_file.decode(stored.path)
        voice_file.tunings_of(notes, shown)
        meta = voice_file.notes_of(notes.get("meta", "{}"), shown)
    except UsageError as error:
        return VoiceInfo(stored.name, stored.path, stored.shipped, problem=str(error))
    seconds = meta.get("seconds")
    language = str(meta.get("language", ""))
    return VoiceInfo(
        stored.name,
        stored.path,
        stored.shipped,
        _SEXES.get(str(meta.get("sex")), ""),
        str(meta.get("accent", "")) or _ACCENTS.get(language, language),
        float(seconds) if isinstance(seconds, (int, float)) else None,
        any(".factors." in name for name in tensors),
        meta,
    )

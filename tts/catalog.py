"""What there is to choose from: models with what was measured of them, and voices."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts import scores
from tts.bundle import cache_folder
from tts.errors import CheckpointError, ConfigError, UsageError
from tts.resources import (
    checkpoint_folder,
    codec_without_folder,
    configs,
    holds_checkpoint,
    model_config,
    model_names,
)
from tts.systems import PARTS, is_system, plain_name, read_resolved
from tts.voice import file as voice_file
from tts.voice.store import StoredVoice, stored_voices
from tts_codecs.fetched import CODECS

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
        paper: what it follows; trained_by: the YAML that `tts train` makes its generator with.
        parts: the names of its checkpoints, by the keys of tts.systems.PARTS.
        generator: folder of the weights that generate, None where none are installed.
    """

    name: str
    family: str
    description: str
    language: str
    licence: str
    missing: tuple[str, ...]
    published: str | None
    scores: dict[str, Any] | None
    paper: str = ""
    trained_by: str = ""
    parts: dict[str, str | None] = field(default_factory=dict, repr=False)
    generator: Path | None = field(default=None, repr=False)

    @property
    def config(self) -> "ModelConfig":
        """All of its config, for which PyTorch is imported. Errors as of `TTS.load`."""
        from tts.config import load_model_config

        return load_model_config(model_config(self.name))

    @property
    def ready(self) -> bool:
        """Whether its weights are there."""
        return not self.missing

    @property
    def to_fetch(self) -> str | None:
        """What `tts models fetch` has to fetch before it speaks: the model, or its codec."""
        codec = plain_name("codec", str(self.parts.get("codec")))
        if "codec" in self.missing and codec in CODECS:
            return codec
        return None if self.ready else self.published

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
        if "generator" in self.missing and self.trained_by and not self.published:
            return f"not trained (tts train {self.trained_by})"
        if not self.ready:
            fetch = f" (tts models fetch {self.to_fetch})" if self.to_fetch else ""
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
    """What a model's file says, and what was measured of it; PyTorch is not imported for it.

    Raises:
        UsageError: an unknown name, naming the nearest. ConfigError: a file that cannot be read,
            or that names no generator.
    """
    path = model_config(name)
    values = read_resolved(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: not a mapping of keys to values")
    trained_by = str(path) if is_system(values) else ""
    named = {part: values.get(part, default) for part, default in PARTS.items()}
    if is_system(values) and not named["generator"]:
        named["generator"] = str(values["name"])
    if not named["generator"]:
        raise ConfigError(f"{path}: generator: Field required")
    published = values.get("published")
    places = [path.parent, *([_fetched(published)] if published else [])]
    folders = {
        part: _folder(plain_name(part, str(each)), places) for part, each in named.items() if each
    }
    export = Path(values.get("out") or f"runs/{values.get('name')}") / "export"
    if trained_by and "generator" not in values and not _whole(folders["generator"]):
        folders["generator"] = export if os.path.isdir(export) else folders["generator"]
    # Weights of others count once they were fetched, whatever else goes by their names.
    fetched = not published or places[-1].is_dir()
    missing = [
        part
        for part, each in folders.items()
        if not (_stands_alone(part, str(named[part])) or _whole(each) and fetched)
    ]
    return ModelInfo(
        name,
        str(values.get("family", "")),
        str(values.get("description", "")),
        str(values.get("language", "en-us")),
        str(values.get("licence", "MIT")),
        tuple(missing),
        published,
        _scores(folders["generator"], "scores.json")
        or _scores(configs() / "systems" / "scores", f"{name}.json"),
        str(values.get("paper", "")),
        trained_by,
        named,
        folders["generator"],
    )


def _stands_alone(part: str, name: str) -> bool:
    """Whether a part has all it needs without a checkpoint of its own: features, and a codec that
    is built in, was fetched, or is a file of weights."""
    plain = plain_name(part, name)
    if part != "codec" or not codec_without_folder(plain):
        return name == "features"
    return plain not in CODECS or CODECS[plain].fetched


def _fetched(published: str) -> Path:
    """Where weights of others are once `tts models fetch` has fetched them."""
    revisions = sorted(cache_folder().glob(f"{published}-{'[0-9a-f]' * 8}"))
    return revisions[-1] if revisions else cache_folder() / published


def _folder(name: str, places: Sequence[Path]) -> Path | None:
    """Where a part has its weights; None where none are installed."""
    for place in places:
        if holds_checkpoint(place / name):
            return place / name
    try:
        return checkpoint_folder(name)
    except CheckpointError:
        return None


def _whole(folder: Path | None) -> bool:
    """Whether there are weights in a folder."""
    return folder is not None and os.path.isfile(folder / "model.safetensors")


def _scores(folder: Path | None, name: str) -> dict[str, Any] | None:
    """What `tts eval --publish` wrote beside weights, or beside the config of a system."""
    if folder is None or not os.path.isfile(folder / name):
        return None
    found = json.loads((folder / name).read_text("utf-8"))
    return found if isinstance(found, dict) else None


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

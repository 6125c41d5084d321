"""Strict configuration of models: an unknown key is an error that names the nearest."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tts.errors import ConfigError, UsageError
from tts.generators.base import SamplingOptions
from tts.published import published_model
from tts.registry import GENERATORS
from tts.renamed import unknown_key
from tts.resources import (
    checkpoint_folder,
    codec_without_folder,
    configs,
    find_checkpoints,
    holds_checkpoint,
)
from tts.systems import PARTS, is_system, plain_name, read_resolved, split
from tts_codecs.checkpoint import CONFIG, read_config
from tts_codecs.errors import CheckpointError


class Strict(BaseModel):
    """Frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(Strict):
    """One model: checkpoint folders (beside its file, in checkpoints/, or paths) and sampling.

    `codec` is what the generator fills: "features", the checkpoint of a codec of them, or a codec
    of waveforms, which decodes by itself, so that `vocoder` only analyses recordings; "rvq@1.0" is
    one at a lower bandwidth. `phrasing` places pauses in text without punctuation; null speaks it
    without a pause. `published` names
    weights of others that are fetched when asked for (tts.published); its parts are found there.
    `sample_rate` is that of recordings, `needs_transcript` that it needs their words too. `weights`
    of the generator may be int8 on a CPU (tts.quantize). `profile` and `phone_probe` tell how a
    person says each phone (tts.voice.profile), which calibration and adaptation of voices need,
    `phone_recognizer` reads the recordings for the latter (by default the probe does);
    `normalised` that the generator was trained on features less that profile; `calibration` is the
    number of rounds that a voice is calibrated with when it is made (tts.tuning.calibration), of an
    adapted one at most `adapted_calibration`, as more of them cost quality; what is generated in an
    adapted voice has its contrast (tts_codecs.envelope.contrasted) raised by `adapted_contrast`.
    `external` is another generator of the same codes, with `external_sampling`, for the options
    `rescore` and `hybrid` of masked generation (tts.generators.external).
    `overlap` tells recordings of several people at once, by what `phone_probe` hears; `enhancer`
    takes noise and the room out of recordings before they become voices.
    `paper` is what a system follows, `trained_by` the YAML that `tts train` makes its generator
    with; a system that names no generator speaks with the weights in checkpoints/NAME or, where
    there are none, with those that its training exported.
    """

    name: str
    family: str
    description: str = ""
    paper: str = ""
    trained_by: str = ""
    licence: str = "MIT"
    language: str = "en-us"
    generator: str
    durations: str | None = None
    phrasing: str | None = None
    vocoder: str
    codec: str = "features"
    external: str | None = None
    external_sampling: SamplingOptions = SamplingOptions()
    speaker: str = "speaker"
    profile: str | None = None
    phone_probe: str | None = None
    phone_recognizer: str | None = None
    overlap: str | None = None
    enhancer: str | None = None
    normalised: bool = False
    calibration: int = Field(default=0, ge=0, le=20)
    adapted_calibration: int = Field(default=1, ge=0, le=20)
    adapted_contrast: float = Field(default=1.16, ge=0.5, le=2.0)
    published: str | None = None
    sample_rate: int = Field(default=16000, ge=8000, le=192_000)
    needs_transcript: bool = False
    weights: Literal["float32", "int8"] = "float32"
    sampling: SamplingOptions = SamplingOptions()

    def with_int8(self) -> "ModelConfig":
        """The same with int8 weights."""
        return self.model_copy(update={"weights": "int8"})

    def check_transcript(self, transcript: str | None) -> None:
        """UsageError where the words of a recording are needed and not given."""
        if self.needs_transcript and not (transcript or "").strip():
            raise UsageError(
                f"{self.name} needs the words of the recording: give them with --ref-text, or "
                "transcript= in Python"
            )


M = TypeVar("M", bound=BaseModel)


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Valid keys of the (nested) section that a wrong key stands in."""
    for part in location:
        field = model.model_fields.get(str(part))
        kind = field.annotation if field else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            model = kind
        elif is_dataclass(kind):
            return [field.name for field in fields(kind)]
    return list(model.model_fields)


def parse(model: type[M], values: Any, source: str) -> M:
    """Validate `values`; ConfigError with one line per problem, naming the nearest valid key."""
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: not a mapping of keys to values")
    try:
        made = model.model_validate(values)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            path = ".".join(str(p) for p in problem["loc"])
            if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
                known = _known_keys(model, problem["loc"][:-1])
                lines.append(f"unknown key {path!r}{unknown_key(str(problem['loc'][-1]), known)}")
            elif isinstance(problem["input"], (str, int, float, type(None))):
                lines.append(f"{path}: {problem['msg']}, not {problem['input']!r:.100}")
            else:
                lines.append(f"{path}: {problem['msg']}")
        raise ConfigError(f"{source}: " + "; ".join(lines)) from error
    for path in _switches(values, made, ""):
        raise ConfigError(f"{source}: {path}: a number, not true or false")
    return made


def _switches(given: Any, made: Any, path: str) -> Iterator[str]:
    """Keys whose true or false was taken for the number 1 or 0."""
    for key, value in given.items() if isinstance(given, dict) else ():
        found = made.get(key) if isinstance(made, dict) else getattr(made, str(key), None)
        if isinstance(value, bool) and type(found) in (int, float):
            yield f"{path}{key}"
        yield from _switches(value, found, f"{path}{key}.")


def load_model_config(path: str | Path) -> ModelConfig:
    """Read the YAML of a model or of a system (tts.systems); checkpoints in folders beside it, or
    fetched for it, are found there first."""
    values = read_resolved(path)
    if is_system(values):
        training, values = split(values, list(ModelConfig.model_fields), str(path))
        out = Path(training.get("out") or f"runs/{values['name']}")
        values = {"generator": _generator(values["name"], out), "trained_by": str(path)} | values
    config = parse(ModelConfig, values, str(path))
    places = [Path(path).parent]
    if config.published is not None:
        places.append(published_model(config.published).folder)
    found = {}
    for place in reversed(places):
        for part in PARTS:
            name = getattr(config, part)
            if name in (None, "features"):
                continue
            plain = plain_name(part, name)
            if holds_checkpoint(place / plain):
                found[part] = f"{place / plain}{name[len(plain) :]}"
    config = config.model_copy(update=found)
    check_sampling(_known_options(config), values.get("sampling") or {}, str(path))
    return config


def _generator(name: str, out: Path) -> str:
    """The checkpoint that a system speaks with: a shipped one, or that of its training."""
    shipped = find_checkpoints()
    trained = out / "export"
    if trained.is_dir() and not (shipped and os.path.isfile(shipped / name / CONFIG)):
        return str(trained)
    return name


def trained_by(part: str) -> str:
    """The command that trains a part which is the export of a run of configs/train, in brackets;
    "" where there is none."""
    for path in sorted((configs() / "train").glob("*.yaml")):
        values = read_resolved(path)
        if isinstance(values, dict) and Path(part) == Path(str(values.get("out"))) / "export":
            return f" (tts train configs/train/{path.name})"
    return ""


def check_weights_of(config: ModelConfig) -> None:
    """CheckpointError where the weights of a system are missing, telling how they are made."""
    if config.trained_by and (missing := missing_weights(config)):
        raise CheckpointError("; ".join(missing.values()))


def missing_weights(config: ModelConfig, place: Path | None = None) -> dict[str, str]:
    """By part what is told of one that has no weights, and how it is trained.

    Args:
        place: a folder in which parts are looked for first.
    """
    found = {}
    for part in PARTS:
        given = getattr(config, part)
        if not given or _stands_alone(part, value := plain_name(part, given)):
            continue
        if place is not None and holds_checkpoint(place / value):
            continue
        folder = checkpoint_folder(value)
        if os.path.isfile(folder / CONFIG):
            continue
        found[part] = (
            f"{config.name} is not trained yet (tts train {config.trained_by})"
            if part == "generator"
            else f"its {part} {given!r} has no weights in {folder}{trained_by(value)}"
        )
    return found


def _stands_alone(part: str, value: str) -> bool:
    """Whether a part is none of a checkpoint."""
    return value == "features" or part == "codec" and codec_without_folder(value)


def _known_options(config: ModelConfig) -> Mapping[str, tuple[str, ...]] | None:
    """Options of the sampler that the generator reads; None where its checkpoint is not there
    yet, or damaged: that is told when it is loaded."""
    try:
        checkpoint = read_config(checkpoint_folder(config.generator))
        return GENERATORS[checkpoint["kind"]](**checkpoint["arguments"])
    except (CheckpointError, ConfigError, KeyError, TypeError):
        return None


def check_sampling(
    known: Mapping[str, tuple[str, ...]] | None, given: dict[str, Any], source: str
) -> None:
    """ConfigError for an option of the sampler that the generator does not read, naming the
    nearest, or a value that it does not know.

    Args:
        known: options it reads (tts.registry.sampling_options); None checks nothing.
        given: `sampling` of the YAML.
    """
    if known is None:
        return
    lines = []
    for name, value in given.items():
        if name not in known:
            hint = unknown_key(name, known)
            lines.append(f"'sampling.{name}' is no option of this generator{hint}")
        elif known[name] and str(value) not in known[name]:
            lines.append(
                f"sampling.{name} of this generator is {' or '.join(known[name])}, not {value}"
            )
    if lines:
        raise ConfigError(f"{source}: " + "; ".join(lines))

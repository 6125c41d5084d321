"""The YAML of a training run, checked before anything is loaded.

    task: generator               # a key of KINDS below
    data: data/train              # made by `tts data prepare`
    out: runs/flow                # state, logs and export/ (the weights to use)
    size: base                    # of a generator: small (default) or base; `model` goes before it
    model: {strategy: {kind: flow}}  # arguments of the network
    options: {batch_size: 16}     # arguments of the task
    train: {steps: 16000}         # see tts.train.task.TrainConfig

Every key is checked against the class it is for; an unknown one names the nearest.
"""

import copy
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from pydantic import create_model
from torch.overrides import TorchFunctionMode

from tts.config import ModelConfig, Strict, check_sampling, parse
from tts.data.corpus import SPEAKER_DIM
from tts.errors import ConfigError, TTSError, UsageError
from tts.registry import sampling_options
from tts.resources import configs, model_config, model_names, nearest
from tts.systems import is_system, merged, read_assignment, read_resolved, split
from tts.train.parts import check_parts
from tts.train.task import DEVICES, PRECISIONS, Task, TrainConfig
from tts_codecs.envelope import CHANNELS
from tts_codecs.mel import MelConfig
from tts_codecs.ranges import MOST_SEED, wrong_number

#: arguments of `build_generator` by size: about 10 and 30 million weights
SIZES: dict[str, dict[str, Any]] = {
    "small": {},
    "base": {
        "dim": 512,
        "backbone": {"blocks": 10, "heads": 8, "hidden": 768},
        "conditioner": {"content_blocks": 3},
    },
}


#: sizes of networks that those of a corpus are
_FIXED = {"channels": CHANNELS, "speaker_dim": SPEAKER_DIM, "n_mels": MelConfig().n_mels}
#: the least that settings of the loop may be
_LEAST = {
    "steps": 1, "log_every": 1, "warmup": 0, "accumulate": 1, "budget": 0, "slowest": 0,
    "publish": 0, "weight_decay": 0, "save_minutes": 0, "sample_minutes": 0, "seed": 0,
}  # fmt: skip


@dataclass(frozen=True)
class _Kind:
    """Where a task and the network it trains are defined."""

    module: str
    task: str
    model_module: str
    model: str


KINDS = {
    "vocoder": _Kind(
        "tts.train.tasks.vocoder",
        "VocoderTask",
        "tts_codecs.vocoder.source_filter",
        "SourceFilterVocoder",
    ),
    "spectral": _Kind(
        "tts.train.tasks.codec", "SpectralTask", "tts_codecs.spectral", "SpectralAutoencoder"
    ),
    "codec": _Kind("tts.train.tasks.neural_codec", "CodecTask", "tts_codecs.neural", "build_codec"),
    "latent": _Kind(
        "tts.train.tasks.codec", "LatentTask", "tts_codecs.latent", "LatentAutoencoder"
    ),
    "aligner": _Kind("tts.train.tasks.aligner", "AlignerTask", "tts.align.aligner", "Aligner"),
    "durations": _Kind(
        "tts.train.tasks.generator", "DurationTask", "tts.prosody.durations", "DurationModel"
    ),
    "probe": _Kind("tts.train.tasks.probes", "ProbeTask", "tts.losses.speaker", "SpeakerProbe"),
    "enhancer": _Kind(
        "tts.train.tasks.enhancer", "EnhancerTask", "tts.voice.enhancer", "SpeechEnhancer"
    ),
    "identity": _Kind(
        "tts.train.tasks.identity", "IdentityTask", "tts.losses.identity", "SpeakerIdentity"
    ),
    "phone_probe": _Kind(
        "tts.train.tasks.probes", "PhoneProbeTask", "tts.losses.phone", "PhoneProbe"
    ),
    "phrasing": _Kind(
        "tts.train.tasks.phrasing", "PhrasingTask", "tts.prosody.phrasing", "PhrasingModel"
    ),
    "generator": _Kind(
        "tts.train.tasks.generator", "GeneratorTask", "tts.registry", "build_generator"
    ),
}


def arguments_of(cls: Any, skip: Iterable[str] = ()) -> type[Strict]:
    """A strict model of a constructor's keyword arguments; objects that YAML cannot hold are
    left out."""
    skip = {"self", *skip}
    known: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        kind = parameter.annotation
        if name in skip or not _plain(kind):
            continue
        known[name] = (kind, ... if parameter.default is parameter.empty else parameter.default)
    return create_model(cls.__name__, __base__=Strict, **known)


def _plain(kind: Any) -> bool:
    if kind in (int, float, bool, str, type(None)):
        return True
    if getattr(kind, "__origin__", None) is dict:
        return True
    parts = getattr(kind, "__args__", ())
    return bool(parts) and all(part is Ellipsis or _plain(part) for part in parts)


def _train_settings() -> type[Strict]:
    known: dict[str, Any] = {
        field.name: (field.type, field.default) for field in fields(TrainConfig)
    }
    return create_model("TrainSettings", __base__=Strict, **known)


class _Run(Strict):
    task: str
    data: str = "data/train"
    out: str
    size: str = "small"
    model: dict[str, Any] = {}
    options: dict[str, Any] = {}
    train: dict[str, Any] = {}


@dataclass(frozen=True)
class RunConfig:
    """A checked run. `build` makes the task from a `tts.data.corpus.Corpus`; `system` is all of a
    system's YAML on top of its bases, None for another run, and `place` the folder of its file."""

    task: str
    data: Path
    out: Path
    model: dict[str, Any]
    options: dict[str, Any]
    train: TrainConfig
    system: dict[str, Any] | None = None
    place: Path | None = None

    @property
    def build(self) -> Callable[[Any], Task]:
        """Corpus to task. Errors as of `tts.train.parts.check_parts`."""
        kind = KINDS[self.task]
        cls = getattr(import_module(kind.module), kind.task)
        more: dict[str, Any] = {}
        if self.system is not None:
            check_parts(self.system, self.place)
            # The resolved copy goes with the weights.
            more["system"] = self.system
        return lambda corpus: cls(corpus, model=self.model, **self.options, **more)


def override(values: Any, assignments: Iterable[str]) -> Any:
    """Apply `key.sub=value` assignments, the value read as YAML, to a copy of parsed YAML. As in
    `tts.systems.merged`, another kind replaces its section; what else is set is put on top of it.

    Raises:
        ConfigError: not an assignment, or a value that is not YAML.
    """
    if not isinstance(values, dict):
        return values
    result = copy.deepcopy(values)
    given = [(each, *read_assignment(each, "train.steps=100")) for each in assignments]
    # Kinds first, whatever the order on the command line.
    for assignment, path, value in sorted(given, key=lambda each: not each[1].endswith(".kind")):
        *parents, last = path.split(".")
        section: Any = result
        for part in parents:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise ConfigError(f"--set {assignment!r}: {part!r} holds a value, not keys")
        if last == "kind" and parents and section.get("kind") != value:
            section.clear()
        section[last] = value
    return result


def check_run(values: Any, source: str) -> RunConfig:
    """Validate a parsed run or system.

    Raises:
        ConfigError: unknown task or key (naming the nearest), or a wrong value.
    """
    if is_system(values):
        return _check_system(values, source)
    run = parse(_Run, values, source)
    if run.task not in KINDS:
        raise ConfigError(f"{source}: unknown task {run.task!r}{nearest(run.task, KINDS)}")
    kind = KINDS[run.task]
    if run.size not in SIZES:
        raise ConfigError(f"{source}: size is small or base{nearest(run.size, SIZES)}")
    if run.size != "small" and kind.model != "build_generator":
        raise ConfigError(f"{source}: only generators come in sizes")
    given = merged(SIZES[run.size], run.model)
    task = getattr(import_module(kind.module), kind.task)
    network = getattr(import_module(kind.model_module), kind.model)
    # Only what is given is kept, so that a checkpoint's arguments say what was chosen.
    model = parse(arguments_of(network), given, f"{source}: model")
    if kind.model in ("build_generator", "build_codec"):
        _check_parts(network, model.model_dump(exclude_unset=True), source)
    accepted = arguments_of(task, ("corpus", "model", "system"))
    options = parse(accepted, run.options, f"{source}: options")
    for section, cls, part in (("model", network, model), ("options", task, options)):
        if wrong := wrong_number(cls, part.model_dump(exclude_unset=True), section):
            raise ConfigError(f"{source}: {wrong}")
    _check_fixed(model.model_dump(exclude_unset=True), f"{source}: model")
    train = TrainConfig(**parse(_train_settings(), run.train, f"{source}: train").model_dump())
    _check_train(train, source)
    return RunConfig(
        run.task,
        Path(run.data),
        Path(run.out),
        model.model_dump(exclude_unset=True),
        options.model_dump(exclude_unset=True),
        train,
    )


def _check_fixed(model: dict[str, Any], source: str) -> None:
    """ConfigError for a size that the corpus decides and that is another here."""
    for name, size in _FIXED.items():
        if model.get(name, size) != size:
            raise ConfigError(f"{source}.{name} is {size}, as in the corpus, not {model[name]}")
    for name, part in model.items():
        if name == "conditioner":
            _check_fixed(part, f"{source}.{name}")


def _check_train(train: TrainConfig, source: str) -> None:
    """ConfigError for settings of the loop that are out of their range."""
    for name, least in _LEAST.items():
        # NaN is less than nothing.
        if not getattr(train, name) >= least:
            raise ConfigError(f"{source}: train.{name} must be at least {least}")
    if train.seed > MOST_SEED:
        raise ConfigError(f"{source}: train.seed must be at most {MOST_SEED}, not {train.seed}")
    for name, choices in (("device", DEVICES), ("precision", PRECISIONS)):
        value = getattr(train, name)
        if value not in choices:
            raise ConfigError(
                f"{source}: train.{name} is one of {', '.join(choices)}, not {value!r}"
            )
    if not 0 < train.lr < 1 or not 0 <= train.ema < 1:
        raise ConfigError(f"{source}: train.lr and train.ema must lie between 0 and 1")
    if not 0 <= train.final <= 1:
        raise ConfigError(f"{source}: train.final is a share of lr from 0 to 1, not {train.final}")
    if not all(0 <= beta < 1 for beta in train.betas):
        raise ConfigError(f"{source}: train.betas are from 0 to below 1, not {train.betas}")
    if not train.clip > 0:
        raise ConfigError(f"{source}: train.clip must be above 0, not {train.clip}")


class _Unfilled(TorchFunctionMode):
    """Leaves weights as they are made: to draw them without memory, torch would load its compiler,
    which takes seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        drawn = (torch.Tensor.normal_, torch.Tensor.uniform_)
        if func in drawn or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        made = torch.empty if func is torch.randn else func
        return made(*args, **(kwargs or {}))


def _check_parts(network: Any, arguments: dict[str, Any], source: str) -> None:
    """ConfigError where the parts of a network do not fit; built without memory to find out."""
    try:
        with torch.device("meta"), _Unfilled():
            network(**arguments)
    except (TTSError, TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{source}: model: {error}") from error


def _check_system(values: dict[str, Any], source: str) -> RunConfig:
    """`check_run` of a system: what its training needs of the parts it speaks with follows from
    those."""
    training, speaking = split(values, list(ModelConfig.model_fields), source)
    model = parse(ModelConfig, {"generator": values["name"], **speaking}, source)
    options = dict(training.get("options") or {})
    follows: dict[str, Any] = {"codec": model.codec, "vocoder": model.vocoder}
    if model.normalised:
        follows["profile"] = model.profile
    for key in ("codec", "profile"):
        if key in options:
            raise ConfigError(f"{source}: options.{key} follows from {key} of the system")
    training = {"out": f"runs/{model.name}", **training, "options": {**follows, **options}}
    run = check_run(training, source)
    check_sampling(sampling_options(**run.model), speaking.get("sampling") or {}, source)
    return replace(run, system={**values, "out": str(run.out)})


def load_run(path: str | Path, assignments: Iterable[str] = ()) -> RunConfig:
    """Read the YAML of a run or of a system, or of a name in configs/train or configs/systems, with
    overrides; ConfigError as `check_run`, UsageError for an unknown name."""
    if not Path(path).suffix and not Path(path).exists():
        own = configs() / "train"
        names = [file.stem for file in sorted(own.glob("*.yaml"))]
        if str(path) in names:
            path = own / f"{path}.yaml"
        elif (known := [*model_names(), *names]) and str(path) not in known:
            raise UsageError(f"no run or system {str(path)!r}{nearest(str(path), known)}")
        else:
            path = model_config(str(path))
    run = check_run(override(read_resolved(path), assignments), str(path))
    return replace(run, place=Path(path).parent)

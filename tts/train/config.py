"""The YAML of a training run, which is checked before anything is loaded.

    task: generator               # a key of KINDS below
    data: data/train              # corpus, made by `tts data prepare`
    out: runs/flow                # state, logs and export/ (the weights to use)
    size: base                    # of a generator: small (default) or base; `model` overrides it
    model: {strategy: {kind: flow}}  # arguments of the network
    options: {batch_size: 16}     # arguments of the task
    train: {steps: 16000}         # see tts.train.task.TrainConfig

Every key is checked against the class that gets it; the error for an unknown key names the nearest.
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


#: sizes of networks that the data determine
_FIXED = {"channels": CHANNELS, "speaker_dim": SPEAKER_DIM, "n_mels": MelConfig().n_mels}
#: smallest values of the settings of the loop
_MINIMUM = {
    "steps": 1, "log_every": 1, "warmup": 0, "accumulate": 1, "budget": 0, "slowest": 0,
    "publish": 0, "weight_decay": 0, "save_minutes": 0, "sample_minutes": 0, "seed": 0,
}  # fmt: skip


@dataclass(frozen=True)
class _Kind:
    """Modules and names of a task and of the network that it trains."""

    module: str
    task: str
    model_module: str
    model: str


_TASKS = "tts.train.tasks"
#: task and network by the name in YAML
KINDS = {
    "vocoder": _Kind(
        f"{_TASKS}.vocoder", "VocoderTask",
        "tts_codecs.vocoder.source_filter", "SourceFilterVocoder",
    ),
    "spectral": _Kind(
        f"{_TASKS}.feature_codec", "SpectralTask", "tts_codecs.spectral", "SpectralAutoencoder"
    ),
    "latent": _Kind(
        f"{_TASKS}.feature_codec", "LatentTask", "tts_codecs.latent", "LatentAutoencoder"
    ),
    "codec": _Kind(f"{_TASKS}.waveform_codec", "CodecTask", "tts_codecs.neural", "build_codec"),
    "aligner": _Kind(f"{_TASKS}.aligner", "AlignerTask", "tts.align.aligner", "Aligner"),
    "durations": _Kind(
        f"{_TASKS}.durations", "DurationTask", "tts.prosody.durations", "DurationModel"
    ),
    "probe": _Kind(f"{_TASKS}.probes", "ProbeTask", "tts.losses.speaker", "SpeakerProbe"),
    "phone_probe": _Kind(f"{_TASKS}.probes", "PhoneProbeTask", "tts.losses.phone", "PhoneProbe"),
    "identity": _Kind(
        f"{_TASKS}.identity", "IdentityTask", "tts.losses.identity", "SpeakerIdentity"
    ),
    "phrasing": _Kind(
        f"{_TASKS}.phrasing", "PhrasingTask", "tts.prosody.phrasing", "PhrasingModel"
    ),
    "enhancer": _Kind(
        f"{_TASKS}.enhancer", "EnhancerTask", "tts.voice.enhancer", "SpeechEnhancer"
    ),
    "generator": _Kind(
        f"{_TASKS}.generator", "GeneratorTask", "tts.registry", "build_generator"
    ),
}  # fmt: skip


def arguments_of(cls: Any, skip: Iterable[str] = ()) -> type[Strict]:
    """Make a strict pydantic model of the keyword arguments of a constructor or function.

    Arguments of types that YAML does not have are left out, as are those named in `skip`.
    """
    skip = {"self", *skip}
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        kind = parameter.annotation
        if name in skip or not _is_yaml_type(kind):
            continue
        arguments[name] = (kind, ... if parameter.default is parameter.empty else parameter.default)
    return create_model(cls.__name__, __base__=Strict, **arguments)


def _is_yaml_type(kind: Any) -> bool:
    """Whether YAML can hold values of a type: numbers, strings, None, dicts, tuples and unions."""
    if kind in (int, float, bool, str, type(None)):
        return True
    if getattr(kind, "__origin__", None) is dict:
        return True
    parts = getattr(kind, "__args__", ())
    return bool(parts) and all(part is Ellipsis or _is_yaml_type(part) for part in parts)


def _train_settings() -> type[Strict]:
    """Make a strict pydantic model of TrainConfig."""
    settings: dict[str, Any] = {
        field.name: (field.type, field.default) for field in fields(TrainConfig)
    }
    return create_model("TrainSettings", __base__=Strict, **settings)


class _Run(Strict):
    """The keys of a run's YAML."""

    task: str
    data: str = "data/train"
    out: str
    size: str = "small"
    model: dict[str, Any] = {}
    options: dict[str, Any] = {}
    train: dict[str, Any] = {}


@dataclass(frozen=True)
class RunConfig:
    """A checked run.

    Attributes:
        task: key of KINDS; data: the corpus; out: folder of the run.
        model: arguments of the network; options: arguments of the task.
        system: the resolved YAML of a system; None for other runs.
        folder: of the YAML, in which parts of a system may lie.
    """

    task: str
    data: Path
    out: Path
    model: dict[str, Any]
    options: dict[str, Any]
    train: TrainConfig
    system: dict[str, Any] | None = None
    folder: Path | None = None

    @property
    def build(self) -> Callable[[Any], Task]:
        """A function that builds the task from a `tts.data.corpus.Corpus`.

        Errors are those of `tts.train.parts.check_parts`.
        """
        kind = KINDS[self.task]
        cls = getattr(import_module(kind.module), kind.task)
        extra: dict[str, Any] = {}
        if self.system is not None:
            check_parts(self.system, self.folder)
            # It is exported with the weights.
            extra["system"] = self.system
        return lambda corpus: cls(corpus, model=self.model, **self.options, **extra)


def override(values: Any, assignments: Iterable[str]) -> Any:
    """Apply assignments `key.sub=value` to a copy of parsed YAML.

    Values are read as YAML. As in `tts.systems.merged`, another `kind` replaces its whole section
    before other keys of the section are set.

    Raises:
        ConfigError: a string is not an assignment, or its value is not YAML.
    """
    if not isinstance(values, dict):
        return values
    result = copy.deepcopy(values)
    given = [(each, *read_assignment(each, "train.steps=100")) for each in assignments]
    # Kinds are set first, whatever the order on the command line.
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
    """Check the parsed YAML of a run or a system.

    Args:
        source: name of the file, for errors.

    Raises:
        ConfigError: a task or key is unknown (the message names the nearest), or a value is wrong.
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
    # Defaults are left out, so that the arguments in a checkpoint say what was chosen.
    model = parse(arguments_of(network), given, f"{source}: model")
    if kind.model in ("build_generator", "build_codec"):
        _check_network(network, model.model_dump(exclude_unset=True), source)
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
    """Raise ConfigError for a size that differs from that of the data."""
    for name, size in _FIXED.items():
        if model.get(name, size) != size:
            raise ConfigError(f"{source}.{name} is {size}, as in the corpus, not {model[name]}")
    for name, part in model.items():
        if name == "conditioner":
            _check_fixed(part, f"{source}.{name}")


def _check_train(train: TrainConfig, source: str) -> None:
    """Raise ConfigError for settings of the loop that are out of range."""
    for name, minimum in _MINIMUM.items():
        # Written so that NaN fails too.
        if not getattr(train, name) >= minimum:
            raise ConfigError(f"{source}: train.{name} must be at least {minimum}")
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


class _SkipInit(TorchFunctionMode):
    """Skips the initialization of weights, for which PyTorch would load its compiler on the "meta"
    device; that takes seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        initializers = (torch.Tensor.normal_, torch.Tensor.uniform_)
        if func in initializers or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        kwargs = dict(kwargs or {})
        if func is torch.randn:
            kwargs.pop("generator", None)  # of the CPU
            return torch.empty(*args, **kwargs)
        return func(*args, **kwargs)


def _check_network(network: Any, arguments: dict[str, Any], source: str) -> None:
    """Raise ConfigError if the parts of a network do not fit together.

    The network is built on the "meta" device, without memory.
    """
    try:
        with torch.device("meta"), _SkipInit():
            network(**arguments)
    except (TTSError, TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{source}: model: {error}") from error


def _check_system(values: dict[str, Any], source: str) -> RunConfig:
    """Check a system; codec, vocoder and profile of its training are those that it speaks with."""
    training, speaking = split(values, list(ModelConfig.model_fields), source)
    model = parse(ModelConfig, {"generator": values["name"], **speaking}, source)
    options = dict(training.get("options") or {})
    derived: dict[str, Any] = {"codec": model.codec, "vocoder": model.vocoder}
    if model.normalised:
        derived["profile"] = model.profile
    for key in ("codec", "profile"):
        if key in options:
            raise ConfigError(f"{source}: options.{key} follows from {key} of the system")
    training = {"out": f"runs/{model.name}", **training, "options": {**derived, **options}}
    run = check_run(training, source)
    check_sampling(sampling_options(**run.model), speaking.get("sampling") or {}, source)
    return replace(run, system={**values, "out": str(run.out)})


def load_run(path: str | Path, assignments: Iterable[str] = ()) -> RunConfig:
    """Read and check a run or a system.

    Args:
        path: of a YAML, or a name in configs/train or configs/systems.
        assignments: see `override`.

    Raises:
        ConfigError: as of `override` and `check_run`.
        UsageError: the name is unknown.
    """
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
    return replace(run, folder=Path(path).parent)

"""Checkpoints: folders with `model.safetensors`, `config.yaml` and a model card.

config.yaml contains the architecture (`kind`), its `arguments` and the SHA-256 of the weights, so
that an edited or truncated file is refused before anything is computed. Pickle is never used.

Models with common frozen parts can share them: `base` in config.yaml names a sibling folder with
the tensors that are missing here, and its checksum (`share_weights`). Matrices may be stored in 8
bits (`pack_weights`).
"""

import os
import pickle
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tts_codecs.download import check_sha256, file_sha256
from tts_codecs.errors import CheckpointError, UsageError
from tts_codecs.packed import pack, unpack
from tts_codecs.plain_yaml import read_yaml
from tts_codecs.renamed import current_names

WEIGHTS = "model.safetensors"
CONFIG = "config.yaml"
_TYPES = (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8,
    torch.int8, torch.int16, torch.int32, torch.int64,
)  # fmt: skip


def _temporary_sibling(path: Path) -> Path:
    """Create an empty temporary file in the folder of `path`."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(descriptor)
    os.chmod(name, 0o644)
    return Path(name)


def save_checkpoint(
    folder: str | Path,
    module: nn.Module,
    kind: str,
    arguments: dict[str, Any],
    half: bool = True,
    **extra: Any,
) -> None:
    """Write weights and config of a module. Older files are replaced only when both are written.

    Args:
        folder: created if needed.
        module: its state dict is written.
        kind: name of the architecture, which loading checks.
        arguments: keyword arguments to build the module.
        half: whether floating-point weights are stored as float16.
        extra: further keys of config.yaml (step, data, ...).

    Raises:
        CheckpointError: the folder cannot be written, or the disk is full.
    """
    state = {
        name: (value.half() if half and value.is_floating_point() else value).contiguous().cpu()
        for name, value in module.state_dict().items()
    }
    _write_weights(Path(folder), state, {"kind": kind, "arguments": arguments, **extra})


def read_config(folder: str | Path, kind: str | None = None) -> dict[str, Any]:
    """config.yaml of a checkpoint folder; CheckpointError if missing or of another kind."""
    path = Path(folder) / CONFIG
    try:
        config = read_yaml(path)
    except OSError as error:
        raise CheckpointError(f"no checkpoint in {folder}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: not valid YAML") from error
    if not isinstance(config, dict) or not all(
        isinstance(config.get(key), str) for key in ("kind", "sha256")
    ):
        raise CheckpointError(f"{path} is damaged: it names no kind or checksum")
    if kind is not None and config["kind"] != kind:
        raise CheckpointError(f"{folder} is a checkpoint of the kind {config['kind']}, not {kind}")
    return config


def fingerprint(folder: str | Path) -> str:
    """The checksum of a checkpoint, followed by that of its base if it has one."""
    config = read_config(folder)
    return " ".join(each["sha256"] for each in (config, config.get("base")) if each)


def check_weights(folder: str | Path) -> Path:
    """The weights file of a checkpoint folder; CheckpointError unless its checksum is right."""
    path = Path(folder) / WEIGHTS
    expected = read_config(folder)["sha256"]
    if not path.is_file():
        raise CheckpointError(f"{path} is missing")
    if file_sha256(path) != expected:
        raise CheckpointError(f"{path} is damaged: its checksum differs from {CONFIG}")
    return path


def weights_bytes(folder: str | Path) -> int:
    """Size of a checkpoint's weights with those of its base; CheckpointError if missing."""
    folder, size = Path(folder), 0
    base = read_config(folder).get("base")
    beside = [folder.resolve().parent / str(base.get("folder"))] if isinstance(base, dict) else []
    for each in (folder, *beside):
        try:
            size += (each / WEIGHTS).stat().st_size
        except OSError as error:
            raise CheckpointError(f"{each / WEIGHTS} is missing") from error
    return size


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors stored in a folder, without those of its base, by their current names."""
    path = check_weights(folder)
    try:
        state = current_names(load_file(path))
    except (SafetensorError, KeyError) as error:  # KeyError: a dtype that PyTorch does not have
        raise CheckpointError(f"{path} is damaged: {error}") from error
    for name, value in state.items():
        if value.dtype not in _TYPES:  # a dtype with which PyTorch cannot compute
            raise CheckpointError(f"{path} is damaged: {name!r} is of {value.dtype}")
    return unpack(state)


def read_weights(folder: str | Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint as stored, with those of its base. Checksums are verified."""
    folder = Path(folder)
    state = _read_weights(folder)
    base = read_config(folder).get("base")
    if base is None:
        return state
    try:
        beside, expected = folder.resolve().parent / base["folder"], base["sha256"]
    except (TypeError, KeyError) as error:
        raise CheckpointError(f"{folder / CONFIG} is damaged: a base has folder, sha256") from error
    if read_config(beside)["sha256"] != expected:
        raise CheckpointError(f"{beside} has other weights than {folder} was made with")
    return _read_weights(beside) | state


def _write_weights(folder: Path, state: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """Write weights and config to temporary files and rename these, so that the older files stay if
    one cannot be written."""
    made: dict[Path, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS, CONFIG):
            made[folder / name] = _temporary_sibling(folder / name)
        save_file(state, made[folder / WEIGHTS])
        os.chmod(made[folder / WEIGHTS], 0o644)  # it was replaced by a file for the owner alone
        config = {k: v for k, v in config.items() if k != "sha256"}
        config["sha256"] = file_sha256(made[folder / WEIGHTS])
        made[folder / CONFIG].write_text(yaml.safe_dump(config, sort_keys=False))
        for path, new in made.items():
            os.replace(new, path)
    except (OSError, SafetensorError) as error:
        told = getattr(error, "strerror", None) or error
        raise CheckpointError(f"cannot write the checkpoint {folder}: {told}") from error
    finally:
        for new in made.values():
            new.unlink(missing_ok=True)


def share_weights(folders: Sequence[str | Path], base: str | Path) -> None:
    """Remove from checkpoints the tensors that `base`, a sibling folder, also contains.

    Args:
        folders: checkpoints in the same folder as the base (links are followed). They refer to it
            by its name alone, so that all of them can be moved together.
        base: a checkpoint, or a new folder to which the common tensors of all checkpoints are
            written.

    Raises:
        UsageError: a checkpoint is the base, or is not in the same folder as the base.
        CheckpointError: damaged weights, or a checkpoint has no tensor in common with the base.
    """
    base = Path(base).resolve()
    for folder in folders:
        found = Path(folder).resolve()
        if found == base:
            raise UsageError(f"{folder} cannot be its own base: give another --base")
        if found.parent != base.parent:
            raise UsageError(
                f"{folder} does not lie beside the base {base.name}: it must be in {base.parent}"
            )
    states = {Path(folder): read_weights(folder) for folder in folders}
    fresh = not (base / CONFIG).is_file()
    held = dict(next(iter(states.values()))) if fresh else _read_weights(base)

    def same(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {k: v for k, v in held.items() if k in state and torch.equal(v, state[k])}

    if fresh:
        for state in states.values():
            held = same(state)
    for folder, state in states.items():
        if not same(state):
            raise CheckpointError(f"{folder} has nothing in common with {base}")
    if fresh:
        _write_weights(base, held, {"kind": "shared"})
    known = {"folder": base.name, "sha256": read_config(base)["sha256"]}
    for folder, state in states.items():
        rest = {k: v for k, v in state.items() if k not in same(state)}
        _write_weights(folder, rest, read_config(folder) | {"base": known})


def _network(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a checkpoint that determine its network. A strategy has no weights, so only
    its kind counts; its other options may differ between runs."""
    arguments = dict(config["arguments"])
    if isinstance(arguments.get("strategy"), dict):
        arguments["strategy"] = arguments["strategy"].get("kind")
    return arguments


def _within(some: Any, more: Any) -> bool:
    """Whether all keys of nested mappings are in `more` with the same values."""
    if isinstance(some, Mapping) and isinstance(more, Mapping):
        return all(key in more and _within(value, more[key]) for key, value in some.items())
    return bool(some == more)


def average_weights(first: str | Path, second: str | Path, weight: float, out: str | Path) -> None:
    """Interpolate weights: write (1 - weight) first + weight second, with the config of the second.

    If training has improved a model in one respect and made it worse in another, interpolated
    weights can keep both qualities (Wortsman et al. 2022). Parts that only the second network has
    are copied.

    Raises:
        CheckpointError: damaged weights, or the second network is neither that of the first nor an
            extension of it.
    """
    a, b = read_weights(first), read_weights(second)
    before = read_config(first)
    config = read_config(second, before["kind"])
    alike = a.keys() <= b.keys() and all(a[k].shape == b[k].shape for k in a)
    same = _network(config) == _network(before)
    added = len(a) < len(b) and _within(_network(before), _network(config))
    if not alike or not (same or added):
        raise CheckpointError(f"{first} and {second} are not weights of the same network")
    mixed = {
        k: torch.lerp(a[k].float(), v.float(), weight).to(v.dtype)
        if k in a and v.is_floating_point()
        else v
        for k, v in b.items()
    }
    _write_weights(Path(out), mixed, {k: v for k, v in config.items() if k != "base"})


def pack_weights(folder: str | Path, out: str | Path) -> None:
    """Write a checkpoint with its matrices in 8 bits (tts_codecs.packed). What it shares with a
    base stays there, so that `out` has to lie in the same folder.

    Raises:
        UsageError: `out` lies elsewhere than the base.
        CheckpointError: damaged weights, or the checkpoint cannot be written.
    """
    config = read_config(folder)
    if config.get("base") and Path(out).resolve().parent != Path(folder).resolve().parent:
        raise UsageError(f"{out} must lie beside {folder}, whose base it shares")
    _write_weights(Path(out), pack(_read_weights(Path(folder))), config)


def load_weights(folder: str | Path, module: nn.Module, partial: bool = False) -> list[str]:
    """Load the weights of a checkpoint into `module` (as float32) after verifying their checksum.

    Args:
        folder: of the checkpoint.
        module: to load into.
        partial: whether to load only tensors of the same name and shape, to initialise one model
            from another.

    Returns:
        names of the tensors that were not loaded.

    Raises:
        CheckpointError: damaged or non-finite weights, or weights that do not fit the module.
    """
    path = Path(folder) / WEIGHTS
    state = read_weights(folder)
    state = {k: v.float() if v.dtype == torch.float16 else v for k, v in state.items()}
    for name, value in state.items():
        # The sum is finite only if all values are, and is the fastest check.
        if value.is_floating_point() and not torch.isfinite(value.sum()):
            raise CheckpointError(f"{path} holds values that are not finite, in {name!r}")
    if partial:
        own = module.state_dict()
        state = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
        if not state:
            raise CheckpointError(f"{path} has nothing in common with this model")
        return list(module.load_state_dict(state, strict=False).missing_keys)
    try:
        module.load_state_dict(state)
        return []
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{path} does not fit its config: {detail}") from error


def read_state(path: str | Path, sha256: str | None = None) -> dict[str, torch.Tensor]:
    """The tensors of a file: safetensors, or a pickle with a known checksum.

    Args:
        path: of the file.
        sha256: 64 hex digits, required for a pickle.

    Raises:
        CheckpointError: missing, unverified or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}")
    if sha256 is not None:
        check_sha256(path, sha256)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if sha256 is None:
            raise CheckpointError(
                f"{path}: not a .safetensors file; give its sha256 to load it all the same"
            )
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    except (SafetensorError, pickle.UnpicklingError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: cannot be read as weights ({reason})") from error
    except (RuntimeError, TypeError, AttributeError, LookupError, ValueError) as error:
        raise wrong_model(path, error) from error


def load_state(
    model: nn.Module,
    path: str | Path,
    sha256: str | None = None,
    rename: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]] = dict,
) -> None:
    """Load a state dict into ``model``, from safetensors or from a pickle with a known checksum.

    Args:
        model: to load into.
        path: of the file.
        sha256: 64 hex digits, required for a pickle.
        rename: converts the tensors of the file to the state dict of the model.

    Raises:
        CheckpointError: missing, unverified, damaged, or of another architecture.
    """
    state = read_state(path, sha256)
    try:
        model.load_state_dict(rename(state))
    except (RuntimeError, TypeError, AttributeError, LookupError, ValueError) as error:
        raise wrong_model(path, error) from error


def wrong_model(path: str | Path, error: Exception) -> CheckpointError:
    """The error for tensors in the file `path` that do not fit a model, of which `error` tells."""
    reason = (str(error).splitlines() or [""])[-1].strip() or type(error).__name__
    return CheckpointError(f"{path}: not weights of this model ({reason})")

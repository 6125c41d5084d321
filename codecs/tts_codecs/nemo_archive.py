"""Archives of NVIDIA's NeMo (`.nemo`): a tar file with the config of a model and its weights.

Nothing is unpacked to disk. The weights are a pickle, of which PyTorch reads nothing but tensors
(`torch.load` with `weights_only`). Other files of the archive are not opened.
"""

import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from tts_codecs.download import check_sha256
from tts_codecs.errors import CheckpointError
from tts_codecs.plain_yaml import MAX_BYTES, parse_yaml

_CONFIG, _WEIGHTS = "model_config.yaml", "model_weights.ckpt"
#: limits on the size of the weights and on the number of files in an archive
_MOST_BYTES, _MOST_MEMBERS = 4 << 30, 1000


def read_archive(
    path: str | Path, sha256: str | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config and the tensors of a `.nemo` file.

    Args:
        path: of the file, an uncompressed tar archive.
        sha256: 64 hex digits, verified if given.

    Raises:
        CheckpointError: missing, damaged, not such an archive, or larger than what is read.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}")
    if sha256 is not None:
        check_sha256(path, sha256)
    try:
        # A compressed archive could be far larger than its file.
        with tarfile.open(path, "r:") as archive:
            found = _members(archive)
            config = parse_yaml(_opened(archive, found[_CONFIG], MAX_BYTES).read())
            state = _tensors(_opened(archive, found[_WEIGHTS], _MOST_BYTES), found[_WEIGHTS].size)
    except (tarfile.TarError, zipfile.BadZipFile, pickle.UnpicklingError, yaml.YAMLError, OSError,
            EOFError, RuntimeError, LookupError, TypeError, ValueError, AttributeError,
            NotImplementedError, OverflowError) as error:  # fmt: skip
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: cannot be read as a NeMo archive ({reason})") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: cannot be read as a NeMo archive ({_CONFIG} is no mapping)")
    return config, state


def _members(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """The files with the config and the weights, by name."""
    found: dict[str, tarfile.TarInfo] = {}
    for number, member in enumerate(archive):
        if number == _MOST_MEMBERS:
            raise ValueError(f"over {_MOST_MEMBERS} files")
        name = member.name.removeprefix("./")
        # Links, and sparse files, which may be larger than the archive, are no such files.
        if name in (_CONFIG, _WEIGHTS) and member.isreg() and not member.issparse():
            found[name] = member
    for name in (_CONFIG, _WEIGHTS):
        if name not in found:
            raise ValueError(f"it has no {name}")
    return found


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> Any:
    """A member opened for reading; ValueError if it has over `most` bytes."""
    if member.size > most:
        raise ValueError(f"{member.name} has over {most:,} bytes")
    return archive.extractfile(member)


def _tensors(file: Any, size: int) -> dict[str, Tensor]:
    """The tensors of a file of `size` bytes; ValueError if they are larger than twice that."""
    # PyTorch writes a zip file, whose parts it does not compress.
    with zipfile.ZipFile(file) as parts:
        infos = parts.infolist()
    stored = all(each.compress_type == zipfile.ZIP_STORED for each in infos)
    if not stored or sum(each.file_size for each in infos) > size:
        raise ValueError(f"{_WEIGHTS} is compressed")
    file.seek(0)
    state = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise TypeError(f"{_WEIGHTS} is no state dict")
    tensors = {str(name): each for name, each in state.items() if isinstance(each, Tensor)}
    # A tensor may name the same value without an end; tied weights are there twice.
    if sum(each.numel() * each.element_size() for each in tensors.values()) > 2 * size:
        raise ValueError(f"the tensors of {_WEIGHTS} are larger than it")
    return tensors

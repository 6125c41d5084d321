"""A model in one file: a zip archive of a `model.yaml` and the checkpoint folders it names.

`https://HOST/PATH/model.zip#sha256=<64 hex digits>` names one; the checksum is a must, so the
address always gives the same weights. Made with any zip program:
`cd my_model && zip -r ../model.zip model.yaml generator durations vocoder`, with the
folder of a `base` (tts_codecs.checkpoint) where one of them has it.
"""

import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from tts.errors import CheckpointError, UsageError
from tts.folders import xdg_folder
from tts_codecs.download import fetch

_URL = re.compile(r"(https://[^\s#]+)#sha256=([0-9a-fA-F]{64})")
_KINDS = (".yaml", ".safetensors", ".md", ".json", ".txt", "")  # "": LICENSE
MAX_BYTES = 16 << 30
MAX_FILES = 1000


def cache_folder() -> Path:
    """Where fetched models live, by the XDG convention."""
    return xdg_folder("XDG_CACHE_HOME", ".cache") / "tts" / "models"


def fetch_bundle(url: str) -> Path:
    """The folder of a bundle, downloaded and unpacked unless it is there.

    Raises:
        UsageError: not an https address with a checksum.
        CheckpointError: the download fails, or the archive is not a bundle.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise UsageError(
            f"model {url!r}: a URL has to be https://.../model.zip#sha256=<64 hexadecimal digits>"
        )
    address, sha256 = match[1], match[2].lower()
    folder = cache_folder() / sha256
    if (folder / "model.yaml").is_file():
        return folder
    try:
        archive = fetch(address, cache_folder() / f"{sha256}.zip", sha256, max_bytes=MAX_BYTES)
        unpack(archive, folder)
        archive.unlink(missing_ok=True)
    except (CheckpointError, OSError):
        # Another process that fetched the same may have been faster, and taken the archive away.
        if not (folder / "model.yaml").is_file():
            raise
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a bundle into a new folder, whole or not at all.

    Raises:
        CheckpointError: damaged, no `model.yaml` in it, or files that do not belong in one.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-"))
    try:
        with zipfile.ZipFile(archive) as source:
            _check(source, archive)
            for entry in source.infolist():
                target = made / entry.filename
                if entry.is_dir():
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with source.open(entry) as data, target.open("wb") as file:
                    shutil.copyfileobj(data, file, 1 << 20)
        if not (folder / "model.yaml").is_file():  # another process may have been faster
            os.replace(made, folder)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f"{archive} cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _check(source: zipfile.ZipFile, archive: Path) -> None:
    entries = source.infolist()
    if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise CheckpointError(f"{archive} is too large for a model")
    if "model.yaml" not in source.namelist():
        raise CheckpointError(f"{archive} holds no model.yaml")
    for entry in entries:
        path = PurePosixPath(entry.filename)
        links = entry.external_attr >> 16 & 0o170000 == 0o120000
        odd = path.is_absolute() or ".." in path.parts or "\\" in entry.filename or links
        if odd or (not entry.is_dir() and path.suffix not in _KINDS):
            raise CheckpointError(f"{archive} holds {entry.filename!r}, which is not of a model")

"""Download of a pinned file: HTTPS only, of limited size, with a verified checksum, atomically."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tts_codecs.errors import CheckpointError

_BLOCK = 1 << 20


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file in lower-case hex; CheckpointError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()


def check_sha256(path: str | Path, sha256: str) -> None:
    """Raise CheckpointError unless the file has this SHA-256 (64 hex digits)."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise CheckpointError(f"sha256 must be 64 hexadecimal digits, got {sha256!r}")
    found = file_sha256(path)
    if found != sha256.lower():
        raise CheckpointError(
            f"{path}: checksum mismatch, expected {sha256.lower()[:12]}..., found {found[:12]}...; "
            "the file is truncated or was edited: fetch it again"
        )


def fetch(
    url: str,
    target: str | Path,
    sha256: str,
    max_bytes: int = 1 << 30,
    timeout: float = 30.0,
    progress: Callable[[int], object] | None = None,
) -> Path:
    """Return ``target``, downloading it from ``url`` if it is not there yet.

    An existing file must have the right checksum; otherwise it is not replaced. A download is
    written to a temporary file in the same folder, and renamed once it is verified.

    Args:
        url: ``https://`` address.
        target: file to write; its folder is created.
        sha256: 64 hex digits.
        max_bytes: give up beyond this size.
        timeout: seconds for each network operation.
        progress: called with the number of bytes that came.

    Raises:
        CheckpointError: other scheme, network failure, too large, wrong checksum, unwritable.
    """
    target = Path(target)
    if target.exists():
        check_sha256(target, sha256)
        return target
    if not url.startswith("https://"):
        raise CheckpointError(f"weights are fetched by https only, got {url!r}")
    part = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=timeout) as source:
            handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            with os.fdopen(handle, "wb") as sink:
                size = 0
                while block := source.read(_BLOCK):
                    size += len(block)
                    if size > max_bytes:
                        raise CheckpointError(f"{url}: larger than {max_bytes} bytes")
                    sink.write(block)
                    if progress is not None:
                        progress(len(block))
        check_sha256(part, sha256)
        os.chmod(part, 0o644)
        os.replace(part, target)
    # HTTPException: the answer is not HTTP, or is incomplete.
    except (OSError, urllib.error.URLError, http.client.HTTPException) as error:
        raise CheckpointError(f"cannot fetch {url} to {target}: {error}") from error
    finally:
        if part:
            Path(part).unlink(missing_ok=True)
    return target


@dataclass(frozen=True)
class WebFile:
    """A file on the web with a pinned checksum.

    Attributes:
        url: its address.
        sha256: 64 hex digits.
        size: in bytes.
        licence: of the file.
    """

    url: str
    sha256: str
    size: int
    licence: str

    def fetch(self, folder: str | Path, progress: Callable[[int], object] | None = None) -> Path:
        """The file in `folder`, named as at its address, downloaded unless it is there.

        Args:
            progress: called with the number of bytes that came.

        Raises:
            CheckpointError: the download fails, or the file is another one.
        """
        target = Path(folder) / self.url.rsplit("/", 1)[-1]
        return fetch(self.url, target, self.sha256, max_bytes=self.size, progress=progress)


@dataclass(frozen=True)
class HubFile:
    """A file of a Hugging Face repository at one revision, with a pinned checksum.

    Attributes:
        repo: owner/name.
        revision: commit hash.
        path: of the file in the repository.
        sha256: 64 hex digits.
        size: in bytes.
        licence: of the file.
    """

    repo: str
    revision: str
    path: str
    sha256: str
    size: int
    licence: str

    @property
    def url(self) -> str:
        """Address of exactly this revision."""
        return f"https://huggingface.co/{self.repo}/resolve/{self.revision}/{self.path}"

    def fetch(self, folder: str | Path, progress: Callable[[int], object] | None = None) -> Path:
        """The file in `folder`, named as in the repository, downloaded unless it is there.

        Args:
            progress: called with the number of bytes that came.

        Raises:
            CheckpointError: the download fails, or the file is another one.
        """
        target = Path(folder) / self.path
        return fetch(self.url, target, self.sha256, max_bytes=self.size, progress=progress)


class Published:
    """Base of published weights that are fetched by name; subclasses list their files.

    Attributes:
        name: by which it is fetched.
    """

    name: str

    @property
    def files(self) -> Sequence[HubFile | WebFile]:
        """All files."""
        raise NotImplementedError

    @property
    def fetched(self) -> bool:
        """Whether it is there."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def size_told(self) -> str:
        """The size, for messages."""
        if self.size >= 1e9:
            return f"{self.size / 1e9:.2f} GB"
        return f"{self.size / 1e6:.0f} MB"

    @property
    def licences(self) -> str:
        """The licences of all files."""
        return "; ".join(dict.fromkeys(file.licence for file in self.files))

    def check_fetched(self) -> None:
        """CheckpointError that names the command, unless it is there."""
        if not self.fetched:
            raise CheckpointError(
                f"{self.name} is not fetched yet ({self.size_told}; {self.licences}): "
                f"run `tts models fetch {self.name}`"
            )

"""Checkpoints in pieces small enough to carry, written while a run goes on.

A checkpoint folder becomes NAME.SET.000, NAME.SET.001 ... and NAME.json, which lists them and is
written last: SET is of what they hold, so a set that is cut short leaves the one of before whole,
whose pieces are removed when NAME.json says the new ones. `tts models join` puts a set together.
"""

import hashlib
import io
import json
import re
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

from tts.audio.files import atomic_output, write_all, write_error
from tts.errors import CheckpointError

PIECE = 15 * 2**20


def check_folder(folder: str | Path) -> None:
    """OutputError where a folder cannot be made, or no file written into it."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise write_error(folder, error) from error


def write_pieces(folder: str | Path, target: str | Path, size: int = PIECE) -> list[Path]:
    """Write the files of a checkpoint folder as pieces of at most `size` bytes, and then remove
    those of before.

    Args:
        target: path of the pieces without their endings.

    Raises:
        OutputError: they cannot be written.
    """
    target = Path(target)
    check_folder(target.parent)
    stream = io.BytesIO()
    # Weights do not compress.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(Path(folder).iterdir()):
            archive.write(path, path.name)
    data = stream.getvalue()
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    digest = hashlib.sha256(data).hexdigest()
    paths = [target.with_name(f"{target.name}.{digest[:8]}.{n:03d}") for n in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        with atomic_output(path) as file:
            write_all(file, part)
    about = {
        "pieces": [p.name for p in paths],
        "sha256": digest,
    }
    with atomic_output(target.with_name(f"{target.name}.json")) as file:
        write_all(file, json.dumps(about).encode())
    # Of the set of before, and of one that was cut short; names of older versions have no SET.
    piece = re.compile(re.escape(target.name) + r"(\.[0-9a-f]{8})?\.\d{3,}")
    for path in target.parent.iterdir():
        if path not in paths and piece.fullmatch(path.name):
            with suppress(OSError):  # the new set is whole
                path.unlink()
    return paths


def join_pieces(index: str | Path, out: str | Path) -> Path:
    """Put a checkpoint folder together from NAME.json and the pieces beside it.

    Raises:
        CheckpointError: a piece is missing or of another set, or `out` exists.
    """
    index, out = Path(index), Path(out)
    if out.exists():
        raise CheckpointError(f"{out} exists already")
    try:
        about = json.loads(index.read_text())
        names = [Path(name).name for name in about["pieces"]]
        data = b"".join((index.parent / name).read_bytes() for name in names)
        if hashlib.sha256(data).hexdigest() != about["sha256"]:
            raise ValueError("the pieces are not of one set, or damaged")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.namelist()
            if any("/" in name or "\\" in name for name in members):
                raise ValueError("a file would lie outside of the folder")
            out.mkdir(parents=True)
            for name in members:
                (out / name).write_bytes(archive.read(name))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = f"{error.strerror} ({error.filename})" if isinstance(error, OSError) else error
        raise CheckpointError(f"{index} cannot be joined: {reason}") from error
    return out

"""Publishing: a checkpoint in small pieces, which are written while a run goes on.

A checkpoint folder becomes the files NAME.SET.000, NAME.SET.001 and so on, where SET is a digest of
their contents, and NAME.json, which lists them. As NAME.json is written last, the previous set
stays valid if writing is interrupted; its pieces are removed afterwards. `tts models join` restores
the folder.
"""

import hashlib
import io
import json
import re
import zipfile
from contextlib import suppress
from pathlib import Path

from tts.audio.files import atomic_output, check_folder_writable, write_all
from tts.errors import CheckpointError

#: bytes of a piece at most
PIECE_SIZE = 15 * 2**20


def write_pieces(folder: str | Path, target: str | Path, size: int = PIECE_SIZE) -> list[Path]:
    """Write the files of a checkpoint folder as pieces, then remove the pieces of earlier sets.

    Args:
        target: path of the pieces without their endings.
        size: bytes of a piece at most.

    Returns:
        paths of the pieces.

    Raises:
        OutputError: the pieces cannot be written.
    """
    target = Path(target)
    check_folder_writable(target.parent)
    stream = io.BytesIO()
    # Weights cannot be compressed much.
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
    index = {"pieces": [path.name for path in paths], "sha256": digest}
    with atomic_output(target.with_name(f"{target.name}.json")) as file:
        write_all(file, json.dumps(index).encode())
    # Earlier versions wrote names without SET.
    piece = re.compile(re.escape(target.name) + r"(\.[0-9a-f]{8})?\.\d{3,}")
    for path in target.parent.iterdir():
        if path not in paths and piece.fullmatch(path.name):
            with suppress(OSError):  # the new set is complete in any case
                path.unlink()
    return paths


def join_pieces(index: str | Path, out: str | Path) -> Path:
    """Restore a checkpoint folder from NAME.json and the pieces beside it.

    Args:
        index: path of NAME.json; out: folder to make.

    Raises:
        CheckpointError: a piece is missing, damaged or of another set, or `out` exists.
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

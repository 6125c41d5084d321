"""What a run that goes on was before: one process at a time, and settings that are others now."""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tts.errors import UsageError
from tts.folders import lock
from tts.train.config import RunConfig
from tts.train.publish import check_folder

#: settings that may be others at any time, as what is learned is the same, or how long
_FREE = {
    f"train.{name}"
    for name in (
        "steps", "budget", "slowest", "log_every", "save_minutes", "sample_minutes", "publish",
        "publish_to", "device", "graphs", "compile", "init",
    )
} | {"options.resident"}  # fmt: skip


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """A block in which no other training writes into a folder, which is made if needed. Of several
    processes of one training the first is meant.

    Raises:
        UsageError: another one does. OutputError: it cannot be written.
    """
    if int(os.environ.get("RANK", "0")):
        yield
        return
    check_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            lock(descriptor)
        except BlockingIOError as error:
            raise UsageError(
                f"another training is writing into {folder}: wait for it, or train into another "
                "folder (--set out=FOLDER)"
            ) from error
        except OSError:
            pass  # of a file system that has no locks
        yield
    finally:
        os.close(descriptor)


def settings(run: RunConfig) -> dict[str, str]:
    """What a run learns from and how, by key; values as JSON."""
    sections = {
        "task": run.task,
        "data": os.path.realpath(run.data),
        "model": run.model,
        "options": run.options,
        "train": dataclasses.asdict(run.train),
    }
    found: dict[str, str] = {}
    _flatten("", sections, found)
    return {key: value for key, value in found.items() if key not in _FREE}


def _flatten(path: str, value: Any, found: dict[str, str]) -> None:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            _flatten(f"{path}.{key}" if path else str(key), each, found)
    else:
        found[path] = json.dumps(value, default=str)


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Settings that were others, with what they were; "" for none."""
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    unset = "not set"
    return ", ".join(f"{key} {now.get(key, unset)} (was {before.get(key, unset)})" for key in keys)

"""The folder of a run: a lock against two trainings at once, and changed settings on resuming."""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tts.audio.files import check_folder_writable
from tts.errors import UsageError
from tts.folders import lock
from tts.train.config import RunConfig

#: settings that may change when a run resumes without a note: they do not affect what it learns
_IGNORED = {
    f"train.{name}"
    for name in (
        "steps", "budget", "slowest", "log_every", "save_minutes", "sample_minutes", "publish",
        "publish_to", "device", "graphs", "compile", "init",
    )
} | {"options.resident"}  # fmt: skip


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock a folder, which is made if needed, against other trainings.

    Of the processes of a distributed training only the first takes the lock.

    Raises:
        UsageError: another training holds the lock. OutputError: the folder cannot be written.
    """
    if int(os.environ.get("RANK", "0")):
        yield
        return
    check_folder_writable(folder)
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
            pass  # the file system has no locks
        yield
    finally:
        os.close(descriptor)


def run_settings(run: RunConfig) -> dict[str, str]:
    """List the settings on which the weights of a run depend, by dotted key, with JSON values."""
    sections = {
        "task": run.task,
        "data": os.path.realpath(run.data),
        "model": run.model,
        "options": run.options,
        "train": dataclasses.asdict(run.train),
    }
    flat: dict[str, str] = {}
    _flatten("", sections, flat)
    return {key: value for key, value in flat.items() if key not in _IGNORED}


def _flatten(path: str, value: Any, flat: dict[str, str]) -> None:
    """Add the leaves of nested mappings to `flat`."""
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            _flatten(f"{path}.{key}" if path else str(key), each, flat)
    else:
        flat[path] = json.dumps(value, default=str)


def describe_changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Describe the settings that have changed, each with its new and old value; "" for none."""
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    unset = "not set"
    return ", ".join(f"{key} {now.get(key, unset)} (was {before.get(key, unset)})" for key in keys)

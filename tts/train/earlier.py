"""The folder of a run: one training at a time writes into it, and a run that goes on tells which
settings have changed."""

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

#: settings that may change when a run goes on: they decide how long it runs, not what it learns
_FREE = {
    f"train.{name}"
    for name in (
        "steps", "budget", "slowest", "log_every", "save_minutes", "sample_minutes", "publish",
        "publish_to", "device", "graphs", "compile", "init",
    )
} | {"options.resident"}  # fmt: skip


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock a folder, which is made if needed, so that no other training writes into it meanwhile.
    Of the processes of one distributed training only the first takes the lock.

    Raises:
        UsageError: another training holds the lock. OutputError: the folder cannot be written.
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
    """The settings on which the weights of a run depend, by dotted key; values as JSON."""
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
    """The settings that have changed, each with its value now and before; "" if none has."""
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    unset = "not set"
    return ", ".join(f"{key} {now.get(key, unset)} (was {before.get(key, unset)})" for key in keys)

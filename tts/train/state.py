"""The file state.pt from which a run resumes, and the state of random number generators."""

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tts.errors import CheckpointError, OutputError

#: keys that every state has
KEYS = ("step", "modules", "optimizers", "ema", "torch_rng", "cuda_rng", "python_rng")


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state of a run atomically.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_suffix(".part")
    try:
        torch.save(state, part)
        part.replace(path)
    except (OSError, RuntimeError) as error:  # PyTorch raises RuntimeError for a full disk
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or "is the disk full?"
        raise OutputError(f"cannot write {path}: {reason}") from error


def read_state(path: Path) -> dict[str, Any]:
    """Read the state of a run.

    Raises:
        CheckpointError: the file is damaged, or has something else.
    """
    # A Trainer wrote the file; python_rng is a plain tuple, so that no code is unpickled.
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is damaged; remove it to start over") from error
    if not isinstance(state, dict) or not state.keys() >= set(KEYS):
        raise CheckpointError(f"{path} is no state of a training run; remove it to start over")
    return state


def random_state() -> dict[str, Any]:
    """The states of the random number generators of PyTorch and Python."""
    return {
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python_rng": random.getstate(),
    }


def restore_random_state(state: dict[str, Any], seed: int, rank: int, step: int) -> None:
    """Restore the random number generators of the first process, which saved them.

    The other processes are seeded by seed, rank and step, since with the state of the first all of
    them would draw the same numbers.
    """
    if rank:
        sequence = np.random.SeedSequence((seed, rank, step))
        number = int(sequence.generate_state(1, np.uint64)[0] >> 1)
        torch.manual_seed(number)
        random.seed(number)
        return
    torch.set_rng_state(state["torch_rng"])
    if torch.cuda.is_available():
        # There may be fewer devices now.
        torch.cuda.set_rng_state_all(state["cuda_rng"][: torch.cuda.device_count()])
    version, internal, gauss = state["python_rng"]
    random.setstate((version, tuple(internal), gauss))

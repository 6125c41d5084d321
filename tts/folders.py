"""Folders of the user."""

import os
from pathlib import Path


def xdg_folder(variable: str, default: str) -> Path:
    """A folder of the user by the XDG convention: what the variable names, if that is an absolute
    path (a relative one would be another in every folder), else `default` in the home."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / default

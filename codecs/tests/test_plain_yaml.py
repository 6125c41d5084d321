"""Config files that are made to take memory or time end in an error at once."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from tts_codecs.checkpoint import read_config
from tts_codecs.errors import CheckpointError
from tts_codecs.plain_yaml import MAX_BYTES, read_yaml


def levels(first: str, line: str) -> str:
    """Nine names, each of ten of the one before."""
    many = [line.format(n=n + 1, all=", ".join([f"*a{n}"] * 10)) for n in range(9)]
    return "\n".join([first, *many])


BOMBS = {
    "lists": levels("a0: &a0 [x, x]", "a{n}: &a{n} [{all}]"),
    "mappings": levels("a0: &a0 {k: v}", "a{n}: &a{n} {{x: [{all}]}}"),
    "merged": levels("a0: &a0 {k: v}", "a{n}: &a{n} {{<<: [{all}]}}"),
    "many merged": "a: &a {k: v}\nb: {<<: [" + ", ".join(["*a"] * 5000) + "]}",
    "itself": "a: &a [*a]",
    "deep": "a: " + "[" * 100_000,
    "deep mappings": "{a: " * 100_000,
    "deep lists": "- " * 100_000,
    "deep keys": "? " * 100_000,
    "indented": "\n".join(" " * n + "a:" for n in range(1200)),
    "large": "#" * (MAX_BYTES + 1),
    "latin": "a: \xff",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_bombs(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text, "latin-1")
    with pytest.raises((ValueError, yaml.YAMLError, RecursionError)):
        read_yaml(tmp_path / "config.yaml")
    with pytest.raises(CheckpointError):
        read_config(tmp_path)


def test_depth_is_bounded_whatever_python_allows(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(BOMBS["indented"])
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        with pytest.raises(ValueError, match="nested"):
            read_yaml(tmp_path / "config.yaml")
    finally:
        sys.setrecursionlimit(before)


def test_pipes_and_folders(tmp_path: Path) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "config.yaml")
        with pytest.raises(CheckpointError):
            read_config(tmp_path)
    with pytest.raises((OSError, ValueError)):
        read_yaml(tmp_path)


def test_parts_that_are_named_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {k: 1, l: [2]}\nb: {<<: *a, k: 3}\nc: *a\n")
    assert read_yaml(path) == {"a": {"k": 1, "l": [2]}, "b": {"k": 3, "l": [2]},
                               "c": {"k": 1, "l": [2]}}  # fmt: skip

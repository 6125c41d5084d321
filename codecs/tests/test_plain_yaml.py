"""Config files that are made to take memory or time end in an error at once."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from tts_codecs.checkpoint import read_config
from tts_codecs.errors import CheckpointError
from tts_codecs.plain_yaml import MAX_BYTES, parse_yaml, read_yaml, wrong_yaml


def levels(first: str, line: str) -> str:
    """Nine names, each of ten of the one before."""
    many = [line.format(n=n + 1, all=", ".join([f"*a{n}"] * 10)) for n in range(9)]
    return "\n".join([first, *many])


BOMBS = {
    "lists": levels("a0: &a0 [x, x]", "a{n}: &a{n} [{all}]"),
    "mappings": levels("a0: &a0 {k: v}", "a{n}: &a{n} {{x: [{all}]}}"),
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
        with pytest.raises((ValueError, yaml.YAMLError), match="nested|nesting"):
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


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\nb: 2\na: 3", "'a' is there twice (line 3, column 1)"),
        ("a: 1\n'a': 3", "'a' is there twice (line 2, column 1)"),
        ("s:\n  k: {x: 1, y: 2, x: 1}", "'x' is there twice (line 2, column 19)"),
        ("- {2: a, 2: b}", "'2' is there twice (line 1, column 10)"),
        ("a: [1\nb: 2]]", "(line 2, column "),
        ("a: b\n\tc: d", "(line 2, column "),
    ],
)
def test_a_wrong_file_is_told_with_its_place(text: str, place: str, tmp_path: Path) -> None:
    """The first of two keys of one name would be lost without a word."""
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(yaml.YAMLError) as error:
        read_yaml(tmp_path / "config.yaml")
    told = wrong_yaml(error.value)
    assert place in told and "\n" not in told


def test_mappings_that_are_merged_often_have_each_key_once() -> None:
    values = parse_yaml(levels("a0: &a0 {k: v}", "a{n}: &a{n} {{<<: [{all}]}}").encode())
    assert values == {f"a{n}": {"k": "v"} for n in range(10)}


def test_keys_that_are_merged_may_be_said_anew(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, y: 3}\nd: {1: a, '1': b}"
    (tmp_path / "config.yaml").write_text(text)
    assert read_yaml(tmp_path / "config.yaml") == {
        "a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1}, "c": {"x": 2, "y": 3},
        "d": {1: "a", "1": "b"},
    }  # fmt: skip

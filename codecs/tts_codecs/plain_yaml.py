"""Reading of YAML of unknown origin, with bounds on its size, its nesting and its number of values.

A file of a kilobyte can refer to one list ten times in another, to that ten times in a third, and
so on. Whatever then walks through all values, if only to print them, would never finish.
"""

import os
import stat
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 4 << 20
MAX_VALUES = 500_000
MAX_DEPTH = 100
#: mappings of one merge key, and keys of one mapping
MAX_MERGED, MAX_KEYS = 100, 10_000


# The loader of libyaml, if PyYAML was built with it, does the same ten times faster.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loader that limits merge keys (<<), which can multiply mappings, and refuses duplicate
    keys."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # Checked first, as merging adds keys that the mapping may already have.
        if not hasattr(node, "merged"):
            node.merged = True  # type: ignore[attr-defined]
            _check_keys(node)
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge" and len(value.value) > MAX_MERGED:
                raise yaml.constructor.ConstructorError(None, None, "a merge key of too many")
        super().flatten_mapping(node)
        _keep_last(node)
        if len(node.value) > MAX_KEYS:
            raise yaml.constructor.ConstructorError(None, None, "a mapping of too many keys")


def _keep_last(node: yaml.MappingNode) -> None:
    """Leave one of each key that was merged, the last. If there are several where this mapping is
    merged in its turn, PyYAML 6.0.4 takes the first, whose value is the one that was replaced."""
    pairs: dict[Any, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
        pairs[name] = (key, value)
    node.value = list(pairs.values())


def _check_keys(node: yaml.MappingNode) -> None:
    """Raise ConstructorError for a duplicate key, whose first value would be lost silently."""
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value[:100]!r} is there twice", key.start_mark
                )
            seen.add((key.tag, key.value))


def wrong_yaml(error: Exception) -> str:
    """One line about an error of `read_yaml` or of PyYAML, with line and column if known."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    told = (str(problem or error).splitlines() or [""])[0]
    return f"{told} (line {mark.line + 1}, column {mark.column + 1})" if mark else told


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """Plain values of a YAML file.

    Raises:
        OSError: it cannot be read.
        ValueError: not UTF-8, not a regular file, too large, or nested too deeply.
        yaml.YAMLError, RecursionError: not YAML.
    """
    # Opening a pipe without a writer would block forever.
    descriptor = os.open(Path(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a regular file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
    return parse_yaml(data)


def parse_yaml(data: bytes) -> Any:
    """Plain values of YAML given as bytes. Errors as for `read_yaml`, except OSError."""
    _check_depth(data)
    values = yaml.load(data.decode("utf-8"), _Loader)
    _count(values, {}, 0)
    return values


def _check_depth(data: bytes) -> None:
    """Raise ValueError for deeply nested YAML, with which libyaml would exhaust the stack and so
    end the process."""
    if sum(map(data.count, (b"[", b"{", b"- ", b"? "))) < MAX_DEPTH:
        return  # as in nearly all files; no other syntax nests so deeply in so few bytes
    depth = 0
    for event in yaml.parse(data, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested over {MAX_DEPTH} times")


def _count(value: Any, known: dict[int, int], depth: int) -> int:
    """Number of values within a value, where one that is referred to repeatedly counts each time.

    Args:
        value: a plain value.
        known: counts by id, 0 for a value that is being counted.
        depth: nesting of the value, which is checked here too, as Python's own limit of recursion
            may have been raised.

    Raises:
        ValueError: too many values, too deep, or a value that contains itself.
    """
    if not isinstance(value, (dict, list)):
        return 1
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested over {MAX_DEPTH} times")
    if id(value) in known:
        if not known[id(value)]:
            raise ValueError("it holds itself")
        return known[id(value)]
    known[id(value)] = 0
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    total = 1 + sum(_count(part, known, depth + 1) for part in parts)
    if total > MAX_VALUES:
        raise ValueError(f"it names its parts so often that they are over {MAX_VALUES:,}")
    known[id(value)] = total
    return total

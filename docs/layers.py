"""Layers of the two packages, from their imports: the picture in docs/architecture.md.

    python docs/layers.py            # writes the picture into docs/architecture.md
    python docs/layers.py --check    # tells what is wrong and exits with 1

A layer imports only layers below it, and no two modules import each other, directly or by way of
others. Imports for type checking and inside of functions count as well. A layer is a folder or
module of `LAYERS`; what is listed in one line is one layer, whose parts may import each other.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
SOURCES = {"tts_codecs": ROOT / "codecs", "tts": ROOT, "tts_demo": ROOT / "demo"}
BEGIN, END = "<!-- layers: begin -->\n", "<!-- layers: end -->\n"

#: layers from the top down: a part is a module or a package, with all below it that has no line of
#: its own
LAYERS: tuple[tuple[str, ...], ...] = (
    ("tts.__main__",),
    ("tts_demo",),
    ("tts.cli",),
    ("tts.serve",),
    ("tts.batch", "tts.bench"),
    ("tts.editing", "tts.train"),
    ("tts.synthesizer",),
)


def modules() -> dict[str, Path]:
    """Every module of the packages by its dotted name."""
    found = {}
    for package, home in SOURCES.items():
        for path in sorted((home / package).rglob("*.py")):
            parts = path.relative_to(home).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules among `known` that a module imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [each if each in known else node.module for each in inside]
        else:
            continue
        yield from (each for each in names if each in known and each != name)


def graph() -> dict[str, set[str]]:
    """Every module and the modules it imports."""
    known = modules()
    return {name: set(imports(name, path, known)) for name, path in known.items()}


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(arrows[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(arrows):
        if name not in index:
            visit(name)
    return found

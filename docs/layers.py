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
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
SOURCES = {"tts_codecs": ROOT / "codecs", "tts": ROOT, "tts_demo": ROOT / "demo"}
BEGIN, END = "<!-- layers: begin -->\n", "<!-- layers: end -->\n"

#: layers from the top down: a part is a module or a package, with all below it that has no line of
#: its own
LAYERS: tuple[tuple[str, ...], ...] = (
    ("tts.__main__", "tts.cli", "tts_demo"),
    ("tts", "tts.bench", "tts.serve"),
    ("tts.facade",),
    ("tts.batch", "tts.train"),
    ("tts.data", "tts.editing", "tts.provenance"),
    ("tts.latency", "tts.synthesizer"),
    ("tts.pipeline", "tts.published.f5.pipeline"),
    ("tts.catalog", "tts.eval.kept", "tts.lifecycle", "tts.tuning"),
    ("tts.config",),
    ("tts.registry",),
    ("tts.published", "tts.voice"),
    ("tts.losses",),
    ("tts.generators",),
    ("tts.aio", "tts.align", "tts.captions", "tts.progress", "tts.prosody"),
    ("tts.modules", "tts.types"),
    ("tts.devices", "tts.eval", "tts.systems", "tts.text"),
    ("tts.resources",),
    ("tts.audio", "tts.bundle", "tts.cancel", "tts.data.tables", "tts.data.texts", "tts.quantize"),
    ("tts.arguments",),
    ("tts.errors", "tts.folders", "tts.orphans", "tts.renamed", "tts.scores"),
    ("tts_codecs",),
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


@cache
def layer_of(name: str) -> tuple[int, str]:
    """The number of a module's layer, 0 at the top, and the part of it that the module is in.

    Raises:
        KeyError: a module in no layer.
    """
    parts = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    # `tts` alone is the package's own file, not all that is below it.
    prefix = name
    while prefix:
        if prefix in parts and (prefix != "tts" or name == "tts"):
            return parts[prefix], prefix
        prefix = prefix.rpartition(".")[0]
    raise KeyError(f"{name} is in no layer of docs/layers.py")


def problems(arrows: dict[str, set[str]]) -> list[str]:
    """What does not hold: circles, and imports of a layer above, each in a line."""
    found = [f"circle: {', '.join(group)}" for group in circles(arrows)]
    for name, others in sorted(arrows.items()):
        for other in sorted(others):
            # Importing a module also runs its package's file, which is empty or lazy.
            if layer_of(other)[0] < layer_of(name)[0]:
                found.append(f"upwards: {name} imports {other}")
    return found


def picture(arrows: dict[str, set[str]]) -> str:
    """The layers as a Mermaid flow chart: an arrow from each part to those it imports that lie in
    the nearest layers below it; what these import themselves is not drawn again."""
    edges: dict[str, set[str]] = {part: set() for layer in LAYERS for part in layer}
    for name, others in arrows.items():
        own = layer_of(name)[1]
        edges[own] |= {layer_of(other)[1] for other in others} - {own}

    def reached(part: str, without: str) -> set[str]:
        seen: set[str] = set()
        todo = [each for each in edges[part] if each != without]
        while todo:
            each = todo.pop()
            if each not in seen:
                seen.add(each)
                todo += edges[each]
        return seen

    lines = ["```mermaid", "flowchart TD"]
    for number, layer in enumerate(LAYERS):
        lines.append(f'  subgraph L{number}[" "]')
        lines += [f'    {part.replace(".", "_")}["{part}"]' for part in layer]
        lines.append("  end")
    for part in sorted(edges):
        for other in sorted(edges[part]):
            if other not in reached(part, other):
                lines.append(f"  {part.replace('.', '_')} --> {other.replace('.', '_')}")
    return "\n".join([*lines, "```", ""])


def page(text: str, arrows: dict[str, set[str]]) -> str:
    """The text of docs/architecture.md with the picture of these imports in it."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + picture(arrows) + END + tail


def main() -> int:
    """Write the picture, or with --check only say what is wrong."""
    arrows = graph()
    wrong = problems(arrows)
    text = PAGE.read_text(encoding="utf-8")
    drawn = page(text, arrows)
    if "--check" in sys.argv[1:]:
        wrong += ["docs/architecture.md: run python docs/layers.py"] if drawn != text else []
    else:
        PAGE.write_text(drawn, encoding="utf-8")
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

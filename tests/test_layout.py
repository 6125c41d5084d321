"""Where files are: tests lie as the source does, packages have a map of their modules."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Folder of tests: the package whose modules it tests.
MIRRORED = {"tests": "tts", "codecs/tests": "codecs/tts_codecs"}
ELSEWHERE = {"tests/demo": "demo/tts_demo", "tests/benchmarks": "benchmarks"}
FILES = sorted(path for tests in MIRRORED for path in (ROOT / tests).rglob("test_*.py"))


def source_of(folder: Path) -> Path:
    """The package that a folder of tests mirrors."""
    name = folder.relative_to(ROOT).as_posix()
    if name in ELSEWHERE:
        return ROOT / ELSEWHERE[name]
    tests = next(tests for tests in MIRRORED if name == tests or name.startswith(f"{tests}/"))
    return ROOT / MIRRORED[tests] / name.removeprefix(tests).strip("/")


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda f: f.name)
def test_folders_of_tests_are_those_of_the_source(folder: Path) -> None:
    assert source_of(folder).is_dir()


def test_no_test_imports_another() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                last = name.rpartition(".")[2]
                assert not last.startswith("test_") and last != "conftest", f"{path}: {name}"


@pytest.mark.parametrize(
    "package",
    [
        "tts/align", "tts/audio", "tts/batch", "tts/cli", "tts/data", "tts/editing", "tts/eval",
        "tts/generators", "tts/losses", "tts/modules", "tts/pipeline", "tts/prosody", "tts/serve",
        "tts/text", "tts/train", "tts/train/tasks", "tts/tuning", "tts/voice", "codecs/tts_codecs",
        "codecs/tts_codecs/nn", "codecs/tts_codecs/quantizers", "codecs/tts_codecs/vocoder",
    ],
)  # fmt: skip
def test_the_map_of_a_package_has_its_modules_and_no_others(package: str) -> None:
    folder = ROOT / package
    told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    named = set(re.findall(r"[\w/]+\.py", told or ""))
    assert {path.name for path in folder.glob("*.py")} - {"__init__.py"} <= named
    assert all((folder / name).is_file() for name in named)

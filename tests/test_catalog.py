"""Models and voices are listed as their files say, quickly; the table in the documents too."""

import os
import subprocess
import sys
from pathlib import Path
from runpy import run_path

import pytest

from tts.catalog import model_info, models
from tts.config import load_model_config
from tts.errors import CheckpointError, ConfigError, UsageError
from tts.facade import TTS
from tts.registry import load_module
from tts.resources import checkpoints, configs, model_config, model_names, voice_names
from tts.systems import PARTS
from tts.voice.store import find_voice

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_systems_is_current() -> None:
    script = run_path(str(DOCS / "systems.py"))
    text = (DOCS / "systems.md").read_text("utf-8")
    assert script["page"](text) == text, "run python docs/systems.py"
    names = [path.stem for path in (DOCS.parent / "configs" / "systems").glob("*.yaml")]
    assert names and all(f"| `{name}` |" in text for name in names)


@pytest.mark.parametrize("name", model_names())
def test_a_model_is_listed_as_it_is_loaded(name: str) -> None:
    """The list is made without the classes that check a config, so it is held against them."""
    info, config = model_info(name), load_model_config(model_config(name))
    for key in (
        "name",
        "family",
        "description",
        "language",
        "licence",
        "published",
        "paper",
        "trained_by",
    ):
        assert getattr(info, key) == getattr(config, key), key
    for part in PARTS:
        listed, loaded = info.parts[part], getattr(config, part)
        assert listed == loaded or Path(loaded).is_dir(), part
    assert info.config == config


@pytest.mark.parametrize("arguments", [["models"], ["voices"]])
def test_lists_need_no_pytorch(arguments: list[str]) -> None:
    code = (
        "import sys; from tts.cli.main import run; code = run(sys.argv[1:]); "
        "sys.exit(code or ('torch was imported' if 'torch' in sys.modules else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "default" in done.stdout


def test_a_file_that_is_no_model_is_one_clear_error(tmp_path: Path) -> None:
    for number, (text, told) in enumerate(
        [("[1, 2]", "not a mapping"), ("name: x\nfamily: y\n", "generator"), ("a: [", "not valid")]
    ):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=told):
            model_info(str(path))
    with pytest.raises(UsageError, match="did you mean"):
        model_info("defualt")


def test_without_weights_what_needs_them_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a wheel of the code alone: lists are there, the rest is one error."""
    (tmp_path / "configs").symlink_to(configs())
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert voice_names() == [] and "default" in model_names()
    found = {info.name: info for info in models()}
    assert not found["default"].ready and found["default"].scores is None
    for needing in (
        checkpoints,
        lambda: load_module("aligner"),
        lambda: find_voice("default"),
        lambda: TTS.load("default"),
    ):
        with pytest.raises(CheckpointError, match="weights are not installed: pip install"):
            needing()

"""Models and voices are listed as their files say, quickly; the table in the documents too."""

import os
import subprocess
import sys
from pathlib import Path
from runpy import run_path

import pytest

from tts.catalog import ModelInfo, model_info, models
from tts.config import check_weights_of, load_model_config
from tts.errors import CheckpointError, ConfigError, UsageError
from tts.facade import TTS
from tts.registry import load_module
from tts.resources import checkpoints, configs, model_config, model_names, voice_names
from tts.systems import PARTS
from tts.voice.store import find_voice
from tts_codecs.fetched import CODECS

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


def test_a_codec_without_a_checkpoint_is_not_missing(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"")
    path = tmp_path / "mine.yaml"

    def listed(codec: str) -> ModelInfo:
        path.write_text(
            "name: mine\nfamily: x\ntask: generator\ngenerator: flow\ndurations: durations\n"
            f"vocoder: vocoder\ncodec: {codec}\n"
        )
        info = model_info(str(path))
        check_weights_of(load_model_config(path))  # a codec that has none doesn't lack them
        return info

    for codec in ("features", "dmel", str(weights), f"{weights}@6"):
        assert listed(codec).ready and listed(codec).to_fetch is None
    for codec in ("mimi", "mimi@1.1"):
        info = listed(codec)
        assert info.missing == ("codec",) and info.to_fetch == "mimi"
        assert info.words == "weights are missing: codec (tts models fetch mimi)"
    CODECS["mimi"].folder.mkdir(parents=True)
    CODECS["mimi"].weights.write_bytes(b"")
    assert listed("mimi").ready and listed("mimi@1.1").ready
    with pytest.raises(CheckpointError, match="codec 'rvqq' has no weights"):
        listed("rvqq")
    assert model_info(str(path)).missing == ("codec",)

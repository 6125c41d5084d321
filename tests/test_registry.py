"""Checkpoints whose checksum is right and whose content is wrong: one typed error, never a file."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from tts import TTS
from tts.cli.main import run
from tts.config import load_model_config
from tts.errors import TTSError
from tts_codecs.checkpoint import CONFIG, WEIGHTS
from tts_codecs.construction import building
from tts_codecs.download import file_sha256
from tts_codecs.errors import CheckpointError


def rewrite(folder: Path, tensors: Any = None, **config: Any) -> None:
    """Change a checkpoint, with the checksum that fits."""
    if tensors is not None:
        state = load_file(folder / WEIGHTS)
        tensors(state)
        save_file(state, folder / WEIGHTS)
    values = yaml.safe_load((folder / CONFIG).read_text())
    values |= {"sha256": file_sha256(folder / WEIGHTS), **config}
    (folder / CONFIG).write_text(yaml.safe_dump(values))


def refused(home: Path, words: str, capfd: pytest.CaptureFixture[str]) -> None:
    """`tts synthesize` tells one line and writes nothing."""
    out = home.parent / "out.wav"
    assert run(["synthesize", "Hello there.", "-o", str(out), "--quiet"]) in (1, 2)
    err = capfd.readouterr().err
    assert words in err and len(err.strip().splitlines()) == 1, err
    assert not out.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("part", ["flow", "durations", "vocoder"])
def test_values_that_are_not_finite(
    tiny_home: Path, part: str, value: float, capfd: pytest.CaptureFixture[str]
) -> None:
    def spoil(state: dict[str, torch.Tensor]) -> None:
        name = max((n for n in state if state[n].is_floating_point()), key=len)
        state[name].view(-1)[-1] = value

    rewrite(tiny_home / "checkpoints" / part, spoil)
    refused(tiny_home, "not finite", capfd)


def test_values_so_large_that_the_sound_is_not_finite(
    tiny_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def spoil(state: dict[str, torch.Tensor]) -> None:
        for name in state:
            if state[name].is_floating_point() and state[name].ndim > 1:
                state[name] = torch.full_like(state[name], 1e30, dtype=torch.float32)

    rewrite(tiny_home / "checkpoints" / "vocoder", spoil)
    refused(tiny_home, "finite", capfd)
    with pytest.raises(TTSError, match="finite"):
        TTS.load("default", "cpu").synthesize("Hello there.")


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("flow", {"kind": ["a"]}, "names no kind"),
        ("flow", {"kind": {}}, "names no kind"),
        ("flow", {"kind": "durations"}, "not one of: generator"),
        ("flow", {"arguments": None}, "wrong arguments"),
        ("flow", {"arguments": ["a"]}, "wrong arguments"),
        ("vocoder", {"kind": "generator"}, "not source_filter_vocoder"),
        ("durations", {"arguments": {"dim": 20000, "blocks": 1}}, "more than its weights"),
        ("durations", {"arguments": {"dim": -1}}, "wrong arguments"),
        ("speaker", {"arguments": {"hidden": "many"}}, "wrong arguments"),
    ],
)
def test_configs_of_the_wrong_kind(
    tiny_home: Path,
    part: str,
    change: dict[str, Any],
    words: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    rewrite(tiny_home / "checkpoints" / part, **change)
    refused(tiny_home, words, capfd)


@pytest.mark.parametrize(
    ("keys", "value"),
    [(("dim",), 20000), (("backbone", "heads"), 0), (("backbone", "hidden"), 10**7),
     (("strategy",), "flow"), (("strategy", "kind"), ["flow"]), (("dim",), 0), (("dim",), 1.5),
     (("conditioner", "phone_dim"), None)],
)  # fmt: skip
def test_arguments_of_a_generator(
    tiny_home: Path, keys: tuple[str, ...], value: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_home / "checkpoints" / "flow"
    arguments = yaml.safe_load((folder / CONFIG).read_text())["arguments"]
    place = arguments
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    rewrite(folder, arguments=arguments)
    refused(tiny_home, "", capfd)


@pytest.mark.parametrize(
    "change",
    [{"generator": "vocoder"}, {"vocoder": "flow"}, {"durations": "speaker"}, {"sample_rate": 1},
     {"speaker": "vocoder"}, {"codec": "flow"}, {"generator": ["flow"]}, {"name": {}}],
)  # fmt: skip
def test_models_of_the_wrong_parts(
    tiny_home: Path, change: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    path = tiny_home / "configs/models/default.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    refused(tiny_home, "", capfd)


def test_what_is_built_is_bounded() -> None:
    with pytest.raises(CheckpointError, match="more than"), building(1000):
        torch.nn.Linear(100, 100)
    for make in (
        lambda: torch.nn.Module().register_buffer("x", torch.zeros(40, 40)),
        lambda: torch.randn(2**20, 2**20),  # so large that it must not even be drawn
        lambda: torch.full((2**20, 2**20), 1.0),
        lambda: torch.zeros(size=[2**20, 2**20]),
        lambda: torch.ones(100)[:, None] * torch.ones(100),
    ):
        with pytest.raises(CheckpointError, match="more than"), building(1000):
            make()
    many = torch.nn.Module()
    with pytest.raises(CheckpointError, match="over 1,200 values"), building(1000):
        for number in range(100):
            many.register_buffer(f"buffer{number}", torch.zeros(600))
    with building(20_000):
        layer = torch.nn.Linear(100, 100)
        layer.again = layer.weight  # tied: counts once
    torch.nn.Linear(1000, 1000)  # no bound any more
    with pytest.raises(TTSError):
        load_model_config(Path("/dev/null"))

"""Growth of a trained generator."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

from tests.helpers.generators import CHANNELS, DIM, FAMILIES, build, close, fill, inputs, seeds
from tts.cli.main import run
from tts.errors import ConfigError
from tts.generators.base import SamplingOptions
from tts.generators.generator import Generator
from tts.generators.growth import block_sources, grow, grown_arguments
from tts.registry import build_generator, load_module
from tts_codecs.checkpoint import read_config, save_checkpoint

LARGER = {"blocks": 5, "hidden": 48, "voice_units": 7}


def large(family: str, **sizes: int) -> Generator:
    made = build(grown_arguments(FAMILIES[family][0], **(sizes or LARGER)))
    for module in made.modules():  # units of which nothing is known may hold anything
        if isinstance(module, nn.Linear) and module.out_features in LARGER.values():
            nn.init.normal_(module.weight)
    return made


@pytest.mark.parametrize("family", [*FAMILIES])
def test_a_grown_generator_says_the_same(family: str) -> None:
    small = build(family)
    fill(small)
    grown = large(family)
    if "groups" in family:  # their blocks are of one group each
        with pytest.raises(ConfigError, match="groups"):
            grow(small, grown)
        grown = large(family, hidden=LARGER["hidden"], voice_units=LARGER["voice_units"])
    grow(small, grown)
    assert "groups" in family or len(grown.backbone.blocks) > len(small.backbone.blocks)
    request, options = inputs([9, 6], [5, 8]), SamplingOptions(steps=3, temperature=0.5)
    wanted = small.eval().generate(request, seeds(1, 2), options)
    close(grown.eval().generate(request, seeds(1, 2), options), wanted)


def test_all_that_is_new_can_learn() -> None:
    """No new weight is cut off for good: the weights that are 0 have a gradient at once, those
    behind them from the second step on."""
    small = build("flow voiced")
    fill(small)
    grown = large("flow voiced")
    grow(small, grown)
    before = {name: value.clone() for name, value in grown.named_parameters()}
    optimizer = torch.optim.SGD(grown.parameters(), 0.1)
    for step in range(2):
        x = torch.randn(2, 6, DIM, generator=torch.Generator().manual_seed(step))
        condition = grown.conditioner(inputs([12, 12], [5, 8]), grown.backbone)
        made = grown.backbone.hidden(x, condition, torch.full((2,), 0.3))
        optimizer.zero_grad()
        made.square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    same = {
        n for n, v in grown.backbone.named_parameters() if torch.equal(v, before["backbone." + n])
    }
    assert not same


def test_blocks_stand_behind_their_originals() -> None:
    assert block_sources(2, 5) == [(0, True), (0, False), (0, False), (1, True), (1, False)]
    assert block_sources(3, 3) == [(0, True), (1, True), (2, True)]
    for after in range(6, 20):
        made = block_sources(6, after)
        assert [block for block, original in made if original] == list(range(6))
        assert len(made) == after and made == sorted(made, key=lambda each: each[0])


@pytest.mark.parametrize("sizes", [{"blocks": 1}, {"hidden": 16}, {"voice_units": 3}])
def test_a_network_does_not_shrink(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="grow"):
        grow(build("flow voiced"), large("flow voiced", **sizes))


def test_only_the_backbone_grows() -> None:
    other: dict[str, Any] = {**FAMILIES["flow"][0], "conditioner": {"content_blocks": 2}}
    with pytest.raises(ConfigError, match="no such weights"):
        grow(build("flow"), build(other))


def test_the_command_writes_a_checkpoint_that_says_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments: dict[str, Any] = {
        "strategy": {"kind": "flow"}, "dim": DIM,
        "conditioner": {"channels": CHANNELS, "voice_dim": 12, "global_dim": 8, "phone_dim": 16,
                        "phone_blocks": 1, "content_blocks": 1},
        "backbone": {"heads": 2, "hidden": 32, "blocks": 2},
    }  # fmt: skip
    small = build_generator(**arguments)
    fill(small)
    save_checkpoint(tmp_path / "small", small, "generator", arguments, half=False, step=7)
    start = ["models", "grow", str(tmp_path / "small"), "-o", str(tmp_path / "large")]
    assert run(start) == 2
    assert "nothing grows" in capfd.readouterr().err
    assert run([*start, "--blocks", "1"]) == 2
    assert "blocks" in capfd.readouterr().err and not (tmp_path / "large").exists()
    assert run([*start, "--blocks", "3", "--voice-units", "4"]) == 0
    assert read_config(tmp_path / "large")["step"] == 7
    grown = cast(Generator, load_module(tmp_path / "large", kind="generator"))
    assert len(grown.backbone.blocks) == 3 and grown.backbone.voice is not None
    options = SamplingOptions(steps=3, temperature=0.5)
    wanted = small.eval().generate(inputs([9, 6], [5, 8]), seeds(1, 2), options)
    made = grown.eval().generate(inputs([9, 6], [5, 8]), seeds(1, 2), options)
    torch.testing.assert_close(made, wanted, rtol=0, atol=0.02)  # stored in half precision

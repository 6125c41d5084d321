"""Weights on disk: exact round trips; anything missing or damaged is one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

from tts.registry import load_module
from tts.voice.speaker import SpeakerEncoder
from tts_codecs.checkpoint import (
    CONFIG,
    WEIGHTS,
    average_weights,
    load_weights,
    pack_weights,
    read_config,
    read_weights,
    save_checkpoint,
    share_weights,
)
from tts_codecs.download import file_sha256
from tts_codecs.errors import CheckpointError, UsageError


class Small(nn.Module):
    def __init__(self, size: int = 5) -> None:
        super().__init__()
        self.layer = nn.Linear(size, 3)
        self.register_buffer("steps", torch.arange(4))
        self.register_buffer("derived", torch.ones(2), persistent=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "m", Small(), "small", {"size": 5}, step=7, data="none")
    return tmp_path / "m"


def test_round_trip(tmp_path: Path) -> None:
    for half in (True, False):
        module, other = Small(), Small()
        save_checkpoint(tmp_path / "m", module, "small", {"size": 5}, half=half)
        load_weights(tmp_path / "m", other)
        weight = module.layer.weight
        expected = weight.half().float() if half else weight
        assert torch.equal(other.layer.weight, expected)
        assert other.layer.weight.dtype == torch.float32
        assert other.steps.tolist() == [0, 1, 2, 3] and other.steps.dtype == torch.int64
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [CONFIG, WEIGHTS]


def test_config_is_kept(folder: Path) -> None:
    config = read_config(folder, "small")
    assert config["arguments"] == {"size": 5} and config["step"] == 7
    with pytest.raises(CheckpointError, match="of the kind small, not large"):
        read_config(folder, "large")


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "longer":
        path.write_bytes(content + b"\0")
    else:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "longer", "one bit"])
def test_damaged_weights_are_refused(folder: Path, how: str) -> None:
    damage(folder / WEIGHTS, how)
    with pytest.raises(CheckpointError, match="missing|damaged") as caught:
        load_weights(folder, Small())
    assert WEIGHTS in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [None, "", "kind: small", "[1, 2]", "a: [", "\x00", "kind: small\nsha256: 1"]
)
def test_damaged_configs_are_refused(folder: Path, content: str | None) -> None:
    if content is None:
        (folder / CONFIG).unlink()
    else:
        (folder / CONFIG).write_text(content)
    with pytest.raises(CheckpointError) as caught:
        load_weights(folder, Small())
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="does not fit"):
        load_weights(folder, Small(6))


def test_not_safetensors_even_with_a_right_checksum(folder: Path) -> None:
    import hashlib

    (folder / WEIGHTS).write_bytes(b"junk" * 10)
    config = yaml.safe_load((folder / CONFIG).read_text())
    config["sha256"] = hashlib.sha256(b"junk" * 10).hexdigest()
    (folder / CONFIG).write_text(yaml.safe_dump(config))
    with pytest.raises(CheckpointError, match="damaged"):
        load_weights(folder, Small())


@pytest.mark.parametrize("what", ["weights", "config"])
def test_a_failed_save_leaves_the_old_one(
    folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("resource")
    from tests.helpers.disk import no_room

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    if what == "config":  # of weights that are written there is none without its checksum
        monkeypatch.setattr("tts_codecs.checkpoint.save_file", lambda _, path: None)
    notes = {"data": "x" * 500}
    with pytest.raises(CheckpointError, match="cannot write the checkpoint"), no_room():
        save_checkpoint(folder, Small(), "small", {"size": 5}, **notes)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    load_weights(folder, Small())


def test_the_registry_refuses_what_it_cannot_build(tmp_path: Path) -> None:
    encoder = SpeakerEncoder(hidden=4)
    save_checkpoint(tmp_path, encoder, "speaker", {"hidden": 4})
    assert not load_module(tmp_path).training
    for kind, arguments, words in (
        ("spoker", {"hidden": 4}, "unknown kind"),
        ("speaker", {"hiden": 4}, "arguments"),
        ("speaker", {"hidden": "four"}, "arguments"),
        ("speaker", {"hidden": 5}, "does not fit"),
        ("speaker", [4], "arguments"),
        ("speaker", None, "arguments"),
    ):
        save_checkpoint(tmp_path, encoder, kind, arguments)  # type: ignore[arg-type]
        with pytest.raises(CheckpointError, match=words) as caught:
            load_module(tmp_path)
        assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_module(tmp_path / "nowhere")


class Pair(nn.Module):
    """A frozen part and one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.common, self.own = Small(), nn.Linear(2, 2)


@pytest.fixture
def family(tmp_path: Path) -> list[tuple[Path, Pair]]:
    common = Small()
    found = []
    for name in ("a", "b"):
        module = Pair()
        module.common.load_state_dict(common.state_dict())
        save_checkpoint(tmp_path / name, module, "pair", {}, step=3)
        found.append((tmp_path / name, module))
    return found


def test_common_weights_are_stored_once(family: list[tuple[Path, Pair]], tmp_path: Path) -> None:
    before = [(folder / WEIGHTS).stat().st_size for folder, _ in family]
    for _ in range(2):  # the second time there is nothing left to move
        share_weights([folder for folder, _ in family], tmp_path / "shared")
        for (folder, module), size in zip(family, before, strict=True):
            other = Pair()
            load_weights(folder, other)
            for name, value in module.state_dict().items():
                assert torch.equal(other.state_dict()[name], value.half().to(value)), name
            assert (folder / WEIGHTS).stat().st_size < size
            assert read_config(folder)["step"] == 3
    assert (tmp_path / "shared" / WEIGHTS).is_file()


def test_a_checkpoint_may_be_the_base_of_another(family: list[tuple[Path, Pair]]) -> None:
    (whole, _), (part, module) = family
    share_weights([part], whole)
    other = Pair()
    load_weights(part, other)
    assert torch.equal(other.own.weight, module.own.weight.half().float())
    save_checkpoint(part.parent / "c", nn.Linear(2, 2), "other", {})
    before = (part / WEIGHTS).read_bytes(), (part / CONFIG).read_bytes()
    with pytest.raises(CheckpointError, match="nothing in common"):
        share_weights([part], part.parent / "c")
    assert before == ((part / WEIGHTS).read_bytes(), (part / CONFIG).read_bytes())


@pytest.mark.parametrize("base", ["../shared", "deeper/shared", "linked/shared", "a"])
def test_a_base_that_is_not_beside_is_refused(
    family: list[tuple[Path, Pair]], tmp_path: Path, base: str
) -> None:
    """Loading would not find it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="beside the base shared|its own base"):
        share_weights([folder for folder, _ in reversed(family)], tmp_path / base)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not (tmp_path / base).exists() or base == "a"


def test_links_to_where_a_base_lies_are_followed(
    family: list[tuple[Path, Pair]], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b").symlink_to(family[1][0])
    (tmp_path / "elsewhere" / "shared").symlink_to(tmp_path / "common")
    (tmp_path / "common").mkdir()
    shared = tmp_path / "elsewhere" / "shared"
    share_weights([family[0][0], tmp_path / "elsewhere" / "b"], shared)
    for folder, _ in family:
        load_weights(folder, Pair())


def test_another_base_is_refused(family: list[tuple[Path, Pair]], tmp_path: Path) -> None:
    folders = [folder for folder, _ in family]
    share_weights(folders, tmp_path / "shared")
    save_checkpoint(tmp_path / "shared", Small(), "shared", {})
    with pytest.raises(CheckpointError, match="other weights than"):
        load_weights(folders[0], Pair())
    damage(tmp_path / "shared" / CONFIG, "missing")
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        load_weights(folders[0], Pair())


def test_weights_between_two(tmp_path: Path) -> None:
    modules = Small(), Small()
    for name, module in zip("ab", modules, strict=True):
        save_checkpoint(tmp_path / name, module, "small", {"size": 5}, half=False)
    average_weights(tmp_path / "a", tmp_path / "b", 0.25, tmp_path / "c")
    found = Small()
    load_weights(tmp_path / "c", found)
    expected = 0.75 * modules[0].layer.weight + 0.25 * modules[1].layer.weight
    torch.testing.assert_close(found.layer.weight, expected)
    assert found.steps.tolist() == [0, 1, 2, 3]
    save_checkpoint(tmp_path / "d", Small(4), "small", {"size": 4})
    with pytest.raises(CheckpointError, match="not weights of the same network"):
        average_weights(tmp_path / "a", tmp_path / "d", 0.5, tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_a_part_that_was_added_is_averaged_with_nothing(tmp_path: Path) -> None:
    before = Small()
    save_checkpoint(tmp_path / "a", before, "x", {"size": 5}, half=False)
    both = nn.Module()
    both.layer, both.more = Small().layer, nn.Linear(2, 2)
    both.register_buffer("steps", torch.arange(4))
    save_checkpoint(tmp_path / "b", both, "x", {"size": 5, "more": {"units": 2}}, half=False)
    average_weights(tmp_path / "a", tmp_path / "b", 0.25, tmp_path / "c")
    found = read_weights(tmp_path / "c")
    expected = 0.75 * before.layer.weight + 0.25 * both.layer.weight
    torch.testing.assert_close(found["layer.weight"], expected.detach())
    assert torch.equal(found["more.weight"], both.more.weight)
    assert read_config(tmp_path / "c")["arguments"] == {"size": 5, "more": {"units": 2}}
    save_checkpoint(tmp_path / "d", both, "x", {"size": 6, "more": {}}, half=False)
    for first, second in (("a", "d"), ("b", "a")):
        with pytest.raises(CheckpointError, match="not weights of the same network"):
            average_weights(tmp_path / first, tmp_path / second, 0.5, tmp_path / "e")


def test_runs_of_one_strategy_average_whatever_rows_they_learned_from(tmp_path: Path) -> None:
    strategies = {"a": {"kind": "flow"}, "b": {"kind": "flow", "inpaint": 0.3}, "c": {"kind": "ar"}}
    for name, strategy in strategies.items():
        save_checkpoint(tmp_path / name, Small(), "small", {"size": 5, "strategy": strategy})
    average_weights(tmp_path / "a", tmp_path / "b", 0.5, tmp_path / "d")
    assert read_config(tmp_path / "d")["arguments"]["strategy"] == strategies["b"]
    with pytest.raises(CheckpointError, match="not weights of the same network"):
        average_weights(tmp_path / "a", tmp_path / "c", 0.5, tmp_path / "e")


def test_packed_weights_are_near_and_half_the_size(tmp_path: Path) -> None:
    """Whatever the size of a row: rows of zeros, of tiny and of large numbers."""
    module = nn.ModuleDict(
        {"linear": nn.Linear(96, 64), "conv": nn.Conv1d(32, 48, 5), "norm": nn.LayerNorm(500)}
    )
    with torch.no_grad():
        weight = module["linear"].weight
        weight[0], weight[1], weight[2] = 0, weight[1] * 1e-4, weight[2] * 1e3
    save_checkpoint(tmp_path / "a", module, "small", {}, step=3)
    pack_weights(tmp_path / "a", tmp_path / "b")
    before, after = read_weights(tmp_path / "a"), read_weights(tmp_path / "b")
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert after[name].dtype == value.dtype and after[name].shape == value.shape
        if value.dim() < 2:
            assert torch.equal(after[name], value)
            continue
        rows, found = value.float().flatten(1), after[name].float().flatten(1)
        step = rows.abs().amax(1, keepdim=True) / 127
        assert ((found - rows).abs() <= 0.5 * step + 2e-3 * rows.abs() + 1e-7).all()
        assert not torch.equal(found, rows)
    sizes = [(tmp_path / each / WEIGHTS).stat().st_size for each in "ab"]
    assert sizes[1] < 0.65 * sizes[0]
    assert read_config(tmp_path / "b")["step"] == 3
    pack_weights(tmp_path / "b", tmp_path / "c")  # again: what is on the grid stays there
    for name, value in read_weights(tmp_path / "c").items():
        torch.testing.assert_close(value, after[name], rtol=2e-3, atol=1e-7)


def test_a_packed_checkpoint_keeps_its_base(tmp_path: Path) -> None:
    first, second = nn.Linear(90, 60), nn.Linear(90, 60)
    for name, other in (("a", first), ("b", second)):
        both = nn.ModuleDict({"shared": nn.Linear(90, 60), "own": other})
        nn.init.ones_(both["shared"].weight)
        nn.init.ones_(both["shared"].bias)
        save_checkpoint(tmp_path / name, both, "small", {})
    share_weights([tmp_path / "a", tmp_path / "b"], tmp_path / "base")
    pack_weights(tmp_path / "a", tmp_path / "c")
    assert read_config(tmp_path / "c")["base"]["folder"] == "base"
    with pytest.raises(UsageError, match="beside"):
        pack_weights(tmp_path / "a", tmp_path / "elsewhere" / "c")
    assert not (tmp_path / "elsewhere").exists()
    found = read_weights(tmp_path / "c")
    assert torch.equal(found["shared.weight"], torch.ones(60, 90, dtype=torch.float16))
    torch.testing.assert_close(found["own.weight"].float(), first.weight, rtol=0, atol=1e-3)


def test_scales_of_another_tensor_are_damage(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", nn.Linear(90, 60), "small", {})
    pack_weights(tmp_path / "a", tmp_path / "b")
    state = load_file(tmp_path / "b" / WEIGHTS)
    for wrong in (state["weight.row_scale"][:5], torch.ones(60, 2)):
        save_file({**state, "weight.row_scale": wrong}, tmp_path / "b" / WEIGHTS)
        config = {**read_config(tmp_path / "b"), "sha256": file_sha256(tmp_path / "b" / WEIGHTS)}
        (tmp_path / "b" / CONFIG).write_text(yaml.safe_dump(config))
        with pytest.raises(CheckpointError, match="scales"):
            read_weights(tmp_path / "b")

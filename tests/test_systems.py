"""Every system file trains, is exported, is loaded and speaks; files build on others."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.systems import ROOT, SYSTEMS, tiny, tiny_parts
from tts import TTS
from tts.data.corpus import Corpus
from tts.errors import CheckpointError, ConfigError
from tts.systems import merged, read_resolved
from tts.train.config import check_run, load_run
from tts.train.loop import Trainer
from tts.voice.voice import Voice


@pytest.fixture(scope="module")
def home(tiny_home_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("systems") / "home"
    shutil.copytree(tiny_home_master, place)
    tiny_parts(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTS_HOME", str(place))
        patch.setenv("XDG_DATA_HOME", str(place / "data"))
        patch.setenv("ACCELERATE_USE_CPU", "true")
        yield place


@pytest.fixture(scope="module")
def voice() -> Voice:
    generator = torch.Generator().manual_seed(4)
    speaker = torch.nn.functional.normalize(torch.randn(256, generator=generator), dim=0)
    return Voice(speaker, torch.randn(60, 82, generator=generator), "made up")


@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_trains_and_speaks(
    path: Path, home: Path, corpus: Corpus, voice: Voice, tmp_path: Path
) -> None:
    run = check_run(tiny(path, corpus.folder, tmp_path / "run"), str(path))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trainer = Trainer(run.build(corpus), run.train, run.out, quiet=True)
        before = [p.detach().clone() for p in trainer.task.modules["generator"].parameters()]
        trainer.run()
    after = list(trainer.task.modules["generator"].parameters())
    assert trainer.finished
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    exported = run.out / "export"
    model = TTS.load(str(exported), device="cpu")
    assert model.config.name == path.stem
    audio = model.synthesize("Hi.", voice, seed=1)
    again = model.synthesize("Hi.", voice, seed=1)
    assert audio.seconds >= 0.1
    assert np.isfinite(audio.samples).all() and np.abs(audio.samples).max() > 0
    assert np.array_equal(audio.samples, again.samples)
    # What is exported trains again.
    assert load_run(exported / "model.yaml").model == run.model


@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_says_what_it_is_and_nothing_that_follows_from_its_codec(path: Path) -> None:
    text = path.read_text()
    run = load_run(path)
    assert run.system is not None and run.system["name"] == path.stem
    assert run.system["description"]
    assert f"tts train configs/systems/{path.name}" in text
    assert f"--model {path.stem} " in text
    assert re.search(r"\b(19|20)\d\d\b", text.split("base:")[0]), "the header cites no paper"
    for file in (path, *(ROOT / "configs" / "base").glob("*.yaml")):
        said = "\n".join(line.split("#")[0] for line in file.read_text().splitlines())
        assert not re.search(
            r"\b(books|entries|num_codebooks|codebook_size|levels|size)\s*:\s*[\[\d]", said
        )


@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_a_header_says_what_sampling_and_noise_are_otherwise_than_in_its_paper(path: Path) -> None:
    text, told = path.read_text(), read_resolved(path)
    header = " ".join(line.lstrip("# ") for line in text.split("base:")[0].splitlines())
    if "paper" not in told:
        return
    strategy, sampling = told["model"]["strategy"], told.get("sampling", {})
    if sampling.get("fsq_decode") == "expected":
        assert "each digit is its rounded mean" in header
    if told["family"] == "ar_latent" and strategy["noise"]:
        assert "fed back" in header and "in sampling" in header
    if strategy["kind"] in ("flow", "diffusion"):
        assert f"noise scaled by {sampling['temperature']}" in header


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / "systems" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_files_build_on_others(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "one.yaml").write_text("a: 1\nhead: {kind: x, width: 3}\nb: {c: 1, d: 2}")
    (tmp_path / "base" / "two.yaml").write_text("base: one\na: 2\nb: {d: 3}")
    found = read_resolved(write(tmp_path, "s", "base: two\nb: {e: 4}\nhead: {width: 5}"))
    assert found == {"a": 2, "head": {"kind": "x", "width": 5}, "b": {"c": 1, "d": 3, "e": 4}}
    # Another kind has other arguments.
    other = write(tmp_path, "t", "base: s.yaml\nhead: {kind: y}")
    assert read_resolved(other)["head"] == {"kind": "y"}
    # Later bases count.
    assert read_resolved(write(tmp_path, "u", "base: [two, one]"))["a"] == 1
    below, above = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merged(below, above) == {"a": {"b": 1, "c": 2}} and below == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base: whol\nname: s", "did you mean 'whole'"),
        ("base: s.yaml", "based on itself"),
        ("base: none.yaml", "cannot read"),
        ("base: {a: 1}", "a name or a list of names"),
        ("base: whole\nname: s\nvocodr: x", "'vocodr'.*'vocoder'"),
        ("base: whole\nname: s\noptions: {codec: spectral}", "options.codec follows from codec"),
        (
            "base: whole\nname: s\nsampling: {choice_temperature: 1.0}",
            "sampling.choice_temperature",
        ),
        ("base: whole\nname: s\nsampling: {stpes: 1}", "stpes"),
        ("base: whole\nname: s\nmodel: {strategy: {inpant: 1}}", "'inpant'.*'inpaint'"),
        ("base: whole\nname: s\ntask: vocoder", "a system trains a generator"),
    ],
)
def test_a_wrong_system_is_one_error(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        load_run(write(tmp_path, "s", text))


def test_a_system_without_weights_tells_how_it_is_trained(home: Path) -> None:
    for name, part in (("sled", "sled is not trained yet"), ("kalle", "its codec")):
        with pytest.raises(CheckpointError, match=part) as error:
            TTS.load(name)
        assert f"tts train {home}/configs/systems/{name}.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("name", "trained"),
    [("kalle", "latent"), ("flow_vae", "latent"), ("ar_vqvae", "spectral_vq")],
)
def test_a_part_that_is_missing_tells_how_it_is_trained(
    name: str, trained: str, home: Path, corpus: Corpus, tmp_path: Path
) -> None:
    told = rf"tts train configs/train/{trained}\.yaml"
    with pytest.raises(CheckpointError, match=told):
        TTS.load(name)
    path = ROOT / "configs" / "systems" / f"{name}.yaml"
    values = merged(tiny(path, corpus.folder, tmp_path), {"codec": f"runs/{trained}/export"})
    with pytest.raises(CheckpointError, match=told):
        check_run(values, "x").build(corpus)


def test_what_follows_from_the_codec(home: Path, corpus: Corpus, tmp_path: Path) -> None:
    """The same file with another codec has another head."""
    path = ROOT / "configs" / "systems" / "parallel.yaml"
    for codec, books, entries, levels in (("spectral", 3, 20, [5, 4]), ("rvq", 3, 20, [])):
        values = merged(tiny(path, corpus.folder, tmp_path), {"codec": codec})
        task = check_run(values, "x").build(corpus)
        assert (
            task.arguments["head"].items()
            >= {
                "num_codebooks": books,
                "codebook_size": entries,
                "levels": levels,
            }.items()
        )


def test_files_that_moved_are_named() -> None:
    for old, new in (("train/flow", "systems/default"), ("train/spans", "systems/magnet")):
        with pytest.raises(ConfigError, match=f"it is configs/{new}.yaml now"):
            load_run(f"configs/{old}.yaml")
        assert (ROOT / "configs" / f"{new}.yaml").is_file()

"""Parts that a training or its system needs are looked for before the first step."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.systems import ROOT, tiny, tiny_parts
from tts.data.corpus import Corpus
from tts.errors import CheckpointError, DataError, TTSError, UsageError
from tts.systems import PARTS, merged, read_resolved
from tts.train.config import check_run, load_run
from tts.train.loop import Trainer
from tts.train.run import train_run
from tts_codecs.checkpoint import read_config

#: systems that learn against the speaker probe, which is not shipped
PROBED = [
    path
    for path in sorted((ROOT / "configs" / "systems").glob("*.yaml"))
    if (read_resolved(path).get("options") or {}).get("probe")
]


@pytest.fixture
def home(tiny_home: Path) -> Path:
    tiny_parts(tiny_home)
    return tiny_home


def system(corpus: Corpus, out: Path, **over: Any) -> dict[str, Any]:
    return merged(tiny(ROOT / "configs/systems/default.yaml", corpus.folder, out), over)


@pytest.mark.parametrize("path", PROBED, ids=lambda path: path.stem)
def test_a_probe_that_is_not_there_tells_what_to_do(
    path: Path, home: Path, corpus: Corpus, tmp_path: Path
) -> None:
    probe = read_resolved(path)["options"]["probe"]
    values = merged(tiny(path, corpus.folder, tmp_path), {"options": {"probe": probe}})
    with pytest.raises(CheckpointError) as error:
        check_run(values, "x").build(corpus)
    told = str(error.value)
    assert told.startswith("options.probe: ") and "\n" not in told
    assert "(tts train configs/train/probe.yaml)" in told and "--set options.probe=null" in told
    # What it says to do helps.
    check_run(merged(values, {"options": {"probe": None}}), "x").build(corpus)


def test_pages_say_that_the_probe_comes_first() -> None:
    for name in ("editing.md", "training.md"):
        text = (ROOT / "docs" / name).read_text()
        first = text.index("tts train configs/train/probe.yaml")
        assert first < text.index("tts train configs/systems/default.yaml"), name
        assert "--set options.probe=null" in text, name


@pytest.mark.parametrize(
    ("task", "key", "without"),
    [
        ("spectral", "phone_probe", True),
        ("spectral", "recognizer", True),
        ("vocoder", "narrow", True),
        ("generator", "phone_probe", True),
        ("generator", "profile", False),
    ],
)
def test_networks_of_other_losses_are_named_by_their_key(
    task: str, key: str, without: bool, home: Path, corpus: Corpus
) -> None:
    for given, words in (("nothere", "no checkpoint"), ("speaker", ", not ")):
        values: dict[str, Any] = {"task": task, "out": "x", "options": {key: given}}
        if task == "generator":
            values["model"] = {"strategy": {"kind": "flow"}}
        with pytest.raises(CheckpointError, match=rf"{key}: .*{words}") as error:
            check_run(values, "x").build(corpus)
        assert ("=null" in str(error.value)) == without


@pytest.mark.parametrize(
    ("task", "key", "others", "make"),
    [
        ("generator", "distill_data", {}, "tts data distill"),
        ("vocoder", "regenerated", {}, "tts data regenerate"),
        ("vocoder", "wide", {"train_pitch": False}, ""),
        ("phrasing", "text", {}, ".txt"),
    ],
)
def test_data_of_options_is_named_by_its_key(
    task: str, key: str, others: dict[str, Any], make: str, home: Path, corpus: Corpus,
    tmp_path: Path,
) -> None:  # fmt: skip
    empty = tmp_path / "empty"
    empty.mkdir()
    for given in (tmp_path / "nothere", empty):
        value = [str(given)] if key == "distill_data" else str(given)
        values: dict[str, Any] = {"task": task, "out": "x", "options": {key: value, **others}}
        if task == "generator":
            values["model"] = {"strategy": {"kind": "flow"}}
        with pytest.raises(DataError) as error:
            check_run(values, "x").build(corpus)
        told = str(error.value)
        assert told.startswith(f"options.{key}: ") and str(given) in told and make in told
        assert "Errno" not in told and "\n" not in told


def test_a_corpus_that_is_not_there_is_named_by_its_key(
    home: Path, corpus: Corpus, tmp_path: Path
) -> None:
    run = check_run(system(corpus, tmp_path, data=str(tmp_path / "nothere")), "x")
    with pytest.raises(DataError, match="^data: .*nothere.*tts data prepare"):
        train_run(run, print)


def test_weights_to_start_from_are_named_by_their_key(
    home: Path, corpus: Corpus, tmp_path: Path
) -> None:
    run = check_run(system(corpus, tmp_path, train={"init": "nothere"}), "x")
    with pytest.raises(CheckpointError, match="train.init: .*nothere"):
        Trainer(run.build(corpus), run.train, run.out, quiet=True)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        *((part, "nothere", f"{part} 'nothere' has no weights") for part in PARTS),
        ("speaker", "runs/probe/export", "tts train configs/train/probe.yaml"),
        ("language", "xx", "language: .*'xx'"),
        ("language", "german", "language: .*'de'"),
    ],
)
def test_what_a_system_will_speak_with_is_checked_before_it_is_trained(
    key: str, value: str, words: str, home: Path, corpus: Corpus, tmp_path: Path
) -> None:
    run = check_run(system(corpus, tmp_path / "run", **{key: value}), "x")
    if key == "generator":  # which is what is trained
        run.build(corpus)
        return
    with pytest.raises((CheckpointError, UsageError), match=words) as error:
        train_run(run, print, quiet=True)
    assert isinstance(error.value, TTSError) and "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_parts_beside_the_file_of_a_system_are_found(
    home: Path, corpus: Corpus, tmp_path: Path
) -> None:
    (home / "checkpoints" / "vocoder_24k").rename(tmp_path / "mine")
    path = tmp_path / "system.yaml"
    path.write_text(yaml.safe_dump(system(corpus, tmp_path / "run", vocoder="mine")))
    assert train_run(load_run(path), print, quiet=True)
    assert read_config(tmp_path / "run" / "export")["kind"] == "generator"

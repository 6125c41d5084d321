"""Wrong numbers of a training are one line that names the key and its range."""

import inspect
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.systems import HEADS as SIZES
from tts.data.corpus import Corpus
from tts.data.segments import SegmentSampler
from tts.errors import ConfigError, DataError, TTSError
from tts.generators.backbone import Backbone
from tts.generators.conditioner import Conditioner
from tts.registry import BACKBONE_GIVEN, HEADS, STRATEGIES, build_generator
from tts.train.config import KINDS, check_run
from tts_codecs.ranges import MOST_SEED

FLOW = {"kind": "flow"}
CODEC = {
    "encoder": {"kind": "spectrum", "width": 8, "blocks": 1},
    "quantizer": {"kind": "vq", "dim": 4, "codebook_size": 20},
    "decoder": {"kind": "spectrum", "width": 8, "blocks": 1, "patch": 4},
}
#: what a network of a kind needs at least
NEEDED: dict[str, dict[str, Any]] = {"generator": {"strategy": FLOW}, "codec": CODEC}
#: numbers that no argument may be
NONE_OF = (-1, True, 0.5)


def numbers(cls: Any, skip: tuple[str, ...] = ()) -> list[str]:
    """Arguments that are whole numbers."""
    parameters = inspect.signature(cls).parameters
    return [n for n, p in parameters.items() if n not in skip and p.annotation in (int, "int")]


def check(task: str, section: str, name: str, value: Any) -> None:
    values: dict[str, Any] = {"task": task, "out": "x", "model": dict(NEEDED.get(task, {}))}
    values[section] = {**values.get(section, {}), name: value}
    check_run(values, "my.yaml")


def refused(told: str, key: str) -> None:
    assert told.startswith("my.yaml: ") and "\n" not in told
    assert key in told


def of_tasks() -> list[tuple[str, str, str]]:
    found = []
    for task, kind in KINDS.items():
        options = getattr(import_module(kind.module), kind.task)
        network = getattr(import_module(kind.model_module), kind.model)
        found += [(task, "options", name) for name in numbers(options)]
        found += [(task, "model", name) for name in numbers(network)]
    return found


@pytest.mark.parametrize(("task", "section", "name"), of_tasks())
def test_whole_numbers_of_every_task(task: str, section: str, name: str) -> None:
    for value in (-1, "two"):
        with pytest.raises(ConfigError) as error:
            check(task, section, name, value)
        refused(str(error.value), name)


@pytest.mark.parametrize(
    ("section", "name", "kind"),
    [
        *(("conditioner", name, None) for name in numbers(Conditioner, ("dim",))),
        *(("backbone", name, None) for name in numbers(Backbone, BACKBONE_GIVEN)),
        *(("head", name, kind) for kind, cls in HEADS.items() for name in numbers(cls, ("dim",))),
        *(("strategy", name, kind) for kind, cls in STRATEGIES.items() for name in numbers(cls)),
    ],
)
def test_sizes_of_the_parts_of_a_generator(section: str, name: str, kind: str | None) -> None:
    for value in (*NONE_OF, "two"):
        given = {"kind": kind, **SIZES.get(kind, {})} if kind else {}
        with pytest.raises(ConfigError, match=rf"^my.yaml: model: {section}\.{name} is a whole"):
            check("generator", "model", section, {**given, name: value})


@pytest.mark.parametrize(
    ("task", "section", "given", "words"),
    [
        ("generator", "options", {"batch_size": 0}, r"options.batch_size is .* at least 1, not 0"),
        ("generator", "options", {"max_frames": 0}, r"options.max_frames is .* at least 1"),
        ("generator", "options", {"prompt": [300, 100]}, r"options.prompt is two .*\(300, 100\)"),
        ("generator", "options", {"prompt": [0, 100]}, r"options.prompt is two whole numbers"),
        ("generator", "options", {"phone_loss": float("nan")}, "options.phone_loss is a number"),
        ("generator", "options", {"speaker_loss": -1}, "options.speaker_loss is a number"),
        ("generator", "options", {"distill_ratio": 1.5}, "options.distill_ratio is a share"),
        ("generator", "options", {"shares": {"a": -1}}, "options.shares is numbers of at least 0"),
        ("durations", "options", {"batch_size": 0}, "options.batch_size is"),
        ("durations", "model", {"dropout": 2}, "model.dropout is a share"),
        ("spectral", "options", {"relative": -0.1}, "options.relative is a share"),
        ("spectral", "options", {"frames": 0}, "options.frames is"),
        ("spectral", "options", {"warped": 1.5}, "options.warped is a share"),
        ("spectral", "options", {"colored": -1}, "options.colored is a share"),
        ("spectral", "options", {"recognizer_loss": -1}, "options.recognizer_loss is a number"),
        ("codec", "options", {"distort": 2}, "options.distort is a share"),
        ("codec", "options", {"weights": {"mel": -1}}, "options.weights is numbers"),
        ("codec", "model", {"encoder": {"kind": "spectrum", "width": 0}}, "encoder.width is"),
        ("codec", "model", {"quantizer": {**CODEC["quantizer"], "dim": 0}}, "quantizer.dim is"),
        ("generator", "model", {"backbone": {"heads": 7}}, "backbone: heads .* width 256, not 7"),
        ("generator", "model", {"backbone": {"blocks": 0}}, "backbone.blocks is .* at least 1"),
        ("generator", "model", {"backbone": {"blocks": "two"}}, "backbone.blocks is .*'two'"),
        ("generator", "model", {"conditioner": {"phone_dim": 0}}, "conditioner.phone_dim is"),
        ("generator", "model", {"conditioner": {"dropout": -1}}, "conditioner.dropout is a share"),
        ("generator", "model", {"dim": 0}, "dim is a whole number"),
        ("generator", "model", {"strategy": {**FLOW, "inpaint": 2}}, "strategy.inpaint is a share"),
        (
            "generator",
            "model",
            {
                "strategy": {"kind": "autoregressive"},
                "head": {"kind": "local_dit", "width": 16, "heads": 3},
            },
            "head: heads .* width 16, not 3",
        ),
        ("durations", "train", {"betas": [0.9, 1.0]}, r"train.betas"),
        ("durations", "train", {"clip": 0}, "train.clip"),
        ("durations", "train", {"final": -1}, "train.final"),
        ("durations", "train", {"budget": float("nan")}, "train.budget"),
        ("durations", "train", {"weight_decay": -1}, "train.weight_decay"),
        ("durations", "train", {"seed": -1}, "train.seed must be at least 0"),
        ("durations", "train", {"seed": 2**70}, "train.seed must be at most"),
        *(
            ("durations", "train", {name: True}, f"train: {name}: a number, not true or false")
            for name in ("steps", "seed", "lr", "budget", "accumulate")
        ),
        ("durations", "options", {"batch_size": True}, r"options.*batch_size"),
        ("durations", "train", {"steps": None}, "train: steps: .*, not None"),
        ("durations", "train", {"lr": "fast"}, "train: lr: .*, not 'fast'"),
    ],
)  # fmt: skip
def test_a_wrong_number_names_its_key_and_range(
    task: str, section: str, given: dict[str, Any], words: str
) -> None:
    values: dict[str, Any] = {"task": task, "out": "x", "model": NEEDED.get(task, {})}
    values[section] = {**values.get(section, {}), **given}
    with pytest.raises(ConfigError, match=words) as error:
        check_run(values, "my.yaml")
    refused(str(error.value), list(given)[-1])


def test_what_may_be_nothing_stays_allowed() -> None:
    build_generator(FLOW, conditioner={"content_blocks": 0, "phone_blocks": 0}, dim=16,
                    backbone={"heads": 2, "hidden": 16, "blocks": 1})  # fmt: skip
    for task, section, name in (
        ("spectral", "model", "look_ahead"),
        ("vocoder", "options", "margin"),
        ("vocoder", "options", "adversarial_from"),
        ("phrasing", "options", "holdout"),
    ):
        check(task, section, name, 0)


@pytest.mark.parametrize(
    ("task", "given", "words"),
    [
        ("generator", {"options": {"max_frames": 3}}, "max_frames is at least 50, not 3"),
        ("durations", {"options": {"max_frames": 49}}, "max_frames is at least 50, not 49"),
        ("spectral", {"options": {"frames": 5}}, "options.frames is a multiple of model.patch, 2"),
        ("latent", {"model": {"patch": 3}}, "options.frames is a multiple of model.patch, 3"),
        ("codec", {"options": {"frames": 6}}, "options.frames is at least 7, not 6"),
        ("vocoder", {"options": {"frames": 18}}, "options.frames is at least 7 beside both margin"),
        ("vocoder", {"model": {"n_fft": 100}}, "n_fft is at least 160, not 100"),
        (
            "vocoder",
            {"options": {"wide": "x.tsv", "train_pitch": False, "wide_share": 1}},
            "options.wide_share 1.* of 12 rows leaves none",
        ),
        (
            "generator",
            {"model": {"strategy": FLOW}, "options": {"shares": {"": 0}}},
            "shares leave no speaker",
        ),
        ("probe", {"model": {"speaker_dim": 3}}, "model.speaker_dim is 256, as in the corpus"),
        ("durations", {"model": {"channels": 3}}, "model.channels is 82, as in the corpus, not 3"),
        (
            "generator",
            {"model": {"strategy": FLOW, "conditioner": {"channels": 3}}},
            "model.conditioner.channels is 82",
        ),
    ],
)
def test_numbers_that_do_not_fit_each_other_or_the_corpus(
    task: str, given: dict[str, Any], words: str, corpus: Corpus
) -> None:
    values: dict[str, Any] = {"task": task, "out": "x", "model": NEEDED.get(task, {}), **given}
    with pytest.raises(TTSError, match=words) as error:
        check_run(values, "my.yaml").build(corpus)
    assert "\n" not in str(error.value)


def test_somebody_is_left_to_learn_from(corpus: Corpus) -> None:
    speakers = sorted({item.speaker for item in corpus.items})
    assert SegmentSampler(corpus, held_out=speakers[1:]).by_speaker.keys() == {speakers[0]}
    with pytest.raises(DataError, match="held_out leaves no speaker"):
        SegmentSampler(corpus, held_out=speakers)


@pytest.mark.parametrize("seed", [0, MOST_SEED])
def test_the_ends_of_the_range_of_seeds_are_in_it(seed: int) -> None:
    check("durations", "train", "seed", seed)
    for rank in (0, 7):
        torch.Generator().manual_seed(seed + rank)
        np.random.default_rng((seed, rank, 3))

"""Generators over codecs of every quantizer: sizes and the order of codes follow from the codec."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.training import TINY, one_step
from tts.data.batch import prompt_of
from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.modules.voice_prompt import VoicePrompt
from tts.registry import load_latent_space
from tts.train.tasks.generator import GeneratorTask, complete_arguments, learned_codebooks
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.errors import CodecError
from tts_codecs.quantizers import build_quantizer
from tts_codecs.spectral import SpectralAutoencoder

QUANTIZERS: dict[str, dict[str, Any]] = {
    "rvq": {"kind": "rvq", "dim": 4, "num_codebooks": 3, "codebook_size": 12},
    "grouped_rvq": {
        "kind": "grouped_rvq", "dim": 4, "groups": 2, "depth": 2, "codebook_size": 12,
    },
    "residual_fsq": {"kind": "residual_fsq", "levels": [4, 3], "num_codebooks": 3},
    "grouped_fsq": {"kind": "grouped_fsq", "levels": [4, 3], "groups": 3},
    "lfq": {"kind": "lfq", "bits": 3, "groups": 2},
    "scalar": {"kind": "scalar", "dim": 4, "scale": 2},
    "vq": {"kind": "vq", "dim": 4, "codebook_size": 12},
}  # fmt: skip
FAMILIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "delay": ({"kind": "autoregressive"}, {"kind": "categorical"}),
    "depth": (
        {"kind": "autoregressive"}, {"kind": "depth", "blocks": 1, "heads": 2, "hidden": 16},
    ),
    "masked": ({"kind": "masked"}, {"kind": "categorical"}),
    "soundstorm": ({"kind": "soundstorm"}, {"kind": "categorical"}),
    "coarse_first": ({"kind": "coarse_first"}, {"kind": "categorical"}),
}  # fmt: skip
PAIRS = [
    *(("rvq", family) for family in FAMILIES),
    *((quantizer, "masked") for quantizer in QUANTIZERS if quantizer != "rvq"),
]


def codec(quantizer: str, folder: Path) -> str:
    torch.manual_seed(0)
    arguments = {"dim": 8, "blocks": 1, "quantizer": QUANTIZERS[quantizer]}
    made = SpectralAutoencoder(**arguments)
    save_checkpoint(folder, made, "spectral", arguments, half=False)
    return str(folder)


def task(corpus: Corpus, name: str, family: str) -> GeneratorTask:
    strategy, head = FAMILIES[family]
    return GeneratorTask(
        corpus, {**TINY, "strategy": strategy, "head": head}, batch_size=2, codec=name, vocoder=None
    )


@pytest.mark.parametrize(("quantizer", "family"), PAIRS)
def test_trains_and_draws(corpus: Corpus, tmp_path: Path, quantizer: str, family: str) -> None:
    made = task(corpus, codec(quantizer, tmp_path), family)
    logs = one_step(made)
    assert all(np.isfinite(float(value)) for value in logs.values())
    batch = made.batch(np.random.default_rng(0))
    drawn = made.latent_space
    assert batch["latents"].shape[2] == drawn.autoencoder.quantizer.num_codebooks  # type: ignore[attr-defined]
    made.sample(_Writer(), 1)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_over_the_leading_codebooks_alone(corpus: Corpus, tmp_path: Path, family: str) -> None:
    name = codec("rvq", tmp_path)  # 3 codebooks of 12 entries, 25 frames/s
    kbits = 25 * np.log2(12) / 1000
    full = load_latent_space(name)
    for count in (1, 2):
        if count == 1 and family == "coarse_first":
            with pytest.raises(ConfigError, match="more codebooks"):
                task(corpus, f"{name}@{kbits:.2f}", family)
            continue
        made = task(corpus, f"{name}@{count * kbits:.2f}", family)
        logs = one_step(made)
        assert all(np.isfinite(float(value)) for value in logs.values())
        batch = made.batch(np.random.default_rng(0))
        whole = full.encode(batch["features"], prompt_of(batch))
        assert torch.equal(batch["latents"], whole[..., :count])
        assert made.generator.head.num_codebooks == count
        assert len(learned_codebooks(made.latent_space)) == count
        made.sample(_Writer(), 1)
    with pytest.raises(CodecError, match="5 kbit/s is not one of 0.09, 0.18, 0.27"):
        task(corpus, f"{name}@5", family)


class _Writer:
    """Takes pictures."""

    def add_image(self, name: str, picture: torch.Tensor, step: int) -> None:
        assert bool(picture.isfinite().all())


def test_order_and_sizes_follow_from_the_codec(tmp_path: Path) -> None:
    residual, flat = codec("rvq", tmp_path / "rvq"), codec("grouped_fsq", tmp_path / "fsq")
    categorical = {"kind": "categorical"}

    def filled(name: str, kind: str, **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        model = {"strategy": {"kind": kind, **given}, "head": categorical}
        found = complete_arguments(model, name)[0]
        return found["strategy"], found["head"]

    strategy, head = filled(residual, "autoregressive")
    assert strategy["pattern"] == {"name": "delay"} and sorted(map(str, head.values())) == [
        "12",
        "3",
        "[]",
        "categorical",
    ]
    assert filled(residual, "masked")[0]["order"] == "levels"
    # What is given stays; codes that stand alone have no order.
    assert filled(residual, "masked", order="joint")[0]["order"] == "joint"
    assert filled(flat, "masked")[0] == {"kind": "masked"}
    assert filled(flat, "autoregressive")[0] == {"kind": "autoregressive"}
    assert filled(flat, "masked")[1]["levels"] == [4, 3]


@pytest.mark.parametrize("quantizer", list(QUANTIZERS))
def test_an_estimate_of_sure_codes_is_heard_as_they_are(quantizer: str, tmp_path: Path) -> None:
    units = load_latent_space(codec(quantizer, tmp_path))
    features = torch.randn(2, 20, 82, generator=torch.Generator().manual_seed(0))
    prompt = VoicePrompt(torch.zeros(2, 256), torch.zeros(2, 30, 82), torch.tensor([30, 30]))
    codes = units.encode(features, prompt)
    sure = torch.nn.functional.one_hot(codes, int(codes.max()) + 1).float()
    size = units.autoencoder.quantizer.codebook_size  # type: ignore[attr-defined]
    sure = torch.nn.functional.pad(sure, (0, size - sure.shape[-1]))
    heard = units.to_features(sure)
    made, _ = units.decode(codes, units.start(prompt), True)
    anchor = made - units.autoencoder.decode(codes)  # type: ignore[attr-defined]
    torch.testing.assert_close(heard + anchor, made, rtol=0, atol=1e-4)


@pytest.mark.parametrize("quantizer", ["rvq", "grouped_rvq", "vq"])
def test_entries_begin_as_near_as_those_of_the_codec(
    corpus: Corpus, tmp_path: Path, quantizer: str
) -> None:
    made = task(corpus, codec(quantizer, tmp_path), "masked")
    books = learned_codebooks(made.latent_space)
    table = made.generator.head.table.detach()[:, :-1]  # type: ignore[union-attr]
    assert len(books) == len(table)
    for book, entries in zip(books, table, strict=True):
        near = torch.stack([torch.cdist(each, each).flatten() for each in (book, entries)])
        assert torch.corrcoef(near)[0, 1] > 0.9


@pytest.mark.parametrize("quantizer", ["rvq", "grouped_rvq", "vq"])
def test_codebooks_are_in_the_order_of_the_codes(quantizer: str) -> None:
    made = build_quantizer(QUANTIZERS[quantizer])
    zero = torch.zeros(1, 1, made.num_codebooks, dtype=torch.int64)
    for place, book in enumerate(made.codebooks):
        other = zero.clone()
        other[..., place] = 5
        moved = made.decode(other) - made.decode(zero)
        moved = moved[moved != 0]  # a group has channels of its own
        torch.testing.assert_close(moved, book[5] - book[0])

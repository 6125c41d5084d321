"""Features of recordings that a generator makes again, and a vocoder that hears them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.training import one_step
from tts import TTS
from tts.data.corpus import Corpus
from tts.data.regenerated import RegeneratedFeatures, write_regenerated
from tts.errors import DataError, OutputError, UsageError
from tts.generators.strategies import flow
from tts.generators.strategies.diffusion import Diffusion
from tts.train.tasks.vocoder import VocoderTask


@pytest.fixture
def model(tiny_home: Path) -> TTS:
    return TTS.load("default", "cpu")


def read(folder: Path) -> tuple[list[dict[str, int]], np.ndarray]:
    pieces = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    return pieces, np.fromfile(folder / "features.f16", "<f2").reshape(-1, 82).astype(np.float32)


def test_pieces_keep_pitch_and_the_more_of_the_rest_the_later_they_begin(
    model: TTS, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A network that finds nothing wrong with what it is shown.
    monkeypatch.setattr(
        flow, "denoise", lambda net, head, x, condition, *_: x - head.mean(condition)
    )
    away = {}
    for begin in (0.0, 0.9):
        folder = tmp_path / str(begin)
        write_regenerated(corpus, model, folder, 3, begin, seed=4)
        pieces, made = read(folder)
        real = np.concatenate([corpus.features(*piece.values()) for piece in pieces])
        np.testing.assert_array_equal(made[:, 80:], real[:, 80:].astype("<f2").astype(np.float32))
        away[begin] = np.abs(made[:, :80] - real[:, :80]).mean()
    assert 0 < away[0.9] < 0.5 * away[0.0]


def test_crops_are_of_one_place(model: TTS, corpus: Corpus, tmp_path: Path) -> None:
    write_regenerated(corpus, model, tmp_path / "made", 3)
    pieces, made = read(tmp_path / "made")
    found = RegeneratedFeatures(tmp_path / "made", corpus, 20)
    wav, features = found.crop(np.random.default_rng(0), 20)
    at = next(n for n in range(len(made)) if np.array_equal(made[n : n + 20], features))
    for piece in pieces:
        if at < piece["frames"]:
            break
        at -= piece["frames"]
    np.testing.assert_array_equal(wav, corpus.audio(piece["index"], piece["start"] + at, 20))


def test_a_vocoder_learns_from_them(model: TTS, corpus: Corpus, tmp_path: Path) -> None:
    write_regenerated(corpus, model, tmp_path / "made", 2)
    sizes = {"dim": 16, "blocks": 1}
    made = str(tmp_path / "made")
    task = VocoderTask(
        corpus, sizes, batch_size=4, frames=24, regenerated=made, regenerated_weight=0.3
    )
    batch = task.batch(np.random.default_rng(0))
    assert batch["regenerated"].shape == (2, 24, 82) and batch["own_pitch"][1::2].all()
    before = next(task.losses(batch, 0))[1]
    other = {**batch, "regenerated": batch["regenerated"] + 1}
    assert float(before.detach()) != float(next(task.losses(other, 0))[1].detach())
    one_step(task)


def test_what_does_not_fit_is_refused(model: TTS, corpus: Corpus, tmp_path: Path) -> None:
    made = tmp_path / "made"
    write_regenerated(corpus, model, made, 2)
    with pytest.raises(OutputError, match="exists"):
        write_regenerated(corpus, model, made, 2)
    with pytest.raises(DataError, match="does not exist"):
        RegeneratedFeatures(tmp_path / "nothing", corpus, 20)
    with pytest.raises(DataError, match="at least 5000 frames"):
        RegeneratedFeatures(made, corpus, 5000)
    (made / "items.jsonl").write_text(json.dumps({"index": 9999, "start": 0, "frames": 1}) + "\n")
    with pytest.raises(DataError, match="another corpus"):
        RegeneratedFeatures(made, corpus, 1)


@pytest.mark.parametrize("other", ["diffusion", "padded", "proportional"])
def test_only_flows_that_take_durations_make_them(
    model: TTS, corpus: Corpus, tmp_path: Path, other: str
) -> None:
    generator = model.acoustic.generator
    if other == "diffusion":
        generator.strategy = Diffusion()
    else:
        generator.conditioner.text = other
    with pytest.raises(UsageError, match="has to be a flow that takes durations"):
        write_regenerated(corpus, model, tmp_path / "other", 1)
    assert not list(tmp_path.glob("other*"))

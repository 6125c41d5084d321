"""The recipe for few recordings: labels by a probe, lessons of a reference model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
import yaml

from tests.helpers.audio import talk
from tests.helpers.systems import NETWORK, tiny_parts
from tts import TTS
from tts.data.corpus import Corpus
from tts.data.distillation import DistillationData
from tts.data.pseudo import Recording, of_corpus, write_pseudo_labels
from tts.errors import DataError, OutputError
from tts.losses.phone import PhoneProbe
from tts.text.symbols import N_SYMBOLS, SIL, phones_to_ids
from tts.train.recipe import load_recipe
from tts.train.recipe_run import run_recipe


class _Certain(PhoneProbe):
    """Hears the phone whose number is the first channel, the more surely the larger the second."""

    def __init__(self) -> None:
        super().__init__(dim=8, blocks=1)
        self.head = torch.nn.Identity()  # type: ignore[assignment]

    def hidden(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        one_hot = torch.nn.functional.one_hot(features[..., 0].long(), N_SYMBOLS).float()
        return one_hot * features[..., 1:2]


def heard(phones: list[int], frames: int, sure: float, speaker: int = 0) -> Recording:
    features = torch.zeros(len(phones) * frames, 82)
    features[:, 0] = torch.tensor(phones).repeat_interleave(frames)
    features[:, 1] = sure
    return Recording(features, torch.nn.functional.one_hot(torch.tensor(speaker), 256).float())


def test_rows_are_labelled_as_they_are_heard(tmp_path: Path) -> None:
    a, b, c = phones_to_ids("aki")
    recordings = [
        heard([SIL, a, b, c, a, c, SIL], 12, 30.0),
        heard([SIL, b, a, b, c, SIL], 12, 30.0, speaker=1),
        heard([SIL, a, b, SIL], 4, 30.0),  # too short
    ] * 2
    folder = tmp_path / "rows"
    count = write_pseudo_labels(recordings, _Certain(), [a, b, c], folder, 12)
    data = DistillationData([str(folder)])
    assert len(data.rows) == count == 12
    batch = data.draw(np.random.default_rng(0), 6)
    for row in range(6):
        length, frames = int(batch["lengths"][row]), int(batch["frames"][row])
        ids, durations = batch["ids"][row, :length], batch["durations"][row, :length]
        assert int(durations.sum()) == frames >= 50
        labels = ids.repeat_interleave(durations)
        told = batch["features"][row, :frames, 0].long()
        spoken = torch.isin(told, torch.tensor([a, b, c]))
        assert torch.equal(labels[spoken], told[spoken])
    # Two speakers: a prompt is of the one who speaks.
    prompts = batch["prompt_features"][:, 0, 1]
    assert (prompts == 30.0).all()
    again = tmp_path / "again"
    write_pseudo_labels(recordings, _Certain(), [a, b, c], again, 12)
    assert (again / "rows.jsonl").read_text() == (folder / "rows.jsonl").read_text()
    with pytest.raises(OutputError, match="exists"):
        write_pseudo_labels(recordings, _Certain(), [a, b, c], folder, 12)


@pytest.mark.parametrize("length", [80, 120, 300])
def test_a_prompt_holds_nothing_of_what_is_to_be_learned(length: int, tmp_path: Path) -> None:
    """Speakers of one recording each: the prompt is of the rest of it, or there is no row."""
    ids = phones_to_ids("aki")
    recordings = []
    for speaker in range(4):
        made = heard([ids[n % 3] for n in range(length // 10)], 10, 30.0, speaker)
        made.features[:, 2] = torch.arange(len(made.features))
        made.features[:, 3] = speaker
        recordings.append(made)
    folder = tmp_path / "rows"
    write_pseudo_labels(recordings, _Certain(), ids, folder, 30, keep=1.0, max_frames=60)
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    said, prompts = (
        np.memmap(folder / name, "<f2", "r").reshape(-1, 82)
        for name in ("features.f16", "prompts.f16")
    )
    begin = prompt_begin = 0
    for row in rows:
        target = said[begin : begin + row["frames"]]
        prompt = prompts[prompt_begin : prompt_begin + row["prompt_frames"]]
        begin, prompt_begin = begin + row["frames"], prompt_begin + row["prompt_frames"]
        assert len(prompt) >= 25 and set(prompt[:, 3]) == set(target[:, 3])
        assert not set(prompt[:, 2]) & set(target[:, 2])


def test_a_prompt_is_of_the_speaker_whose_name_the_row_has(tmp_path: Path) -> None:
    """However alike two voices are: one of them may be held out."""
    ids = phones_to_ids("aki")
    recordings = []
    for number in range(4):
        made = heard([ids[n % 3] for n in range(16)], 10, 30.0)
        made.features[:, 2] = number % 2
        # The embeddings of all are alike, but for the two of the first speaker.
        voice = made.speaker if number != 2 else torch.ones(256) / 16
        recordings.append(Recording(made.features, voice, f"s{number % 2}"))
    folder = tmp_path / "rows"
    write_pseudo_labels(recordings, _Certain(), ids, folder, 30, keep=1.0)
    batch = DistillationData([str(folder)], held_out=["s1"]).draw(np.random.default_rng(0), 8)
    assert (batch["prompt_features"][:, 0, 2] == 0).all()
    assert (batch["features"][:, 0, 2] == 0).all()


def test_what_is_heard_surely_is_kept(tmp_path: Path) -> None:
    a, b, c = phones_to_ids("aki")
    recordings = [
        heard([a, b, c, a, c], 14, 30.0),
        heard([b, a, b, c, b], 14, 6.0, speaker=1),
    ] * 2
    folder = tmp_path / "rows"
    write_pseudo_labels(recordings, _Certain(), [a, b, c], folder, 8, keep=0.2, penalty=2.0)
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    features = np.memmap(folder / "features.f16", "<f2", "r").reshape(-1, 82)
    sure = features[np.cumsum([0] + [row["frames"] for row in rows[:-1]]), 1]
    assert (sure == 30.0).all()
    with pytest.raises(DataError, match="second"):
        write_pseudo_labels([heard([a], 9, 30.0)], _Certain(), [a], tmp_path / "none", 3)


def test_from_few_recordings_to_a_model_that_speaks(
    tiny_home: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_parts(tiny_home)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    # The corpus has its durations: an aligner of random weights would make none that are plausible.
    monkeypatch.setattr("tts.train.recipe_steps.write_durations", lambda *given: [f"{given[1:]}"])
    # The tiny models have no profile, phrasing, enhancer or detector of overlaps.
    without = {
        "phrasing": None,
        "profile": None,
        "overlap": None,
        "enhancer": None,
        "normalised": False,
    }
    teacher = {
        "name": "teacher", "family": "flow", "generator": "flow", "durations": "durations",
        "vocoder": "vocoder", "sampling": {"steps": 2},
    }  # fmt: skip
    (tmp_path / "teacher.yaml").write_text(yaml.safe_dump(teacher))
    more = tmp_path / "more"
    more.mkdir()
    # Of a voice's only recording a part is left for the prompt, and untrained weights hear too few
    # phones in it to part it.
    for name, seconds in (("one.wav", 2.5), ("two.wav", 2.7)):
        sf.write(more / name, talk(seconds, 16000), 16000)
    (more / "notes.txt").write_text("no recording")
    data, out = tmp_path / "data", tmp_path / "made"
    shutil.copytree(corpus.folder, data)
    small = {"batch_size": 2, "max_frames": 50}
    flow = {
        **small, "prompt": [30, 40], "probe": None, "identity": None, "phone_probe": "phone_probe",
        "speaker_loss": 0.0,
    }  # fmt: skip
    sets = [
        f"data={data}", f"out={out}", "train.steps=2", "train.sample_minutes=1e9",
        "train.device=cpu", f"stages.pseudo.recordings={more}", "stages.pseudo.rows=4",
        "stages.pseudo.profile=null", f"stages.lessons.teacher={tmp_path / 'teacher.yaml'}",
        "stages.lessons.rows=4", f"stages.durations.options={json.dumps(small)}",
        f"stages.durations.model={json.dumps({'dim': 16, 'blocks': 1, 'classes': 3, 'style': 16})}",
        f"stages.flow.model={json.dumps(NETWORK)}", f"stages.flow.options={json.dumps(flow)}",
        *(f"{place}.{key}={json.dumps(value)}" for key, value in without.items()
          for place in ("stages.flow", "models.low_resource")),
        "models.low_resource.calibration=0", "models.low_resource.phone_probe=null",
    ]  # fmt: skip
    said: list[str] = []
    assert run_recipe(load_recipe("low_resource", sets), said.append, quiet=True)
    assert len(of_corpus(Corpus(data))) == len(corpus)
    model = TTS.load(str(out / "low_resource.yaml"), device="cpu")
    assert str(out) in model.config.generator and str(out) in str(model.config.durations)
    samples = model.synthesize("Hi.", model.voice(more / "one.wav"), seed=1).samples
    assert np.isfinite(samples).all() and np.abs(samples).max() > 0
    assert "('aligner', '')" in said and "('aligner', 'phone_probe')" in said
    assert any("stretches as they are heard" in line for line in said)

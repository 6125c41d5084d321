"""Speakers kept out of the training of vocoders, codecs and phone profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.cli import Captured

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from tts.cli.main import run  # noqa: E402
from tts.data import profile  # noqa: E402
from tts.data.corpus import Corpus  # noqa: E402
from tts.data.profile import write_profile  # noqa: E402
from tts.errors import DataError, UsageError  # noqa: E402
from tts.losses.phone import PhoneProbe  # noqa: E402
from tts.train.config import check_run  # noqa: E402
from tts_codecs.envelope import CHANNELS  # noqa: E402

SMALL: dict[str, dict[str, Any]] = {
    "vocoder": {"dim": 16, "hidden": 16, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1},
    "spectral": {"dim": 16, "blocks": 1, "levels": [5, 4], "groups": 2},
    "latent": {"dim": 16, "blocks": 1, "latents": 6},
    "codec": {
        "name": "c",
        "hop": 400,
        "dim": 80,
        "project": False,
        "encoder": {"kind": "mel", "n_fft": 800},
        "quantizer": {"kind": "binned", "dim": 80, "low": -2.75, "high": 2.75, "levels": 4},
        "decoder": {"kind": "spectrum", "width": 8, "blocks": 1},
    },
}


def task(name: str, corpus: Corpus, held_out: list[str], **options: Any) -> Any:
    options = {"batch_size": 2, "frames": 40, "held_out": held_out, **options}
    values = {"task": name, "out": "o", "model": SMALL[name], "options": options}
    return check_run(values, "mine").build(corpus)


def heard_of(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Takes the names of speakers whose audio or features are read."""
    found: set[str] = set()
    for name in ("audio", "features"):
        read = getattr(Corpus, name)

        def told(self: Corpus, index: int, *given: Any, read: Any = read) -> np.ndarray:
            found.add(self.items[index].speaker)
            return read(self, index, *given)

        monkeypatch.setattr(Corpus, name, told)
    return found


@pytest.mark.parametrize("name", SMALL)
def test_speakers_that_are_held_out_are_not_heard(
    name: str, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = heard_of(corpus, monkeypatch)
    for held_out, left in ((["s1"], {"s0"}), ([], {"s0", "s1"})):
        made = task(name, corpus, held_out)
        heard.clear()
        for seed in range(8):
            made.batch(np.random.default_rng(seed))
        assert heard == left
    with pytest.raises(UsageError, match="no speaker 's2' to leave out"):
        task(name, corpus, ["s2"])
    with pytest.raises(DataError, match="held_out leaves no speaker"):
        task(name, corpus, ["s0", "s1"])


def test_what_was_regenerated_of_them_is_not_heard_either(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [{"index": at, "start": 0, "frames": 40} for at in range(len(corpus))]
    lines = [json.dumps(piece) + "\n" for piece in pieces]
    (tmp_path / "items.jsonl").write_text("".join(lines))
    np.zeros((40 * len(pieces), CHANNELS), "<f2").tofile(tmp_path / "features.f16")
    heard = heard_of(corpus, monkeypatch)
    made = task("vocoder", corpus, ["s0"], regenerated=str(tmp_path))
    for seed in range(8):
        made.batch(np.random.default_rng(seed))
    assert heard == {"s1"}
    (tmp_path / "items.jsonl").write_text(lines[0])
    np.zeros((40, CHANNELS), "<f2").tofile(tmp_path / "features.f16")
    held = corpus.items[0].speaker
    with pytest.raises(DataError, match="no piece of at least 40 frames of speakers that are not"):
        task("vocoder", corpus, [held], regenerated=str(tmp_path))


def test_a_profile_leaves_speakers_out(
    corpus: Corpus, tmp_path: Path, tiny_home: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: Captured,
) -> None:  # fmt: skip
    monkeypatch.setattr(profile, "LEAST_FRAMES", 0)
    torch.manual_seed(0)
    probe = PhoneProbe(dim=8, blocks=1).eval()
    heard = heard_of(corpus, monkeypatch)
    steps: list[tuple[int, int]] = []
    one = write_profile(corpus, probe, tmp_path / "one", lambda *at: steps.append(at), ["s1"])
    assert heard == {"s0"} and steps[-1][0] == steps[-1][1] < len(corpus)
    both = write_profile(corpus, probe, tmp_path / "both")
    assert not torch.equal(one.mean, both.mean)
    with pytest.raises(DataError, match="leave_out leaves no speaker"):
        write_profile(corpus, probe, tmp_path / "none", leave_out=["s0", "s1"])
    arguments = {"dim": 8, "blocks": 1}
    from tts_codecs.checkpoint import save_checkpoint

    save_checkpoint(tmp_path / "probe", probe, "phone_probe", arguments)
    given = ["data", "profile", str(corpus.folder), "-o", str(tmp_path / "p"), "-q"]
    given += ["--phone-probe", str(tmp_path / "probe"), "--leave-out"]
    assert run([*given, "s1"]) == 0
    assert not run([*given, "s2"]) == 0
    assert "no speaker 's2' to leave out" in capfd.readouterr().err


def test_the_table_of_a_higher_rate_leaves_them_out(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile = pytest.importorskip("soundfile")
    monkeypatch.setitem(SMALL, "vocoder", {**SMALL["vocoder"], "sample_rate": 24000, "n_fft": 960})
    levels = {"a": 0.1, "b": 0.2, "c": 0.3}  # by which a recording is known again
    for name, level in levels.items():
        soundfile.write(tmp_path / f"{name}.wav", np.full(24000, level), 24000)
    table = tmp_path / "wide.tsv"

    def heard(content: str, held_out: list[str]) -> set[float]:
        table.write_text(content, encoding="utf-8")
        made = task("vocoder", corpus, held_out, wide=str(table), train_pitch=False)
        return {round(float(audio[0]) / 32768, 1) for audio in made.wide.audio}

    plain = "a.wav\nb.wav\nc.wav\n"
    assert heard(plain, []) == {0.1, 0.2, 0.3}
    with pytest.raises(DataError, match=r"wide\.tsv does not tell whose a\.wav is.*path and speak"):
        heard(plain, ["s1"])
    rows = ["hello\ts0\ta.wav", "so\ts1\tb.wav", "yes\tJose\u0301\tc.wav"]
    named = "\n".join(["text\tspeaker\tpath", *rows]) + "\n"
    assert heard(named, []) == {0.1, 0.2, 0.3}
    assert heard(named, ["s1"]) == {0.1, 0.3}
    # who is in the table alone, in another spelling
    assert heard(named, ["s1", "Jos\u00e9"]) == {0.1}
    with pytest.raises(UsageError, match="no speaker 's2' to leave out"):
        heard(named, ["s2"])
    with pytest.raises(DataError, match="held_out leaves no recording of"):
        heard("path\tspeaker\nb.wav\ts1\n", ["s1"])
    with pytest.raises(DataError, match="does not tell whose b.wav is"):
        heard("path\tspeaker\na.wav\ts0\nb.wav\t\n", ["s1"])
    with pytest.raises(DataError, match="line 3 has 1 fields"):
        heard("path\tspeaker\na.wav\ts0\nb.wav\n", [])

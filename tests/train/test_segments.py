"""What training draws of a corpus, and what of it is refused."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.training import flow_task

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from tts.data.batch import Batch
from tts.data.corpus import Corpus  # noqa: E402
from tts.data.vtlp import VTLP_FACTORS  # noqa: E402
from tts.errors import DataError  # noqa: E402


def test_segments_join_tokens_and_frames(corpus: Corpus) -> None:
    from tts.data.segments import load_utterances

    found = load_utterances(corpus)
    assert found
    for utterance in found:
        assert utterance.starts[-1] == corpus.frames(utterance.index)
        assert all(0 <= cut < len(utterance.tokens.ids) for cut in utterance.cuts)


def test_warped_segments_have_warped_speakers(corpus: Corpus) -> None:
    from tts.data.segments import SegmentSampler

    def draw(vtlp: float) -> Batch:
        sampler = SegmentSampler(corpus, 60, vtlp=vtlp)
        return sampler.draw(np.random.default_rng(0), 6)

    stored = [corpus.vtlp_speaker(n, w) for n in range(5) for w in range(len(VTLP_FACTORS))]
    plain = [corpus.speaker(n) for n in range(5)]
    for share, table in ((0.0, plain), (1.0, stored)):
        batch = draw(share)
        heights = {round(float(v), 2) for v in batch["features"][..., 80].unique() if v != 0}
        if share:
            assert heights <= {round(0.1 + 2 * math.log2(w), 2) for w in VTLP_FACTORS} and heights
        else:
            assert heights == {0.1}
        for row in batch["speaker"].numpy():
            assert any(np.array_equal(row, known) for known in table)


def test_features_are_refused_until_made(corpus: Corpus, tmp_path: Path) -> None:
    shutil.copytree(corpus.folder, tmp_path / "c")
    (tmp_path / "c" / "features.f16").unlink()
    (tmp_path / "c" / "speaker_warped.f32").unlink()
    bare = Corpus(tmp_path / "c")
    assert bare.vtlp_speaker(0, 0) is None
    with pytest.raises(DataError, match="tts data features"):
        flow_task(bare).batch(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("durations.json", b"[]", "damaged: align"),
        ("durations.json", b'{"u0": 3}', "damaged: align"),
        ("durations.json", b'{"u0": [1, 2.5]}', "damaged: align"),
        ("durations.json", b'{"u0": [1, 2]}', "u0 are not those of its phones"),
        ("durations.json", b'{"u0": [99, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]}', "its recording"),
        ("speaker_warped.f32", b"x" * 1000, "run `tts data vtlp` again"),
    ],
)
def test_what_was_made_of_another_corpus_is_refused_at_the_start(
    name: str, content: bytes, words: str, corpus: Corpus, tmp_path: Path
) -> None:
    from tts.train.tasks.probes import ProbeTask

    shutil.copytree(corpus.folder, tmp_path / "c")
    (tmp_path / "c" / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        task = ProbeTask(Corpus(tmp_path / "c"), {"dim": 8, "blocks": 1}, batch_size=8)
        task.batch(np.random.default_rng(0))


def test_stretched_phones_leave_utterances_out_and_it_is_told(
    corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from tts.data.segments import load_utterances

    shutil.copytree(corpus.folder, tmp_path / "c")
    path = tmp_path / "c" / "durations.json"
    durations = json.loads(path.read_text())
    count = len(load_utterances(corpus))
    assert not caplog.records

    def stretch(names: list[str]) -> None:
        for name in names:
            row = durations[name]
            durations[name] = [0] * len(row)
            at = next(n for n, frames in enumerate(row) if frames and n)
            durations[name][at] = min(sum(row), 60)
        path.write_text(json.dumps(durations))

    first, *others = durations
    stretch([first])
    assert len(load_utterances(Corpus(tmp_path / "c"))) == count - 1
    [record] = caplog.records
    assert f"1 of {count} aligned utterances are left out" in record.getMessage()
    assert "a phone of over 40 frames (0.8 s)" in record.getMessage()
    stretch(others)
    with pytest.raises(DataError, match=f"all of its {count} aligned utterances have a phone of"):
        load_utterances(Corpus(tmp_path / "c"))
    path.write_text("{}")
    with pytest.raises(DataError, match=f"durations of none of its {count} utterances"):
        load_utterances(Corpus(tmp_path / "c"))

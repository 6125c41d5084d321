"""Windows of segments that are rendered at once: what is put in is cut from one that has it all."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from tts.editing.align import Segment
from tts.editing.clips import find_window
from tts.editing.edit import MAX_WINDOW, split_windows
from tts.editing.edited import Edited
from tts.editing.render import Rendered

FRAME = 0.02


def _old(frames: int, word: str, source: int) -> Segment:
    return Segment((5,), (0,), (frames,), word, source)


def _new(word: str = "") -> Segment:
    return Segment(
        (7, 8) if word else (3,), (0, 0) if word else (0,), (0, 0) if word else (0,), word
    )


def _segments(rng: random.Random) -> list[Segment]:
    """A recording of 20 to 60 s of words, some of them replaced or put in, with pauses before some
    new ones."""
    segments, at = [], 0
    for number in range(rng.randrange(60, 160)):
        if rng.random() < 0.08:
            segments += [_new()] * (rng.random() < 0.5) + [_new("new")] * rng.choice([1, 1, 3])
            segments += [_new()] * (rng.random() < 0.3)
        frames = rng.randrange(4, 40)
        segments.append(_old(frames, "" if number % 7 == 3 else "old", at))
        at += frames
    return segments


def _runs(segments: list[Segment]) -> list[tuple[int, int]]:
    """Stretches begin to end of new segments with a word in them."""
    found, begin = [], None
    for at, segment in enumerate([*segments, _old(1, "end", 0)]):
        if segment.source is None:
            begin = at if begin is None else begin
        elif begin is not None:
            if any(each.word for each in segments[begin:at]):
                found.append((begin, at))
            begin = None
    return found


def test_one_window_holds_all_of_what_is_put_in_at_afind_window() -> None:
    several = 0
    for seed in range(300):
        segments = _segments(random.Random(seed))
        assert sum(segment.length for segment in segments) * FRAME > MAX_WINDOW
        spans = split_windows(segments, FRAME)
        several += len(spans) > 1
        lead = seed % 3
        rendered = [
            (first, Rendered(segments[first:last], [], torch.zeros(0), lead, last - first))
            for first, last in spans
        ]
        for begin, end in _runs(segments):
            each, first, last = find_window(begin, end, rendered)
            assert last - first == end - begin
            assert lead <= first and last <= lead + each.count
    assert several > 100


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000, 96000])
@pytest.mark.parametrize("format", ["opus", "mp3", "ogg", "wav"])
def test_edits_of_recordings_of_any_rate_can_be_kept(
    rate: int, format: str, tmp_path: Path
) -> None:
    time = np.arange(rate, dtype=np.float32) / rate
    sound = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    edited = Edited(sound, rate, original=sound)
    edited.save(tmp_path / f"edit.{format}")
    edited.save(buffer := io.BytesIO(), format)
    data = [(tmp_path / f"edit.{format}").read_bytes(), buffer.getvalue(), edited.to_bytes(format)]
    for each in data:
        found, held = sf.read(io.BytesIO(each))
        assert len(found) / held == pytest.approx(1, abs=0.1)
        if rate == 44100:
            assert held == {"opus": 48000}.get(format, rate)

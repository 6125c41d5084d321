"""The tabs Edit and Codec of the demo page, without a browser; tiny random models."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

gr = pytest.importorskip("gradio")

from tests.helpers.codecs import layered  # noqa: E402
from tests.helpers.edited import SAID, hearing, spoken  # noqa: E402
from tts_demo import codec, editing  # noqa: E402
from tts_demo.picture import codes_image  # noqa: E402
from tts_demo.studio import Studio  # noqa: E402

Recording = Callable[..., Path]


@pytest.fixture
def studio(profiled_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    made = Studio(["default"], "cpu")
    made._loaded["default"] = hearing(monkeypatch)
    yield made
    made.close()


@pytest.fixture
def me(tmp_path: Path) -> str:
    path = tmp_path / "me.wav"
    sf.write(path, spoken(), 16000, "PCM_16")
    return str(path)


def refusal(steps: Iterator[Any]) -> str:
    with pytest.raises(gr.Error) as caught:
        list(steps)
    message = str(caught.value.message)
    assert message and "\n" not in message
    return message


def heard(studio: Studio, html: str) -> np.ndarray:
    found = studio.sounds.find(re.search("src='(sounds/[^']*)'", html)[1])  # type: ignore[index]
    assert found is not None
    samples, _ = sf.read(found.path, dtype="int16")
    return samples


def test_words_are_found_and_changed(studio: Studio, me: str) -> None:
    steps = list(editing.find_words(studio, "s", "default", me, f" {SAID} "))
    status, words, wanted = steps[-1]
    assert "4 words found" in status and wanted == SAID
    assert re.findall(r">(\w+)</button>", words) == SAID.split()
    before = sf.read(me, dtype="int16")[0]
    np.testing.assert_array_equal(heard(studio, words), before)
    other = SAID.replace("two", "seven")
    _, shown, history = list(editing.change(studio, "s", "default", me, SAID, other, 3, []))[-1]
    assert "two → seven" in shown and len(history) == 1
    assert re.findall(r"class='word new'[^>]*>(\w+)<", shown) == ["seven"]
    edited = studio.model("default").edit(me, SAID, other, seed=3)
    samples = heard(studio, shown)
    assert len(samples) == len(edited.samples)
    for kept in edited.kept:
        size = kept.end - kept.source
        np.testing.assert_array_equal(
            samples[kept.out : kept.out + size], before[kept.source : kept.end]
        )
    # Another seed comes first, and the one before stays.
    steps = list(editing.change(studio, "s", "default", me, SAID, other, 4, history))
    _, shown, history = steps[-1]
    assert len(history) == 2 and shown.index("seed 4") < shown.index("seed 3")


def test_what_speaks_against_a_recording_is_told(
    studio: Studio, me: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", told.append)
    monkeypatch.setattr("tts.pipeline.prompt_encoder.warnings_about", lambda *_: ["odd <b>"])
    list(editing.find_words(studio, "s", "default", me, SAID))
    list(editing.change(studio, "s", "default", me, SAID, "one two", 0, []))
    assert told == ["odd &lt;b&gt;"] * 2
    monkeypatch.setattr("tts.editing.recording.speaks", lambda *_: False)
    for steps in (
        editing.find_words(studio, "s", "default", me, SAID),
        editing.change(studio, "s", "default", me, SAID, "one two", 0, []),
    ):
        assert "no speech" in refusal(steps)


def test_wrong_edits_are_one_clear_line(studio: Studio, me: str, tmp_path: Path) -> None:
    def told(recording: str | None, said: str, wanted: str = "one") -> str:
        message = refusal(editing.change(studio, "s", "default", recording, said, wanted, 0, []))
        assert str(tmp_path) not in message
        return message

    assert "no recording" in told(None, SAID)
    assert "what the recording says" in told(me, " ")
    assert "what the recording is to say" in told(me, SAID, " ")
    assert "4,096" in told(me, SAID, "a" * 4097)
    assert "not there any more" in told(str(tmp_path / "gone.wav"), SAID)
    (tmp_path / "notes.wav").write_text("not audio")
    assert "not audio" in told(str(tmp_path / "notes.wav"), SAID)
    told(me, "nine nine nine nine nine")


def test_a_recording_goes_through_codecs(studio: Studio, recording: Recording) -> None:
    shelf = codec.Shelf("cpu")
    names = ["broken", "vocoder"]

    def through(path: str | None, chosen: list[str] = names) -> list[Any]:
        return list(codec.codecs(studio, shelf, "s", path, chosen, names))

    steps = through(str(recording("me.wav", seconds=2)))
    assert "Done" in steps[-1][0]
    broken, copied = (
        [step[1 + n] for step in steps if isinstance(step[1 + n], str)][-1] for n in range(2)
    )
    assert "unknown codec" in broken and "<audio" not in broken
    assert "Encode RTF" in copied and "no codes" in copied
    assert len(heard(studio, copied)) == 32000
    for path, chosen, words in (
        (None, names, "no recording"),
        (str(recording("a.wav")), [], "no codec"),
        (str(recording("long.wav", seconds=21)), names, "20 s are the most"),
    ):
        with pytest.raises(gr.Error, match=words):
            through(path, chosen)


def test_every_bitrate_of_a_codec_is_heard(studio: Studio, recording: Recording) -> None:
    made = layered()
    shelf = codec.Shelf("cpu")
    shelf._loaded["rvq"] = made
    path = str(recording("me.wav", seconds=2))
    shown = list(codec.codecs(studio, shelf, "s", path, ["rvq"], ["rvq"]))[-2][1]
    rates = [f"{made.bandwidths()[n] / 1000:.2f} kbit/s" for n in sorted(made.bandwidths())[::-1]]
    assert re.findall("<h4>(.*?)</h4>", shown) == rates and len(rates) > 1
    assert shown.count("<img class='codes'") == shown.count("<audio") == len(rates)
    assert made.num_codebooks == max(made.bandwidths()), "as it was"
    made.output = "latents"  # the same whatever codebooks are in use
    assert codec.rates(made) == [None]


def test_codes_as_a_picture() -> None:
    from PIL import Image

    codes = np.array([[0, 1023], [5, 7], [0, 1023]])
    with Image.open(io.BytesIO(codes_image(codes, [1024, 1024]))) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (12, 3)
    assert (pixels[:, 0] == pixels[:, 2]).all() and (pixels[:, 0] != pixels[:, 1]).all()

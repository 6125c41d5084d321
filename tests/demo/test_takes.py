"""The demo page as people use it: what stays after errors and reloads, and what it tells before."""

import base64
import io
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

gr = pytest.importorskip("gradio")

from tts.errors import UsageError  # noqa: E402
from tts_demo import page  # noqa: E402
from tts_demo.app import build, launch  # noqa: E402
from tts_demo.choosing import about, estimate  # noqa: E402
from tts_demo.fields import ending_in_status, failed, told  # noqa: E402
from tts_demo.limits import MAX_CHARACTERS  # noqa: E402
from tts_demo.studio import Studio  # noqa: E402
from tts_demo.takes import (  # noqa: E402
    MOST,
    ROOM,
    added,
    again,
    listed,
    make_take,
    shown,
    usable,
    without,
)


def take(text: str = "Hello.", seed: int = 3) -> dict[str, Any]:
    samples = 0.1 * np.sin(np.arange(16000) / 9).astype(np.float32)
    return make_take(samples, 16000, text=text, model="default", voice="anna", seed=seed)


@pytest.mark.parametrize("status", [failed, page.state])
def test_the_status_after_an_error_is_the_error(status: Any) -> None:
    def steps() -> Iterator[tuple[Any, ...]]:
        with told():
            yield page.status("Speaking", kind="busy"), 1, 2
            raise UsageError("what is <this> & that?")

    changes = ending_in_status(steps(), 3, status)
    assert "Speaking" in next(changes)[0]
    last = next(changes)
    assert len(last) == 3 and "Speaking" not in last[0] and "progress" not in last[0]
    assert "what is &lt;this&gt; &amp; that?" in last[0]
    with pytest.raises(gr.Error):  # the note in the corner
        next(changes)


def test_takes_play_and_are_deleted() -> None:
    one, two = take("One <b>bold</b>."), take("Two.")
    sound = base64.b64decode(one["audio"].split(",")[1])
    samples, rate = sf.read(io.BytesIO(sound))
    assert rate == 16000 and abs(len(samples) / rate - 1) < 0.1
    kept = added(added([], one), two)
    assert [each["text"] for each in kept] == ["Two.", "One <b>bold</b>."]
    page_of = shown(kept)
    assert page_of.count("<audio") == page_of.count("download=") == 2
    assert page_of.count("aria-label") == 2 and "<b>" not in page_of
    assert "seed 3" in page_of and "anna" in page_of
    assert without(kept, two["id"]) == [one] and without(kept, "none") == kept
    assert again(kept, one["id"]) == (one["text"], 3)
    assert again([], "x")[0] == gr.skip()
    rows, _, choice = listed(json.loads(json.dumps(kept)))  # as a browser gives them back
    assert rows == kept and [value for _, value in choice.choices] == [e["id"] for e in kept]
    assert added(kept, None) == kept


def test_takes_of_a_hostile_browser() -> None:
    good = take()
    wrong: list[Any] = [
        None, 5, {}, [None], [{}], [good | {"audio": "javascript:alert(1)"}],
        [good | {"audio": good["audio"] + "' onerror='x"}], [good | {"seed": "<b>"}],
        [good | {"more": 1}], [{k: v for k, v in good.items() if k != "text"}],
        [good | {"audio": "data:audio/mpeg;base64,"}], [good | {"text": 5}],
    ]  # fmt: skip
    for takes in wrong:
        assert usable(takes) == [] and "<audio" not in listed(takes)[1]
    assert usable([good, None, good]) == [good, good]


def test_takes_stay_within_what_a_browser_keeps() -> None:
    kept: list[Any] = []
    for number in range(MOST + 5):
        kept = added(kept, take(seed=number))
    assert len(kept) == MOST and kept[0]["seed"] == MOST + 4
    large = take() | {"audio": "data:audio/mpeg;base64," + "A" * (ROOM // 2)}
    kept = added(added([large], large), large)
    assert len(kept) == 1


def test_estimates(tiny_home: Path) -> None:
    assert "0 of 4,096" in estimate("", "default") and "audio" not in estimate("  ", "default")
    assert "about 10 s of audio" in estimate("x" * 150, "default")
    assert "about 20 s of audio" in estimate("x" * 150, "default", 0.5)
    assert "free core" not in estimate("x" * 150, "default"), "nothing was measured"
    assert "1 too many" in estimate("x" * (MAX_CHARACTERS + 1), None)
    assert "not measured" in about("default") and "choose" in about(None)
    scores = {"wer": 0.1, "similarity": 0.4, "quality": 3.3, "rtf": 0.5}
    path = tiny_home / "checkpoints/flow/scores.json"
    path.write_text(json.dumps(scores))
    assert "about 5 s on a free core" in estimate("x" * 150, "default")
    assert "1 word in 10 misheard" in about("default")
    for broken in ("[]", "{", ""):
        path.write_text(broken)
        assert "not measured" in about("default")


def test_the_page_is_laid_out_for_hands_and_readers(tiny_home: Path) -> None:
    config = build(Studio(["default"], "cpu")).get_config_file()
    parts = [(c["type"], c["props"]) for c in config["components"]]
    names = [kind for kind, _ in parts]
    text = next(n for n, (k, p) in enumerate(parts) if k == "textbox" and p["label"] == "Text")
    button = next(n for n, (k, p) in enumerate(parts) if k == "button" and p["value"] == "Speak")
    first = next(n for n, k in enumerate(names) if k == "dropdown")
    assert text < button < first, "Speak is directly below the text"
    for kind, props in parts:
        if kind in ("textbox", "dropdown", "slider", "number", "audio", "checkbox", "file"):
            assert props.get("label"), (kind, props)
    assert "browserstate" in names


def messages(url: str, number: int, data: list[Any]) -> list[dict[str, Any]]:
    """What a browser gets for an event of the page."""
    body = {"fn_index": number, "data": data, "session_hash": f"s{number}", "event_data": None}
    join = urllib.request.Request(
        f"{url}gradio_api/queue/join", json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )  # fmt: skip
    urllib.request.urlopen(join, timeout=60).read()
    found = []
    with urllib.request.urlopen(
        f"{url}gradio_api/queue/data?session_hash=s{number}", timeout=120
    ) as stream:
        for line in stream:
            if line.startswith(b"data:"):
                found.append(json.loads(line[5:]))
                if found[-1]["msg"] in ("process_completed", "close_stream"):
                    break
    return found


def test_speaking_through_the_queue(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    studio = Studio(["default"], "cpu")
    blocks = build(studio)
    url = launch(blocks)
    try:
        functions = blocks.fns
        number = next(n for n, f in functions.items() if f.name == "run" and len(f.outputs) == 5)
        count = len(functions[number].inputs)
        fields = ["", "default", "default", None, "", False, 1.0, 7, 1.0, "", "", "", False]
        assert len(fields) == count
        # An error: the last thing the status says is what is wrong.
        told = messages(url, number, fields)
        said = json.dumps([m["output"] for m in told if m["msg"] == "process_generating"])
        assert "the text is empty" in said, said
        assert told[-1]["msg"] == "process_completed" and not told[-1]["success"]
    finally:
        studio.close()
        blocks.close(verbose=False)

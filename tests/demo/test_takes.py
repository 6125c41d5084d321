"""The demo page as people use it: what stays after errors and reloads, and what it tells before."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from tts.errors import UsageError  # noqa: E402
from tts_demo import page  # noqa: E402
from tts_demo.app import build, launch  # noqa: E402
from tts_demo.choosing import about, estimate  # noqa: E402
from tts_demo.fields import ending_in_status, failed, told  # noqa: E402
from tts_demo.limits import MAX_CHARACTERS  # noqa: E402
from tts_demo.speak_tab import used_again  # noqa: E402
from tts_demo.studio import Studio  # noqa: E402


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


def test_a_take_is_used_again(tiny_home: Path) -> None:
    studio = Studio(["default"], "cpu")
    again = used_again(studio, "Hello.", 7, "default", "default", "default", "default")
    assert again == ("Hello.", 7, "default", "default")
    # What a browser kept may be of a model or a voice that is gone, or be anything.
    hostile = used_again(studio, "x" * 9999, "1", "gone", "../x", "default", "default")
    assert hostile == ("x" * MAX_CHARACTERS, 0, "default", "default")
    studio.close()


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


def test_every_recording_to_clone_may_keep_its_noise(tiny_home: Path) -> None:
    blocks = build(Studio(["default"], "cpu"))
    boxes = {
        each._id: each.value
        for each in blocks.blocks.values()
        if isinstance(each, gr.Checkbox) and "noise" in str(each.label)
    }
    clones = [
        each
        for each in blocks.blocks.values()
        if isinstance(each, gr.Audio) and "of one person" in str(each.label)
    ]
    assert len(boxes) == len(clones) == 4 and set(boxes.values()) == {True}
    asked = [{each._id for each in event.inputs} & boxes.keys() for event in blocks.fns.values()]
    told = [found for found in asked if found]
    # Speak, and beside it and under Voices what keeps a voice, Compare and Batch.
    assert len(told) == 5 and set.union(*told) == set(boxes)


def messages(url: str, number: int, data: list[Any]) -> list[dict[str, Any]]:
    """What a browser gets for an event of the page."""
    body = {"fn_index": number, "data": data, "session_hash": f"s{number}", "event_data": None}
    join = urllib.request.Request(
        f"{url}gradio_api/queue/join",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
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
    url = launch(blocks, studio)
    try:
        functions = blocks.fns
        number = next(n for n, f in functions.items() if f.name == "run" and len(f.inputs) == 14)
        fields = ["", "default", "default", None, "", False, True, 1.0, 7, 1.0, "", "", "", False]
        assert len(fields) == len(functions[number].inputs)
        # An error: the last thing the status says is what is wrong.
        told = messages(url, number, fields)
        said = json.dumps([m["output"] for m in told if m["msg"] == "process_generating"])
        assert "the text is empty" in said, said
        assert told[-1]["msg"] == "process_completed" and not told[-1]["success"]
    finally:
        studio.close()
        blocks.close(verbose=False)

"""The other tabs and fields of the page, in a real Chromium: see test_browser.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tests.helpers.page import BROWSER, ROOT, TEXT, Visit, served

pytest.importorskip("gradio")
pytestmark = BROWSER
Recording = Callable[..., Path]


def test_compare_and_batch(visit: Visit, tmp_path: Path) -> None:
    visit.page.get_by_role("tab", name="Compare").click()
    visit.button("Compare").click()
    visit.page.get_by_text("Done.", exact=True).first.wait_for()
    visit.page.wait_for_function(
        "[...document.querySelectorAll('.speaking audio')]"
        ".some(a => a.offsetParent && a.duration > 0.3)"
    )
    visit.page.get_by_role("tab", name="Batch").click()
    rows = tmp_path / "rows.csv"
    rows.write_text(f"id,text\none,{TEXT}\ntwo,\n")
    with visit.page.expect_response("**/upload*"):
        visit.page.locator("input[type=file][accept*='csv']").set_input_files(str(rows))
    visit.button("Say all rows").click()
    visit.page.get_by_text("1 of 2 rows, 1 failed").wait_for()
    assert visit.download("#rows a[href*='speech.zip']")[:2] == b"PK"
    assert visit.page.locator("#rows audio").count() == 1


def test_a_recording_is_judged_and_kept_as_a_voice(visit: Visit, recording: Recording) -> None:
    visit.clone(recording("me.wav", seconds=6))
    visit.page.locator(".judged meter").nth(3).wait_for()
    visit.page.get_by_label("Keep the voice under a name").first.fill("anna")
    visit.button("Keep voice").click()
    visit.note("tick that the owner")
    visit.page.get_by_label("This is my own voice").first.check()
    visit.button("Keep voice").click()
    visit.page.get_by_text("Kept as anna.").wait_for()
    visit.tab("Voices")
    chosen = visit.page.get_by_label("Voice", exact=True).locator("visible=true").first
    chosen.click()
    visit.page.get_by_role("option", name="anna (added)").click()
    visit.page.locator("#voice-about", has_text="added").wait_for()
    visit.button("Hear it").click()
    visit.page.wait_for_function("document.querySelector('#voice-player audio')?.duration > 0.3")
    visit.page.get_by_label("New name").fill("berta")
    visit.button("Rename").click()
    visit.page.get_by_text("anna is now berta.").wait_for()
    visit.page.reload()
    visit.button("Speak").wait_for()
    visit.tab("Voices")
    visit.page.get_by_label("Voice", exact=True).locator("visible=true").first.click()
    visit.page.get_by_role("option", name="berta (added)").click()
    visit.page.once("dialog", lambda dialog: dialog.accept())
    visit.button("Delete voice").click()
    visit.page.get_by_text("berta is deleted.").wait_for()


def test_one_sentence_is_said_again(visit: Visit) -> None:
    visit.write(f"{TEXT} The birch canoe slid.")
    visit.speak()
    before = visit.audio()[0]
    visit.page.get_by_role("button", name="Say one sentence again").click()
    visit.speak("Say it again")
    after = visit.audio()[0]
    assert before.shape != after.shape or np.abs(before - after).max() > 1e-3
    players = visit.page.locator("#sentence-heard audio")
    players.nth(1).wait_for()
    # Back to the first take.
    visit.page.locator("#sentence-takes input").first.check()
    visit.page.wait_for_function(
        "JSON.parse(document.querySelector('#status .done')?.dataset.take || '{}').note === ''"
    )


def test_a_word_is_heard(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Pronunciation").click()
    visit.page.locator("#word :is(input, textarea)").fill("GIF")
    visit.page.locator("#said :is(input, textarea)").fill("[[§]]")
    visit.button("Hear word").click()
    visit.note("is not IPA")
    visit.page.locator("#said :is(input, textarea)").fill("jif")
    visit.button("Hear word").click()
    visit.page.locator("#word-status audio").wait_for()
    assert "/dʒ" in visit.page.locator("#word-status").inner_text()


def test_codecs_are_heard(visit: Visit, recording: Recording) -> None:
    visit.tab("Codec")
    visit.button("Encode and decode").click()
    visit.note("no recording")
    visit.give("#coded-recording", recording("me.wav", seconds=2))
    visit.button("Encode and decode").click()
    visit.page.wait_for_function("document.querySelector('#codec-vocoder audio')?.duration > 1.5")
    assert visit.page.locator("#codec-vocoder img").count() == 1


def test_edits_that_cannot_be_are_one_clear_line(visit: Visit, recording: Recording) -> None:
    visit.tab("Edit")
    visit.button("Find words").click()
    visit.note("no recording")
    visit.give("#edited-recording", recording("me.wav"))
    visit.page.locator("#said-words textarea").fill("one two")
    visit.button("Find words").click()
    visit.note("no phone probe")
    visit.page.locator("#edit-status", has_text="no phone probe").wait_for()


@pytest.mark.speaks
def test_words_of_a_recording_are_changed(chromium: Any, tmp_path: Path) -> None:
    """The shipped weights: words are clicked, written over and heard."""
    moonshine = pytest.importorskip("moonshine_voice")
    from tts_demo.ready import ready_models

    if not ready_models():
        pytest.skip("no weights in checkpoints/ yet")
    samples, rate = sf.read(Path(moonshine.get_assets_path()) / "two_cities.wav")
    path = tmp_path / "cities.wav"
    sf.write(path, samples[: 8 * rate], rate)
    said = (
        "It was the best of times, it was the worst of times. It was the age of wisdom, it was the "
        "age of foolishness."
    )
    with served(ROOT, tmp_path) as url:
        visit = Visit(chromium, url)
        visit.tab("Edit")
        visit.give("#edited-recording", path)
        visit.page.locator("#said-words textarea").fill(said)
        visit.button("Find words").click()
        visit.page.locator("#words .chip").nth(3).click()
        visit.page.keyboard.type("end")
        visit.button("Change words").click()
        visit.page.locator("#edits audio").wait_for()
        assert visit.page.locator("#edits .word.new").all_inner_texts() == ["end"]
        assert "best → end" in visit.page.locator("#edits").inner_text()
        visit.page.close()

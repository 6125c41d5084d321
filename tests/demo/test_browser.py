"""The tab that speaks, in a real Chromium, as a visitor uses it.

`make browser` runs the tests of the page. They need the extra `browser` and a Chromium or Chrome on
the PATH, and skip without. The pages run on tiny random models but for the tests that listen to the
shipped weights.
"""

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


def test_text_becomes_audio_that_plays_while_it_is_made(visit: Visit) -> None:
    visit.write(TEXT)
    visit.speak()
    samples, rate = visit.audio()
    seconds = len(samples) / rate
    assert rate == 16000 and seconds > 0.3 and np.abs(samples).max() > 1e-4
    visit.page.wait_for_function(
        "seconds => { const a = document.querySelector('#player audio');"
        " return a.ended && Math.abs(a.currentTime - seconds) < 0.3; }",
        arg=seconds,
    )
    # The same player keeps it.
    visit.page.evaluate(
        "() => { const a = document.querySelector('#player audio');"
        " a.currentTime = 0; return a.play(); }"
    )
    visit.page.wait_for_function("document.querySelector('#player audio').currentTime > 0.1")
    assert visit.download("#player .mp3")[:2] in (b"\xff\xf3", b"\xff\xfb", b"ID")
    figures = visit.page.locator("#status").inner_text()
    assert "First audio" in figures and "RTF" in figures and f"{seconds:.1f} s" in figures
    assert visit.page.locator("#speech .word").count() == len(TEXT.split())
    assert visit.page.locator("#speech .picture img").evaluate("i => i.naturalHeight") == 80
    assert not visit.complaints, visit.complaints


def test_words_light_up_and_can_be_clicked(visit: Visit) -> None:
    visit.write(TEXT)
    visit.speak()
    visit.page.wait_for_function("document.querySelector('#player audio').ended")
    # Light is switched off when the audio ends, so it is looked for in the page itself.
    visit.page.evaluate(
        "() => { window.lit = new Set(); new MutationObserver(list => list.forEach(m => {"
        " if (m.target.classList.contains('now')) window.lit.add(m.target.textContent); }))"
        ".observe(document.querySelector('#speech'),"
        " {subtree: true, attributes: true, attributeFilter: ['class']}); }"
    )
    visit.page.locator("#speech .word", has_text="sheet").click()
    visit.page.wait_for_function("window.lit.has('sheet')")


def test_an_uploaded_voice_is_used(visit: Visit, recording: Recording) -> None:
    visit.write(TEXT)
    visit.speak()
    built_in, _ = visit.audio()
    visit.clone(recording("me.wav"))
    visit.speak()
    cloned, _ = visit.audio()
    assert built_in.shape != cloned.shape or np.abs(built_in - cloned).max() > 1e-3


def test_stop_and_speak_again(visit: Visit) -> None:
    visit.write(" ".join([TEXT] * 90))
    visit.button("Speak").click()
    visit.page.wait_for_function("document.querySelectorAll('#speech .word').length > 0")
    visit.button("Stop").click()
    visit.page.get_by_text("Stopped.").first.wait_for()
    assert visit.take() == "" and visit.page.locator("#player .wav").is_hidden()
    assert visit.page.evaluate("document.querySelector('#player audio').paused")
    visit.write(TEXT)
    visit.speak()
    assert len(visit.audio()[0]) > 4000
    assert not visit.complaints, visit.complaints


def test_takes_survive_a_reload(visit: Visit) -> None:
    visit.write(TEXT)
    visit.page.get_by_role("button", name="Advanced").click()
    visit.page.get_by_label("Seed", exact=True).first.fill("7")
    visit.speak()
    visit.write("Another text.")
    visit.speak()
    rows = visit.page.locator("#takes li")
    rows.nth(1).wait_for()
    visit.page.reload()
    visit.button("Speak").wait_for()
    rows.nth(1).wait_for()
    assert rows.count() == 2, "newest first"
    assert "Another text." in rows.nth(0).inner_text() and "seed 7" in rows.nth(1).inner_text()
    # It plays, ...
    visit.page.wait_for_function("document.querySelector('#takes audio').duration > 0.3")
    visit.page.evaluate("() => { document.querySelector('#takes audio').play(); }")
    visit.page.wait_for_function("document.querySelector('#takes audio').currentTime > 0.1")
    assert len(visit.download("#takes a")) > 500
    # ... its text and seed can be used again, ...
    rows.nth(1).get_by_role("button", name="Use").click()
    visit.page.wait_for_function(
        "text => document.querySelector('#text textarea').value === text", arg=TEXT
    )
    # ... and it can be deleted for good.
    rows.nth(1).get_by_role("button", name="Delete").click()
    visit.page.wait_for_function("document.querySelectorAll('#takes li').length === 1")
    visit.page.reload()
    rows.first.wait_for()
    assert rows.count() == 1 and "Another text." in rows.first.inner_text()


def test_wrong_input_is_one_clear_line(visit: Visit, tmp_path: Path, recording: Recording) -> None:
    visit.write("  ")
    visit.button("Speak").click()
    visit.note("the text is empty")
    visit.write("a" * 4097)
    visit.button("Speak").click()
    visit.note("4,096 are the most")
    visit.write(TEXT)
    bad = tmp_path / "notes.wav"
    bad.write_text("this is not audio")
    visit.clone(bad)
    visit.button("Speak").click()
    visit.note("notes.wav: not audio")
    assert str(tmp_path) not in visit.page.content()
    # The status says so too, and not that it still speaks; the next request is served.
    status = visit.page.locator("#status .status.error")
    status.filter(has_text="not audio").wait_for()
    assert not visit.page.locator("#status progress").count()


def test_a_file_that_is_too_large_is_refused(visit: Visit, tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    sf.write(large, np.zeros(6_000_000), 48000, subtype="PCM_16")
    visit.page.get_by_role("button", name="Clone a voice from a recording").first.click()
    visit.page.locator("input[type=file]").first.set_input_files(str(large))
    visit.note("size")


def test_a_visitor_who_leaves_frees_the_place(chromium: Any, address: str) -> None:
    """Two may speak at a time; of three who begin, two close the page."""
    for _ in range(2):
        gone = Visit(chromium, address)
        gone.write(" ".join([TEXT] * 90))
        gone.button("Speak").click()
        gone.page.wait_for_function("document.querySelectorAll('#speech .word').length > 0")
        gone.page.close()
    visit = Visit(chromium, address)
    visit.write(TEXT)
    visit.speak()
    assert len(visit.audio()[0]) > 4000
    visit.page.close()


def test_speak_is_seen_on_a_phone_and_leads_to_the_result(chromium: Any, address: str) -> None:
    visit = Visit(chromium, address, 390)
    box = visit.button("Speak").bounding_box()
    assert box and box["y"] + box["height"] < 844, "without scrolling"
    visit.write(TEXT)
    visit.speak()
    visit.page.wait_for_function(
        "() => { const { top, bottom } = document.querySelector('#status')"
        ".getBoundingClientRect(); return top > -20 && bottom < innerHeight; }"
    )
    visit.page.close()


def test_the_keyboard_is_enough(visit: Visit) -> None:
    visit.page.locator("#text textarea").focus()
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.textContent.trim()") == "Speak"
    visit.page.keyboard.press("Enter")
    visit.page.locator("#status .done").wait_for()
    visit.page.locator("#takes li").wait_for()
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        name = visit.page.evaluate("document.activeElement.getAttribute('aria-label') || ''")
        if name.startswith("Delete the take"):
            break
    assert name.startswith("Delete the take"), "it is reached by Tab alone"
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_function("!document.querySelector('#takes li')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_all_tabs_fit_and_are_accessible(
    width: int, scheme: str, chromium: Any, address: str
) -> None:
    """Nothing is wider than the window, and axe-core finds nothing serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    visit = Visit(chromium, address, width, scheme)
    visit.write("A long text of many words. " * 12)
    visit.speak()
    for name in ("Clone a voice from a recording", "Pronunciation", "Advanced"):
        visit.page.get_by_role("button", name=name).first.click()
    found = []
    for tab in ("Speak", "Voices", "Edit", "Compare", "Codec", "Batch"):
        tabs = visit.page.get_by_role("tab", name=tab)
        if tabs.count() and tabs.first.is_visible():
            tabs.first.click()
        else:  # on a phone some lie behind a menu
            visit.page.locator(".overflow-menu > button").first.click()
            visit.page.locator(".overflow-dropdown button", has_text=tab).click()
        visit.page.wait_for_timeout(300)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width, tab
        for each in axe.run(visit.page).response["violations"]:
            if each["impact"] in ("serious", "critical"):
                where = [node["html"][:160] for node in each["nodes"][:3]]
                found.append((tab, each["id"], each["impact"], where))
    visit.page.close()
    assert not found, "\n".join(map(str, found))


@pytest.mark.speaks
def test_a_clone_on_the_page_is_understood(chromium: Any, tmp_path: Path) -> None:
    """The shipped weights, heard by an independent recogniser."""
    moonshine = pytest.importorskip("moonshine_voice")
    jiwer = pytest.importorskip("jiwer")
    from tts.eval.normalize import normalize
    from tts_demo.ready import ready_models

    if not ready_models():
        pytest.skip("no weights in checkpoints/ yet")
    assets = Path(moonshine.get_assets_path())
    recogniser = moonshine.Transcriber(str(assets / "tiny-en"), moonshine.ModelArch.TINY)
    text = "The birch canoe slid on the smooth planks. Rice is often served in round bowls."
    with served(ROOT, tmp_path) as url:
        visit = Visit(chromium, url)
        visit.write(text)
        for clone in (None, assets / "two_cities.wav"):
            if clone is not None:
                visit.clone(clone)
            visit.speak()
            samples, rate = visit.audio()
            padded = np.pad(samples, rate // 2).astype(float).tolist()
            lines = recogniser.transcribe_without_streaming(padded, rate).lines
            heard = " ".join(line.text for line in lines)
            assert jiwer.wer(normalize(text), normalize(heard)) < 0.35, heard
        visit.page.close()

"""The demo page in a real Chromium, as a visitor uses it.

`make browser` runs them. They need the extra `browser` and a Chromium or Chrome on the PATH, and
skip without. The pages run on tiny random models but for the last test, which listens to the
shipped weights.
"""

import base64
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api")

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), "")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here"),
]

ROOT = Path(__file__).parents[2]
TEXT = "Glue the sheet to the dark blue background."
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SLOW = 240_000  # ms; a busy machine is no failure
Recording = Callable[..., Path]


@contextmanager
def served(home: Path, data: Path) -> Iterator[str]:
    """`tts demo` in a process of its own; its address. Voices are kept in the folder `data`."""
    environment = {
        **os.environ, "TTS_HOME": str(home), "XDG_DATA_HOME": str(data),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tts", "demo", "--device", "cpu", "--threads", "1"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stderr is not None
    told: list[str] = []
    try:
        for line in process.stderr:
            told.append(line)
            if line.startswith("demo on http://127.0.0.1:"):
                break
        else:
            pytest.fail("".join(told))
        # What it says later must not fill the pipe.
        threading.Thread(target=lambda: told.extend(process.stderr or ()), daemon=True).start()
        yield told[-1].split()[2]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130, "".join(told)
        assert not [line for line in told if "Traceback" in line], "".join(told)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def address(tiny_home_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tiny_home_master, tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*FLAGS])
        yield browser
        browser.close()


class Visit:
    """A visitor's page."""

    def __init__(self, browser: Any, url: str, width: int = 1280, scheme: str = "light"):
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.set_default_timeout(SLOW)
        self.outside: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._request)
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type == "error" else None
        )
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.url = url
        self.page.goto(url)
        self.button("Speak").wait_for()

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.outside.append(request.url)

    def button(self, name: str, number: int = 0) -> Any:
        return self.page.get_by_role("button", name=name, exact=True).nth(number)

    def write(self, text: str) -> None:
        self.page.get_by_label("Text", exact=True).first.fill(text)

    def speak(self, button: str = "Speak") -> None:
        """Ask for speech and wait until the player has all of it."""
        before = [self.take(), self.page.locator("#player .wav").get_attribute("href")]
        self.button(button).click()
        self.page.wait_for_function(
            "([take, href]) => { const s = document.querySelector('#status .done');"
            " const wav = document.querySelector('#player .wav');"
            " return s && s.dataset.take && s.dataset.take !== take &&"
            " !wav.hidden && wav.getAttribute('href') !== href; }",
            arg=before,
        )

    def take(self) -> str:
        """What the status tells of the whole utterance, "" before there is one."""
        found = self.page.evaluate("document.querySelector('#status .done')?.dataset.take || ''")
        return str(found)

    def audio(self) -> tuple[np.ndarray, int]:
        """What the player offers as a WAV file."""
        samples, rate = sf.read(io.BytesIO(self.download("#player .wav")), dtype="float32")
        return samples, rate

    def download(self, link: str) -> bytes:
        """The file behind a link."""
        data = self.page.evaluate(
            "async link => { const blob = await (await fetch("
            "document.querySelector(link).href)).blob(); const reader = new FileReader();"
            " return new Promise(done => { reader.onload = () => done(reader.result);"
            " reader.readAsDataURL(blob); }); }",
            link,
        )
        return base64.b64decode(data.split(",")[1])

    def clone(self, path: Path) -> None:
        """Give a recording."""
        self.page.get_by_role("button", name="Clone a voice from a recording").first.click()
        self.page.get_by_text("Only use a recording of").first.wait_for()
        with self.page.expect_response("**/upload*"):
            self.page.locator("input[type=file]").first.set_input_files(str(path))
        self.page.get_by_label("Clear").first.wait_for()

    def tab(self, name: str) -> None:
        """Go to a tab."""
        self.page.get_by_role("tab", name=name).click()

    def give(self, box: str, path: Path) -> None:
        """Upload a recording into the audio field with an id."""
        self.page.locator(f"{box} input[type=file]").first.set_input_files(str(path))
        self.page.locator(box).get_by_label("Clear").wait_for()

    def note(self, words: str) -> None:
        """Wait for a message in the corner."""
        self.page.get_by_test_id("toast-body").filter(has_text=words).first.wait_for()


@pytest.fixture
def visit(chromium: Any, address: str) -> Iterator[Visit]:
    made = Visit(chromium, address)
    yield made
    assert not made.outside, made.outside
    made.page.close()


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

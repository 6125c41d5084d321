"""The demo page in a real Chromium, for tests that use it as a visitor does."""

import base64
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), "")
#: what a test of the page is marked with
BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here"),
]

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SLOW = 240_000  # ms; a busy machine is no failure
TEXT = "Glue the sheet to the dark blue background."


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
        assert process.wait(timeout=120) == 0, "".join(told)
        assert not [line for line in told if "Traceback" in line], "".join(told)
    finally:
        process.kill()
        process.wait()


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

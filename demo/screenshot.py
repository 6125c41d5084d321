"""Pictures of a running `tts demo` for the documents and for a look at its layout.

tts demo & python demo/screenshot.py docs/demo.png --width 1280
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
_WAIT = 600_000  # ms, for a busy machine


def main() -> None:
    """Says a text on the page and writes what it then looks like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="a PNG file; tabs after the first get a suffix")
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--tabs", action="store_true", help="The other tabs too.")
    arguments = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as tool:
        browser = tool.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"], timeout=_WAIT
        )
        page = browser.new_page(viewport={"width": arguments.width, "height": 900})
        page.set_default_timeout(_WAIT)
        page.goto(arguments.url)
        page.get_by_label("Text", exact=True).first.fill(TEXT)
        page.get_by_role("button", name="Speak", exact=True).first.click()
        page.wait_for_selector("#status .done")
        page.wait_for_function("document.querySelector('#speech .picture img')?.naturalHeight")
        page.screenshot(path=arguments.output, full_page=True)
        for tab in ("Voices", "Edit", "Compare", "Codec", "Batch") if arguments.tabs else ():
            page.get_by_role("tab", name=tab).click()
            page.wait_for_timeout(500)
            name = f"{arguments.output.stem}-{tab.lower()}.png"
            page.screenshot(path=arguments.output.with_name(name), full_page=True)
        browser.close()


if __name__ == "__main__":
    main()

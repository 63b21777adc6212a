"""How long the live page of each shipped model needs from the click on "microphone" to the first denoised sound.

    python benchmarks/live_page.py [--runs 5] [MODEL ...]

Chromium opens the page from the disk, with a microphone that is simulated. Playwright has to be installed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from sezoo.cli.main import main as sezoo
from sezoo.zoo import names_of_models

ARGUMENTS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)

FIRST_SOUND = """() => new Promise((resolve) => {
  const clicked = performance.now();
  sezooLive.onBlock = () => { resolve(performance.now() - clicked); sezooLive.onBlock = null; };
  document.getElementById("microphone").click();
})"""


def first_sound(page: Page, uri: str) -> float:
    """Milliseconds from the click to the first block that left the denoiser, the page opened anew."""
    page.goto(uri)
    return float(page.evaluate(FIRST_SOUND))


def main() -> None:
    """A line a model: median and longest of the runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=names_of_models())
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        for name in options.models:
            page_file = Path(folder) / f"{name}.html"
            sezoo(["live", name, "-o", str(page_file)])
            page = browser.new_page()
            times = [first_sound(page, page_file.as_uri()) for _ in range(options.runs)]
            print(f"{name}: {statistics.median(times):.0f} ms, {max(times):.0f} ms at most")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()

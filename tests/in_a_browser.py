"""What tests of views in HTML share: an untrusted notebook's HTML, and a headless browser that opens a page."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest


class Untrusted(HTMLParser):
    """What JupyterLab leaves of an output that is not trusted (packages/apputils/src/sanitizer.ts), as far as used."""

    def __init__(self, html: str):
        super().__init__()
        self.kept, self.inside = [], None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "style"):  # goes with all that it holds
            self.inside = tag
        else:
            kept = [
                f'{name}="{escape(value)}"' for name, value in attributes if name in ("class", "style", "src", "alt")
            ]
            self.kept.append(f"<{' '.join([tag, *kept])}>")

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = None
        else:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data):
        if not self.inside:
            self.kept.append(escape(data))


def what_a_browser_finds(page: str, folder: Path) -> dict:
    """What the page, opened in headless Chromium, writes as JSON into its `<pre id="found">`; skips without one."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium or Chrome is installed: `apt-get install chromium` runs these tests")
    (folder / "page.html").write_text(page, "utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=800,900",
         f"--user-data-dir={folder / 'profile'}", "--dump-dom",
         (folder / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    shutil.rmtree(folder / "profile", ignore_errors=True)
    text = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert text and text[1], f"{browser} printed no findings (exit {done.returncode}): {done.stderr[-2000:]}"
    return json.loads(unescape(text[1]))

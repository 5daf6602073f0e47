"""A page, opened in a real browser without a network."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_S = 60

# Run inside the page: what is drawn and how large, and every address that the page asked for.
LOOK = """
<script>
addEventListener("load", () => {
  const lines = element => {
    const range = document.createRange();
    range.selectNodeContents(element);
    return new Set([...range.getClientRects()].map(rectangle => rectangle.top)).size;
  };
  const box = element => { const r = element.getBoundingClientRect(); return [r.width, r.height]; };
  const seen = {
    drawings: [...document.querySelectorAll("svg")].map(svg => ({
      title: svg.querySelector("title").textContent, size: box(svg),
      shapes: [...svg.querySelectorAll("path.line, rect.bar")].map(box),
    })),
    lines: [...document.querySelectorAll("td")].map(cell => [cell.textContent, lines(cell)]),
    wide: document.documentElement.scrollWidth > innerWidth,
    pictures: [...document.querySelectorAll("image")].map(image => ({
      size: box(image), isPng: image.href.baseVal.startsWith("data:image/png;base64,"),
    })),
    fetched: performance.getEntriesByType("resource")
      .map(entry => entry.name).filter(name => !name.startsWith("data:")),
  };
  document.body.innerHTML = "<pre id=seen></pre>";
  document.getElementById("seen").textContent = "BEGIN" + JSON.stringify(seen) + "END";
});
</script>
"""


def look_at(page: Path, tmp_path: Path, width: int = 1200) -> dict[str, Any]:
    """What a browser sees: drawings with their sizes, the lines of each cell, whether it is too wide, what it fetched.

    Args:
        page: the page.
        tmp_path: for the browser's own files.
        width: of its window.
    """
    looked_at = tmp_path / "looked_at.html"
    looked_at.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{LOOK}</body>"), encoding="utf-8")
    text = re.search(r"BEGIN(.*)END", _opened(looked_at, tmp_path, width), re.DOTALL)
    assert text is not None
    seen: dict[str, Any] = json.loads(text[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    return seen


def _opened(page: Path, tmp_path: Path, width: int) -> str:
    """The page as it is after its scripts have run."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("needs a browser: apt-get install chromium")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [browser, *options, page.as_uri()], capture_output=True, text=True, timeout=BROWSER_S, check=True
    )
    return done.stdout

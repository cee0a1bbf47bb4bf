"""Pages in a real browser: headless Chromium runs them, and the document that it ends with is judged.

A probe, a script that only a test's copy of a page allows, points at cells and presses keys, and
writes what it finds into the document.
"""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.display.page import tensor_page

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no chromium, chromium-browser or google-chrome is installed"
)

RNG = np.random.default_rng(5)
MATMUL = jb.ops.matmul.jacobian(RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4)), wrt="B")
POINT = """
const found = {said: [], keys: []};
const svg = document.querySelector(".map[data-facts] svg");
const map = svg.closest(".map");
const output = document.getElementById("reading");
const data = JSON.parse(document.getElementById("map-facts").textContent);
const at = (n, d) =>
  n * data.size[d] + Math.floor(n / data.block[d]) * data.gaps[d] + data.size[d] / 2;
const box = svg.getBoundingClientRect();
const scale = box.width / svg.viewBox.baseVal.width;
for (let row = 0; row < data.shape[0]; row++) {
  for (let column = 0; column < data.shape[1]; column++) {
    svg.dispatchEvent(new PointerEvent("pointermove", {
      clientX: box.left + at(column, 1) * scale, clientY: box.top + at(row, 0) * scale}));
    found.said.push(output.textContent);
  }
}
map.focus();
for (const [key, shiftKey] of [["Home"], ["PageUp"], ["ArrowRight"], ["ArrowDown", true], ["End"]]) {
  map.dispatchEvent(new KeyboardEvent("keydown", {key, shiftKey: Boolean(shiftKey)}));
  found.keys.push(output.textContent);
}
found.focused = document.activeElement === map;
found.cursor = svg.querySelector(".cursor").getAttribute("visibility");
found.formula = document.querySelector("header math").getBoundingClientRect().height;
"""
MEASURE = """
const found = {
  width: document.documentElement.clientWidth,
  wide: document.documentElement.scrollWidth,
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
  size: Math.min(...[...document.querySelectorAll("p, td, dd, li, .ticks span")].map(
    (e) => parseFloat(getComputedStyle(e).fontSize))),
};
"""


def visited(page: str, folder: Path, *options: str) -> str:
    """The document as the browser leaves it."""
    source = folder / "visited.html"
    source.write_text(page, encoding="utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--virtual-time-budget=2000", f"--user-data-dir={folder / 'profile'}", *options,
        "--dump-dom", source.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    return done.stdout.decode("utf-8")


FRAME = """<!DOCTYPE html><pre id="found"></pre>
<script>addEventListener("message", (event) => {
  document.getElementById("found").textContent = event.data;
});</script>
<iframe src="page.html" width="WIDTH" height="800" frameborder="0"></iframe>"""


def probed(page: str, script: str, folder: Path, width: int, *options: str) -> dict[str, Any]:
    """What a probe finds in the page, in a frame of so many pixels (a window is never narrow)."""
    script += 'parent.postMessage(JSON.stringify(found), "*");'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = page.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    page = page.replace("</body>", f"<script>{script}</script></body>")
    (folder / "page.html").write_text(page, encoding="utf-8")
    text = visited(FRAME.replace("WIDTH", str(width)), folder, *options)
    found = re.search(r'<pre id="found">(.+?)</pre>', text)
    assert found is not None, "the probe did not run"
    result: dict[str, Any] = json.loads(unescape(found[1]))
    return result


def test_pointing_and_keys_say_indices_and_values(tmp_path: Path) -> None:
    found = probed(tensor_page(MATMUL), POINT, tmp_path, 900)
    dense = MATMUL.dense()
    said = iter(found["said"])
    for i, k, j, l in np.ndindex(2, 2, 4, 3):
        text = next(said)
        match = re.match(
            r"∂A(\d+)/∂B(\d+) = (−?[\d.]+)i = (\d), j = (\d), k = (\d), l = (\d)", text
        )
        assert match is not None, text
        assert (match[1], match[2]) == (f"{i}{j}", f"{k}{l}")
        assert tuple(map(int, match.groups()[3:])) == (i, j, k, l)
        value = float(match[3].replace("−", "-"))
        assert value == pytest.approx(dense[i, j, k, l], rel=1e-8, abs=0)
        assert ("zero by structure" in text) == (i != k)
    keys = [re.findall(r"= (\d)", text)[-4:] for text in found["keys"]]
    # From the last cell, i = 1, j = 3, k = 1, l = 2; a block is 2 × 3 cells.
    assert keys == [
        ["1", "0", "1", "0"],
        ["0", "0", "0", "0"],
        ["0", "0", "0", "1"],
        ["1", "0", "0", "1"],
        ["1", "3", "0", "2"],
    ]
    assert found["focused"]
    assert found["cursor"] == "visible"
    assert found["formula"] > 30, "the fraction is drawn, not run together"


@pytest.mark.parametrize(
    ("scheme", "dark"), [("--blink-settings=preferredColorScheme=1", False),
                         ("--blink-settings=preferredColorScheme=0", True)]
)  # fmt: skip
def test_a_phones_width_light_and_dark(tmp_path: Path, scheme: str, dark: bool) -> None:
    X = RNG.normal(size=(3, 40))
    page = tensor_page(
        jb.ops.softmax.jacobian(X), "softmax of something with a longer name than usual"
    )
    found = probed(page, MEASURE, tmp_path, 390, "--hide-scrollbars", scheme)
    assert found["width"] == 390
    assert found["wide"] == 390, "the page scrolls sideways"
    assert found["size"] >= 11
    paper, ink = (np.array(re.findall(r"\d+", found[n]), float) for n in ("paper", "ink"))
    assert (paper.mean() < 60) == dark
    assert contrast(paper, ink) > 7


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """The ratio that WCAG 2 defines."""

    def luminance(colour: np.ndarray) -> float:
        parts = colour / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_no_script_but_the_pages_own_runs(tmp_path: Path) -> None:
    """One that found its way into the page all the same would be refused by the page's policy."""
    evil = '<script>document.title = "taken"</script><img src="x" onerror="document.title=1">'
    text = visited(tensor_page(MATMUL).replace("</main>", f"{evil}</main>"), tmp_path)
    assert "<title>∂A_ij/∂B_kl</title>" in text
    assert 'class="cursor"' in text, "the page's own script did not run"

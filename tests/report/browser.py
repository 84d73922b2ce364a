"""Pages in a headless Chromium: what they say on the console, ask of the network, and how wide they are."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
needs_browser = pytest.mark.skipif(PROGRAM is None, reason=f"no browser: none of {', '.join(NAMES)} is installed")

# Each page stands in frames of its own; a frame's document is of the same origin, so it can be looked into.
MEASURE = """
const inside = (e) => { for (let p = e; p; p = p.parentElement) if (getComputedStyle(p).overflowX === "auto") return true; return false; };
const wide = (frame) => [...frame.contentDocument.body.querySelectorAll("*")]
  .filter((e) => !e.closest("svg, script") || e.tagName === "svg")
  .filter((e) => !inside(e.parentElement) && e.getBoundingClientRect().right > frame.contentWindow.innerWidth + 0.5)
  .map((e) => e.tagName + "." + e.getAttribute("class"));
const hovered = (frame) => {  // what is said where the pointer is in the middle of the first chart
  const svg = frame.contentDocument.querySelector("svg.lines");
  if (!svg) return "";
  const box = svg.getBoundingClientRect();
  svg.dispatchEvent(new frame.contentWindow.PointerEvent("pointermove", {clientX: box.left + box.width / 2, clientY: box.top + 60}));
  return frame.contentDocument.querySelector(".hover").innerText;
};
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map((f) => ({
    name: f.name, width: f.contentWindow.innerWidth, across: f.contentDocument.documentElement.scrollWidth, wide: wide(f),
    resources: f.contentWindow.performance.getEntriesByType("resource").map((e) => e.name),
    sections: [...f.contentDocument.querySelectorAll("h2")].map((e) => e.textContent),
    hovered: hovered(f),
  }));
  document.body.replaceChildren(Object.assign(document.createElement("pre"), { id: "found", textContent: JSON.stringify(found) }));
});
"""


@dataclass(frozen=True)
class Seen:
    """A page at a width: how wide it is, elements that stick out, what it fetched, its sections, what it says to a pointer."""

    name: str
    width: int
    across: int
    wide: list[str]
    resources: list[str]
    sections: list[str]
    hovered: str


def look(pages: Mapping[str, str], widths: tuple[int, ...], folder: Path) -> tuple[list[Seen], list[str]]:
    """Each page at each width, and the lines of the console."""
    frames = "".join(
        f'<iframe name="{escape(name)}" style="border:0;width:{width}px;height:900px" srcdoc="{escape(text)}"></iframe>'
        for name, text in pages.items()
        for width in widths
    )
    (folder / "frames.html").write_text(f"<!doctype html><meta charset=utf-8><body>{frames}<script>{MEASURE}</script>")
    command = [str(PROGRAM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
               "--enable-logging=stderr", "--disable-background-networking", "--dump-dom", (folder / "frames.html").as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:]
    return [Seen(**s) for s in json.loads(unescape(found[1]))], [line for line in done.stderr.splitlines() if "CONSOLE" in line]

"""A chart of a page as an SVG file of its own."""

import re
from html import escape, unescape
from importlib.resources import files

from netc.errors import SpecError, near

CHART = re.compile(r'<svg class="chart[^>]*?data-name="([^"]*)"[^>]*>.*?</svg>', re.DOTALL)
SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def names(html: str) -> list[str]:
    """The charts of a page."""
    return [unescape(m[1]) for m in CHART.finditer(html)]


def picture(html: str, name: str, source: str = "") -> str:
    """The chart of that name as an SVG file, light or dark as its reader is; `source` says of what it is. SpecError if there is none."""
    found = next((m[0] for m in CHART.finditer(html) if unescape(m[1]) == name), None)
    size = SIZE.search(found or "")
    if found is None or size is None:
        raise SpecError(f"The report has no chart {name!r}. {near(name, names(html))}")
    width, height = size.groups()
    style = (files("netc.report") / "chart.css").read_text()
    ground = f'<style>{style}</style><rect width="{width}" height="{height}" fill="var(--paper)"/>'
    said = f"<desc>{escape(source)}</desc>" if source else ""
    head, _, rest = found.partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg">{said}{ground}{rest}\n'

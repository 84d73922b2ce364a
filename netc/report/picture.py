"""Save one chart of a page as a separate SVG file."""

import re
from html import escape, unescape
from importlib.resources import files

from netc.errors import SpecError, near

CHART = re.compile(r'<svg class="chart[^>]*?data-name="([^"]*)"[^>]*>.*?</svg>', re.DOTALL)
SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def names(html: str) -> list[str]:
    """The names of the charts of a page."""
    return [unescape(m[1]) for m in CHART.finditer(html)]


def picture(html: str, name: str, source: str = "") -> str:
    """The chart `name` as an SVG file with light and dark colours and the description `source`. SpecError if there is no such chart."""
    chart = next((m[0] for m in CHART.finditer(html) if unescape(m[1]) == name), None)
    size = SIZE.search(chart or "")
    if chart is None or size is None:
        raise SpecError(f"The report has no chart {name!r}. {near(name, names(html))}")
    width, height = size.groups()
    style = (files("netc.report") / "chart.css").read_text()
    background = f'<style>{style}</style><rect width="{width}" height="{height}" fill="var(--paper)"/>'
    description = f"<desc>{escape(source)}</desc>" if source else ""
    head, _, rest = chart.partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg">{description}{background}{rest}\n'

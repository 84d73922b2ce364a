"""The frame of a drawing of boxes and arrows, as an SVG file."""

from collections.abc import Iterable
from html import escape


def document(title: str, view: tuple[float, float, float, float], parts: Iterable[str]) -> str:
    """An SVG file with an arrow's head called `end`."""
    x, y, width, height = view
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{x:g} {y:g} {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        'font-family="sans-serif" font-size="11" text-anchor="middle">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#777"/></marker></defs>',
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"

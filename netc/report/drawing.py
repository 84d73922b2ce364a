"""Frames for drawings of boxes and arrows, in SVG and in DOT, the language of Graphviz."""

from collections.abc import Iterable, Sequence
from html import escape


def document(title: str, view: tuple[float, float, float, float], parts: Iterable[str]) -> str:
    """An SVG file that defines an arrow head named `end`."""
    x, y, width, height = view
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{x:g} {y:g} {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        'font-family="sans-serif" font-size="11" text-anchor="middle">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#777"/></marker></defs>',
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def dot_document(title: str, nodes: Iterable[tuple[str, Sequence[str], str, bool]], arrows: Iterable[tuple[str, str]]) -> str:
    """A DOT file. A node has a name, lines of text, a colour, and whether its frame is dashed."""
    lines = [f"digraph {_quoted(title)} {{", '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11]']
    for name, text, colour, dashed in nodes:
        style = ', style="rounded,filled,dashed"' if dashed else ""
        label = "\\n".join(_quoted(line)[1:-1] for line in text if line)
        lines.append(f'  {name} [label="{label}", fillcolor="{colour}"{style}]')
    return "\n".join([*lines, *(f"  {a} -> {b}" for a, b in arrows), "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'

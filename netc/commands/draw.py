"""`netc draw`: the layers of a net as an SVG, made here: no program outside is asked."""

from dataclasses import dataclass
from html import escape
from pathlib import Path

from netc.errors import RunError, SpecError
from netc.files import replace_file
from netc.layers.context import dims
from netc.lower import Lowered, lower
from netc.net import Layer, Net, resolve
from netc.spec.job import Job

WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 150, 38, 24, 34, 16
COLOURS = {"source": "#dbe9f6", "loss": "#f9dcd9", "metric": "#efe6f7"}
LEARNS, PLAIN = "#e0f0dd", "#f2f2f0"


@dataclass(frozen=True)
class Box:
    """A layer on the picture: its row from the top, its place in the row."""

    layer: Layer
    row: int
    column: float


def draw_command(job: Job, phase: str, output: str) -> str:
    """Write the picture of a phase of a job's net; returns what to say about it."""
    net = resolve(job.net(phase), phase, *job.state(phase), base=job.base)
    try:
        replace_file(Path(output), svg(net, lower(net)).encode())
    except OSError as e:
        raise RunError(f"{output}: cannot be written: {e.strerror or e}") from e
    return f"{output} is written: {len(net.layers)} layers"


def svg(net: Net, lowered: Lowered) -> str:
    """A box a layer, in the order in which they run from top to bottom; arrows carry the blobs' shapes."""
    arrows = _arrows(net)
    boxes = _places(net, arrows)
    width = MARGIN * 2 + max(_x(b) for b in boxes.values()) + WIDTH
    height = MARGIN * 2 + max(_y(b) for b in boxes.values()) + HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} {-MARGIN} {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        'font-family="sans-serif" font-size="11" text-anchor="middle">',
        f"<title>{escape(net.name or 'net')}</title>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#777"/></marker></defs>',
    ]
    for source, target, blob in arrows:
        parts += _arrow(boxes[source], boxes[target], dims(lowered.versions[blob][0].shape))
    parts += [_box(box, lowered) for box in boxes.values()]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrows(net: Net) -> list[tuple[str, str, str]]:
    """(layer, layer, blob): who reads whose top; a blob changed in place comes from whoever changed it last."""
    made: dict[str, str] = {}
    found = []
    for layer in net.layers:
        found += [(made[bottom], layer.name, bottom) for bottom in dict.fromkeys(layer.bottoms)]
        made |= dict.fromkeys(layer.tops, layer.name)
    return found


def _places(net: Net, arrows: list[tuple[str, str, str]]) -> dict[str, Box]:
    """Each layer a row below the lowest that it reads, as near as may be to the middle of those."""
    if not net.layers:
        raise SpecError("the net has no layers")
    boxes: dict[str, Box] = {}
    taken: dict[int, set[float]] = {}
    for layer in net.layers:
        above = [boxes[source] for source, target, _ in arrows if target == layer.name]
        row = max((b.row + 1 for b in above), default=0)
        wanted = sum(b.column for b in above) / len(above) if above else 0.0
        free = (wanted + step * side for step in range(len(net.layers) + 1) for side in (1, -1))
        column = next(c for c in free if c >= 0 and all(abs(c - other) >= 1 for other in taken.get(row, set())))
        taken.setdefault(row, set()).add(column)
        boxes[layer.name] = Box(layer, row, column)
    return boxes


def _x(box: Box) -> float:
    return box.column * (WIDTH + ACROSS)


def _y(box: Box) -> float:
    return box.row * (HEIGHT + DOWN)


def _box(box: Box, lowered: Lowered) -> str:
    facts = box.layer.facts
    kind = next((k for k in COLOURS if facts.get(k)), None)
    colour = COLOURS[kind] if kind else LEARNS if lowered.layer_blobs[box.layer.name] else PLAIN
    x, y = _x(box), _y(box)
    return (
        f'<g><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="{colour}" stroke="#999"/>'
        f'<text x="{x + WIDTH / 2:g}" y="{y + 16:g}" font-weight="bold">{escape(_short(box.layer.name))}</text>'
        f'<text x="{x + WIDTH / 2:g}" y="{y + 30:g}">{escape(_short(box.layer.type))}</text></g>'
    )


def _arrow(source: Box, target: Box, label: str) -> list[str]:
    x0, y0, x1, y1 = _x(source) + WIDTH / 2, _y(source) + HEIGHT, _x(target) + WIDTH / 2, _y(target)
    bend = (y1 - y0) / 2
    way = f"M{x0:g} {y0:g}C{x0:g} {y0 + bend:g} {x1:g} {y1 - bend:g} {x1:g} {y1:g}"
    path = f'<path d="{way}" fill="none" stroke="#777" marker-end="url(#end)"/>'
    place = f'x="{(x0 + x1) / 2 + 4:g}" y="{(y0 + y1) / 2 + 3:g}"'
    return [path, f'<text {place} fill="#555" font-size="9" text-anchor="start">{escape(label)}</text>']


def _short(text: str) -> str:
    return text if len(text) <= 22 else text[:10] + "…" + text[-10:]

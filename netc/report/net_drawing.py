"""`netc draw`: draw the layers of a net as SVG, without external programs, or as DOT for Graphviz."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from netc.compiler import program as contract
from netc.compiler.compilation import Compilation
from netc.compiler.lower import Lowered, lower
from netc.errors import SpecError
from netc.formats.by_suffix import form, put
from netc.layers.context import dims
from netc.net.model import TEST, TRAIN, Layer
from netc.report import step_drawing
from netc.report.drawing import document, dot_document

WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 168, 52, 24, 28, 30
GAP = 8  # least distance between an arrow and a box, or another arrow
COLOURS = {"source": "#dbe9f6", "loss": "#f9dcd9", "metric": "#efe6f7"}
LEARNS, PLAIN = "#e0f0dd", "#f2f2f0"
LETTERS = 27  # maximum per line of a box

FORMS = (".svg", ".dot", ".gv")
Key = tuple[object, ...]


@dataclass(frozen=True)
class Drawn:
    """A layer to draw, with the phases that contain it."""

    layer: Layer
    shapes: str
    learns: bool
    phases: tuple[str, ...]


@dataclass(frozen=True)
class Box:
    """The position of a layer in the drawing: its row from the top and its column."""

    drawn: Drawn
    row: int
    column: float


def draw_command(compilation: Compilation, phase: str | None, output: str, graph: str) -> str:
    """Draw a net, for one phase or both, or its training graph, as SVG or DOT. Returns the message for the user."""
    dot_text = form(output, FORMS, "a drawing") != ".svg"
    if graph == "training":
        program = contract.checked(compilation)
        text, size = (step_drawing.dot if dot_text else step_drawing.svg)(program), step_drawing.summary(program)
    else:
        phases = [phase] if phase else [TRAIN, TEST]
        lowered = [lower(compilation.nets.net(p)) for p in phases]
        text, size = (dot if dot_text else svg)(lowered), f"{len(layers_of(lowered))} layers"
    put(output, text.encode())
    return f"{output} is written: {size}"


def svg(lowered: Sequence[Lowered]) -> str:
    """Draw one box per layer with its output shapes, from top to bottom in execution order. A label marks layers of one phase only."""
    drawn, arrows = layers_of(lowered), _arrows(lowered)
    boxes = _places(drawn, arrows)
    lanes = _lanes(boxes, arrows)
    width = MARGIN * 2 + max([max(_x(b) for b in boxes.values()) + WIDTH, *lanes.values()])
    height = MARGIN * 2 + max(_y(b) for b in boxes.values()) + HEIGHT
    parts = [_arrow(boxes[source], boxes[target], lanes.get((source, target)), boxes) for source, target in arrows]
    parts += [_box(box, len(lowered)) for box in boxes.values()]
    return document(lowered[0].net.name or "net", (-MARGIN, -MARGIN, width, height), parts)


def dot(lowered: Sequence[Lowered]) -> str:
    """The drawing in DOT. Graphviz converts it to PNG, PDF and other formats."""
    drawn = layers_of(lowered)
    numbers = {key: f"layer{k}" for k, key in enumerate(drawn)}
    nodes = []
    for key, one in drawn.items():
        only = f", {one.phases[0]} only" if len(one.phases) < len(lowered) else ""
        lines = [one.layer.name, f"{one.layer.type}{only}", one.shapes]
        nodes.append((numbers[key], lines, _colour(one), bool(only)))
    return dot_document(lowered[0].net.name or "net", nodes, [(numbers[a], numbers[b]) for a, b in _arrows(lowered)])


def layers_of(lowered: Sequence[Lowered]) -> dict[Key, Drawn]:
    """The layers of all nets in an order that is valid for each net. A layer of several nets appears once."""
    layers: dict[Key, Drawn] = {}
    for one in lowered:
        keys: list[Key] = list(layers)
        at = 0
        for layer in one.net.layers:
            key = _key(layer)
            if key in layers:
                at = keys.index(key) + 1
                layers[key] = Drawn(layer, layers[key].shapes, layers[key].learns, (*layers[key].phases, one.net.phase))
                continue
            tops = zip(layer.tops, one.layer_tops[layer.name], strict=False)
            shapes = ", ".join(dims(top.shape) for _, top in tops)
            layers[key] = Drawn(layer, shapes, bool(one.layer_blobs[layer.name]), (one.net.phase,))
            keys.insert(at, key)
            at += 1
        layers = {key: layers[key] for key in keys}
    if not layers:
        raise SpecError("the net has no layers")
    return layers


def _key(layer: Layer) -> Key:
    """The identity of a layer across phases: its name, its type, and its index among layers of the same name."""
    return layer.name, layer.type, layer.bottoms, layer.tops, tuple(str(rule) for rule in layer.param.include)


def _arrows(lowered: Sequence[Lowered]) -> list[tuple[Key, Key]]:
    """Pairs (writer, reader) of layers. The writer of a blob that is changed in place is the last layer that changed it."""
    arrows: list[tuple[Key, Key, str]] = []
    for one in lowered:
        made: dict[str, Key] = {}
        for layer in one.net.layers:
            arrows += [(made[bottom], _key(layer), bottom) for bottom in dict.fromkeys(layer.bottoms)]
            made |= dict.fromkeys(layer.tops, _key(layer))
    return [(source, target) for source, target, _ in dict.fromkeys(arrows)]


def _places(drawn: dict[Key, Drawn], arrows: list[tuple[Key, Key]]) -> dict[Key, Box]:
    """Place each layer one row below the lowest layer that it reads, and as close to their centre as possible."""
    boxes: dict[Key, Box] = {}
    taken: dict[int, set[float]] = {}
    for key, layer in drawn.items():
        above = [boxes[source] for source, target in arrows if target == key and source in boxes]
        row = max((b.row + 1 for b in above), default=0)
        wanted = sum(b.column for b in above) / len(above) if above else 0.0
        free = (wanted + step * side for step in range(len(drawn) + 1) for side in (1, -1))
        column = next(c for c in free if c >= 0 and all(abs(c - other) >= 1 for other in taken.get(row, set())))
        taken.setdefault(row, set()).add(column)
        boxes[key] = Box(layer, row, column)
    return boxes


def _x(box: Box) -> float:
    return box.column * (WIDTH + ACROSS)


def _y(box: Box) -> float:
    return box.row * (HEIGHT + DOWN)


def _colour(drawn: Drawn) -> str:
    kind = next((k for k in COLOURS if getattr(drawn.layer.kind, k)), None)
    return COLOURS[kind] if kind else LEARNS if drawn.learns else PLAIN


def _box(box: Box, nets: int) -> str:
    drawn, colour = box.drawn, _colour(box.drawn)
    only = len(drawn.phases) < nets
    kind_text = drawn.layer.type + (f", {drawn.phases[0]} only" if only else "")
    x, y = _x(box), _y(box)
    lines = [(16, "bold", drawn.layer.name), (30, "normal", kind_text), (44, "normal", drawn.shapes)]
    texts = (
        f'<text x="{x + WIDTH / 2:g}" y="{y + down:g}" font-weight="{weight}">{escape(_short(text))}</text>' for down, weight, text in lines
    )
    dash = ' stroke-dasharray="4 3"' if only else ""
    rect = f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="{colour}" stroke="#999"{dash}/>'
    return f"<g>{rect}{''.join(texts)}</g>"


def _lanes(boxes: dict[Key, Box], arrows: list[tuple[Key, Key]]) -> dict[tuple[Key, Key], float]:
    """For each arrow over several rows, the x at which it passes the boxes between: beside all of them, and beside other such arrows."""
    found: dict[tuple[Key, Key], float] = {}
    for source, target in arrows:
        first, last = boxes[source].row, boxes[target].row
        if last - first < 2:
            continue
        between = [_x(b) for b in boxes.values() if first < b.row < last]
        spans = {lane: (boxes[a].row, boxes[b].row) for (a, b), lane in found.items()}
        others = [lane for lane, (begin, end) in spans.items() if begin < last and first < end]
        begin = _x(boxes[source]) + WIDTH + ACROSS / 2
        wanted = sorted({begin, *(x + WIDTH + ACROSS / 2 for x in between)}, key=lambda x: (x < begin, abs(x - begin)))
        free = (x + GAP * step for step in range(len(arrows)) for x in wanted)
        found[source, target] = next(
            lane
            for lane in free
            if all(not x - GAP / 2 < lane < x + WIDTH + GAP / 2 for x in between) and all(abs(lane - other) >= GAP for other in others)
        )
    return found


def _arrow(source: Box, target: Box, lane: float | None, boxes: Mapping[Key, Box]) -> str:
    """Draw an arrow down to the next row, or through a lane. It starts at the side if no box stands between."""
    x0, y0, x1, y1 = _x(source) + WIDTH / 2, _y(source) + HEIGHT, _x(target) + WIDTH / 2, _y(target)
    if lane is not None:
        side = _x(source) + WIDTH
        open_side = lane > side and not any(b.row == source.row and side <= _x(b) < lane for b in boxes.values())
        x0, y0 = (side, _y(source) + HEIGHT / 2) if open_side else (x0, y0)
        start = f"{lane:g} {y0:g}" if open_side else f"{x0:g} {y0 + DOWN:g}"
        into = f"M{x0:g} {y0:g}C{start} {lane:g} {y0:g} {lane:g} {y0 + DOWN:g}"
        way = f"{into}L{lane:g} {y1 - DOWN:g}C{lane:g} {y1:g} {x1:g} {y1 - DOWN:g} {x1:g} {y1:g}"
    else:
        bend = (y1 - y0) / 2
        way = f"M{x0:g} {y0:g}C{x0:g} {y0 + bend:g} {x1:g} {y1 - bend:g} {x1:g} {y1:g}"
    return f'<path d="{way}" fill="none" stroke="#777" marker-end="url(#end)"/>'


def _short(text: str) -> str:
    half = LETTERS // 2
    return text if len(text) <= LETTERS else text[:half] + "…" + text[-half:]

"""Draw the training graph of a net: the ops of each layer in the forward pass, the backward pass and the update, with arrows."""

from collections import Counter
from dataclasses import dataclass
from html import escape

from netc.compiler.program import Program
from netc.graph.ir import Graph, Node
from netc.graph.passes import simplify
from netc.layers.context import dims
from netc.report.drawing import document, dot_document

WIDTH, ACROSS, DOWN, MARGIN, LINE = 190, 52, 22, 30, 14
MOST_NODES = 80  # in larger graphs, ops are counted instead of listed
PARTS = {"forward": "#dbe9f6", "backward": "#f9dcd9", "update": "#e0f0dd"}
HEADS = ("forward", "gradient", "update")

Group = tuple[str, str]  # a layer and a part


@dataclass(frozen=True)
class Box:
    """A group in the drawing: its corner, its height, its lines."""

    x: float
    y: float
    height: float
    row: int  # among the boxes of its column
    title: str
    lines: list[str]
    colour: str


def summary(program: Program) -> str:
    """The number of ops in each part of the graph."""
    counts = Counter(part for _, part in map(group, ops(program)))
    return ", ".join(f"{counts[part]} ops {head}" for part, head in zip(PARTS, ("forward", "for gradients", "in the update"), strict=True))


def ops(program: Program) -> list[Node]:
    """The ops of a training step as they are published, without leaves."""
    return [n for n in _graph(program).nodes if n.domain != "netc"]


def _graph(program: Program) -> Graph:
    return simplify(program.steps.train)


def group(node: Node) -> Group:
    """The layer and the part that an op belongs to."""
    return node.origin.layer, node.origin.part if node.origin.part in PARTS else "forward"


def svg(program: Program) -> str:
    """Draw three columns of boxes with one row per layer. Arrows are values that one group passes to another."""
    boxes, arrows = _drawn(program)
    width = 2 * MARGIN + 3 * WIDTH + 2 * ACROSS
    height = MARGIN + max(b.y + b.height for b in boxes.values())
    heads = [
        f'<text x="{k * (WIDTH + ACROSS) + WIDTH / 2:g}" y="-6" font-size="13" font-weight="bold">{head}</text>'
        for k, head in enumerate(HEADS)
    ]
    parts = [_arrow(boxes[a], boxes[b]) for a, b in arrows]
    return document(program.job.name, (-MARGIN, -MARGIN - 12, width, height + MARGIN + 12), [*heads, *parts, *map(_box, boxes.values())])


def dot(program: Program) -> str:
    """The drawing in DOT, for Graphviz."""
    boxes, arrows = _drawn(program)
    names = {key: f"part{k}" for k, key in enumerate(boxes)}
    nodes = [(names[key], [f"{box.title} {key[1]}", *box.lines], box.colour, False) for key, box in boxes.items()]
    return dot_document(program.job.name, nodes, [(names[a], names[b]) for a, b in arrows])


def _drawn(program: Program) -> tuple[dict[Group, Box], list[tuple[Group, Group]]]:
    """The boxes, and the arrows between them."""
    nodes = ops(program)
    groups: dict[Group, list[Node]] = {}
    for node in nodes:
        groups.setdefault(group(node), []).append(node)
    boxes = _boxes(groups, _layers(program, groups), len(nodes) <= MOST_NODES)
    values = ((v.node, n) for n in nodes for v in n.operands if v.node.domain != "netc")
    return boxes, list(dict.fromkeys((group(a), group(b)) for a, b in values if group(a) != group(b)))


def _layers(program: Program, groups: dict[Group, list[Node]]) -> list[str]:
    """The layers that have ops, in execution order, then the groups without a layer, such as gradient clipping."""
    named = [layer.name for layer in program.train_net.layers]
    used = {layer for layer, _ in groups}
    return [n for n in named if n in used] + sorted(used - set(named))


def _boxes(groups: dict[Group, list[Node]], layers: list[str], each: bool) -> dict[Group, Box]:
    boxes: dict[Group, Box] = {}
    y = 0.0
    for layer in layers:
        rows = {part: _lines(groups[layer, part], each) for part in PARTS if (layer, part) in groups}
        height = 24 + max(map(len, rows.values())) * LINE
        for k, (part, colour) in enumerate(PARTS.items()):
            if part in rows:
                own = 24 + len(rows[part]) * LINE
                row = sum(other == part for _, other in boxes)
                boxes[layer, part] = Box(k * (WIDTH + ACROSS), y, own, row, layer or "net", rows[part], colour)
        y += height + DOWN
    return boxes


def _lines(nodes: list[Node], each: bool) -> list[str]:
    """The ops: one per line with its output shape, or counted by type."""
    if each:
        return [f"{n.op}  {dims(n.types[0].shape)}" for n in nodes]
    counts = Counter(n.op for n in nodes)
    texts = [f"{count} {op}" if count > 1 else op for op, count in counts.items()]
    return [", ".join(texts[k : k + 2]) for k in range(0, len(texts), 2)]


def _box(box: Box) -> str:
    rect = f'<rect x="{box.x:g}" y="{box.y:g}" width="{WIDTH}" height="{box.height:g}" rx="5" fill="{box.colour}" stroke="#999"/>'
    middle = box.x + WIDTH / 2
    texts = [f'<text x="{middle:g}" y="{box.y + 16:g}" font-weight="bold">{escape(box.title)}</text>']
    texts += [f'<text x="{middle:g}" y="{box.y + 30 + k * LINE:g}">{escape(line[:32])}</text>' for k, line in enumerate(box.lines)]
    return f"<g>{rect}{''.join(texts)}</g>"


def _arrow(source: Box, target: Box) -> str:
    """Draw an arrow: straight to the next box of a column, around boxes in between, from side to side across columns."""
    if source.x != target.x:
        right = source.x < target.x
        x0, y0 = source.x + (WIDTH if right else 0), source.y + source.height / 2
        x1, y1 = target.x + (0 if right else WIDTH), target.y + target.height / 2
        way = f"M{x0:g} {y0:g}C{(x0 + x1) / 2:g} {y0:g} {(x0 + x1) / 2:g} {y1:g} {x1:g} {y1:g}"
    elif abs(target.row - source.row) > 1:
        x, y0, y1 = source.x, source.y + source.height / 2, target.y + target.height / 2
        way = f"M{x:g} {y0:g}C{x - MARGIN:g} {y0:g} {x - MARGIN:g} {y1:g} {x:g} {y1:g}"
    else:
        down = source.y < target.y
        y0, y1 = source.y + (source.height if down else 0), target.y + (0 if down else target.height)
        way = f"M{source.x + WIDTH / 2:g} {y0:g}L{target.x + WIDTH / 2:g} {y1:g}"
    return f'<path d="{way}" fill="none" stroke="#777" stroke-opacity=".7" marker-end="url(#end)"/>'

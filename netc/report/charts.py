"""Charts as inline SVG: lines with linear or logarithmic axes, bars, heat maps. Colours are CSS variables of the page.

A chart has its name in `data-name`. The script of the page reads the coordinates of its lines to show values under the mouse pointer.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from netc.report.scales import Scale, linear, logarithmic, short

WIDTH, HEIGHT = 520, 270
TOP, BOTTOM = 14, 42
LETTER, BOLD = 7.0, 8.4  # mean width of a letter at 12 pixels in a wide font such as DejaVu Sans
LINE = 15  # the height of a line of text
MOST_POINTS = 400  # per line; longer lines are thinned out
COLOURS = 8
# Colours for an ordered series, such as the layers of a net: blue to orange, legible on light and dark backgrounds.
RAMP = ((42, 120, 214), (112, 88, 200), (184, 72, 150), (222, 84, 70), (222, 150, 20))


@dataclass(frozen=True)
class Series:
    """A line of a chart. Points with NaN or infinite y are skipped. `dots` also draws the points, for short series.

    A `reference`, such as chance, is grey.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dots: bool = False
    dashed: bool = False
    reference: bool = False


@dataclass(frozen=True)
class _Line:
    """A series with the points to draw and its colour."""

    series: Series
    points: list[tuple[float, float]]
    colour: str


def lines(
    name: str, series: Iterable[Series], x_label: str, y_label: str, log: bool = False, ordered: bool = False, log_x: bool = False,
    marks: Sequence[tuple[str, float]] = (),
) -> Markup:  # fmt: skip
    """Draw a line chart with a name at the end of each line. `log` makes the y axis logarithmic; `ordered` uses a colour ramp.

    `log_x` makes the x axis logarithmic. `marks` are vertical lines with a name, at an x each.
    """
    drawn = _coloured([(s, _points(s, log)) for s in series], ordered)
    if not drawn:
        return Markup("")
    xs, ys = ([p[k] for line in drawn for p in line.points] for k in (0, 1))
    right = 16 + max(len(line.series.name) for line in drawn) * BOLD if len(drawn) > 1 else 30
    height = max(HEIGHT, len(drawn) * LINE + TOP + BOTTOM)
    y = (logarithmic if log else linear)(min(ys), max(ys), height - BOTTOM, TOP)
    left = 34 + max(len(short(tick)) for tick in y.ticks) * LETTER
    x = logarithmic(min(xs), max(xs), left, WIDTH - right) if log_x else linear(min(xs), max(xs), left, WIDTH - right, pad=False)
    parts = [_axes(x, y, x_label, y_label), *(_mark(*mark, x, y, row) for row, mark in enumerate(marks))]
    parts += [_line(line, x, y) for line in drawn]
    parts += _names(drawn, x, y) if len(drawn) > 1 else []
    return drawing(name, WIDTH, height, parts, log=log, x=x, y=y)


def scatter(name: str, points: Sequence[tuple[float, float]], x_label: str, y_label: str) -> Markup:
    """Draw a scatter plot with its diagonal, where both numbers are equal."""
    values = [v for point in points for v in point]
    low, high = min(values), max(values)
    y = linear(low, high, HEIGHT - BOTTOM, TOP)
    left = 34 + max(len(short(tick)) for tick in y.ticks) * LETTER
    x = linear(low, high, left, WIDTH - 30)
    parts = [_axes(x, y, x_label, y_label)]
    ends = [(x(v), y(v)) for v in (x.low, x.high)]
    parts.append(Markup('<path class="axis" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(*ends[0], *ends[1]))
    form = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="var(--c0)" fill-opacity=".5"/>')
    return drawing(name, WIDTH, HEIGHT, [*parts, *(form.format(x(a), y(b)) for a, b in points)], x=x, y=y)


def _points(series: Series, log: bool) -> list[tuple[float, float]]:
    pairs = zip(series.x, series.y, strict=True)
    points = [(float(a), float(b)) for a, b in pairs if b is not None and math.isfinite(b) and (b > 0 or not log)]
    return points if series.dots else thinned(points)


def thinned(points: list[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """Reduce to about `most` points. The lowest and the highest point of each section remain, so no peak is lost."""
    if len(points) <= most:
        return points
    size = math.ceil(len(points) / (most // 2))
    kept = [points[0]]
    for start in range(0, len(points), size):
        part = points[start : start + size]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return [*kept, points[-1]]


def _coloured(series: list[tuple[Series, list[tuple[float, float]]]], ordered: bool) -> list[_Line]:
    shown = [(s, points) for s, points in series if points]
    last = max(1, len(shown) - 1)
    return [_Line(s, points, _colour(s, k, last, ordered)) for k, (s, points) in enumerate(shown)]


def _colour(series: Series, k: int, last: int, ordered: bool) -> str:
    """The colour of a series by its position."""
    return "var(--soft)" if series.reference else ramp(k / last) if ordered else f"var(--c{k % COLOURS})"


def ramp(share: float) -> str:
    """The colour at a position between the first (0) and the last (1) of an ordered series."""
    place = share * (len(RAMP) - 1)
    k = min(int(place), len(RAMP) - 2)
    mixed = (round(a + (b - a) * (place - k)) for a, b in zip(RAMP[k], RAMP[k + 1], strict=True))
    return f"rgb({','.join(map(str, mixed))})"


def _axes(x: Scale, y: Scale, x_label: str, y_label: str) -> Markup:
    left, right, bottom, top = x.start, x.end, y.start, y.end
    shapes = [Markup('<path class="axis" d="M{:g} {:g}H{:g}"/>').format(left, bottom, right)]
    for tick in y.ticks:
        at = y(tick)
        shapes.append(Markup('<path class="grid" d="M{:g} {:.1f}H{:g}"/>').format(left, at, right))
        shapes.append(Markup('<text x="{:g}" y="{:.1f}" text-anchor="end">{}</text>').format(left - 8, at + 4, short(tick)))
    for tick in x.ticks:
        shapes.append(Markup('<text x="{:.1f}" y="{:g}" text-anchor="middle">{}</text>').format(x(tick), bottom + 17, short(tick)))
    shapes.append(Markup('<text class="label" x="{:g}" y="{:g}" text-anchor="end">{}</text>').format(right, bottom + 34, x_label))
    middle = (top + bottom) / 2
    turned = Markup('<text class="label" transform="translate(12 {:g}) rotate(-90)" text-anchor="middle">{}</text>')
    return Markup("").join([*shapes, turned.format(middle, y_label)])


def _line(line: _Line, x: Scale, y: Scale) -> Markup:
    places = [(x(a), y(b)) for a, b in line.points]
    way = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
    dash = ' stroke-dasharray="5 4"' if line.series.dashed else ""
    path = Markup('<path class="line" data-series="{}" stroke="{}" d="M{}"{}/>').format(line.series.name, line.colour, way, Markup(dash))
    dots = [Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>').format(a, b, line.colour) for a, b in places]
    return path + Markup("").join(dots if line.series.dots or len(places) == 1 else [])


def _mark(name: str, value: float, x: Scale, y: Scale, row: int) -> Markup:
    """A vertical line, with its name on the side that has more room. Names of several marks are in rows."""
    at, left = x(value), x(value) > (x.start + x.end) / 2
    form = '<path class="axis" stroke-dasharray="2 3" d="M{:.1f} {:g}V{:g}"/><text x="{:.1f}" y="{:g}" text-anchor="{}">{}</text>'
    return Markup(form).format(at, y.start, y.end, at + (-6 if left else 6), y.end + 10 + LINE * row, "end" if left else "start", name)


def _names(drawn: list[_Line], x: Scale, y: Scale) -> list[Markup]:
    """Write each name at the end of its line, moved apart if two would overlap."""
    wanted = sorted((y(line.points[-1][1]) + 4, k) for k, line in enumerate(drawn))
    places = apart([at for at, _ in wanted], LINE, y.end + 10, y.start)
    form = '<text x="{:.1f}" y="{:.1f}" class="name" style="fill:{}">{}</text>'
    return [Markup(form).format(x.end + 8, at, drawn[k].colour, drawn[k].series.name) for at, (_, k) in zip(places, wanted, strict=True)]


def apart(wanted: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Move sorted positions at least `gap` apart with one pass down and one pass up, close to the `wanted` ones."""
    places: list[float] = []
    for at in wanted:
        places.append(max(at, top if not places else places[-1] + gap))
    limit = bottom
    for k in range(len(places) - 1, -1, -1):
        places[k] = min(places[k], limit)
        limit = places[k] - gap
    return places


def bars(name: str, rows: Sequence[tuple[str, Sequence[float]]], parts: Sequence[str], unit: str) -> Markup:
    """Draw one horizontal bar per row, made of stacked `parts`, with its sum."""
    left = 12 + max(len(label) for label, _ in rows) * LETTER
    right, step = 80, 22
    most = max((sum(values) for _, values in rows), default=0) or 1.0
    shapes = []
    for k, (label, values) in enumerate(rows):
        y, x = TOP + 22 + k * step, left
        shapes.append(Markup('<text x="{:g}" y="{:g}" text-anchor="end">{}</text>').format(left - 8, y + 12, label))
        for part, value in enumerate(values):
            width = value / most * (WIDTH - left - right)
            form = '<rect x="{:.1f}" y="{:g}" width="{:.1f}" height="{}" fill="var(--c{})"><title>{} {}: {} {}</title></rect>'
            shapes.append(Markup(form).format(x, y, max(width - 1, 0), step - 6, part, label, parts[part], short(value), unit))
            x += width
        shapes.append(Markup('<text x="{:.1f}" y="{:g}">{} {}</text>').format(x + 6, y + 12, short(sum(values)), unit))
    legend, x = [], left
    for part, text in enumerate(parts):
        legend.append(Markup('<rect x="{:.1f}" y="{}" width="10" height="10" fill="var(--c{})"/>').format(x, TOP - 6, part))
        legend.append(Markup('<text x="{:.1f}" y="{}">{}</text>').format(x + 15, TOP + 3, text))
        x += 40 + len(text) * LETTER
    return drawing(name, WIDTH, TOP + 30 + len(rows) * step, [*legend, *shapes])


def heat_map(name: str, counts: Sequence[Sequence[float]], labels: Sequence[str], row_label: str, column_label: str) -> Markup:
    """Draw a square matrix of counts. Cells are shaded by their share of the row, the diagonal in a different colour."""
    size = len(labels)
    cell = max(6.0, min(44.0, 620 / size))
    left = 30 + max(map(len, labels)) * LETTER
    turned = max(map(len, labels)) * LETTER * min(12.0, cell) / 12 > cell
    top = 96.0 if turned else 44.0
    shapes = []
    for i, row in enumerate(counts):
        total = sum(row) or 1
        for j, count in enumerate(row):
            if count:
                shapes.append(_cell(left + j * cell, top + i * cell, cell, count, count / total, i == j, (labels[i], labels[j])))
        shapes += _place_names(labels[i], left, top, (i + 0.5) * cell, cell)
    side = size * cell
    shapes.append(Markup('<path class="axis" fill="none" d="M{:g} {:g}h{:g}v{:g}h{:g}z"/>').format(left, top, side, side, -side))
    shapes.append(Markup('<text class="label" x="{:g}" y="12">{}</text>').format(left, column_label))
    place = Markup('<text class="label" transform="translate(12 {:g}) rotate(-90)" text-anchor="middle">{}</text>')
    shapes.append(place.format(top + side / 2, row_label))
    return drawing(name, left + side + (40 if turned else 10), top + side + 10, shapes)


def _place_names(label: str, left: float, top: float, at: float, cell: float) -> list[Markup]:
    """Write the name of a class next to its row and above its column, sized to fit the cells."""
    size = min(12.0, cell)
    row = '<text x="{:.1f}" y="{:.1f}" font-size="{:.1f}" text-anchor="end">{}</text>'
    shapes = [Markup(row).format(left - 8, top + at + size / 3, size, label)]
    if len(label) * LETTER * size / 12 <= cell:
        column = '<text x="{:.1f}" y="{:g}" font-size="{:.1f}" text-anchor="middle">{}</text>'
        return [*shapes, Markup(column).format(left + at, top - 8, size, label)]
    column = '<text transform="translate({:.1f} {:g}) rotate(-50)" font-size="{:.1f}">{}</text>'
    return [*shapes, Markup(column).format(left + at, top - 4, size, label[:12])]


def _cell(x: float, y: float, size: float, count: float, share: float, right: bool, names: tuple[str, str]) -> Markup:
    colour, strength = ("--good", 0.15 + 0.75 * share) if right else ("--bad", min(1.0, 0.12 + 1.6 * share**0.5))
    form = '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="var({})" fill-opacity="{:.2f}"><title>{}</title></rect>'
    hint = f"{names[0]} predicted as {names[1]}: {short(count)}"
    box = Markup(form).format(x, y, size, size, colour, strength, hint)
    if size < 22:
        return box
    form = '<text x="{:.1f}" y="{:.1f}" text-anchor="middle"{}>{}</text>'
    kind = Markup(' class="on"' if strength > 0.5 else "")
    return box + Markup(form).format(x + size / 2, y + size / 2 + 4, kind, short(count))


def drawing(name: str, width: float, height: float, parts: Iterable[Markup], log: bool = False, **scales: Scale) -> Markup:
    """The SVG element. `scales` let the script of the page convert coordinates to values."""
    facts = "".join(f' data-{k}="{s.low:g} {s.high:g} {s.start:g} {s.end:g}"' for k, s in scales.items())
    kind = "chart lines" if scales else "chart"
    form = '<svg class="{}" role="img" data-name="{}" data-log="{}" viewBox="0 0 {:g} {:g}" width="{:g}" height="{:g}"{}>'
    head = Markup(form).format(kind, name, int(log), width, height, width, height, Markup(facts))
    return head + Markup("<title>{}</title>").format(escape(name)) + Markup("\n").join(parts) + Markup("</svg>")

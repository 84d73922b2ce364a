"""Charts of the columns of a table: histograms and bars, stacked by the groups of the label, over the share of each group."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from netc.report.charts import LETTER, drawing, ramp
from netc.report.scales import Scale, linear, short
from netc.table.distribution import Distribution, Groups, Histogram, ValueCounts

WIDTH, HIGH, SHARES = 340, 104, 12  # pixels: a chart, its bars, and the band that has the share of each group
LONGEST = 20  # letters of a value
STEP, LARGE_STEP, BAND = 19, 28, 74  # pixels: a bar of a value, one of few, the shares beside it
YEAR = 365.25 * 86400
COLOURS = 8


def colours(groups: Groups) -> list[str]:
    """The colour of each group: in the order of a ramp for quarters."""
    count = len(groups.names)
    return [ramp(k / (count - 1)) if groups.numbers else f"var(--c{k % COLOURS})" for k in range(count)]


def legend(groups: Groups, label: str) -> Markup:
    """The colours of the groups with their names and rows."""
    counts = groups.counted(groups.codes * 0, 1)[0]
    form = Markup('<span><i style="background:{}"></i>{} <small>{:,}</small></span>')
    items = [form.format(*item) for item in zip(colours(groups), map(cut, groups.names), counts, strict=True)]
    return Markup('<p class="legend"><b>{}</b> {}</p>').format(cut(label), Markup(" ").join(items))


def chart(name: str, drawn: Distribution, groups: Groups) -> Markup:
    """The chart of a distribution. Its title, the text alternative, says what it shows."""
    by = " by the label" if len(groups.names) > 1 else ""
    if isinstance(drawn, Histogram):
        return _histogram(f"histogram of {name}{by}", drawn, groups)
    return _values(f"most frequent values of {name}{by}", drawn, groups)


def cut(text: str, most: int = LONGEST) -> str:
    """A text of at most `most` letters, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown(value: float, unit: str, span: float) -> str:
    """A number for an axis; a date with as much of its time as the span of the axis needs."""
    if unit != "date":
        return short(value)
    form = "%Y" if span > 6 * YEAR else "%Y-%m" if span > YEAR / 2 else "%Y-%m-%d" if span > 4 * 86400 else "%m-%d %H:%M"
    return datetime.fromtimestamp(value, UTC).strftime(form)


def _histogram(title: str, drawn: Histogram, groups: Groups) -> Markup:
    """Bars over the bins. Below them, for several groups, the share of each group in the bin."""
    edges, most = drawn.edges, max(max(map(sum, drawn.counts)), 1)
    left, right, base = 14 + len(short(most)) * LETTER, WIDTH - 12.0, HIGH + 12.0
    x = linear(edges[0], edges[-1], left, right, pad=False)
    several = len(groups.names) > 1
    gap = 1.0 if (right - left) / len(drawn.counts) > 4 else 0.4
    paths, hints = [""] * len(groups.names), []
    for low, high, counts in zip(edges, edges[1:], drawn.counts, strict=False):
        start, wide, total = x(low) + gap / 2, x(high) - x(low) - gap, sum(counts)
        for k, done, count in _stacked(counts):
            paths[k] += _box(start, base - (done + count) / most * HIGH, wide, count / most * HIGH)
            if several:
                paths[k] += _box(start, base + 4 + done / total * SHARES, wide, count / total * SHARES)
        place = f"{shown(low, drawn.unit, edges[-1] - edges[0])} to {shown(high, drawn.unit, edges[-1] - edges[0])}"
        if high - low == 1 and low % 1 == 0.5:
            place = short(low + 0.5)
        hints.append(_hint(start, base - HIGH, wide, HIGH, f"{place}: {_counted(counts, groups)}"))
    bottom = base + (SHARES + 4 if several else 0)
    return drawing(
        title, WIDTH, bottom + 20, [_height(left, right, base, most), *_filled(paths, groups), *_ticks(drawn, x, bottom), *hints]
    )


def _height(left: float, right: float, base: float, most: float) -> Markup:
    """The axis of the bars, with the rows of the highest bar."""
    form = '<path class="grid" d="M{0:g} {2:g}H{1:g}"/><path class="axis" d="M{0:g} {3:g}H{1:g}"/>'
    form += '<text x="{4:g}" y="{5:g}" text-anchor="end">{6}</text>'
    return Markup(form).format(left, right, base - HIGH, base, left - 6, base - HIGH + 4, short(most))


def _ticks(drawn: Histogram, x: Scale, bottom: float) -> list[Markup]:
    """Numbers below the axis: round ones, or three dates."""
    low, high = drawn.edges[0], drawn.edges[-1]
    values = (
        [low, (low + high) / 2, high]
        if drawn.unit == "date"
        else [t for t in x.ticks if drawn.unit != "number" or not _is_between(drawn, t)]
    )
    form = Markup('<text x="{:.1f}" y="{:g}" text-anchor="{}">{}</text>')
    return [
        form.format(x(v), bottom + 15, "start" if v == low else "end" if v == high else "middle", shown(v, drawn.unit, high - low))
        for v in values
    ]


def _is_between(drawn: Histogram, tick: float) -> bool:
    """Whether each bin is a whole number and the tick is not one."""
    return drawn.edges[0] % 1 == 0.5 and tick % 1 != 0


def _values(title: str, drawn: ValueCounts, groups: Groups) -> Markup:
    """A bar for each value and one for all others. To the right, for several groups, the share of each group in the value."""
    others = [("other values", drawn.others)] if any(drawn.others) else []
    rows = [*((cut(value), counts) for value, counts in zip(drawn.values, drawn.counts, strict=True)), *others]
    several = len(groups.names) > 1
    step = STEP if len(rows) > 4 else LARGE_STEP
    most = max(max(sum(counts) for _, counts in rows), 1)
    left = 16 + max(len(name) for name, _ in rows) * LETTER
    number = 10 + len(short(most)) * LETTER
    long = WIDTH - left - number - (BAND if several else 0) - 6
    paths, parts = [""] * len(groups.names), []
    for at, (name, counts) in enumerate(rows):
        y, total = 6.0 + at * step, sum(counts)
        for k, done, count in _stacked(counts):
            paths[k] += _box(left + done / most * long, y, count / most * long, step - 5)
            if several:
                paths[k] += _box(WIDTH - BAND + done / total * (BAND - 10), y, count / total * (BAND - 10), step - 5)
        form = '<text x="{:.1f}" y="{:g}" text-anchor="end">{}</text><text x="{:.1f}" y="{:g}">{}</text>'
        parts.append(
            Markup(form).format(left - 8, y + step / 2 + 1.5, name, left + total / most * long + 5, y + step / 2 + 1.5, short(total))
        )
        parts.append(_hint(0, y, WIDTH, step - 5, f"{name}: {_counted(counts, groups)}"))
    return drawing(title, WIDTH, 12.0 + len(rows) * step, [*_filled(paths, groups), *parts])


def _stacked(counts: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """The position of each group with rows, the rows of the groups before it, and its own."""
    done = 0
    for k, count in enumerate(counts):
        if count:
            yield k, done, count
            done += count


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.1f} {y:.1f}h{max(width, 0.3):.1f}v{max(height, 0.4):.1f}h{-max(width, 0.3):.1f}z"


def _filled(paths: Sequence[str], groups: Groups) -> list[Markup]:
    form = Markup('<path style="fill:{}" d="{}"/>')
    return [form.format(colour, path) for colour, path in zip(colours(groups), paths, strict=True) if path]


def _hint(x: float, y: float, width: float, height: float, text: str) -> Markup:
    """A text that is shown under the mouse pointer, and read by a screen reader."""
    form = '<rect class="hint" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:g}"><title>{}</title></rect>'
    return Markup(form).format(x, y, max(width, 0), height, text)


def _counted(counts: Sequence[int], groups: Groups) -> str:
    """`34 rows (yes 20, no 14)`."""
    rows = f"{sum(counts):,} row{'s' * (sum(counts) != 1)}"
    parts = ", ".join(f"{cut(name)} {count:,}" for name, count in zip(groups.names, counts, strict=True) if count)
    return f"{rows} ({parts})" if len(groups.names) > 1 and parts else rows

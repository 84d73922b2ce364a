"""A chart of horizontal bars that start at zero and may be negative, with deviations."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from netc.report.charts import LETTER, TOP, drawing
from netc.report.scales import linear, short

WIDTH = 500
STEP, THICK, SPACE = 22, 14, 72  # pixels: a row, a bar, the number beside a bar
LONGEST = 30  # letters of a name


@dataclass(frozen=True)
class Bar:
    """A bar: its name, its value, and the deviation of the value."""

    name: str
    value: float
    deviation: float = 0.0


def signed_bars(name: str, bars: Sequence[Bar], label: str) -> Markup:
    """Draw a bar per row, blue to the right of zero and orange to the left, with the value beside it. `label` is that of the axis."""
    shown = [bar.name if len(bar.name) <= LONGEST else f"{bar.name[: LONGEST - 1]}…" for bar in bars]
    left = 14 + max(map(len, shown)) * LETTER
    low = min(0.0, *(bar.value - bar.deviation for bar in bars))
    high = max(0.0, *(bar.value + bar.deviation for bar in bars))
    x = linear(low, high, left + (SPACE if low < 0 else 0), WIDTH - SPACE, pad=False)
    bottom = TOP + len(bars) * STEP
    shapes = []
    for tick in x.ticks:
        shapes.append(Markup('<path class="grid" d="M{:.1f} {}V{}"/>').format(x(tick), TOP - 4, bottom))
        shapes.append(Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x(tick), bottom + 16, short(tick)))
    for k, (bar, text) in enumerate(zip(bars, shown, strict=True)):
        y = TOP + k * STEP
        ends = sorted((x(0.0), x(bar.value)))
        colour = "--good" if bar.value >= 0 else "--bad"
        form = '<rect x="{:.1f}" y="{:g}" width="{:.1f}" height="{}" fill="var({})"><title>{}: {}</title></rect>'
        shapes.append(Markup(form).format(ends[0], y + 2, max(ends[1] - ends[0], 0.5), THICK, colour, bar.name, bar.value))
        shapes.append(Markup('<text x="{:g}" y="{:g}" text-anchor="end">{}</text>').format(left - 8, y + 13, text))
        shapes += _deviation(x(bar.value - bar.deviation), x(bar.value + bar.deviation), y + 2 + THICK / 2) if bar.deviation else []
        at, anchor = (x(max(bar.value, 0) + bar.deviation) + 6, "start") if bar.value >= 0 else (x(bar.value - bar.deviation) - 6, "end")
        shapes.append(Markup('<text x="{:.1f}" y="{:g}" text-anchor="{}">{}</text>').format(at, y + 13, anchor, f"{bar.value:.3g}"))
    shapes.append(Markup('<path class="axis" d="M{:.1f} {}V{}"/>').format(x(0.0), TOP - 4, bottom))
    shapes.append(Markup('<text class="label" x="{:g}" y="{}" text-anchor="end">{}</text>').format(x.end, bottom + 34, label))
    return drawing(name, WIDTH, bottom + 42, shapes)


def _deviation(low: float, high: float, y: float) -> list[Markup]:
    """A line from one deviation below to one above."""
    form = '<path class="axis" d="M{:.1f} {:g}H{:.1f}M{:.1f} {:g}V{:g}M{:.1f} {:g}V{:g}"/>'
    return [Markup(form).format(low, y, high, low, y - 3, y + 3, high, y - 3, y + 3)]

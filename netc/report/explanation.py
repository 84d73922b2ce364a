"""The page of `netc explain`: importance, partial dependence and single rows, with charts."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from netc.predict.explain.contributions import Contributions
from netc.predict.explain.dependence import Dependence
from netc.predict.explain.explanation import Explanation
from netc.report.charts import Series, lines
from netc.report.html import charts, details, figure, paragraph, table
from netc.report.page import Filled, render
from netc.report.scales import short
from netc.report.signed_bars import Bar, signed_bars

MOST_BARS, MOST_PARTS = 30, 12
LONGEST = 18  # letters of the name of a score
DAY, YEAR = 86400.0, 365.25 * 86400.0
MISSING = "(missing)"


def page(made: Explanation) -> str:
    """The HTML page of an explanation."""
    filled = [Filled("What is explained", _facts(made)), Filled("Importance of columns", _importance(made))]
    if made.pairs:
        filled.append(Filled("Columns that tell about each other", _pairs(made)))
    if made.dependences:
        filled.append(Filled("Partial dependence", _dependences(made)))
    filled.append(Filled("Single rows", _rows(made)))
    return render(f"What {made.model.name} depends on", filled)


def _facts(made: Explanation) -> Markup:
    rows = f"{len(made.numbers):,} of {made.table_rows:,} rows" if len(made.numbers) < made.table_rows else f"all {made.table_rows:,} rows"
    of = f"the score of {made.judge.names[0]}" if len(made.judge.names) == 1 else f"the scores of {', '.join(made.judge.names)}"
    text = paragraph("The model {} was run on {} of {}. The page explains {}.", str(made.model.path), rows, made.table, of)
    if made.target is None:
        labels = ", ".join(made.judge.labels) or "the label"
        return text + paragraph(
            "The table has no column {}, so importance is how much the scores change, not how much worse they become.", labels
        )
    facts = [("labelled rows", f"{int(made.labelled.sum()):,}"), (made.judge.loss_name, f"{made.start:.4g}")]
    tiles = Markup("").join(Markup("<div class='tile'><b>{}</b><span>{}</span></div>").format(v, n) for n, v in facts)
    return text + Markup("<div class='tiles'>{}</div>").format(tiles)


def _importance(made: Explanation) -> Markup:
    found = made.importances
    bars = [Bar(i.columns[0], i.mean, i.deviation) for i in found[:MOST_BARS]]
    text = "The {} when the values of a column are exchanged between rows: mean and standard deviation of {} repeats. A column near 0 does \
not matter to the model, or another column says the same."
    rows = [(i.columns[0], f"{i.mean:.5f}", f"{i.deviation:.5f}") for i in found]
    shown = details("all columns as a table", table(("column", "mean", "deviation"), rows))
    return paragraph(text, made.loss_name, made.asked.repeats) + figure(signed_bars("importance", bars, made.loss_name)) + shown


def _pairs(made: Explanation) -> Markup:
    text = "If two columns tell much about each other, the model can read one where the other is exchanged. Each alone then looks less \
important than both together, and partial dependence averages over rows that do not exist."
    pairs = table(
        ("column", "column", "strength, 0 to 1"), [(a, b, f"{strength:.2f}") for a, b, strength in made.pairs[:MOST_BARS]], numbers=False
    )
    joint = [(", ".join(i.columns), f"{i.mean:.4f} ± {i.deviation:.4f}") for i in made.joint]
    return paragraph(text) + pairs + paragraph("If they are exchanged together:") + table(("columns", made.loss_name), joint)


def _dependences(made: Explanation) -> Markup:
    text = "The mean score if all rows had the same value in a column. Numbers and dates stand at quantiles of the rows, categories in \
the order of their frequency. Each chart has an axis of its own: compare the ranges."
    return paragraph(text) + charts(*(_dependence(d, _short(made.judge.names)) for d in made.dependences))


def _short(names: Sequence[str]) -> list[str]:
    """Names that fit beside a chart, and still differ."""
    cut = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]
    return [name if cut.count(name) == 1 else f"{k}: {name}" for k, name in enumerate(cut)]


def _dependence(found: Dependence, names: Sequence[str]) -> Markup:
    spread = np.ptp(found.means, axis=0)
    widest = int(spread.argmax())
    low, high = found.means[:, widest].min(), found.means[:, widest].max()
    text = f"{found.column}: {names[widest]} from {short(float(low))} to {short(float(high))}"
    text += f"; {', '.join(short(float(v)) for v in found.missing[widest : widest + 1])} if missing."
    text += f" {found.others:,} rarer values are not shown." if found.others else ""
    if found.kind != "category":
        x, label = _axis(found)
        kept = sorted(range(len(names)), key=lambda k: -spread[k])[:8]
        series = [Series(names[k], x, found.means[:, k].tolist(), dots=True) for k in sorted(kept)]
        return figure(lines(found.column, series, label, "mean score"), text)
    if len(names) == 1:
        bars = [Bar(str(p), float(m)) for p, m in zip(found.points, found.means[:, 0], strict=True)]
        return figure(signed_bars(found.column, [*bars, Bar(MISSING, float(found.missing[0]))], f"mean score by {found.column}"), text)
    rows = [(p, *(f"{v:.3f}" for v in mean)) for p, mean in zip((*found.points, MISSING), (*found.means, found.missing), strict=True)]
    return figure(table((found.column, *names), rows), text)


def _axis(found: Dependence) -> tuple[list[float], str]:
    """The places of the points and the name of the axis. Dates are years from the first one, or days if they are fewer than two years."""
    values = np.array(found.points, np.float64)
    if found.kind == "number":
        return values.tolist(), found.column
    dates = values.astype(np.int64).astype("datetime64[s]")
    unit, size = ("days", DAY) if values[-1] - values[0] < 2 * YEAR else ("years", YEAR)
    return ((values - values[0]) / size).tolist(), f"{found.column}, {unit} from {dates[0].astype('datetime64[D]')}"


def _rows(made: Explanation) -> Markup:
    text = "How much of a score is due to each value: the score of the row, minus the score if the model does not know the value. The \
contributions do not add up to the score, because columns act together."
    names = [c.name for c in made.model.raw_columns]
    return paragraph(text) + charts(*(_row(row, names, made.judge.names) for row in made.contributions))


def _row(row: Contributions, columns: list[str], names: Sequence[str]) -> Markup:
    """The largest contributions to the score of a row; of several scores, to the highest one."""
    best = int(row.scores.argmax())
    order = sorted(range(len(columns)), key=lambda k: -abs(row.parts[k, best]))[:MOST_PARTS]
    bars = [Bar(f"{columns[k]} = {row.values[k] or MISSING}", float(row.parts[k, best])) for k in order]
    name = f"Row {row.row}: the score of {names[best]} is {short(float(row.scores[best]))}."
    return figure(signed_bars(name, bars, f"part of the score of {names[best]}"), name)

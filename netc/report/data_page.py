"""The page of a table: `netc data show FILE -o page.html`."""

from collections.abc import Sequence

from markupsafe import Markup

from netc.report.column_charts import chart, cut, legend, shown
from netc.report.html import paragraph, table
from netc.report.page import Filled, render
from netc.report.scales import short
from netc.table.distribution import Histogram
from netc.table.overview import ColumnView, Overview
from netc.table.similar import LAMBDA, RANK

MOST_CARDS, MOST_ROWS, MOST_PAIRS, MOST_WARNINGS = 60, 800, 40, 60
LONGEST = 60  # letters of a name or a reason
SMALL = 0.005  # a share that is not shown as 0 % if it is not 0
MEASURES = {
    "AUC": "AUC is the probability that a rule learned from the column alone puts a row of the class above another row: 0.5 is chance, "
    "1 is perfect.",
    "R2": "R2 is the share of the label's variance that a rule learned from the column alone explains: 0 is chance, 1 is perfect.",
}
SIMILAR = {
    RANK: "Spearman's rank correlation, for numbers",
    LAMBDA: "Goodman and Kruskal's lambda, for other columns: the share of the errors in guessing one column that the other one saves",
}


def page(seen: Overview) -> str:
    """The HTML page of a table, without scripts that it needs."""
    filled = [Filled("Table", _facts(seen)), Filled("Warnings", _warnings(seen)), Filled("Columns", _listed(seen)),
              Filled("Distributions", _cards(seen)), Filled("Columns that say nearly the same", _pairs(seen))]  # fmt: skip
    return render(title(seen), [section for section in filled if section.content])


def title(seen: Overview) -> str:
    """The name of the table without its folder."""
    return seen.name.rstrip("/").rpartition("/")[2] or seen.name


def share(part: float, whole: float) -> str:
    """A share in percent: `0 %` only if there is none."""
    if not part:
        return "0 %"
    return f"{part / whole:.0%}".replace("%", " %") if part >= SMALL * whole else f"< {SMALL:.1%}".replace("%", " %")


def facts(view: ColumnView) -> list[tuple[str, str]]:
    """The statistics of a column, as names and texts."""
    column, found = view.profile, list[tuple[str, str]]()
    found.append(("gaps", f"{column.missing:,} ({share(column.missing, column.rows)})" if column.missing else "none"))
    found.append(("distinct", f"{column.distinct:,}"))
    if view.period:
        first, last = (shown(x, "date", 5 * 86400) for x in (view.period.first, view.period.last))
        found.append(("from", f"{first} to {last}"))
        if view.period.frequency:
            missing = view.period.expected - view.period.present
            found.append(("frequency", f"{view.period.frequency}, {f'{missing:,} times missing' if missing else 'no time missing'}"))
        else:
            found.append(("frequency", "none"))
    elif column.is_numeric and view.choice.type != "category":
        found += [("range", f"{short(column.low)} to {short(column.high)}"), ("mean", f"{short(column.mean)} ± {short(column.deviation)}")]
        found += [("zeros", share(column.zeros, column.filled))] * bool(column.zeros)
    elif view.choice.type == "text" or isinstance(view.distribution, Histogram):
        found += [("mean length", f"{column.length:.0f} characters, {column.words:.1f} words")]
    if view.score:
        found.append((view.score.measure, f"{view.score.value:.3f}"))
    return found


def most_frequent(view: ColumnView, count: int = 3) -> str:
    """The most frequent values in one line, with their rows."""
    return ", ".join(f"{cut(value)} ({n:,})" for value, n in view.profile.common[:count])


def sampled_text(seen: Overview) -> str:
    """What the charts, scores and pairs are of, if not of all rows."""
    return (
        f"Statistics, gaps and counts are of all {seen.rows:,} rows. Charts, {seen.measure or 'scores'} and pairs of columns are of "
        f"{seen.sample:,} rows that are spread over the table."
        if seen.sample < seen.rows
        else ""
    )


def _facts(seen: Overview) -> Markup:
    missing, cells = sum(view.profile.missing for view in seen.columns), seen.rows * len(seen.columns)
    tiles = [(f"{seen.rows:,}", "rows"), (f"{len(seen.columns):,}", "columns"), (share(missing, cells), "of all cells are gaps")]
    read = sum(bool(view.choice.type) for view in seen.columns if view.name != seen.label)
    tiles.append((f"{read:,}", "columns that a net would read"))
    if seen.goal:
        tiles.append((cut(seen.label, 30), f"the label: {seen.goal.what}"))
    boxes = Markup("").join(Markup("<div class='tile'><b>{}</b><span>{}</span></div>").format(*tile) for tile in tiles)
    text = paragraph("{}", sampled_text(seen)) if sampled_text(seen) else Markup("")
    hint = "" if seen.label else paragraph("Add <code>--label COLUMN</code> to see each column by what you want to predict.")
    return Markup("<div class='tiles'>{}</div>").format(boxes) + Markup("<div class='below'>{}{}</div>").format(text, hint)


def _warnings(seen: Overview) -> Markup:
    unread = [f"'{name}' would not be read: {reason}." for name, reason in seen.unread.items()]
    texts = [*seen.warnings, *unread]
    items = Markup("").join(Markup("<li>{}</li>").format(text) for text in texts[:MOST_WARNINGS])
    more = paragraph("And {:,} more.", len(texts) - MOST_WARNINGS) if len(texts) > MOST_WARNINGS else ""
    return Markup("<ul>{}</ul>{}").format(items, more) if texts else paragraph("None.")


def _detailed(seen: Overview) -> list[int]:
    """The positions of the columns with a chart of their own: the label, and those that tell most about it, or the first ones."""
    if len(seen.columns) <= MOST_CARDS:
        return list(range(len(seen.columns)))
    order = sorted(range(len(seen.columns)), key=lambda k: _rank(seen, seen.columns[k]))
    return sorted(order[:MOST_CARDS])


def _rank(seen: Overview, view: ColumnView) -> float:
    return -2.0 if view.name == seen.label else -view.score.value if view.score else 0.0


def _listed(seen: Overview) -> Markup:
    """A line for each column."""
    detailed = set(_detailed(seen))
    link = Markup('<a href="#column-{}">{}</a>')
    rows = [
        (link.format(k, cut(view.name, LONGEST)) if k in detailed else cut(view.name, LONGEST), *_line(seen, view))
        for k, view in enumerate(seen.columns[:MOST_ROWS])
    ]
    head = ("column", "type", "gaps", "distinct", *([seen.measure] if seen.measure else []), "most frequent", "why this type")
    more = paragraph("And {:,} more columns.", len(seen.columns) - MOST_ROWS) if len(seen.columns) > MOST_ROWS else Markup("")
    text = paragraph("{}", MEASURES[seen.measure]) if seen.measure else Markup("")
    return text + Markup("<div class='columns'>{}</div>").format(table(head, rows, numbers=False)) + more


def _line(seen: Overview, view: ColumnView) -> Sequence[object]:
    column = view.profile
    score = [f"{view.score.value:.3f}" if view.score else ""] if seen.measure else []
    kind = "label" if view.name == seen.label else view.choice.type or Markup("<span class='not'>not read</span>")
    often = cut(column.common[0][0], 24) if column.common and column.common[0][1] > 1 else ""
    return (
        kind,
        _bar(column.gaps, share(column.missing, column.rows)),
        f"{column.distinct:,}",
        *score,
        often,
        cut(view.choice.reason, LONGEST),
    )


def _bar(part: float, text: str) -> Markup:
    """A share as a text over a bar."""
    return Markup("<span class='share' style='--part:{:.3f}'>{}</span>").format(part, text)


def _cards(seen: Overview) -> Markup:
    """A chart and the statistics of each column."""
    detailed = _detailed(seen)
    lead = legend(seen.groups, seen.label) if seen.label else Markup("")
    if len(detailed) < len(seen.columns):
        which = "that tell most about the label" if seen.measure else "that come first"
        lead = paragraph("The {} of {:,} columns {}.", len(detailed), len(seen.columns), which) + lead
    if len(seen.groups.names) > 1:
        lead += paragraph("The band below or beside the bars has the share of each group of rows.")
    cards = Markup("").join(_card(seen, k) for k in detailed)
    return lead + Markup("<div class='cards'>{}</div>").format(cards)


def _card(seen: Overview, k: int) -> Markup:
    view = seen.columns[k]
    picture = chart(cut(view.name, LONGEST), view.distribution, seen.groups) if view.distribution else paragraph("No values.")
    if isinstance(view.distribution, Histogram):
        notes = ["length in characters"] * (view.distribution.unit == "characters")
        notes += [f"{view.distribution.outside:,} rows beyond the ends"] * bool(view.distribution.outside)
        picture += Markup("<p class='not'>{}</p>").format("; ".join(notes)) if notes else ""
    items = Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*fact) for fact in facts(view))
    kind = "label" if view.name == seen.label else view.choice.type or "not read"
    form = "<article id='column-{}'><h3>{} <span>{}</span></h3><p class='not'>{}</p>{}<dl>{}</dl></article>"
    return Markup(form).format(k, cut(view.name, LONGEST), kind, cut(view.choice.reason, 2 * LONGEST), picture, items)


def _pairs(seen: Overview) -> Markup:
    if not seen.pairs:
        return Markup("")
    rows = [(cut(p.first, LONGEST), cut(p.second, LONGEST), f"{p.value:.3f}", p.measure) for p in seen.pairs[:MOST_PAIRS]]
    measures = "; ".join(text for name, text in SIMILAR.items() if any(pair.measure == name for pair in seen.pairs))
    more = paragraph("And {:,} more pairs.", len(seen.pairs) - MOST_PAIRS) if len(seen.pairs) > MOST_PAIRS else ""
    text = paragraph("A net loses little without one of the two. The measure is {}. A gap has the mean rank.", measures)
    return text + table(("column", "and column", "value", "measure"), rows, numbers=False) + more

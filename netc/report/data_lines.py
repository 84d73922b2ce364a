"""A table in the terminal: `netc data show FILE`."""

from netc.report.column_charts import cut
from netc.report.compare import lines as aligned
from netc.report.data_page import facts, most_frequent, sampled_text, share
from netc.report.sparkline import BLOCKS
from netc.table.distribution import Histogram, ValueCounts
from netc.table.overview import ColumnView, Overview

MOST_ROWS, MOST_PAIRS, MOST_WARNINGS = 200, 20, 30
NAME, SPARK = 28, 16  # letters


def lines(seen: Overview, width: int = 80) -> list[str]:
    """The table as lines of text: facts, a line for each column, warnings, columns that say nearly the same."""
    goal = f", the label {seen.label}: {seen.goal.what}" if seen.goal else ""
    out = [seen.name, f"  {seen.rows:,} rows of {len(seen.columns):,} columns{goal}"]
    out += [f"  {sampled_text(seen)}"] * bool(sampled_text(seen))
    out += ["  Add --label COLUMN to see how well each column predicts it."] * (not seen.label)
    out += ["", *_columns(seen, width), ""]
    unread = [f"'{name}' would not be read: {reason}." for name, reason in seen.unread.items()]
    texts = [*seen.warnings, *unread]
    if texts:
        out += ["Warnings", *(f"  {text}" for text in texts[:MOST_WARNINGS])]
        out += [f"  and {len(texts) - MOST_WARNINGS:,} more"] * (len(texts) > MOST_WARNINGS) + [""]
    if seen.pairs:
        out.append("Columns that say nearly the same")
        out += [f"  '{p.first}' and '{p.second}': {p.measure} {p.value:.3f}" for p in seen.pairs[:MOST_PAIRS]]
        out += [f"  and {len(seen.pairs) - MOST_PAIRS:,} more pairs"] * (len(seen.pairs) > MOST_PAIRS) + [""]
    return out


def _columns(seen: Overview, width: int) -> list[str]:
    """A line for each column, cut at the width of the terminal."""
    head = ("column", "type", "gaps", "distinct", *([seen.measure] if seen.measure else []), "distribution".ljust(SPARK), "values")
    rows = [_row(seen, view) for view in seen.columns[:MOST_ROWS]]
    made = [line if len(line) <= width else f"{line[: width - 1]}…" for line in aligned([head, *rows])]
    return made + [f"and {len(seen.columns) - MOST_ROWS:,} more columns"] * (len(seen.columns) > MOST_ROWS)


def _row(seen: Overview, view: ColumnView) -> tuple[str, ...]:
    column = view.profile
    kind = "label" if view.name == seen.label else view.choice.type or "not read"
    score = ((f"{view.score.value:.3f}" if view.score else ""),) * bool(seen.measure)
    return (cut(view.name, NAME), kind, share(column.missing, column.rows), f"{column.distinct:,}", *score, _spark(view), _values(view))


def _spark(view: ColumnView) -> str:
    """The histogram as blocks; a block for each frequent value."""
    drawn = view.distribution
    if drawn is None:
        return ""
    counts = [sum(row) for row in drawn.counts]
    size = max(1, -(-len(counts) // SPARK))
    grouped = [sum(counts[k : k + size]) for k in range(0, len(counts), size)]
    most = max(grouped, default=0) or 1
    return "".join(BLOCKS[-(-count * (len(BLOCKS) - 1) // most)] for count in grouped).ljust(SPARK)


def _values(view: ColumnView) -> str:
    """The range of numbers and dates, the lengths of texts, or the most frequent values."""
    told = dict(facts(view))
    if view.period:
        return f"{told['from']}, {'no frequency' if told['frequency'] == 'none' else told['frequency']}"
    if isinstance(view.distribution, Histogram) and "range" in told:
        return f"{told['range']}, mean {told['mean']}"
    if isinstance(view.distribution, ValueCounts):
        return most_frequent(view)
    return told.get("mean length", "")

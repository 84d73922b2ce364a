"""`netc explain`: what a published model of a table depends on."""

import json
import math
from collections.abc import Iterator

from netc import terminal
from netc.errors import SpecError
from netc.formats.by_suffix import form, put
from netc.predict.explain.explanation import Asked, Explanation, explained
from netc.predict.explain.importance import Importance
from netc.predict.explain.values import as_json
from netc.predict.model import Model
from netc.report.explanation import page

FORMS = (".html", ".htm", ".json")
WIDTH, MOST_PAIRS = 24, 5


def explain_command(name: str, zoo: str | None, key: str | None, table: str, asked: Asked, output: str | None) -> list[str]:
    """Explain a model on the rows of a table. Returns the lines to print. With `output`, writes a page or JSON too."""
    if output:
        form(output, FORMS, "an explanation")
    if not asked.repeats or not asked.most_rows:
        raise SpecError("Expected at least one row and one repeat.")
    made = explained(Model(name, zoo, key), table, asked)
    lines = list(_lines(made))
    if output:
        content = json.dumps(as_json(made), indent=1, ensure_ascii=False) + "\n" if output.lower().endswith(".json") else page(made)
        put(output, content.encode())
    return lines + [f"explanation {output}"] * bool(output)


def _lines(made: Explanation) -> Iterator[str]:
    """The lines of the terminal: importance, and what limits it."""
    rows = f"{len(made.numbers):,} of {made.table_rows:,} rows"
    yield f"{made.table}: {rows}" + ("" if made.target is None else f", {made.judge.loss_name} {made.start:.4f}")
    found = made.importances
    names = [terminal.cut(terminal.line(i.columns[0])) for i in found]
    width, most = max(6, terminal.column(names)), max(found[0].mean, 1e-12)
    shown = [_number(importance, most) for importance in found]
    yield f"{'column':{width}}  {made.loss_name}"
    for text, number, importance in zip(names, shown, found, strict=True):
        bar = "█" * round(WIDTH * max(0.0, importance.mean) / most)
        yield f"{text:{width}}  {number:>{max(map(len, shown))}}  {bar}".rstrip()
    for a, b, strength in made.pairs[:MOST_PAIRS]:
        names = [terminal.line(a), terminal.line(b)]
        yield f"caution: {' and '.join(names)} tell about each other (strength {strength:.2f}); each alone looks less important than both."
    if len(made.pairs) > MOST_PAIRS:
        yield f"caution: {len(made.pairs) - MOST_PAIRS} more pairs of columns tell about each other."
    for joint in made.joint[:MOST_PAIRS] if made.pairs else ():
        yield f"together: {', '.join(map(terminal.line, joint.columns))}  {_number(joint, joint.mean)}"


def _number(importance: Importance, most: float) -> str:
    """A mean and its deviation, with four digits of the number `most`."""
    digits = min(6, max(0, 3 - math.floor(math.log10(max(most, 1e-12)))))
    return f"{importance.mean:,.{digits}f} ± {importance.deviation:,.{digits}f}"

"""gpu.md and gpu.json of the parts that have run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.gpu.parts import PARTS, Outcome


def write(outcomes: Mapping[str, Outcome], folder: Path | None) -> dict[str, str]:
    """Both files in `folder`, if there is one. The Markdown of each part."""
    sections = {name: section(name, outcome) for name, outcome in outcomes.items()}
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gpu.md").write_text("# What holds on this GPU\n\n" + "\n".join(sections.values()))
        (folder / "gpu.json").write_text(json.dumps({n: o.__dict__ for n, o in outcomes.items()}, indent=1) + "\n")
    return sections


def section(name: str, outcome: Outcome) -> str:
    """A part as Markdown: its title, whether all was well, what it says, and its table."""
    head = f"## {PARTS[name].title}\n\n{'well' if outcome.well else 'FAILED'}, {outcome.seconds:.1f} s\n"
    notes = "".join(f"\n- {note}" for note in outcome.notes)
    return head + (notes + "\n" if notes else "") + ("\n" + table(outcome.rows) if outcome.rows else "")


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows under the names of their columns."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(c)) for c in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")

"""What the terminal says of a finished run on a table: scores of simple models, and what a user should worry about."""

from collections.abc import Iterator

from netc.report import comparison
from netc.report.run import Run
from netc.report.table_rows import Compared


def remarks(run: Run) -> Iterator[str]:
    """Yield lines on what the report has computed. Nothing is computed here."""
    compared = run.kept.get("compared")
    if isinstance(compared, Compared):
        yield comparison.summary(compared)
        yield from comparison.remarks(compared)

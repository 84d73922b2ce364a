"""The names of the columns of a table."""

from collections import defaultdict
from collections.abc import Sequence
from unicodedata import normalize

from netc.errors import DataError
from netc.table.reading.dialect import Head

UNNAMED = "#"  # the names of columns without one: #0, #1, ...
MOST_COLUMNS = 10_000


def column_names(table: str, head: Head) -> tuple[str, ...]:
    """The names of the columns of a text file: in Unicode's composed form, and their numbers where there is none.

    An empty last column, from a delimiter at the end of each line, is left out. So is not a column without a name that has cells: R and
    pandas write the names of the rows there.
    """
    names, width = list(head.names or ()), max(head.width, 1)
    if not names:
        names = [""] * width
    elif len(names) == width - 1 and any(row[-1] for row in head.body if len(row) == width):
        names = ["", *names]  # the names of the rows, without a name of their own
    while len(names) > 1 and not names[-1].strip() and not any(len(row) >= len(names) and row[len(names) - 1] for row in head.body):
        names.pop()
    return checked_names(table, [name or f"{UNNAMED}{k}" for k, name in enumerate(map(composed, names))])


def composed(name: str) -> str:
    """A name in Unicode's composed form, with single spaces."""
    return " ".join(normalize("NFC", name).split())


def checked_names(table: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names. DataError if one comes twice, or there are too many."""
    at = defaultdict(list)
    for k, name in enumerate(names, 1):
        at[name].append(str(k))
    twice = [f"{table}: The columns {' and '.join(places)} have the same name {name!r}. Rename one of them."
             for name, places in at.items() if len(places) > 1]  # fmt: skip
    if len(names) > MOST_COLUMNS:
        twice.append(f"{table}: There are {len(names):,} columns. netc reads tables with at most {MOST_COLUMNS:,}.")
    if twice:
        raise DataError(*twice)
    return tuple(names)

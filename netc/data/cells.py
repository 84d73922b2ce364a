"""The cells of a text file: numbers, whole numbers and names of classes.

A number is an optional sign, ASCII digits with an optional point, and an optional exponent (`-1.5e3`), within the range of float32.
`nan`, `inf`, `0x10`, `1_000` and digits of other scripts are not numbers.

A label is a whole number if it is written as one: `7`, `-7`, `7.0`. Labels such as `007`, `+7` or `-0` are codes, and so they are text.
"""

import re
from collections.abc import Iterable

MOST = 3.4e38  # just below the largest float32
WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,99})(?:\.0*)?")
CODE = re.compile(r"\+|-?0[0-9]")
INDEX = re.compile(r"-?[0-9]{1,9}")
MISSING = {"nan", "-nan", "na", "n/a", "#n/a", "null", "none", "nil", "inf", "-inf", "infinity", "?", "-", "."}


def is_number(cell: str) -> bool:
    """Whether a cell is a number."""
    return are_numbers((cell,))


def are_numbers(cells: Iterable[str]) -> bool:
    """Whether all cells are numbers."""
    try:
        return all(abs(float(c)) < MOST and c.isascii() and "_" not in c for c in cells)
    except ValueError:
        return False


def whole(cell: str) -> str | None:
    """A whole number in its form without a point; None for any other cell."""
    found = WHOLE.fullmatch(cell)
    return found[1] if found else None


def is_measure(cell: str) -> bool:
    """Whether a label is a number, and not a code that looks like one."""
    return is_number(cell) and not CODE.match(cell)


def index(text: str) -> int | None:
    """An index from 0, or from the end if it is negative; None if the text is not an index."""
    return int(text) if INDEX.fullmatch(text) else None


def label_number(text: str) -> int | None:
    """The number of a class in a list of files: ASCII digits with an optional sign, within int64. None for other text."""
    found = int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else None
    return found if found is not None and -(2**63) <= found < 2**63 else None


def in_order(names: Iterable[str]) -> list[str]:
    """Sort the names of classes: as numbers if all are whole numbers, else as text."""
    names = list(names)
    return sorted(names, key=int) if all(whole(n) == n for n in names) else sorted(names)

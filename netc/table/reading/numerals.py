"""How numbers are written in the cells of a text file: which letters separate decimals and thousands."""

import re
from collections import Counter
from collections.abc import Iterable

SIGNS = r"[-+−]?"
MONEY = r"(?:[$€£¥₹₽₩₺₫฿₴₪]|\b(?:USD|EUR|GBP|JPY|CHF|CNY|INR)\b)?"
SPACES = " \u00a0\u202f\u2009"
THOUSANDS = ",.'’_" + SPACES

_NUMERAL = re.compile(
    rf"\(?\s*{SIGNS}\s*{MONEY}\s*{SIGNS}(?P<digits>\d[\d.,'’_{SPACES}]*|[.,]\d+)(?:[eE][-+]?\d+)?\s*%?\s*{MONEY}\s*\)?", re.ASCII
)
_GROUPS = re.compile(rf"\d{{1,3}}(?:(?P<mark>[{THOUSANDS}])\d{{3}})(?:(?P=mark)\d{{3}})*(?P<rest>[.,]\d*)?")
_PLAIN = re.compile(r"\d*(?P<mark>[.,])\d*")


def digits(cell: str) -> str | None:
    """The digits of a number with their separators; None if the cell is no number in any notation."""
    if cell.isascii() and cell.isdigit():
        return cell
    found = _NUMERAL.fullmatch(cell.strip())
    return found["digits"].strip() if found and _is_regular(found["digits"].strip()) else None


def _is_regular(text: str) -> bool:
    return text.isdigit() or bool(_GROUPS.fullmatch(text) or _PLAIN.fullmatch(text))


def separators(cells: Iterable[str]) -> tuple[str, str] | None:
    """The separators of decimals and of thousands ("" if there is none) in the numbers among `cells`.

    None if they can be read in two ways, as 24,980 can. Points alone, as in 24.980, separate decimals.
    """
    decimals, groups, either = Counter[str](), Counter[str](), Counter[str]()
    for text in filter(None, map(digits, cells)):
        grouped, plain = _GROUPS.fullmatch(text), _PLAIN.fullmatch(text)
        if grouped and (grouped["rest"] or text.count(grouped["mark"]) > 1 or grouped["mark"] not in ".,"):
            groups[grouped["mark"]] += 1
            decimals[(grouped["rest"] or "")[:1]] += 1
        elif grouped and not text.startswith("0"):
            either[grouped["mark"]] += 1
        elif plain:
            decimals[plain["mark"]] += 1
    commas, points = decimals[","] + groups["."], decimals["."] + groups[","]
    if not commas and not points and either[","]:
        return None
    decimal, other = (",", ".") if commas > points else (".", ",")
    possible = {mark: groups[mark] + (either[mark] if mark == other else 0) for mark in THOUSANDS if mark != decimal}
    best = max(possible, key=lambda mark: possible[mark])
    return decimal, best if possible[best] else ""

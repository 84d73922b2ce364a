"""Names of the step contract, which only one module spells out."""

import ast
from collections.abc import Iterator
from pathlib import Path

from netc.graph import contract
from netc.graph.contract import NEXT, STATE, Prefix
from tests.conftest import ROOT

PREFIXES = {name: found for name, found in vars(contract).items() if isinstance(found, Prefix)}
OTHER_TEXTS = {"rows/s"}  # a unit


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the string literals of a module with their lines, without docstrings."""
    tree = ast.parse(path.read_text())
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def test_a_prefix_makes_and_reads_names() -> None:
    assert STATE("w") == "state/w" and STATE.bare("state/w") == "w" and STATE.bare("next/w") == "next/w"
    assert "state/w" in STATE and "next/state/w" not in STATE
    assert STATE.named({"w": 1}) == {"state/w": 1} and NEXT.within({"next/w": 1, "state/w": 2}) == {"w": 1}


def test_prefixes_are_told_apart() -> None:
    found = [prefix.text for prefix in PREFIXES.values()]
    assert all(text.endswith("/") for text in found) and not any(a != b and a.startswith(b) for a in found for b in found)


def test_no_prefix_stands_anywhere_else() -> None:
    others = [path for path in sorted((ROOT / "netc").rglob("*.py")) if path != Path(contract.__file__)]
    starts = tuple(prefix.text for prefix in PREFIXES.values())
    found = [f"{path.relative_to(ROOT)}:{line}: {text}" for path in others for line, text in texts(path) if text.startswith(starts)]
    assert [text for text in found if text.rpartition(": ")[2] not in OTHER_TEXTS] == []

"""How errors are shown: the line, the caret below its column, whatever stands in the line."""

from pathlib import Path

import click
import pytest

from netc.cli.errors import lines
from netc.errors import Argument, DataError, Diagnostic, NetcError, Place, SpecError


def shown(error: NetcError) -> list[str]:
    return [click.unstyle(line) for line in lines(error)]


@pytest.mark.parametrize("line, column, text, caret", [
    ("  - ReLU", 5, "  - ReLU", "    ^"),
    ("\tpool: MAXX", 8, "\tpool: MAXX", "\t      ^"),  # the tab is as wide below
    ("名前: x", 5, "名前: x", "      ^"),  # wide letters take two places
    ("e\u0301: x", 5, "e\u0301: x", "   ^"),  # a combining accent takes none
    ("a\x1b[2Jb", 6, "a\N{REPLACEMENT CHARACTER}[2Jb", "     ^"),
    ("x" * 300 + "!", 301, "..." + "x" * 60 + "!", " " * 63 + "^"),
    ("!" + "x" * 300, 1, "!" + "x" * 59 + "...", "^"),
])  # fmt: skip
def test_the_caret_stands_below_its_column(tmp_path: Path, line: str, column: int, text: str, caret: str) -> None:
    path = tmp_path / "n.yaml"
    path.write_text(f"first\n{line}\r\nlast\n")
    assert shown(SpecError(Diagnostic(Place(str(path), 2, column), "wrong"))) == [
        f"netc: {path}:2:{column}: wrong",
        f"     2 | {text}",
        f"       | {caret}",
    ]


def test_the_chain_stands_below_the_line(tmp_path: Path) -> None:
    path = tmp_path / "n.yaml"
    path.write_text("layers:\n")
    found = shown(SpecError(Diagnostic(Place(str(path), 1, 1), "does not fit", details=("x 2x3 (line 1) -> y",))))
    assert found == [f"netc: {path}:1:1: does not fit", "     1 | layers:", "       | ^", "    x 2x3 (line 1) -> y"]


def test_places_that_have_no_line(tmp_path: Path) -> None:
    for place in (None, Place("n.yaml"), Place(str(tmp_path / "gone.yaml"), 3, 1), Place(str(tmp_path), 1, 1)):
        assert len(shown(DataError(Diagnostic(place, "wrong")))) == 1


def test_an_argument_has_its_caret_too() -> None:
    found = shown(SpecError(Diagnostic(Argument("--set solver.max_itr=5", 1, 14), "unknown")))
    assert found == ["netc: --set solver.max_itr=5: unknown", "       | --set solver.max_itr=5", "       |              ^"]


def test_several_errors_are_counted_and_a_place_is_shown_once(tmp_path: Path) -> None:
    path = tmp_path / "n.yaml"
    path.write_text("layers:\n")
    found = shown(SpecError(*(Diagnostic(Place(str(path), 1, 1), f"wrong {k}") for k in range(22))))
    assert found[0] == "netc: 22 errors" and found[-1] == "... and 2 more" and len(found) == 1 + 20 + 2 + 1


def test_colour_only_where_it_is_wanted(tmp_path: Path) -> None:
    assert any("\x1b[" in line for line in lines(SpecError("wrong")))  # click takes it out where there is no terminal
    from tests.small_nets import netc

    assert "\x1b[" not in netc("check", tmp_path / "gone.yaml").stderr


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no endless file")
def test_no_excerpt_of_a_device() -> None:
    """Reading it would never end."""
    (line,) = lines(SpecError(Diagnostic(Place("/dev/zero", 1, 1), "It is no net.")))
    assert click.unstyle(line) == "netc: /dev/zero:1:1: It is no net."

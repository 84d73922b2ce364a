"""Words of texts: the graph against Python."""

import numpy as np
import pytest

from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.graph.tensor_type import STRING
from netc.runtime.session import Session
from netc.table.columns.words import LINES, MOST_CUTS, delimiters_of, in_rows, plain, split, words

TEXTS = [
    "Hello, world!",
    "",
    "   ",
    "a-b (c/d) e",
    "...",
    "I don't know; 'quoted'",
    "x\ty\nz",
    "Ärger\u00a0über \u201cdas\u201d",
    "<br />The end.<br />",
    "100% of $5",
]


def graph(texts: list[str], delimiters: tuple[str, ...], steps: int = 50) -> list[list[str]]:
    x = leaf("Input", STRING, ("N",), name="x")
    found, rows = words(x, steps, delimiters)
    out = Session(emit(Graph("words", {"words": found, "rows": rows}))).run({"x": np.array(texts, object)})
    return [[word for word, at in zip(out["words"], out["rows"], strict=True) if at == row] for row in range(len(texts))]


def test_delimiters() -> None:
    assert delimiters_of(["a,b,c!", "\u201cd\u201d don't"]) == (*LINES, ",", "!", "\u201c", "\u201d")
    assert delimiters_of(["plain words"]) == LINES and delimiters_of([]) == LINES
    assert "\u00a0" in delimiters_of(TEXTS) and "'" not in delimiters_of(TEXTS)


@pytest.mark.parametrize("texts", [TEXTS, [""], ["", "", " "], ["one"], [], ["-"] * 3])
def test_the_graph_splits_as_python_does(texts: list[str]) -> None:
    delimiters = delimiters_of(TEXTS)
    assert graph(texts, delimiters) == [split(text, delimiters) for text in texts]


def test_bounds() -> None:
    assert graph(["a b c d e"], (), steps=3) == [["a", "b", "c"]]
    (found,) = graph(["a" + "-b" * 1000], ("-",))
    assert len(found) == MOST_CUTS + 1


def test_in_rows() -> None:
    x = leaf("Input", STRING, ("N",), name="x")
    rows, codes = (leaf("Input", np.int64, ("M",), name=name) for name in ("rows", "codes"))
    session = Session(emit(Graph("rows", {"y": in_rows(codes, rows, x, 2)})))
    texts = np.array(["", "a", "b", "c"], object)
    given = {"rows": np.array([1, 2, 2, 2, 3]), "codes": np.array([5, 6, 7, 8, 0])}
    np.testing.assert_array_equal(session.run({"x": texts, **given})["y"], [[-1, -1], [5, -1], [6, 7], [0, -1]])
    empty = {name: array[:0] for name, array in given.items()}
    np.testing.assert_array_equal(session.run({"x": texts, **empty})["y"], np.full((4, 2), -1))


def test_plain_words() -> None:
    assert [plain(word) for word in ("Don't", "'quoted'", "DON\u2019T", "''")] == ["don't", "quoted", "don't", ""]

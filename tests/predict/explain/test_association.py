"""How much columns tell about each other."""

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.graph.tensor_type import STRING
from netc.predict.explain.association import associated, groups
from netc.predict.raw.columns import MISSING, InputColumn

ROWS = 1000
RANDOM = np.random.default_rng(0)
NUMBER = RANDOM.normal(size=ROWS).astype(np.float32)
TOWN = RANDOM.choice(list("abcdefgh"), ROWS).astype(object)


def strength(x: np.ndarray, y: np.ndarray) -> float:
    columns = [InputColumn(n, v.dtype if v.dtype.kind != "O" else STRING, pb.ColumnParameter(name=n)) for n, v in (("x", x), ("y", y))]
    found = associated(columns, {"x": x, "y": y})
    return found[0][2] if found else 0.0


@pytest.mark.parametrize("x, y", [
    (NUMBER, -np.exp(NUMBER)),  # the same order, turned
    (TOWN, np.array([{"a": "n", "b": "n"}.get(t, "s") for t in TOWN], object)),  # a town tells its country
    (TOWN, np.array([ord(t) for t in TOWN], np.float32)),
    ((NUMBER * 1e6).astype(np.int64), NUMBER),
])  # fmt: skip
def test_what_follows_from_the_other_is_found(x: np.ndarray, y: np.ndarray) -> None:
    assert strength(x, y) == pytest.approx(1, abs=0.02) == pytest.approx(strength(y, x), abs=0.03)


@pytest.mark.parametrize("y", [
    RANDOM.normal(size=ROWS).astype(np.float32), RANDOM.choice(["p", "q"], ROWS).astype(object), np.ones(ROWS, np.float32),
    np.full(ROWS, MISSING), np.full(ROWS, "", object), np.array([f"id{k}" for k in range(ROWS)], object),
])  # fmt: skip
def test_what_is_independent_constant_or_an_id_is_not(y: np.ndarray) -> None:
    assert strength(TOWN, y) == strength(NUMBER, y) == strength(y, NUMBER) == 0


def test_gaps_do_not_matter() -> None:
    gaps = NUMBER.copy()
    gaps[::10] = np.nan
    assert 0.8 < strength(gaps, 2 * NUMBER) < 1


def test_connected_columns_are_one_group() -> None:
    assert groups([("a", "b", 1.0), ("c", "d", 0.9), ("d", "a", 0.8), ("x", "y", 0.7)]) == [("a", "b", "c", "d"), ("x", "y")]
    assert groups([]) == []

"""Integers that hold sizes."""

from typing import Any

import numpy as np
import pytest

from netc.onnx_import.contents import FOLLOW, follow
from netc.onnx_import.sizes import Size

N = Size.of("N")


def held(*values: Any) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


SHAPE = held(N, 3, 8, 8)
# Each op with its inputs, attributes, and the result.
ROWS: dict[str, tuple[list[Any], dict[str, Any], Any]] = {
    "Add": ([SHAPE[:1], np.array([1])], {}, [N + 1]),
    "Cast": ([SHAPE], {"to": 7}, [N, 3, 8, 8]),
    "Concat": ([SHAPE[:1], np.array([-1])], {"axis": 0}, [N, -1]),
    "Div": ([held(N * 4), np.array([2])], {}, [N * 2]),
    "Equal": ([SHAPE, np.array(-1)], {}, [False] * 4),
    "Gather": ([SHAPE, np.array([0, 2])], {}, [N, 8]),
    "Greater": ([held(N + 1), np.array([0])], {}, [True]),
    "GreaterOrEqual": ([held(N), np.array([-1])], {}, [True]),
    "Identity": ([SHAPE], {}, [N, 3, 8, 8]),
    "Less": ([held(N), np.array([-2])], {}, [False]),
    "LessOrEqual": ([held(N), held(N + 1)], {}, [True]),
    "Max": ([held(N), np.array([-1])], {}, [N]),
    "Mul": ([SHAPE[:2], np.array([2])], {}, [N * 2, 6]),
    "ReduceProd": ([SHAPE], {"keepdims": 0}, N * 192),
    "Reshape": ([SHAPE, np.array([2, 2])], {}, [[N, 3], [8, 8]]),
    "Slice": ([SHAPE, np.array([3]), np.array([-5]), np.array([0]), np.array([-2])], {}, [8, 3]),
    "Squeeze": ([SHAPE[:1]], {}, N),
    "Sub": ([SHAPE[:1], np.array([1])], {}, [N - 1]),
    "Unsqueeze": ([SHAPE[:1], np.array([0])], {}, [[N]]),
    "Where": ([np.array([True, False]), SHAPE[:2], np.array([7, 7])], {}, [N, 7]),
}


@pytest.mark.parametrize("op", ROWS)
def test_sizes_pass_through(op: str) -> None:
    inputs, attrs, wanted = ROWS[op]
    found = follow(op, inputs, attrs)
    assert found is not None and found.tolist() == wanted


def test_every_op_has_a_row() -> None:
    assert set(ROWS) == set(FOLLOW)


def test_what_is_not_known_stays_unknown() -> None:
    assert follow("Equal", [held(N), np.array([1])], {}) is None  # a batch may be 1
    assert follow("Div", [held(N), np.array([2])], {}) is None
    assert follow("Gather", [SHAPE, np.array([9])], {}) is None
    assert follow("Sin", [SHAPE], {}) is None
    numbers = follow("Sub", [held(N), held(N)], {})
    assert numbers is not None and numbers.dtype == np.int64 and numbers.tolist() == [0]

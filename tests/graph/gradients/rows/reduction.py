"""Reductions, and ops along an axis."""

from typing import Any

import numpy as np

from netc.graph.ir import constant, op
from tests.graph.gradients.arrays import Fixed, away, normal, positive, spaced


def reductions(name: str, make: Any) -> list[tuple[Any, ...]]:
    """Over some axes, all of them, none, and the first."""
    call = getattr(op, name)
    return [
        (lambda x: call(x, [1], keepdims=0), make(2, 3, 4)),
        (lambda x: call(x, [0, -1]), make(2, 3, 4)),
        (lambda x: call(x, keepdims=0), make(2, 3)),
        (lambda x: call(x, constant(np.zeros(0, np.int64)), keepdims=1), make(2, 3)),
        (lambda x: call(x, constant(np.zeros(0, np.int64)), noop_with_empty_axes=1), make(2, 3)),
    ]


WITH_ZEROS = np.array([[1.5, 0, 2], [0, 0, 3], [0.5, 2, -1]], np.float32)
ROWS: dict[str, Any] = {
    "CumSum": [
        (lambda x, e=e, r=r: op.CumSum(x, constant(1), exclusive=e, reverse=r), normal(2, 4, 3)) for e in (0, 1) for r in (0, 1)
    ],
    "LogSoftmax": [(lambda x: op.LogSoftmax(x, axis=1), normal(2, 5, 2)), (op.LogSoftmax, normal(2, 5))],
    "ReduceL1": reductions("ReduceL1", away),
    "ReduceL2": reductions("ReduceL2", away),
    "ReduceLogSum": reductions("ReduceLogSum", positive),
    "ReduceLogSumExp": reductions("ReduceLogSumExp", normal),
    "ReduceMax": reductions("ReduceMax", spaced),
    "ReduceMean": reductions("ReduceMean", normal),
    "ReduceMin": reductions("ReduceMin", spaced),
    "ReduceProd": [*reductions("ReduceProd", away), (lambda x: op.ReduceProd(x, [1], keepdims=0), WITH_ZEROS)],
    "ReduceSum": reductions("ReduceSum", normal),
    "ReduceSumSquare": reductions("ReduceSumSquare", normal),
    "Softmax": [(lambda x: op.Softmax(x, axis=1), normal(2, 5, 2)), (Fixed(lambda x: op.Softmax(x, axis=0), "over it"), normal(4, 2))],
}  # fmt: skip

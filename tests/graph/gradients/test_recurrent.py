"""Gradients of recurrent ops whose number of rows is known only in a run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import netc.graph.gradients  # noqa: F401
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.graph.training_ops.recurrent import gru, lstm, rnn
from netc.runtime.session import Session

T, N, H = 4, 3, 2  # time steps, rows, hidden units
STATE, CONT = (N, H), (T, N, 1)
CASES: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], slice]] = {
    "RNN": (rnn, ((T, N, H), (H, H), STATE), slice(None)),
    "LSTM": (lambda *v: lstm(*v, keep=0), ((T, N, 4 * H), (4 * H, H), STATE, STATE), slice(None)),
    "LSTM, last states": (lambda *v: lstm(*v, keep=1), ((T, N, 4 * H), (4 * H, H), STATE, STATE), slice(1, 3)),
    "GRU": (lambda *v: gru(*v, keep=0), ((T, N, 3 * H), (3 * H, H), (H,), STATE), slice(None)),
}


@pytest.mark.parametrize("starts", [False, True])
@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize("case", CASES)
def test_the_number_of_rows_may_be_a_name(case: str, provider: str, starts: bool) -> None:
    op, shapes, ends = CASES[case]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(0, 0.3, shape).astype(np.float32) for shape in shapes]
    arrays += [rng.integers(0, 2, CONT).astype(np.float32)] if starts else []
    found = []
    for rows in (N, "N"):
        named = [tuple(rows if d == N else d for d in a.shape) for a in arrays]
        inputs = [leaf("Input", np.float32, shape, name=f"x{k}") for k, shape in enumerate(named)]
        gradients = grad(dict.fromkeys(op(*inputs)[ends], 1.0), inputs)
        session = Session(emit(Graph("g", {f"d{k}": g for k, g in enumerate(gradients) if g is not None}), provider))
        found.append(session.run({n: a for k, a in enumerate(arrays) if (n := f"x{k}") in session.inputs}))
    assert len(found[0]) == len(shapes)
    for name, expected in found[0].items():
        np.testing.assert_allclose(found[1][name], expected, rtol=1e-5, atol=1e-6)

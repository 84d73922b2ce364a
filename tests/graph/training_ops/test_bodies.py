"""The bodies of a training op agree: each provider's with the default one, also for odd shapes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import netc.graph.training_ops  # noqa: F401
from netc import registry
from netc.graph.emit import emit
from netc.graph.ir import TRAINING, Graph, leaf, op
from netc.graph.training_ops import convolution, ctc, pooling, recurrent, recurrent_cells, regions
from netc.graph.training_ops.define import DEFAULT
from netc.graph.training_ops.table import embed_grad
from netc.runtime.session import Session
from tests.graph.gradients.rows.pooling import REGIONS

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def ties(*shape: int) -> np.ndarray:
    """Return few distinct values, so that windows have several maxima."""
    return RNG.integers(0, 3, shape).astype(np.float32)


def max_pool_row(
    x: np.ndarray, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> tuple[Callable[..., Any], np.ndarray, np.ndarray, np.ndarray]:
    window: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(strides), "pads": list(pads)}
    value = leaf("Input", np.float32, x.shape, name="x0")
    y = Session(emit(Graph("pool", {"y": op.MaxPool(value, **window)}))).run({"x0": x})["y"]
    return lambda x, y, dy: pooling.max_pool_grad(x, y, dy, **window), x, y, normal(*y.shape)


def filter_row(
    x: np.ndarray,
    dy: np.ndarray,
    kernel: tuple[Any, ...],
    strides: tuple[Any, ...] = (1, 1),
    pads: tuple[Any, ...] = (0, 0, 0, 0),
    dilations: tuple[Any, ...] = (1, 1),
    group: int = 1,
    bias: int = 0,
) -> tuple[Callable[..., Any], np.ndarray, np.ndarray]:
    attrs = {"strides": list(strides), "pads": list(pads), "dilations": list(dilations)}
    return lambda x, dy: convolution.conv_filter_grad(x, dy, kernel_shape=list(kernel), group=group, bias=bias, **attrs), x, dy


def input_row(
    dy: np.ndarray,
    w: np.ndarray,
    spatial: tuple[Any, ...],
    strides: tuple[Any, ...] = (1, 1),
    pads: tuple[Any, ...] = (0, 0, 0, 0),
    dilations: tuple[Any, ...] = (1, 1),
    group: int = 1,
) -> tuple[Callable[..., Any], np.ndarray, np.ndarray]:
    attrs = {"strides": list(strides), "pads": list(pads), "dilations": list(dilations), "spatial": list(spatial)}
    return lambda dy, w: convolution.conv_input_grad(dy, w, group=group, **attrs), dy, w


def marks(steps: int, n: int) -> np.ndarray:
    return RNG.integers(0, 2, (steps, n, 1)).astype(np.float32)


def over_time(steps: int, op: Callable[..., Any], gates: int, *states: Any, cont: bool = True, **attrs: Any) -> tuple[Any, ...]:
    """Return a row of a recurrent op with 3 columns and 2 hidden units."""
    return (
        lambda *values: op(*values, **attrs),
        normal(steps, 3, gates * 2),
        normal(gates * 2, 2),
        *states,
        *([marks(steps, 3)] if cont else []),
    )


def back_in_time(steps: int, op: Callable[..., Any], *others: Any) -> tuple[Callable[..., Any] | np.ndarray, ...]:
    """Return a row of a gradient: dy, and the op's other inputs. A number in `others` is an input of that many times dy's size."""
    return op, normal(steps, 3, 2), *(normal(steps, 3, 2 * x) if isinstance(x, int) else x for x in others)


ALIGNED = np.array([[1, 2, 2], [3, 0, 0]]), np.array([3, 1]), np.array([6, 4])  # labels, their numbers, time steps

ROWS: dict[str, Any] = {
    "Cell": [
        (
            lambda x, cont, *v: recurrent_cells.cell(x, cont, *v, None, None, None, None, kind="LSTM"),
            normal(4, 3, 8),
            marks(4, 3),
            normal(3, 2),
            normal(3, 2),
            normal(8, 2),
        ),
        (lambda x, *v: recurrent_cells.cell(x, None, *v, kind="RNN"), normal(1, 3, 2), normal(3, 2), normal(2, 2), normal(2)),
    ],
    "CellGrad": [
        (
            lambda dy, x, cont, h, c, w, *at: recurrent_cells.cell_grad(
                dy, x, cont, h, c, w, None, None, None, None, *at, None, kind="LSTM", given=2
            ),
            normal(4, 3, 2),
            normal(4, 3, 8),
            marks(4, 3),
            normal(3, 2),
            normal(3, 2),
            normal(8, 2),
            normal(4, 3, 2),
            normal(4, 3, 2),
            normal(3, 2),
        ),
    ],
    "CTC": [(lambda *values: ctc.ctc(*values, blank=0), normal(6, 2, 4), *ALIGNED)],
    "CTCGrad": [(lambda *values: ctc.ctc_grad(*values, blank=0), normal(2), normal(6, 2, 4), *ALIGNED, normal(6, 2, 7))],
    "EditDistance": [(ctc.edit_distance, *(RNG.integers(0, 3, (4, n)) for n in (5, 3)), *(RNG.integers(0, n, 4) for n in (6, 4)))],
    "ConvFilterGrad": [
        filter_row(normal(4, 3, 8, 7), normal(4, 5, 6, 5), (3, 3)),
        filter_row(normal(4, 3, 8, 7), normal(4, 5, 6, 5), (3, 3), bias=1),
        filter_row(normal(2, 3, 9, 9), normal(2, 4, 5, 5), (3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
        filter_row(normal(2, 3, 8, 9), normal(2, 4, 3, 4), (3, 2), strides=(2, 2)),
        filter_row(normal(1, 1, 9, 5), normal(1, 1, 5, 4), (3, 2), dilations=(2, 1)),
        filter_row(normal(3, 4, 6, 6), normal(3, 6, 4, 4), (3, 3), group=2),
        filter_row(normal(3, 4, 6), normal(3, 6, 4), (3,), strides=(1,), pads=(0, 0), dilations=(1,)),
    ],
    "ConvInputGrad": [
        input_row(normal(4, 5, 6, 5), normal(5, 3, 3, 3), (8, 7)),
        input_row(normal(2, 4, 5, 5), normal(4, 3, 3, 3), (9, 9), strides=(2, 2), pads=(1, 1, 1, 1)),
        input_row(normal(2, 4, 3, 4), normal(4, 3, 3, 2), (8, 9), strides=(2, 2)),
        input_row(normal(2, 4, 4, 5), normal(4, 3, 3, 2), (8, 9), strides=(2, 2), pads=(1, 1, 1, 1)),
        input_row(normal(1, 1, 5, 4), normal(1, 1, 3, 2), (9, 5), dilations=(2, 1)),
        input_row(normal(3, 6, 4, 4), normal(6, 2, 3, 3), (6, 6), group=2),
        input_row(normal(3, 6, 4), normal(6, 4, 3), (6,), strides=(1,), pads=(0, 0), dilations=(1,)),
    ],
    "EmbedGrad": [
        (lambda i, dy: embed_grad(i, dy, rows=5), np.array([[0, 4, 2], [2, 2, 0]]), normal(2, 3, 4)),
        (lambda i, dy: embed_grad(i, dy, rows=5000), np.array([0, 4999, 0]), normal(3, 2)),
    ],
    "GRU": [over_time(t, recurrent.gru, 3, normal(2), normal(3, 2), cont=c, keep=k) for t, c, k in ((4, True, 1), (1, False, 0))],
    "GRUGrad": [back_in_time(t, recurrent.gru_grad, normal(3, 2), normal(6, 2), normal(3, 2), marks(t, 3), 1, 2, 1, 1) for t in (4, 1)],
    "LSTM": [over_time(t, recurrent.lstm, 4, normal(3, 2), normal(3, 2), cont=c, keep=k) for t, c, k in ((4, True, 1), (1, False, 0))],
    "LSTMGrad": [back_in_time(t, recurrent.lstm_grad, normal(3, 2), normal(3, 2), normal(8, 2), marks(t, 3), 3, 1, 1, 1) for t in (4, 1)],
    "RNN": [over_time(t, recurrent.rnn, 1, normal(3, 2), cont=c) for t, c in ((4, True), (1, False))],
    "RNNGrad": [back_in_time(t, recurrent.rnn_grad, normal(3, 2), 1, normal(2, 2), marks(t, 3)) for t in (4, 1)],
    "RoiPool": [
        (lambda x, rois: regions.roi_pool(x, rois, pooled=[3, 2], scale=0.5), normal(2, 3, 7, 6), REGIONS),
        (lambda x, rois: regions.roi_pool(x, rois, pooled=[1, 9], scale=1.0), normal(2, 1, 3, 5), REGIONS),
    ],
    "MaxPoolGrad": [
        max_pool_row(normal(3, 2, 6, 4), (2, 2), (2, 2)),
        max_pool_row(ties(3, 2, 6, 4), (2, 2), (2, 2)),
        max_pool_row(ties(3, 2, 6, 9), (2, 3), (2, 3)),
        max_pool_row(ties(1, 1, 4, 4), (1, 4), (1, 4)),
        max_pool_row(ties(2, 3, 5, 5), (2, 2), (2, 2), (0, 0, 1, 1)),
        max_pool_row(ties(2, 3, 7, 7), (3, 3), (2, 2)),
    ],
}


def test_every_body_for_a_provider_has_rows() -> None:
    assert {name for name, provider in registry.body if provider != DEFAULT} == ROWS.keys()
    assert {name for name, _ in registry.body} == registry.training_op.keys()


@pytest.mark.parametrize("name", ROWS)
def test_bodies_agree(name: str) -> None:
    for function, *arrays in ROWS[name]:
        results = []
        for provider in ("cpu", "cuda"):
            values = function(*(leaf("Input", a.dtype, a.shape, name=f"x{i}") for i, a in enumerate(arrays)))
            outputs = values if isinstance(values, tuple) else (values,)
            assert outputs[0].node.key == (TRAINING, name)
            session = Session(emit(Graph(name, {str(i): v for i, v in enumerate(outputs)}), provider))
            results.append(session.run({f"x{i}": a for i, a in enumerate(arrays) if f"x{i}" in session.inputs}))
        for key, value in results[0].items():
            np.testing.assert_allclose(value, results[1][key], rtol=1e-4, atol=1e-5)

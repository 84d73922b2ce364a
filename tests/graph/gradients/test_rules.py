"""Every gradient rule against finite differences. Every rule needs a row."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netc import registry
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.gradients.flat import flat
from netc.graph.ir import TRAINING, Graph, Value, constant, leaf, op, stop
from netc.graph.passes import simplify
from netc.graph.training_ops import layer_norm, loss, recurrent, recurrent_cells
from netc.graph.training_ops.activation import dropout, gelu, softplus
from netc.graph.training_ops.attention import attention
from netc.graph.training_ops.ctc import ctc
from netc.graph.training_ops.recursive import recursive
from netc.graph.training_ops.regions import roi_pool
from netc.graph.training_ops.table import embed
from netc.graph.training_ops.time import reverse
from netc.graph.training_ops.upsample import upsample
from netc.runtime.kernel_table import CUDA
from netc.runtime.session import Session
from tests.differences import check_gradient
from tests.graph.gradients.arrays import RNG, Fixed, away, normal, small, spaced
from tests.graph.gradients.rows import elementwise, grid, linear, moving, normalization, pooling, reduction, resize, signal
from tests.graph.gradients.rows.pooling import REGIONS
from tests.layers.formulas import FORMULAS
from tests.layers.nets import net
from tests.layers.test_gradients import ROWS as LAYERS


def sigmoid_loss(targets: list[float], **attrs: Any) -> tuple[Callable[..., Any], np.ndarray]:
    return lambda x: loss.sigmoid_cross_entropy(x, constant(np.array([targets] * 4, np.float32)), **attrs), normal(4, 3)


def softmax_loss(
    output: int = 0, scores: tuple[Any, ...] = (4, 3), labels: tuple[int, ...] = (4,), **attrs: Any
) -> tuple[Callable[..., Any], np.ndarray, np.ndarray]:
    attrs = {"normalization": "VALID", **attrs}
    return lambda x, t: loss.softmax_cross_entropy(x, t, axis=1, **attrs)[output], normal(*scores), LABELS.reshape(labels)


def forest(child: list[list[int]], width: list[int]) -> Callable[..., Value]:
    """Return the vectors of all nodes of trees with these inner nodes."""

    def nodes(*arrays: Any) -> Value:
        return first(recursive(arrays[0], constant(np.array(child)), constant(np.array(width)), *arrays[1:]))

    return nodes


def first(values: Value | tuple[Any, ...]) -> Value:
    return values[0] if isinstance(values, tuple) else values


def over_time(
    layer: Callable[..., Any],
    gates: int,
    states: int = 1,
    output: int = 0,
    cont: bool = True,
    bias: tuple[tuple[int], ...] = (),
    **attrs: Any,
) -> tuple[Any, ...]:
    """Return a row of a recurrent op: 4 time steps, 3 columns, 2 hidden units. Some sequences start in the middle."""
    mark = constant(np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 0]], np.float32)[:, :, None])
    arrays = small(4, 3, gates * 2), small(gates * 2, 2), *(small(*b) for b in bias), *(small(3, 2) for _ in range(states))
    return lambda *values: layer(*values, *([mark] if cont else []), **attrs)[output], *arrays


def heads(output: int = 0, kv: bool = False, bias: bool = False, noise: bool = False, **attrs: Any) -> tuple[Any, ...]:
    """Return a row of attention with 2 heads of 2 values: 3 steps read 3 steps, or with `kv` 4 steps."""
    full = {"heads": 2, "kv_heads": 2, "packed": int(not kv), "causal": 0, "dropout": 0.4 if noise else 0.0, "rotary": 0.0} | attrs
    arrays = [normal(3, 2, 4), normal(4, 2, 8)] if kv else [normal(3, 2, 4 + 4 * full["kv_heads"])]
    hidden = constant(np.float32(-1e9) * np.array([[[[0, 1, 0, 0]]], [[[0, 0, 1, 1]]]], np.float32)) if bias else None
    uniform = constant(RNG.uniform(size=(2, 2, 3, 4)).astype(np.float32)) if noise else None
    return lambda q, kv=None: attention(q, q if kv is None else kv, hidden, uniform, **full)[output], *arrays


LABELS = np.array([0, 2, 1, 2])
TREES = [[0, 1], [2, 4], [5, 3]], [1, 1, 1, 0]  # ((2 (0 1)) 3), and a height without nodes
LEARNING: dict[str, Any] = {
    f"{TRAINING}.ContrastiveLoss": [
        (lambda a, b, k=k: loss.contrastive(a, b, constant([1.0, 0, 0, 0]), margin=3.0, legacy=k), normal(4, 3), normal(4, 3))
        for k in (0, 1)
    ],
    f"{TRAINING}.Cell": [
        (lambda x, h, w, k=k: recurrent_cells.cell(x, None, h, w, None, kind="RNN")[k], small(3, 2, 4), small(2, 4), small(4, 4))
        for k in (0, 1)
    ],
    f"{TRAINING}.CTC": [
        (lambda x: ctc(x, *(constant(np.array(v)) for v in ([[1, 2, 2], [3, 0, 0]], [3, 1], [6, 4])), blank=0)[0], normal(6, 2, 4)),
    ],
    f"{TRAINING}.Dropout": [(lambda x: dropout(x, constant([[0, 0.3, 0.6], [0.5, 0.9, 0.1]]), ratio=0.5), normal(2, 3))],
    f"{TRAINING}.Recursive": [
        (forest(*TREES), small(4, 3), small(3, 6), small(3), small(3, 6, 6)),
        (forest(*TREES), small(4, 3), small(3, 6), small(3)),
        (forest([[0, 1]], [1]), small(2, 2), small(2, 4), small(2), small(2, 4, 4)),
    ],
    f"{TRAINING}.Embed": [
        (lambda t: embed(t, constant(np.array([[0, 2], [2, 2]]))), normal(4, 3)),
        (lambda t: embed(t, constant(1)), normal(600, 2)),
    ],
    f"{TRAINING}.GRU": [over_time(recurrent.gru, 3, output=k, cont=c, bias=((2,),), keep=1 - k) for k in (0, 1) for c in (True, False)],
    f"{TRAINING}.LSTM": [over_time(recurrent.lstm, 4, 2, output=k, cont=c, keep=k % 2) for k in (0, 1, 2) for c in (True, False)],
    f"{TRAINING}.RNN": [over_time(recurrent.rnn, 1, output=k, cont=c) for k in (0, 1) for c in (True, False)],
    f"{TRAINING}.Reverse": [
        (reverse, normal(3, 2)),
        (lambda x: reverse(x, constant(np.array([[0, 1], [1, 0], [0, 1]], np.float32))), normal(3, 2, 2)),
    ],
    f"{TRAINING}.Attention": [
        heads(),
        heads(output=1, causal=1),
        heads(kv=True, bias=True, noise=True),
        heads(kv_heads=1, rotary=100.0, causal=1),
    ],
    f"{TRAINING}.Gelu": [(lambda x: gelu(x), normal(3, 4)), (lambda x: gelu(x, tanh=1), normal(3, 4))],
    f"{TRAINING}.GroupNorm": [
        (lambda *v: layer_norm.group_norm(*v, group=2, epsilon=0.1), normal(2, 4, 3), normal(4), normal(4)),
        (lambda x: layer_norm.group_norm(x, None, None, group=3, epsilon=0.1), normal(2, 3, 2, 2)),
    ],
    f"{TRAINING}.LayerNorm": [
        (lambda *v: layer_norm.layer_norm(*v, epsilon=0.1), normal(3, 2, 4), normal(4), normal(4)),
        (lambda x: layer_norm.layer_norm(x, None, None, epsilon=0.1), normal(3, 2, 4)),
    ],
    f"{TRAINING}.RMSNorm": [
        (lambda *v: layer_norm.rms_norm(*v, epsilon=0.1), normal(3, 2, 4), normal(4)),
        (lambda x: layer_norm.rms_norm(x, None, epsilon=0.1), normal(3, 2, 4)),
    ],
    f"{TRAINING}.RoiPool": [(lambda x: roi_pool(x, constant(REGIONS), pooled=[2, 3], scale=0.5), spaced(2, 3, 5, 6))],
    f"{TRAINING}.Softplus": [(softplus, away(3, 4)), (lambda x: softplus(x * 30.0), away(3, 4))],
    f"{TRAINING}.SigmoidCrossEntropy": [
        *(sigmoid_loss([0, 1, 0.5], normalization=n) for n in ("FULL", "VALID", "BATCH_SIZE", "NONE")),
        sigmoid_loss([0, 1, 2], normalization="VALID", ignore_label=2),
    ],
    f"{TRAINING}.SoftmaxCrossEntropy": [
        *(softmax_loss(normalization=n, ignore_label=i) for n in ("FULL", "VALID", "BATCH_SIZE", "NONE") for i in (None, 2)),
        softmax_loss(scores=(2, 3, 2), labels=(2, 2), ignore_label=1),
        softmax_loss(output=1),
    ],
    f"{TRAINING}.Upsample": [
        (lambda x, m=m, a=a: upsample(x, scale=[2.0, 1.7], mode=m, align=a), normal(2, 3, 4, 5))
        for m, a in (("nearest", 0), ("linear", 0), ("linear", 1))
    ] + [(lambda x: upsample(x, constant(np.zeros((1, 1, 4, 9))), mode="linear", align=0), normal(1, 2, 5, 3))],
}  # fmt: skip
FAMILIES = elementwise, grid, linear, moving, normalization, pooling, reduction, resize, signal
ROWS = {name: rows for family in FAMILIES for name, rows in family.ROWS.items()} | LEARNING
STANDARD = {name: rows for name, rows in ROWS.items() if name not in LEARNING}
FLAT = {name for (domain, name), rule in registry.gradient.items() if rule is flat}  # no gradient, so nothing to compare
INVERSE = {"STFT": ["DFT"]}  # the op that its gradient needs, which has no CUDA kernel either
HOSTED = {"netc.host.Python"}  # backward is a user's own method: tests/layers/test_python.py


def reached_by_layers() -> set[str]:
    """The ops of elementwise layers. tests/layers compares their gradients with finite differences."""
    rows = [row for kind in FORMULAS for row in LAYERS.get(kind, ())]
    return {node.op for layers, inputs in rows for node in net(layers, inputs=inputs).graph.nodes if not node.domain}


def test_every_rule_has_a_row() -> None:
    rules = {f"{domain}.{name}" if domain else name for domain, name in registry.gradient}
    own = ROWS.keys() | FLAT | HOSTED
    assert own <= rules
    assert rules - own <= reached_by_layers()


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ROWS)
def test_gradient(name: str, provider: str) -> None:
    """Check both sets of bodies. Those for CUDA run on the CPU too."""
    for f, *at in ROWS[name]:
        check_gradient(f, *at, provider=provider)


def gradients_of(f: Callable[..., Any], at: list[np.ndarray], first: Any) -> Graph:
    """The gradient of a row. The first axis of its first array has the size `first`."""
    shapes = [(first, *a.shape[1:]) if k == 0 else a.shape for k, a in enumerate(at)]
    inputs = [leaf("Input", a.dtype, shape, name=f"x{k}") for k, (a, shape) in enumerate(zip(at, shapes, strict=True))]
    found = grad({f(*inputs): 1.0}, [v for v, a in zip(inputs, at, strict=True) if a.dtype.kind == "f"])
    return Graph("gradient", {f"d{k}": g for k, g in enumerate(found) if g is not None})


@pytest.mark.parametrize("name", STANDARD)
def test_a_batch_of_any_size_has_the_same_gradient(name: str) -> None:
    for f, *at in STANDARD[name]:
        if isinstance(f, Fixed):
            continue
        sessions = [Session(emit(gradients_of(f, at, n))) for n in ("N", at[0].shape[0])]
        feeds = {f"x{k}": a for k, a in enumerate(at)}
        found, expected = (s.run({n: a for n, a in feeds.items() if n in s.inputs}) for s in sessions)
        assert found.keys() == expected.keys() and found
        for d, value in found.items():
            np.testing.assert_allclose(value, expected[d], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", STANDARD)
def test_every_gradient_has_cuda_kernels(name: str) -> None:
    """The op itself may lack one, if no version of it has one."""
    for f, *at in STANDARD[name]:
        graph = simplify(gradients_of(f, at, at[0].shape[0]))
        lacking = {node.op_type for node in CUDA.lacking(emit(graph, "cuda", functions=False))}
        assert lacking <= {name, *INVERSE.get(name, [])} - CUDA.ops.keys()


def test_no_gradient_flows_through_stop() -> None:
    check_gradient(lambda x: stop(x) * 0.0 + x, normal(3))


INF = np.inf
LIMITS: dict[str, tuple[Callable[[Value], Value], Any, Any]] = {
    "equal maxima share": (lambda x: op.ReduceMax(x, [1]), [[1, 3, 3, 2]], [[0, 0.5, 0.5, 0]]),
    "equal minima share": (lambda x: op.ReduceMin(x, [1]), [[1, 1, 3, 2]], [[0.5, 0.5, 0, 0]]),
    "the first of a plane": (op.GlobalMaxPool, [[[1, 3, 3, 2]]], [[[0, 1, 0, 0]]]),
    "one zero": (lambda x: op.ReduceProd(x, [1]), [[2, 0, 3]], [[0, 6, 0]]),
    "two zeros": (lambda x: op.ReduceProd(x, [1]), [[0, 0, 3]], [[0, 0, 0]]),
    "no length": (lambda x: op.ReduceL2(x, [1]), [[0, 0], [3, 4]], [[0, 0], [0.6, 0.8]]),
    "no direction": (lambda x: op.LpNormalization(x, axis=1), [[0, 0]], [[0, 0]]),
    "great exponents": (lambda x: op.ReduceLogSumExp(x, [1]), [[1000, 1000]], [[0.5, 0.5]]),
    "nothing": (lambda x: op.ReduceLogSumExp(x, [1]), [[-INF, -INF]], [[0, 0]]),
    "a power of 0": (lambda x: op.Pow(x, constant(np.float32(0))), [0, 2], [0, 0]),
    "0 to a power": (lambda x: op.Pow(constant(np.float32(0)), x), [1, 2], [0, 0]),
    "far below": (op.Celu, [-1e4, 1e4], [0, 1]),
    "far away": (op.Softsign, [-1e18, 1e18], [0, 0]),
    "the bounds": (lambda x: op.Clip(x, -1.0, 1.0), [-2, -1, 1, 2], [0, 1, 1, 0]),
}


@pytest.mark.parametrize("case", LIMITS)
def test_gradients_at_their_limits(case: str) -> None:
    f, x, expected = LIMITS[case]
    at = np.array(x, np.float32)
    session = Session(emit(gradients_of(f, [at], len(at))))
    np.testing.assert_allclose(session.run({"x0": at} if session.inputs else {})["d0"], expected, rtol=1e-4, atol=1e-12)


def test_first_winner_takes_the_gradient_of_a_tie() -> None:
    x = leaf("Input", np.float32, (1, 1, 2, 4), name="x")
    for kernel, strides in (([2, 2], [2, 2]), ([2, 2], [2, 1])):
        y = op.MaxPool(x, kernel_shape=kernel, strides=strides)
        gradients: Any = grad({y: 1.0}, [x])
        (dx,) = gradients
        for provider in ("cpu", "cuda"):
            got = Session(emit(Graph("tie", {"dx": dx}), provider)).run({"x": np.ones((1, 1, 2, 4), np.float32)})["dx"]
            expected = [[1, 0, 1, 0], [0] * 4] if strides == [2, 2] else [[1, 1, 1, 0], [0] * 4]
            np.testing.assert_array_equal(got[0, 0], expected)


SYMBOLIC: list[Any] = [
    *(softmax_loss(normalization=n, ignore_label=i) for n in ("FULL", "VALID", "BATCH_SIZE", "NONE") for i in (None, 2)),
    sigmoid_loss([0, 1, 0.5], normalization="FULL"),
    (lambda x: op.ReduceMean(x, [0], keepdims=0), normal(4, 3)),
    (lambda x: op.ReduceMean(x, keepdims=0), normal(4, 3)),
    (lambda x: op.ReduceSum(x, [0]), normal(4, 3)),
    (lambda x: op.Reshape(x, [-1, 2, 3], shape=("M", 2, 3)), normal(4, 3)),
    (lambda x, y: x + op.ReduceSum(y, [0]), normal(4, 3), normal(4, 3)),
    (lambda x, w: x @ w, normal(4, 3), np.eye(3, 2, dtype=np.float32)),
]


@pytest.mark.parametrize("row", range(len(SYMBOLIC)))
def test_a_gradient_along_an_axis_of_any_size_is_that_of_its_size(row: int) -> None:
    f, *at = SYMBOLIC[row]
    found = []
    for axis in ("N", 4):
        inputs = [leaf("Input", a.dtype, (axis, *a.shape[1:]) if len(a) == 4 else a.shape, name=f"x{i}") for i, a in enumerate(at)]
        wrt = [v for v, a in zip(inputs, at, strict=True) if a.dtype.kind == "f"]
        gradients: Any = grad({f(*inputs): 1.0}, wrt)
        session = Session(emit(Graph("g", {str(k): g for k, g in enumerate(gradients)})))
        found.append(session.run({n: a for n, a in ((f"x{i}", a) for i, a in enumerate(at)) if n in session.inputs}))
    assert found[0].keys() == found[1].keys() and found[0]
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=1e-6)

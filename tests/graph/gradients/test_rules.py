"""Every gradient rule against finite differences. Every rule needs a row."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import netc.graph.gradients  # noqa: F401
from netc import registry
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import TRAINING, Graph, Value, cast, constant, leaf, op, stop
from netc.graph.training_ops import layer_norm, loss, normalization, recurrent
from netc.graph.training_ops.activation import dropout, gelu, softplus
from netc.graph.training_ops.attention import attention
from netc.graph.training_ops.recursive import recursive
from netc.graph.training_ops.shape import crop
from netc.graph.training_ops.table import embed
from netc.graph.training_ops.time import reverse
from netc.runtime.session import Session
from tests.differences import check_gradient
from tests.layers.formulas import FORMULAS
from tests.layers.nets import net
from tests.layers.test_gradients import ROWS as LAYERS

RNG = np.random.default_rng(0)


def gemm(trans_a: int, trans_b: int) -> tuple[Callable[..., Any], np.ndarray, np.ndarray, np.ndarray]:
    a, b = normal(*((3, 2) if trans_a else (2, 3))), normal(*((4, 3) if trans_b else (3, 4)))
    return lambda a, b, c: op.Gemm(a, b, c, transA=trans_a, transB=trans_b, alpha=0.5, beta=2.0), a, b, normal(4)


def batch_norm(x: Value, *affine: Any) -> Value:
    mean, _, inverse_std = normalization.batch_moments(x, epsilon=1e-5)
    return normalization.batch_norm(x, mean, inverse_std, *affine)


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
    arrays = normal(4, 3, gates * 2), normal(gates * 2, 2), *(normal(*b) for b in bias), *(normal(3, 2) for _ in range(states))
    return lambda *values: layer(*values, *([mark] if cont else []), **attrs)[output], *arrays


def heads(output: int = 0, kv: bool = False, bias: bool = False, noise: bool = False, **attrs: Any) -> tuple[Any, ...]:
    """Return a row of attention with 2 heads of 2 values: 3 steps read 3 steps, or with `kv` 4 steps."""
    full = {"heads": 2, "kv_heads": 2, "packed": int(not kv), "causal": 0, "dropout": 0.4 if noise else 0.0, "rotary": 0.0} | attrs
    arrays = [normal(3, 2, 4), normal(4, 2, 8)] if kv else [normal(3, 2, 4 + 4 * full["kv_heads"])]
    hidden = constant(np.float32(-1e9) * np.array([[[[0, 1, 0, 0]]], [[[0, 0, 1, 1]]]], np.float32)) if bias else None
    uniform = constant(RNG.uniform(size=(2, 2, 3, 4)).astype(np.float32)) if noise else None
    return lambda q, kv=None: attention(q, q if kv is None else kv, hidden, uniform, **full)[output], *arrays


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def small(*shape: int) -> np.ndarray:
    """Values small enough that tanh does not saturate."""
    return normal(*shape) * np.float32(0.3)


def away(*shape: int) -> np.ndarray:
    """Values at least 0.1 from 0, where many ops have a kink."""
    x = normal(*shape)
    result: np.ndarray = x + np.sign(x) * np.float32(0.1)
    return result


def positive(*shape: int) -> np.ndarray:
    result: np.ndarray = np.abs(normal(*shape)) + np.float32(0.5)
    return result


def spaced(*shape: int) -> np.ndarray:
    """Distinct values 0.1 apart, shuffled, so that small changes create no ties."""
    return (RNG.permutation(int(np.prod(shape))).reshape(shape) * 0.1 - 1).astype(np.float32)


LABELS = np.array([0, 2, 1, 2])
TREES = [[0, 1], [2, 4], [5, 3]], [1, 1, 1, 0]  # ((2 (0 1)) 3), and a height without nodes
ROWS: dict[str, Any] = {
    "Abs": [(op.Abs, away(3, 4))],
    "Add": [(lambda a, b: a + b, normal(2, 3), normal(3)), (lambda a, b: a + b, normal(3), normal(2, 1, 1))],
    "AveragePool": [
        (lambda x: op.AveragePool(x, kernel_shape=[2, 3], strides=[2, 1], pads=[1, 0, 0, 2], count_include_pad=1), normal(2, 3, 5, 6)),
        (lambda x: op.AveragePool(x, kernel_shape=[3, 3]), normal(2, 3, 3, 3)),
        (lambda x: op.AveragePool(x, kernel_shape=[2, 2], strides=[3, 3]), normal(2, 3, 6, 6)),
    ],
    "Cast": [(lambda x: cast(cast(x, np.float64) * 2.0, np.float32), normal(3))],
    "Clip": [(lambda x: op.Clip(x, -0.35, 0.55), spaced(3, 4))],
    "Compress": [(lambda x: op.Compress(x, constant(np.array([True, False, True])), axis=0, shape=(2, 4)), normal(3, 4))],
    "Concat": [(lambda a, b, c: op.Concat(a, b, c, axis=1), normal(2, 1), normal(2, 3), normal(2, 2))],
    "Conv": [
        (op.Conv, normal(2, 3, 5, 5), normal(4, 3, 3, 3), normal(4)),
        (lambda x, w: op.Conv(x, w, strides=[2, 2], pads=[1, 1, 1, 1]), normal(2, 2, 6, 6), normal(3, 2, 3, 3)),
        (lambda x, w: op.Conv(x, w, dilations=[2, 1], group=2), normal(2, 4, 7, 5), normal(6, 2, 3, 2)),
        (lambda x, w: op.Conv(x, w, strides=[2], pads=[1, 1]), normal(2, 2, 8), normal(3, 2, 4)),
        (lambda x, w: op.Conv(x, w), normal(1, 2, 4, 3, 4), normal(2, 2, 2, 2, 2)),
    ],
    "ConvTranspose": [
        (op.ConvTranspose, normal(2, 3, 4, 4), normal(3, 2, 3, 3), normal(2)),
        (lambda x, w: op.ConvTranspose(x, w, strides=[2, 2], pads=[1, 1, 1, 1], group=2), normal(2, 4, 3, 3), normal(4, 2, 3, 3)),
    ],
    "Div": [(lambda a, b: a / b, normal(2, 3), positive(3))],
    "Elu": [(lambda x: op.Elu(x, alpha=0.7), away(3, 4))],
    "Exp": [(op.Exp, normal(3))],
    "Expand": [(lambda x: op.Expand(x, [4, 2, 3]), normal(2, 1))],
    "Gather": [
        (lambda x: op.Gather(x, constant(np.array([2, 0, 2])), axis=0), normal(3, 4)),
        (lambda x: op.Gather(x, constant(np.array([[1, 1], [0, 1]])), axis=0), normal(3, 2)),
    ],
    "GatherElements": [(lambda x: op.GatherElements(x, constant(np.array([[2, 2], [0, 1]])), axis=1), normal(2, 3))],
    "Gemm": [*(gemm(i, j) for i in (0, 1) for j in (0, 1)), (lambda a, b: op.Gemm(a, b), normal(2, 3), normal(3, 2))],
    "LRN": [(lambda x: op.LRN(x, size=3, alpha=0.5, beta=0.75, bias=2.0), normal(2, 5, 3, 3))],
    "LeakyRelu": [(lambda x: op.LeakyRelu(x, alpha=0.2), away(3, 4))],
    "Log": [(op.Log, positive(3))],
    "LogSoftmax": [(lambda x: op.LogSoftmax(x, axis=1), normal(2, 5, 2))],
    "MatMul": [(lambda a, b: a @ b, normal(2, 3), normal(3, 4)), (lambda a, b: a @ b, normal(5, 2, 3), normal(3, 4))],
    "Max": [(op.Max, spaced(3, 4), spaced(3, 4) + np.float32(0.05), spaced(3, 4) + np.float32(0.025))],
    "MaxPool": [
        (lambda x: op.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2]), spaced(2, 3, 4, 6)),
        (lambda x: op.MaxPool(x, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]), spaced(2, 3, 5, 5)),
    ],
    "Mul": [(lambda a, b: a * b, normal(2, 3), normal(2, 1))],
    "Neg": [(lambda x: -x, normal(3))],
    "PRelu": [(lambda x, s: op.PRelu(x, op.Reshape(s, [3, 1])), away(2, 3, 4), normal(3)), (op.PRelu, away(2, 3), normal())],
    "Pow": [(lambda x: x ** 3.0, normal(4)), (op.Pow, positive(3), normal(3))],
    "Reciprocal": [(op.Reciprocal, positive(3))],
    "ReduceMean": [(lambda x: op.ReduceMean(x, [1], keepdims=0), normal(2, 3)), (lambda x: op.ReduceMean(x, keepdims=0), normal(2, 3))],
    "ReduceSum": [(lambda x: op.ReduceSum(x, [0, -1]), normal(2, 3, 2)), (lambda x: op.ReduceSum(x, [1], keepdims=0), normal(2, 3, 2))],
    "Relu": [(op.Relu, away(3, 4))],
    "Reshape": [(lambda x: op.Reshape(x, [3, -1]) * 2.0, normal(2, 3))],
    "Sigmoid": [(op.Sigmoid, normal(3))],
    "Slice": [(lambda x: op.Slice(x, [1, -2], [3, 9], [0, 2]), normal(4, 2, 5)), (lambda x: op.Slice(x, [1, 0], [3, 1]), normal(4, 2))],
    "Softmax": [(lambda x: op.Softmax(x, axis=1), normal(2, 5, 2))],
    "Softplus": [(op.Softplus, normal(3, 4))],
    "Split": [(lambda x: op.Split(x, [1, 2, 2], axis=1, outputs=3)[1], normal(2, 5))],
    "Sqrt": [(op.Sqrt, positive(3))],
    "Squeeze": [(lambda x: op.Squeeze(x, [1]), normal(2, 1, 3))],
    "Sub": [(lambda a, b: a - b, normal(2, 3), normal(1, 3))],
    "Tanh": [(op.Tanh, normal(3))],
    "Tile": [(lambda x: op.Tile(x, [1, 3, 2]), normal(2, 3, 2)), (lambda x: op.Tile(x, [2]), normal(3))],
    "Transpose": [(lambda x: op.Transpose(x, perm=[2, 0, 1]), normal(2, 3, 4)), (op.Transpose, normal(2, 3))],
    "Unsqueeze": [(lambda x: op.Unsqueeze(x, [0, 2]), normal(2, 3))],
    "Where": [(lambda a, b: op.Where(constant(np.array([True, False, True])), a, b), normal(2, 3), normal(3))],
    f"{TRAINING}.BatchNorm": [
        (batch_norm, normal(4, 3, 2, 2)),
        (batch_norm, normal(4, 3, 2, 2), normal(3)),
        (batch_norm, normal(6, 3), normal(3), normal(3)),
    ],
    f"{TRAINING}.ContrastiveLoss": [
        (lambda a, b, k=k: loss.contrastive(a, b, constant([1.0, 0, 0, 0]), margin=3.0, legacy=k), normal(4, 3), normal(4, 3))
        for k in (0, 1)
    ],
    f"{TRAINING}.Dropout": [(lambda x: dropout(x, constant([[0, 0.3, 0.6], [0.5, 0.9, 0.1]]), ratio=0.5), normal(2, 3))],
    f"{TRAINING}.Recursive": [
        (forest(*TREES), small(4, 3), small(3, 6), small(3), small(3, 6, 6)),
        (forest(*TREES), small(4, 3), small(3, 6), small(3)),
        (forest([[0, 1]], [1]), small(2, 2), small(2, 4), small(2), small(2, 4, 4)),
    ],
    f"{TRAINING}.Crop": [
        (lambda x: crop(x, constant(np.zeros((2, 3, 2, 3))), axis=1, offset=[1, 0, 2]), normal(2, 4, 2, 5)),
        (lambda x: crop(x, x, axis=0, offset=[0, 0]), normal(4, 3)),
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
}  # fmt: skip
FLAT = {"Equal", "Greater", "GreaterOrEqual", "Less", "Not", "OneHot", "Shape", "Sign"}  # no gradient, so nothing to compare
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


def test_no_gradient_flows_through_stop() -> None:
    check_gradient(lambda x: stop(x) * 0.0 + x, normal(3))


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

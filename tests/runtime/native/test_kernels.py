"""Each native kernel against the body of its op, on shapes that include the odd ones; its threads; NaN and infinity; runs at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from netc import registry
from netc.errors import RunError
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, leaf
from netc.graph.training_ops import channels_last as nhwc
from netc.graph.training_ops import layer_norm
from netc.graph.training_ops.activation import dropout, gelu, gelu_grad, relu_grad
from netc.runtime import native
from netc.runtime.backends import with_library
from netc.runtime.session import Session
from tests.runtime.native.arrays import Array, normal, positive, ties, uniform
from tests.runtime.native.attention import ATTENTION, ATTENTION_GRAD
from tests.runtime.native.conftest import OPS, needs_kernels
from tests.runtime.native.sequences import Row, gru, gru_grad, lstm, lstm_grad, recursion, recursion_grad

Op = Callable[..., Any]
Shape = tuple[int, ...]
NO_PADS = (0, 0, 0, 0)
pytestmark = needs_kernels
registry.load()


def conv(x: Shape, w: Shape, strides: Shape = (1, 1), pads: Shape = NO_PADS, relu: int = 0, bias: bool = True) -> Row:
    b = [normal(w[0])] if bias else []
    return lambda *v: nhwc.nhwc_conv(*v, strides=list(strides), pads=list(pads), relu=relu), normal(*x), normal(*w), *b


def out_size(x: Shape, kernel: Shape, strides: Shape, pads: Shape) -> list[int]:
    return [(x[1 + i] + pads[i] + pads[2 + i] - kernel[i]) // strides[i] + 1 for i in (0, 1)]


def input_grad(x: Shape, w: Shape, strides: Shape = (1, 1), pads: Shape = NO_PADS) -> Row:
    dy = normal(x[0], *out_size(x, w[2:], strides, pads), w[0])
    attrs = {"spatial": list(x[1:3]), "strides": list(strides), "pads": list(pads)}
    return lambda dy, w: nhwc.nhwc_conv_input_grad(dy, w, **attrs), dy, normal(*w)


def filter_grad(x: Shape, w: Shape, strides: Shape = (1, 1), pads: Shape = NO_PADS) -> Row:
    dy = normal(x[0], *out_size(x, w[2:], strides, pads), w[0])
    attrs = {"kernel_shape": list(w[2:]), "strides": list(strides), "pads": list(pads)}
    return lambda x, dy: nhwc.nhwc_conv_filter_grad(x, dy, **attrs), normal(*x), dy


def pool(function: Op, x: Shape, kernel: Shape = (2, 2), strides: Shape = (2, 2), pads: Shape = NO_PADS) -> Row:
    return lambda x: function(x, kernel_shape=list(kernel), strides=list(strides), pads=list(pads)), ties(*x)


def pool_grad(function: Op, x: Shape, kernel: Shape = (2, 2), strides: Shape = (2, 2), pads: Shape = NO_PADS) -> Row:
    window = {"kernel_shape": list(kernel), "strides": list(strides), "pads": list(pads)}
    out = out_size(x, kernel, strides, pads)
    dy = normal(x[0], *out, x[3])
    if function is nhwc.nhwc_average_pool_grad:
        return lambda dy: function(dy, spatial=list(x[1:3]), **window), dy
    value = leaf("Input", np.float32, x, name="x")
    winner = Session(emit(Graph("pool", {"w": nhwc.nhwc_max_pool(value, **window)[1]}))).run({"x": ties(*x)})["w"]
    return lambda winner, dy: function(winner, dy, spatial=list(x[1:3]), **window), winner, dy


UPDATES = {  # states, fields
    "SGD": (1, {"momentum": 0.9}),
    "Nesterov": (1, {"momentum": 0.9}),
    "AdaGrad": (1, {"delta": 1e-8}),
    "RMSProp": (1, {"rms_decay": 0.98, "delta": 1e-8}),
    "AdaDelta": (2, {"momentum": 0.95, "delta": 1e-6}),
    "Adam": (2, {"momentum": 0.9, "momentum2": 0.999, "delta": 1e-8}),
    "AdamW": (2, {"momentum": 0.9, "momentum2": 0.999, "delta": 1e-8}),
}


def update(name: str, shape: Shape) -> Row:
    states, fields = UPDATES[name]
    step = [np.float32(3)] if name.startswith("Adam") else []
    call = registry.optimizer[name]
    arrays = normal(*shape), normal(*shape), np.float32(0.1), *(positive(*shape) for _ in range(states))
    return lambda *v: call(*v, weight_decay=0.01, **fields), *arrays, *step


def moments(x: Shape) -> Row:
    return lambda x: nhwc.nhwc_batch_moments(x, epsilon=1e-5), 3 + normal(*x)


def batch_norm(x: Shape, affine: int, relu: int = 0) -> Row:
    return (
        lambda *v: nhwc.nhwc_batch_norm(*v, relu=relu),
        normal(*x),
        normal(x[-1]),
        positive(x[-1]),
        *(normal(x[-1]) for _ in range(affine)),
    )


def batch_norm_grad(x: Shape, scale: bool = True, relu: bool = True) -> Row:
    def call(dy: Value, x: Value, mean: Value, inverse_std: Value, *more: Value) -> Any:
        rest = iter(more)
        return nhwc.nhwc_batch_norm_grad(dy, x, mean, inverse_std, next(rest) if scale else None, next(rest) if relu else None)

    c = x[-1]
    return call, normal(*x), normal(*x), normal(c), positive(c), *([normal(c)] if scale else []), *([normal(*x)] if relu else [])


CONVOLUTIONS: list[tuple[Any, ...]] = [  # x, w, strides, pads
    ((3, 9, 9, 20), (50, 20, 5, 5)),
    ((1, 8, 11, 3), (7, 3, 3, 2)),
    ((2, 12, 12, 1), (20, 1, 5, 5)),
    ((2, 7, 6, 7), (3, 7, 3, 3), (1, 1), (1, 1, 1, 1)),
    ((2, 7, 9, 1), (1, 1, 3, 3), (1, 1), (1, 2, 0, 1)),
    ((2, 9, 8, 3), (32, 3, 5, 5), (1, 1), (2, 2, 2, 2)),
    ((2, 9, 8, 16), (24, 16, 3, 3), (2, 2), (1, 1, 1, 1)),
    ((2, 11, 9, 5), (9, 5, 4, 3), (3, 2), (1, 0, 2, 1)),
    ((1, 12, 12, 3), (8, 3, 7, 7), (2, 2), (3, 3, 3, 3)),
    ((3, 5, 5, 50), (64, 50, 1, 1)),
    ((2, 8, 8, 12), (20, 12, 1, 1), (2, 2)),
    ((2, 4, 3, 10), (33, 10, 4, 3)),
]
POOLS: list[tuple[Any, ...]] = [  # x, kernel, strides, pads
    ((3, 6, 4, 20),),
    ((1, 5, 7, 3), (3, 3), (2, 2)),
    ((2, 7, 7, 7), (3, 3), (2, 2), (0, 0, 1, 1)),
    ((2, 6, 9, 1), (2, 3), (2, 3)),
    ((2, 5, 5, 50), (3, 2), (1, 2), (1, 1, 1, 0)),
    ((1, 4, 4, 32), (4, 4), (1, 1)),
]


def lrn(x: Shape, size: int = 5, beta: float = 0.75) -> Row:
    return lambda x: nhwc.nhwc_lrn(x, size=size, alpha=0.5, beta=beta, bias=2.0), normal(*x)


def lrn_grad(x: Shape, size: int = 5, beta: float = 0.75) -> Row:
    call = lambda *v: nhwc.nhwc_lrn_grad(*v, size=size, alpha=0.5, beta=beta, bias=2.0)  # noqa: E731
    return call, normal(*x), normal(*x), normal(*x)


def row_norm(function: Op, x: Shape, affine: int) -> Row:
    def call(x: Value, *rest: Value) -> Any:
        least = 1 if function is layer_norm.rms_norm else 2
        return function(x, *rest, *[None] * (least - len(rest)), epsilon=1e-5)

    return call, 2 + normal(*x), *(normal(x[-1]) for _ in range(affine))


def row_norm_grad(function: Op, x: Shape, scale: bool) -> Row:
    return (
        lambda dy, x, *scale: function(dy, x, *(scale or [None]), epsilon=1e-5),
        normal(*x),
        2 + normal(*x),
        *([normal(x[-1])] if scale else []),
    )


ROWWISE = [(3, 5, 20), (7, 3), (1, 1), (200, 130), (64, 32, 16), (2, 3, 1000)]
NORMALIZED = [(3, 5, 4, 20), (2, 3, 3, 3), (1, 1, 1, 8), (8, 20, 20, 16), (2, 9, 7, 130), (64, 13, 11, 1)]
SEQUENCES = [(5, 3, 2), (1, 1, 7), (4, 20, 33), (3, 37, 16)]  # times, columns, hidden units
ROWS = {
    "GRU": [gru(*s, cont=k % 2 == 0, keep=int(k < 3)) for k, s in enumerate(SEQUENCES)],
    "GRUGrad": [gru_grad(*s, cont=k % 2 == 0, last=k % 3 == 0) for k, s in enumerate(SEQUENCES)],
    "LSTM": [lstm(*s, cont=k % 2 == 0, keep=int(k < 3)) for k, s in enumerate(SEQUENCES)],
    "LSTMGrad": [lstm_grad(*s, cont=k % 2 == 0, last=k % 3 == 0) for k, s in enumerate(SEQUENCES)],
    "Recursive": [recursion(3, True), recursion(3, False), recursion(25, True, 20), recursion(40, False, 20)],
    "RecursiveGrad": [recursion_grad(3, True), recursion_grad(3, False), recursion_grad(25, True, 20), recursion_grad(40, False, 20)],
    "NhwcConv": [conv(*row) for row in CONVOLUTIONS] + [conv(CONVOLUTIONS[0][0], CONVOLUTIONS[0][1], relu=1, bias=False)],
    "NhwcConvInputGrad": [input_grad(*row) for row in CONVOLUTIONS],
    "NhwcConvFilterGrad": [filter_grad(*row) for row in CONVOLUTIONS],
    "NhwcMaxPool": [pool(nhwc.nhwc_max_pool, *row) for row in POOLS],
    "NhwcMaxPoolGrad": [pool_grad(nhwc.nhwc_max_pool_grad, *row) for row in POOLS],
    "NhwcAveragePool": [pool(nhwc.nhwc_average_pool, *row) for row in POOLS],
    "NhwcAveragePoolGrad": [pool_grad(nhwc.nhwc_average_pool_grad, *row) for row in POOLS],
    "NhwcBatchMoments": [moments(x) for x in NORMALIZED],
    "NhwcBatchNorm": [batch_norm(x, affine) for x in NORMALIZED for affine in (0, 1, 2)] + [batch_norm(NORMALIZED[0], 2, relu=1)],
    "NhwcBatchNormGrad": [batch_norm_grad(x) for x in NORMALIZED] + [batch_norm_grad(NORMALIZED[0], scale=False, relu=False)],
    "NhwcLRN": [lrn(x) for x in NORMALIZED] + [lrn(NORMALIZED[0], 3, 0.6)],
    "NhwcLRNGrad": [lrn_grad(x) for x in NORMALIZED] + [lrn_grad(NORMALIZED[0], 3, 0.6)],
    "Attention": ATTENTION,
    "AttentionGrad": ATTENTION_GRAD,
    "LayerNorm": [row_norm(layer_norm.layer_norm, x, k) for x in ROWWISE for k in (0, 1, 2)],
    "LayerNormGrad": [row_norm_grad(layer_norm.layer_norm_grad, x, k) for x in ROWWISE for k in (False, True)],
    "RMSNorm": [row_norm(layer_norm.rms_norm, x, k) for x in ROWWISE for k in (0, 1)],
    "RMSNormGrad": [row_norm_grad(layer_norm.rms_norm_grad, x, k) for x in ROWWISE for k in (False, True)],
    "Gelu": [(lambda x, k=k: gelu(x, tanh=k), 3 * normal(*s)) for s in ((3, 7), (200, 301), (5,)) for k in (0, 1)],
    "GeluGrad": [
        (lambda x, dy, k=k: gelu_grad(x, dy, tanh=k), 3 * normal(*s), normal(*s)) for s in ((3, 7), (200, 301), (5,)) for k in (0, 1)
    ],
    "Dropout": [(lambda *v: dropout(*v, ratio=0.3), normal(*s), uniform(*s)) for s in ((3, 7), (200, 301))],
    "ReluGrad": [(relu_grad, normal(3, 7), normal(3, 7)), (relu_grad, normal(200, 301), normal(200, 301))],
    **{name: [update(name, shape) for shape in ((), (5,), (150, 133))] for name in UPDATES},
}


def model_of(function: Op, arrays: Sequence[Any], kernels: frozenset[str] = frozenset()) -> onnx.ModelProto:
    values = function(*(leaf("Input", np.asarray(a).dtype, np.shape(a), name=f"x{i}") for i, a in enumerate(arrays)))
    return emit(Graph("kernel", {str(i): v for i, v in enumerate(values if isinstance(values, tuple) else (values,))}), kernels=kernels)


def run(function: Op, arrays: Sequence[Any], kernels: Path | None, threads: int = 1) -> dict[str, Array]:
    session = Session(model_of(function, arrays, native.kernels_of(kernels)), with_library(kernels), threads)
    return session.run({f"x{i}": np.asarray(a) for i, a in enumerate(arrays)})


def test_every_kernel_has_rows() -> None:
    assert ROWS.keys() == OPS


@pytest.mark.parametrize("library", native.libraries(), ids=lambda path: path.stem)
@pytest.mark.parametrize(("name", "row"), [(name, i) for name in ROWS for i in range(len(ROWS[name]))])
def test_kernel_is_its_body(name: str, row: int, library: Path) -> None:
    function, *arrays = ROWS[name][row]
    assert [n.op_type for n in model_of(function, arrays).graph.node] == [name]
    expected, found = run(function, arrays, None), run(function, arrays, library)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=2e-5 * np.abs(value).max(initial=1), err_msg=key)


@pytest.mark.parametrize("name", ROWS)
def test_threads_do_not_change_a_bit(name: str) -> None:
    for function, *arrays in ROWS[name]:
        one, two = (run(function, arrays, native.library(), threads) for threads in (1, 2))
        for key in one:
            assert one[key].tobytes() == two[key].tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
# Bodies that drop NaN, spread it to all channels, or spread it to keys that a mask hides.
@pytest.mark.parametrize("name", sorted(OPS - {"NhwcMaxPool", "NhwcLRN", "Attention", "AttentionGrad"}))
def test_nan_and_infinity_go_where_the_body_lets_them(name: str, bad: float) -> None:
    for function, *arrays in ROWS[name]:
        where = 1 if name == "NhwcMaxPoolGrad" else 0
        arrays[where] = np.array(arrays[where])
        arrays[where].reshape(-1)[arrays[where].size // 2] = bad
        with np.errstate(invalid="ignore"):
            expected, found = run(function, arrays, None), run(function, arrays, native.library())
        for key, value in expected.items():
            np.testing.assert_array_equal(np.isnan(found[key]), np.isnan(value))
            np.testing.assert_array_equal(np.isinf(found[key]), np.isinf(value))


def test_max_pool_keeps_nan() -> None:
    function, x = pool(nhwc.nhwc_max_pool, (1, 4, 4, 20))
    for place in ((0, 0), (0, 1), (1, 1)):
        x[:] = 1
        x[0, place[0], place[1], 3] = np.nan
        found = run(function, [x], native.library())
        assert np.isnan(found["0"][0, 0, 0, 3]) and np.isnan(found["0"]).sum() == 1
        assert found["1"][0, 0, 0, 3] == 2 * place[0] + place[1]


def test_sessions_and_runs_at_once_give_what_one_gives() -> None:
    rows = [ROWS[name][0] for name in ("NhwcConv", "NhwcConvFilterGrad", "NhwcConvInputGrad")]
    for function, *arrays in rows:
        sessions = [Session(model_of(function, arrays, OPS), with_library(native.library()), 2) for _ in range(2)]
        inputs = [{f"x{i}": normal(*np.shape(a)) for i, a in enumerate(arrays)} for _ in range(4)]
        alone = [sessions[0].run(feeds) for feeds in inputs]
        with ThreadPoolExecutor(8) as pool:
            jobs = [(k % 4, pool.submit(sessions[k % 2].run, inputs[k % 4])) for k in range(64)]
            for k, job in jobs:
                for key, value in job.result().items():
                    assert value.tobytes() == alone[k][key].tobytes()


def test_an_attribute_that_is_not_there_is_an_error_not_a_crash() -> None:
    function, *arrays = ROWS["NhwcConv"][0]
    model = model_of(function, arrays, OPS)
    del model.graph.node[0].attribute[:]
    with pytest.raises(RunError):
        Session(model, with_library(native.library()))

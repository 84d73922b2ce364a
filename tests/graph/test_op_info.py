"""The properties of ops, compared with the behaviour of the ops."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import Parameter, signature
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import defs, helper

from netc import optimizers, registry
from netc.graph import cost, receptive_field
from netc.graph.emit import emit
from netc.graph.ir import TRAINING, Graph, Node, Value, constant, leaf, op
from netc.graph.op_info import ONNX, info
from netc.graph.passes import resizable
from netc.graph.tensor_type import IR_VERSION, OPSET
from netc.graph.training_ops import attention, convolution, recurrent
from netc.runtime.session import Session

registry.load()
SHAPE = 2, 3, 4, 5
PLACE = 1, 2, 0, 3  # of the element that is changed
ATTRS: Mapping[str, Mapping[str, Any]] = {
    "Cast": {"to": onnx.TensorProto.INT32}, "BitShift": {"direction": "LEFT"}, "Split": {"num_outputs": 1},
}  # fmt: skip
KINDS = (np.float32, np.bool_, np.uint8, np.int64)
# Ops that return such inputs unchanged, or random ones.
PASSED = {"Bernoulli", "CastLike", "Dropout", "Optional", "OptionalGetElement", "Split", "Squeeze"}
Inputs = list[np.ndarray]


def run_onnx(name: str, inputs: Inputs) -> np.ndarray | None:
    """Return the single output of an ONNX op for these inputs; None if it does not accept them."""
    names = [f"x{k}" for k in range(len(inputs))]
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in zip(names, inputs, strict=True)
    ]
    graph = helper.make_graph([helper.make_node(name, names, ["y"], **ATTRS.get(name, {}))], "g", infos, [onnx.ValueInfoProto(name="y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # many ops reject such inputs
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found = session.run(None, dict(zip(names, inputs, strict=True)))[0]
    except Exception:
        return None
    return found if isinstance(found, np.ndarray) else None


def is_elementwise(f: Callable[[Inputs], np.ndarray | None], inputs: Inputs) -> bool:
    """Whether changing one input element changes no other output element, and whether transposing the inputs transposes the output."""
    y = f(inputs)
    if y is None or y.shape != SHAPE:
        return False
    turned = f([x.transpose(0, 2, 3, 1).copy() if x.shape == SHAPE else x for x in inputs])
    if turned is None or not np.array_equal(turned, y.transpose(0, 2, 3, 1), equal_nan=y.dtype.kind == "f"):
        return False
    for k, x in enumerate(inputs):
        other = x.copy()
        other[PLACE] = not x[PLACE] if x.dtype == np.bool_ else x[PLACE] + 1
        changed = f([*inputs[:k], other, *inputs[k + 1 :]])
        if changed is None or changed.shape != SHAPE:
            return False
        same = np.asarray((changed == y) | ((changed != changed) & (y != y)))
        same[PLACE] = True
        if not same.all():
            return False
    return True


def arrays(kind: type[Any], count: int, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    least = 0 if kind is np.bool_ else 1  # avoids division by 0
    return [(rng.normal(size=SHAPE) if kind is np.float32 else rng.integers(least, least + 2, SHAPE)).astype(kind) for _ in range(count)]


def test_the_elementwise_ops_of_onnx_are_those_that_act_so() -> None:
    """Try every op of the standard that takes tensors of one shape. Runtimes may lack a few."""
    found, tried = set(), set()
    for schema in {
        s.name: s for s in defs.get_all_schemas_with_history() if not s.domain and s.since_version <= OPSET and not s.deprecated
    }.values():
        count = max(1, schema.min_input)
        if schema.min_output > 1 or count > 3 or schema.name in PASSED or schema.name == "Where":
            continue
        for kind in KINDS:
            if run_onnx(schema.name, arrays(kind, count)) is not None:
                tried.add(schema.name)
                if all(is_elementwise(partial(run_onnx, schema.name), arrays(kind, count, seed)) for seed in range(4)):
                    found.add(schema.name)
    known = {name for name, record in ONNX.items() if record.elementwise}
    assert found == known & tried, found ^ (known & tried)
    assert known - tried <= {"Where", "BitwiseNot", "BitwiseAnd", "BitwiseOr", "BitwiseXor"}, known - tried
    assert ONNX.keys() <= {s.name for s in defs.get_all_schemas() if not s.domain}


def run_training_op(name: str, output: int, inputs: Inputs) -> np.ndarray | None:
    function = registry.training_op[name]
    names = [n for n, p in signature(function).parameters.items() if p.kind is Parameter.KEYWORD_ONLY]
    leaves = [leaf("Input", x.dtype, x.shape, name=f"x{k}") for k, x in enumerate(inputs)]
    values = function(*leaves, **{n: 1 if n == "tanh" else 0.5 for n in names})
    y = values[output] if isinstance(values, tuple) else values
    session = Session(emit(Graph("g", {"y": y})))
    return session.run({f"x{k}": x for k, x in enumerate(inputs) if f"x{k}" in session.inputs})["y"]


ELEMENTWISE = ["Dropout", "Gelu", "GeluGrad", "PReluGrad", "ReluGrad", "Softplus"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_training_ops_act_so(name: str) -> None:
    assert registry.training_op.records[name].elementwise
    positional = [p for p in signature(registry.training_op[name]).parameters.values() if p.kind is not Parameter.KEYWORD_ONLY]
    inputs = arrays(np.float32, len(positional))
    assert all(is_elementwise(partial(run_training_op, name, k), inputs) for k in range(2 if name == "PReluGrad" else 1))


def test_no_other_training_op_says_so() -> None:
    found = {name for name, record in registry.training_op.records.items() if record.elementwise}
    assert found == set(ELEMENTWISE)


def image(*shape: int) -> Value:
    return leaf("Input", np.float32, shape or SHAPE, name="x")


def node_of(value: Value | tuple[Value, ...]) -> Node:
    return (value[0] if isinstance(value, tuple) else value).node


W, GATES = constant(np.ones((6, 3, 2, 2), np.float32)), constant(np.ones((8, 2), np.float32))
STATE = constant(np.zeros((3, 2), np.float32))
WINDOW: Mapping[str, Any] = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1]}
COUNTS: Mapping[str, tuple[Callable[[], Node], int]] = {
    "Conv": (lambda: node_of(op.Conv(image(), W)), 2 * 6 * 3 * 4 * 3 * 4),
    "ConvTranspose": (lambda: node_of(op.ConvTranspose(image(2, 6, 4, 5), W)), 2 * 6 * 4 * 5 * 3 * 4),
    "Einsum": (
        lambda: node_of(op.Einsum(image(4, 1, 2, 7), image(1, 3, 7, 5), equation="...ij,...jk->...ik")), 4 * 3 * 2 * 7 * 5,
    ),
    "Gemm": (lambda: node_of(op.Gemm(image(7, 2), image(7, 5), transA=1)), 2 * 7 * 5),
    "MatMul": (lambda: node_of(op.MatMul(image(4, 2, 7), image(4, 7, 5))), 4 * 2 * 7 * 5),
    "ConvInputGrad": (lambda: node_of(convolution.conv_input_grad(image(2, 6, 3, 4), W, spatial=[4, 5], **WINDOW)), 2 * 6 * 3 * 4 * 3 * 4),
    "ConvFilterGrad": (
        lambda: node_of(convolution.conv_filter_grad(image(), image(2, 6, 3, 4), kernel_shape=[2, 2], **WINDOW)), 2 * 6 * 3 * 4 * 3 * 4,
    ),
    "LSTM": (lambda: node_of(recurrent.lstm(image(4, 3, 8), GATES, STATE, STATE)), 4 * 3 * 8 * 2),
    "LSTMGrad": (lambda: lstm_grad(), 4 * 3 * 8 * 2),
    "Attention": (lambda: attended(image(7, 3, 24)).node, 2 * (3 * 2 * 7 * 7) * 4),
    "AttentionGrad": (lambda: node_of(attention_grad_of(image(7, 3, 24))), 4 * (3 * 2 * 7 * 7) * 4),
    "Muon": (lambda: updated(image(6, 2, 2)), 5 * (2 * 4 * 4 * 6 + 4 * 4 * 4)),  # a matrix of 6 x 4
}  # fmt: skip


def lstm_grad() -> Node:
    y, *_, s, g, c, t = recurrent.lstm(image(4, 3, 8), GATES, STATE, STATE, keep=1)
    return node_of(recurrent.lstm_grad(y, None, None, GATES, None, s, g, c, t))


def updated(w: Value) -> Node:
    return node_of(optimizers.muon(w, w, constant(0.1), w, momentum=0.9, adjust_lr=0, weight_decay=0.0))


HEADS: Mapping[str, Any] = {"heads": 2, "kv_heads": 2, "packed": 1, "causal": 0, "dropout": 0.0, "rotary": 0.0}


def attended(qkv: Value) -> Value:
    return attention.attention(qkv, qkv, None, None, **HEADS)[0]


def attention_grad_of(qkv: Value) -> Value:
    y, weights = attended(qkv).node.outputs
    found: Value = attention.attention_grad(y, None, weights, qkv, qkv, None, **HEADS)
    return found


@pytest.mark.parametrize("name", COUNTS)
def test_multiply_adds(name: str) -> None:
    make, count = COUNTS[name]
    node = make()
    assert node.op == name and cost.total(Graph("g", {"y": node.outputs[0]})) >= count
    formula = info(node).multiply_adds
    assert formula is not None and formula(node) == count


def test_every_op_that_multiplies_is_counted() -> None:
    known = {n for table in (ONNX, registry.training_op.records) for n, record in table.items() if record.multiply_adds}
    assert known == COUNTS.keys() | {"RNN", "GRU", "RNNGrad", "GRUGrad", "Cell", "CellGrad"}


VIEWS: Mapping[str, Callable[[Value], Value]] = {
    "Reshape": lambda x: op.Reshape(x, [6, 20]),
    "Squeeze": lambda x: op.Squeeze(op.Unsqueeze(x, [0]), [0]),
    "Unsqueeze": lambda x: op.Unsqueeze(x, [2]),
    "Flatten": lambda x: op.Flatten(x),
    "Identity": lambda x: op.Identity(x),
}


def test_views_are_the_same_memory() -> None:
    assert {name for name, record in ONNX.items() if record.view} == VIEWS.keys()
    for name, make in VIEWS.items():
        y, (x,) = make(image()), arrays(np.float32, 1)
        assert y.node.op == name
        np.testing.assert_array_equal(Session(emit(Graph("g", {"y": y}))).run({"x": x})["y"].ravel(), x.ravel())


FIELDS: Mapping[str, tuple[Callable[[Value], Value], str]] = {
    "elementwise": (op.Relu, "3/2"),
    "pixelwise": (lambda x: op.LRN(x, size=3), "3/2"),
    "a window": (lambda x: op.MaxPool(x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1]), "7/2"),
    "along channels": (lambda x: op.Softmax(x, axis=1), "3/2"),
    "along space": (lambda x: op.Softmax(x, axis=3), ""),
    "moved": (lambda x: op.Transpose(x, perm=[1, 0, 2, 3]), ""),
    "mixed": (lambda x: op.MatMul(x, np.ones((8, 8), np.float32)), ""),
}


@pytest.mark.parametrize("case", FIELDS)
def test_receptive_fields_follow_the_properties(case: str) -> None:
    make, expected = FIELDS[case]
    y = make(op.MaxPool(image(2, 4, 17, 17), kernel_shape=[3, 3], strides=[2, 2]))
    found = receptive_field.fields([y])
    assert (receptive_field.text(found[y]) if y in found else "") == expected


SIZES: Mapping[str, tuple[Callable[[Value], Value], bool]] = {
    "elementwise": (op.Mish, True),
    "pixelwise": (lambda x: op.LRN(x, size=3), True),
    "along channels": (lambda x: op.Softmax(x, axis=1), True),
    "along space": (lambda x: op.Softmax(x, axis=3), False),
    "moved": (lambda x: op.Reshape(x, [2, -1]), False),
}


@pytest.mark.parametrize("case", SIZES)
def test_nets_for_any_size_follow_the_properties(case: str) -> None:
    make, allowed = SIZES[case]
    y = make(op.Conv(image(), W))
    found = resizable(Graph("g", {"y": y}), {})
    assert (found is not None) == allowed and (found is None or isinstance(found.outputs["y"].shape[-1], str))


def test_a_plugins_training_op_states_its_own() -> None:
    from netc import training_op

    training_op("Halved", elementwise=True)(lambda x: x * 0.5)
    node = Node("Halved", (image(),), {}, (image().type,), TRAINING)
    assert info(node).elementwise and not info(Node("Halved", (image(),), {}, (image().type,))).elementwise

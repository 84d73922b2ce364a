"""A model in half precision: weights and compute are float16, inputs and outputs stay float32."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from netc.errors import SpecError
from netc.graph.tensor_type import OPSET
from netc.runtime import kernel_table

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
LARGEST = float(np.finfo(np.float16).max)
# Sums of squares and powers leave the range of float16 for usual activations.
WIDE = {"Exp", "InstanceNormalization", "LRN", "LayerNormalization", "LpNormalization", "MeanVarianceNormalization", "Pow", "ReduceL2",
        "ReduceLogSumExp", "ReduceMean", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Softplus"}  # fmt: skip
MOST_NAMES = 4  # layers in a message


@dataclass
class Half:
    """The model in half precision, and the ops that stay in float32 because float16 has no kernel or too small a range for them."""

    model: onnx.ModelProto
    kept: dict[str, list[str]] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """A sentence on what stays in float32."""
        ops = [f"{op} ({_names(nodes)})" for op, nodes in sorted(self.kept.items())]
        return [f"float32 for {', '.join(ops)}"] if ops else []


def half(model: onnx.ModelProto) -> Half:
    """Return `model`, which has no functions, in half precision. SpecError if its weights do not fit, or if it has no op for float16."""
    _check_range(model)
    typed = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {t.name: t.data_type for t in typed.initializer}
    types |= {v.name: v.type.tensor_type.elem_type for v in (*typed.input, *typed.value_info, *typed.output)}
    made = onnx.ModelProto()
    made.CopyFrom(model)
    work = _Work(model.graph, types)
    for node in model.graph.node:
        work.node(node)
    if not work.halves:
        raise SpecError("--half: no op of the net has a kernel for float16.")
    work.finish(model.graph.output)
    del made.graph.node[:], made.graph.initializer[:]
    made.graph.node.extend(work.nodes)
    made.graph.initializer.extend(work.constants())
    return Half(made, work.kept)


def _layer(node: onnx.NodeProto) -> str:
    """The layer that a node belongs to."""
    return node.name.rpartition("/")[0]


def _exact(graph: onnx.GraphProto) -> set[str]:
    """The layers that choose among boxes. They stay in float32: float16 has too few digits for coordinates."""
    return {_layer(node) for node in graph.node if node.op_type == "NonMaxSuppression"}


def _check_range(model: onnx.ModelProto) -> None:
    exact = _exact(model.graph)
    read = {name for node in model.graph.node if _layer(node) not in exact for name in node.input}
    for tensor in model.graph.initializer:
        if tensor.data_type == FLOAT and tensor.name in read:
            array = numpy_helper.to_array(tensor)
            largest = float(np.abs(array).max(initial=0.0))
            if largest > LARGEST:
                text = f"{tensor.name} contains {largest:.4g}. Numbers of float16 end at {LARGEST:.0f}, so --half would make it infinite."
                raise SpecError(text)


class _Work:
    """Writes nodes for both precisions. `name` has its type of before; `name/half` and `name/float` are copies in the other one."""

    def __init__(self, graph: onnx.GraphProto, types: dict[str, int]):
        self.types, self.nodes, self.halves = types, list[onnx.NodeProto](), 0
        self.weights = {t.name: t for t in graph.initializer}
        self.outputs = {v.name for v in graph.output}
        self.is_half: dict[str, bool] = {}  # by value: whether `name` itself is now float16
        self.copies: dict[tuple[str, int], str] = {}
        self.used: dict[tuple[str, int], TensorProto] = {}
        self.kept: dict[str, list[str]] = {}
        self.exact = _exact(graph)

    def node(self, node: onnx.NodeProto) -> None:
        """Write a node in half precision, or in float32 if it must stay so."""
        new = onnx.NodeProto()
        new.CopyFrom(node)
        floats = [self.types.get(n) == FLOAT for n in (*node.input, *node.output)]
        if not any(floats) and not any(a.type == onnx.AttributeProto.GRAPH for a in node.attribute):
            new.input[:] = [self._as(n, FLOAT) for n in node.input]
            self.nodes.append(new)
            return
        as_half = self._fits(node)
        fixed_in, fixed_out = _fixed(node)
        wanted = HALF if as_half else FLOAT
        new.input[:] = [self._as(n, FLOAT if k in fixed_in else wanted) for k, n in enumerate(node.input)]
        for k, name in enumerate(node.output):
            turns = as_half and self.types.get(name) == FLOAT and k not in fixed_out
            self.is_half[name] = turns
            if turns and name in self.outputs:
                new.output[k] = self.copies[name, HALF] = f"{name}/half"
                self.is_half[name] = False
        if as_half and node.op_type == "Cast":
            next(a for a in new.attribute if a.name == "to").i = HALF if self.types[node.output[0]] == FLOAT else self.types[node.output[0]]
        self.halves += as_half
        if not as_half:
            self.kept.setdefault(node.op_type, []).append(node.name.rpartition("/")[0] or node.name)
        self.nodes.append(new)

    def finish(self, outputs: Iterable[onnx.ValueInfoProto]) -> None:
        """Cast the outputs of the model back to float32."""
        for port in outputs:
            if (port.name, HALF) in self.copies and port.type.tensor_type.elem_type == FLOAT:
                self._add_cast(self.copies[port.name, HALF], port.name, FLOAT)

    def constants(self) -> list[TensorProto]:
        """The weights in the precisions in which they are read."""
        return list(self.used.values())

    def _as(self, name: str, kind: int) -> str:
        """The name of a value in a precision. A cast is written when it is first needed."""
        if not name or self.types.get(name) != FLOAT:
            if name in self.weights:
                self.used.setdefault((name, 0), self.weights[name])
            return name
        if name in self.weights:
            return self._weight(name, kind)
        now = HALF if self.is_half.get(name) else FLOAT
        if now == kind:
            return name
        if (name, kind) not in self.copies:
            self.copies[name, kind] = f"{name}/{'half' if kind == HALF else 'float'}"
            self._add_cast(name, self.copies[name, kind], kind)
        return self.copies[name, kind]

    def _weight(self, name: str, kind: int) -> str:
        label = name if kind == HALF else f"{name}/float"
        if (name, kind) not in self.used:
            array = numpy_helper.to_array(self.weights[name])
            self.used[name, kind] = numpy_helper.from_array(array.astype(np.float16 if kind == HALF else np.float32), label)
        return label

    def _add_cast(self, before: str, after: str, kind: int) -> None:
        self.nodes.append(helper.make_node("Cast", [before], [after], name=f"{after}/Cast", to=kind))

    def _fits(self, node: onnx.NodeProto) -> bool:
        """Whether ONNX defines the op for float16, CUDA has a kernel for it, and its values stay in the range."""
        square = node.op_type == "Mul" and len(set(node.input)) == 1
        whole = any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.TENSOR) for a in node.attribute)
        if node.domain or square or whole or node.op_type in WIDE or _layer(node) in self.exact:
            return False
        typed, variables = [], kernel_table.parameters(node.op_type)
        allowed = {c.type_param_str: c.allowed_type_strs for c in onnx.defs.get_schema(node.op_type, OPSET).type_constraints}
        for names, formal in zip((node.input, node.output), variables, strict=True):
            for k, name in enumerate(names):
                variable, parameter = formal[min(k, len(formal) - 1)] if formal else ("", "")
                if self.types.get(name) == FLOAT and variable in allowed:
                    if "tensor(float16)" not in allowed[variable]:
                        return False
                    typed.append((variable, parameter, "float16"))
        return bool(typed) and kernel_table.CUDA.serves(node.op_type, typed)


def _fixed(node: onnx.NodeProto) -> tuple[set[int], set[int]]:
    """The numbers of the inputs, and of the outputs, whose type the op fixes to float32."""
    if node.domain:
        return set(), set()
    schema = onnx.defs.get_schema(node.op_type, OPSET)
    sides = ((node.input, schema.inputs), (node.output, schema.outputs))
    inputs, outputs = ({k for k in range(len(names)) if formal and formal[min(k, len(formal) - 1)].type_str == "tensor(float)"}
                       for names, formal in sides)  # fmt: skip
    return inputs, outputs


def _names(nodes: list[str]) -> str:
    names = list(dict.fromkeys(nodes))
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")

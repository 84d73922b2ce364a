"""Export of a graph to onnx.ModelProto: one file that every standard onnxruntime runs.

Training ops become functions that are part of the model. A function is named after its op. If types or attributes give one op several
bodies, the second is `SGD_2`, the third `SGD_3`. onnxruntime before 1.27 and some other runtimes identify functions only by their names.
The bodies of ops that `functions` excludes are expanded in the graph itself, under the layers' names.
"""

import json
import os
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from netc.errors import SpecError
from netc.graph.contract import NEXT, STATE
from netc.graph.ir import HOST, TRAINING, Graph, Node, Value, constant_value, toposort
from netc.graph.leaves import InputInfo
from netc.graph.replaced import replacement
from netc.graph.subgraph import Subgraph
from netc.graph.tensor_type import IR_VERSION, ML, ML_OPSET, OPSET, STRING
from netc.graph.training_ops import trace
from netc.graph.training_ops.define import CPU, Body, freeze

SMALL, LARGEST = 1024, 2**31 - 2**20  # bytes of constants: those that need no hash, and the most of a file, protobuf's limit


def emit(
    graph: Graph, bodies: str = CPU, functions: bool = True, metadata: Mapping[str, Any] | None = None,
    kernels: Collection[str] = (),
) -> onnx.ModelProto:  # fmt: skip
    """Return the ONNX model of `graph`, with the training-op bodies of the set `bodies`. Its outputs include the `next/` states.

    `functions`: whether training ops stay calls. `kernels` are the ops that the session has kernels for: their calls need no function.
    SpecError if the graph calls Python.
    """
    hosted = next((n for n in graph.nodes if n.domain == HOST), None)
    if hosted is not None:
        where = f"{hosted.origin.place}: Layer {hosted.origin.layer!r}"
        raise SpecError(f"{where} runs Python, so the net is not a single model. netc can neither publish nor export it.")
    writer = _Writer(bodies, functions, kernels)
    leaves = [n.outputs[0] for n in graph.nodes if n.key in (("netc", "Input"), ("netc", "State"))]
    leaves.sort(key=lambda value: value.node.info.place if isinstance(value.node.info, InputInfo) else 0)
    for value in leaves:
        writer.names[value] = input_name(value)
        writer.counts[input_name(value)] = 1  # a node has another label
    writer.write(graph.nodes)
    ends = [(v, n) for n, v in graph.outputs.items()]
    ends += [(new, NEXT(old.node.name)) for old, new in graph.updates.items()]
    writer.bind(ends)
    _check_size(writer, graph.name)
    body = helper.make_graph(
        writer.nodes, graph.name or "net", [_info(v, writer.names[v]) for v in leaves], [_info(v, n) for v, n in ends], writer.constants
    )
    opsets = [helper.make_opsetid("", OPSET)] + ([helper.make_opsetid(TRAINING, 1)] if writer.functions.names else [])
    opsets += [helper.make_opsetid(ML, ML_OPSET)] if any(n.domain == ML for n in graph.nodes) else []
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, functions=writer.functions.protos, producer_name="netc")
    if metadata is not None:
        helper.set_model_props(model, {"netc": json.dumps(metadata, sort_keys=True)})
    return model


def input_name(value: Value) -> str:
    """Return the name of an `Input` or `State` leaf in a model."""
    node = value.node
    return STATE(node.name) if node.op == "State" else node.name


@dataclass
class _Functions:
    """The functions of a model. Each body appears once, under a unique name."""

    protos: list[onnx.FunctionProto] = field(default_factory=list)
    names: dict[Hashable, str] = field(default_factory=dict)  # keys: what a body is made from, and the body itself

    def add(self, op: str, proto: onnx.FunctionProto) -> str:
        """Return the name of the function. It is added if there is no function of this op with the same body."""
        proto.name = op
        body = op, proto.SerializeToString(deterministic=True)
        if body not in self.names:
            taken, number = {f.name for f in self.protos}, 1
            while proto.name in taken:
                number += 1
                proto.name = f"{op}_{number}"
            self.names[body] = proto.name
            self.protos.append(proto)
        return self.names[body]


@dataclass
class _Writer:
    """Collects the protos of one graph or of one function's body."""

    bodies: str
    calls: bool
    kernels: Collection[str] = ()
    prefix: str = ""
    names: dict[Value, str] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    functions: _Functions = field(default_factory=_Functions)
    seen: dict[tuple[str, str, bytes], str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def write(self, nodes: Iterable[Node], under: Node | None = None) -> None:
        """Write the protos of `nodes`, each after its inputs. `under` is the call whose body they are."""
        for node in nodes:
            if node.key == ("netc", "Constant"):
                self.names[node.outputs[0]] = self._constant(node)
            elif node.key == ("netc", "Stop"):
                self.names[node.outputs[0]] = self._name(node.inputs[0])
            elif node.domain == "netc":
                continue
            elif node.domain == TRAINING and not self.calls and node.op not in self.kernels:
                self._expand(node, under or node, trace(node, self.bodies))
            elif (other := replacement(node)) is not None:
                self._expand(node, under or node, other)
            else:
                self._node(node, under or node)

    def bind(self, ends: list[tuple[Value, str]]) -> None:
        """Give each end its name. A node's output is renamed; a leaf, or a second name for one value, gets an Identity."""
        taken: dict[str, str] = {}
        fixed = {self.names[v] for v, _ in ends if v.node.domain == "netc" and v.node.op != "Stop"}
        for value, name in ends:
            now = self._name(value)
            if now in taken or now in fixed or value.node.domain == "netc":
                self.nodes.append(helper.make_node("Identity", [taken.get(now, now)], [name], name=f"{name}/Identity"))
            else:
                taken[now] = name
        _rename(self.nodes, taken)

    def _node(self, node: Node, owner: Node) -> None:
        label = self._label(node, owner)
        for i, value in enumerate(node.outputs):
            self.names[value] = label + (f":{i}" if i else "")
        inputs, outputs = [self._name(v) for v in node.inputs], [self.names[v] for v in node.outputs]
        attrs = dict(node.attrs)
        for key, inner in node.attrs.items():
            if isinstance(inner, Subgraph):
                own = len(inputs) - len(inner.captured)
                attrs[key] = self._subgraph(inner, inputs[own:], label)
                inputs = inputs[:own]
        while inputs and not inputs[-1] and not node.domain:  # onnxruntime's DFT reads them although they are omitted
            inputs.pop()
        name = self._called(node) if node.domain == TRAINING else node.op
        proto = helper.make_node(name, inputs, outputs, name=label, domain=node.domain, **attrs)
        if owner.origin.place:
            # Without the folder: a published file must not reveal paths of the machine that built it.
            place = replace(owner.origin.place, file=os.path.basename(owner.origin.place.file))
            proto.metadata_props.add(key="netc.place", value=str(place))
        self.nodes.append(proto)

    def _subgraph(self, inner: Subgraph, captured: list[str], label: str) -> onnx.GraphProto:
        """Return the proto of a subgraph. Its names start with the node's name, because ONNX forbids names that hide outer names."""
        writer = _Writer(self.bodies, self.calls, self.kernels, f"{label}/", functions=self.functions)
        writer.names |= {v: f"{label}/in{k}" for k, v in enumerate(inner.inputs)} | dict(zip(inner.captured, captured, strict=True))
        writer.write(toposort(inner.outputs))
        ends = [(v, f"{label}/out{k}") for k, v in enumerate(inner.outputs)]
        writer.bind(ends)
        nodes = [*writer.constant_nodes, *writer.nodes]
        return helper.make_graph(nodes, label, [_info(v, writer.names[v]) for v in inner.inputs], [_info(*end) for end in ends])

    @property
    def constant_nodes(self) -> list[onnx.NodeProto]:
        """The constants as nodes, for containers that cannot have initializers."""
        return [helper.make_node("Constant", [], [t.name], value=t) for t in self.constants]

    def _expand(self, node: Node, owner: Node, body: Body) -> None:
        """Write a body in place of a node, under the name of the layer that it belongs to."""
        for inner, outer in zip(body.inputs, node.inputs, strict=True):
            if inner is not None and outer is not None:
                self.names[inner] = self._name(outer)
        self.write(toposort(body.outputs), owner)
        for inner, outer in zip(body.outputs, node.outputs, strict=True):
            self.names[outer] = self.names[inner]

    def _called(self, node: Node) -> str:
        """Return the op that calls `node`: one with a kernel, or a function. A new function is written first."""
        if node.op in self.kernels:
            return self.functions.names.setdefault(node.op, node.op)
        key = node.op, tuple(v.type if v is not None else None for v in node.inputs), freeze(node.attrs)
        if key not in self.functions.names:
            self.functions.names[key] = self.functions.add(node.op, self._function_proto(node))
        return self.functions.names[key]

    def _function_proto(self, node: Node) -> onnx.FunctionProto:
        body = trace(node, self.bodies)
        inner = _Writer(self.bodies, False)  # calls are expanded, because not every runtime resolves functions that a function calls
        names = [f"in{k}" for k in range(len(body.inputs))]
        inner.names |= {v: n for v, n in zip(body.inputs, names, strict=True) if v is not None}
        inner.write(toposort(body.outputs))
        inner.bind([(v, f"out{k}") for k, v in enumerate(body.outputs)])
        nodes = [*inner.constant_nodes, *inner.nodes]
        opsets = [helper.make_opsetid("", OPSET)]
        outputs = [f"out{k}" for k in range(len(body.outputs))]
        return helper.make_function(TRAINING, node.op, names, outputs, nodes, opsets, sorted(node.attrs))

    def _name(self, value: Value | None) -> str:
        return "" if value is None else self.names[value]

    def _label(self, node: Node, owner: Node) -> str:
        """Return a unique label such as `conv1/Conv` or `conv1/backward/ConvFilterGrad`, readable in a viewer. `netc time` parses it."""
        where = [owner.origin.layer] if owner.origin.layer else []
        where += [owner.origin.part] if owner.origin.part not in ("forward", "body") else []
        base = self.prefix + "/".join([*where, *([owner.op] if owner is not node else []), node.op])
        self.counts[base] = self.counts.get(base, 0) + 1
        return base if self.counts[base] == 1 else f"{base}.{self.counts[base]}"

    def _constant(self, node: Node) -> str:
        array = constant_value(node.outputs[0])
        assert array is not None
        if node.info is not None:
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), STATE(node.name)))
            return STATE(node.name)
        key = (array.dtype.str, str(array.shape), _content(array))
        if key not in self.seen:
            self.seen[key] = f"{self.prefix}constant/{len(self.seen)}"
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), self.seen[key]))
        return self.seen[key]


def _content(array: np.ndarray) -> bytes:
    """What tells two constants apart: the bytes of a small array, the hash of a large one, so that it is not copied."""
    if array.dtype == STRING:
        return "\0".join(array.reshape(-1)).encode()
    return array.tobytes() if array.nbytes <= SMALL else sha256(np.ascontiguousarray(array).data).digest()


def _check_size(writer: _Writer, name: str) -> None:
    """Raise an error if the constants are more than a file can hold."""
    total = sum(t.ByteSize() for t in writer.constants)
    if total > LARGEST:
        text = f"The model of {name or 'the net'} would have {total / 1e9:.1f} GB of weights. An ONNX file has at most 2 GB."
        raise SpecError(f"{text} Use a smaller model, or cut it with `output`.")


def _info(value: Value, name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _rename(nodes: Iterable[onnx.NodeProto], names: Mapping[str, str]) -> None:
    """Rename values in nodes and in their subgraphs."""
    for node in nodes:
        for used in (node.input, node.output):
            for i, name in enumerate(used):
                if name in names:
                    used[i] = names[name]
        for attribute in node.attribute:
            _rename(attribute.g.node, names)

"""Graph to onnx.ModelProto: one file that every stock onnxruntime runs.

Training ops become functions that travel in the model, one per op and overload, the overload naming types,
attributes and provider. The bodies of ops that `functions` leaves out stand in the graph itself, under the layers' names.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from netc.errors import SpecError
from netc.ir import HOST, TRAINING, Graph, Node, Value, constant_value, toposort
from netc.subgraph import Subgraph
from netc.tensor_type import IR_VERSION, OPSET
from netc.training_ops import trace
from netc.training_ops.define import Body, freeze

NEXT = "next/"
STATE = "state/"


def emit(
    graph: Graph, provider: str = "cpu", functions: Collection[str] | bool = True, metadata: Mapping[str, Any] | None = None
) -> onnx.ModelProto:
    """The ONNX model of `graph` with the bodies of `provider`: inputs and states in, outputs and `next/` states out.

    `functions` are the training ops that stay calls: all, none, or those named. SpecError if Python is called in the graph.
    """
    hosted = next((n for n in graph.nodes if n.domain == HOST), None)
    if hosted is not None:
        where = f"{hosted.origin.place}: layer {hosted.origin.layer!r}"
        raise SpecError(f"{where} runs Python: its net is no single model, so it can neither be published nor exported")
    writer = _Writer(provider, functions)
    leaves = [n.outputs[0] for n in graph.nodes if n.key in (("netc", "Input"), ("netc", "State"))]
    for value in leaves:
        writer.names[value] = input_name(value)
    writer.write(graph.nodes)
    ends = [(v, n) for n, v in graph.outputs.items()]
    ends += [(new, NEXT + old.node.attrs["name"]) for old, new in graph.updates.items()]
    writer.bind(ends)
    body = helper.make_graph(
        writer.nodes, graph.name or "net", [_info(v, writer.names[v]) for v in leaves], [_info(v, n) for v, n in ends], writer.constants
    )
    opsets = [helper.make_opsetid("", OPSET)] + ([helper.make_opsetid(TRAINING, 1)] if writer.functions else [])
    model = helper.make_model(
        body, opset_imports=opsets, ir_version=IR_VERSION, functions=list(writer.functions.values()), producer_name="netc"
    )
    if metadata is not None:
        helper.set_model_props(model, {"netc": json.dumps(metadata, sort_keys=True)})
    return model


def input_name(value: Value) -> str:
    """What an `Input` or `State` leaf is called in a model."""
    node = value.node
    return (STATE if node.op == "State" else "") + node.attrs["name"]


@dataclass
class _Writer:
    """Collects the protos of one graph or of one function's body."""

    provider: str
    calls: Collection[str] | bool
    prefix: str = ""
    names: dict[Value, str] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    functions: dict[tuple[str, str], onnx.FunctionProto] = field(default_factory=dict)
    seen: dict[tuple[str, str, bytes], str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def write(self, nodes: Iterable[Node], under: Node | None = None) -> None:
        """The protos of `nodes`, each after those it reads. `under` is the call that they are the body of."""
        for node in nodes:
            if node.key == ("netc", "Constant"):
                self.names[node.outputs[0]] = self._constant(node)
            elif node.key == ("netc", "Stop"):
                self.names[node.outputs[0]] = self._name(node.inputs[0])
            elif node.domain == "netc":
                continue
            elif node.domain == TRAINING and not self._calls(node.op):
                self._expand(node, under or node)
            else:
                self._node(node, under or node)

    def _calls(self, name: str) -> bool:
        return self.calls if isinstance(self.calls, bool) else name in self.calls

    def bind(self, ends: list[tuple[Value, str]]) -> None:
        """Give each end its name: its node's output is renamed; a leaf, or a second name for one value, gets an Identity."""
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
        proto = helper.make_node(node.op, inputs, outputs, name=label, domain=node.domain, **attrs)
        if owner.origin.place:
            # Without the folder: a file that is given away says nothing of the machine that it was made on.
            proto.metadata_props.add(key="netc.place", value=os.path.basename(owner.origin.place))
        if node.domain == TRAINING:
            proto.overload = self._function(node)
        self.nodes.append(proto)

    def _subgraph(self, inner: Subgraph, captured: list[str], label: str) -> onnx.GraphProto:
        """The proto of a subgraph. Its own names begin with the node's, since ONNX lets none of them hide one from outside."""
        writer = _Writer(self.provider, self.calls, f"{label}/")
        writer.names |= {v: f"{label}/in{k}" for k, v in enumerate(inner.inputs)} | dict(zip(inner.captured, captured, strict=True))
        writer.write(toposort(inner.outputs))
        ends = [(v, f"{label}/out{k}") for k, v in enumerate(inner.outputs)]
        writer.bind(ends)
        nodes = [*writer.constant_nodes, *writer.nodes]
        return helper.make_graph(nodes, label, [_info(v, writer.names[v]) for v in inner.inputs], [_info(*end) for end in ends])

    @property
    def constant_nodes(self) -> list[onnx.NodeProto]:
        """The constants as nodes, for what cannot hold initializers."""
        return [helper.make_node("Constant", [], [t.name], value=t) for t in self.constants]

    def _expand(self, node: Node, owner: Node) -> None:
        """The body of a training op in place of its call, under the names of the layer that called it."""
        body = trace(node, self.provider)
        for inner, outer in zip(body.inputs, node.inputs, strict=True):
            if inner is not None and outer is not None:
                self.names[inner] = self._name(outer)
        self.write(toposort(body.outputs), owner)
        for inner, outer in zip(body.outputs, node.outputs, strict=True):
            self.names[outer] = self.names[inner]

    def _function(self, node: Node) -> str:
        """The overload of the function that `node` calls, which is written if it is new."""
        body = trace(node, self.provider)
        key = repr((self.provider, [str(v.type) if v is not None else "-" for v in node.inputs], freeze(node.attrs)))
        overload = hashlib.sha256(key.encode()).hexdigest()[:12]
        if (node.op, overload) not in self.functions:
            self.functions[node.op, overload] = self._function_proto(node, body, overload)
        return overload

    def _function_proto(self, node: Node, body: Body, overload: str) -> onnx.FunctionProto:
        inner = _Writer(self.provider, False)  # onnxruntime does not find overloads that a function calls
        names = [f"in{k}" for k in range(len(body.inputs))]
        inner.names |= {v: n for v, n in zip(body.inputs, names, strict=True) if v is not None}
        inner.write(toposort(body.outputs))
        inner.bind([(v, f"out{k}") for k, v in enumerate(body.outputs)])
        nodes = [*inner.constant_nodes, *inner.nodes]
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_function(
            TRAINING, node.op, names, [f"out{k}" for k in range(len(body.outputs))], nodes, opsets, sorted(node.attrs), overload=overload
        )

    def _name(self, value: Value | None) -> str:
        return "" if value is None else self.names[value]

    def _label(self, node: Node, owner: Node) -> str:
        """`conv1/Conv`, `conv1/backward/ConvFilterGrad`, ...: unique, readable in a viewer, parsed by `netc time`."""
        where = [owner.origin.layer] if owner.origin.layer else []
        where += [owner.origin.part] if owner.origin.part not in ("forward", "body") else []
        base = self.prefix + "/".join([*where, *([owner.op] if owner is not node else []), node.op])
        self.counts[base] = self.counts.get(base, 0) + 1
        return base if self.counts[base] == 1 else f"{base}.{self.counts[base]}"

    def _constant(self, node: Node) -> str:
        array = constant_value(node.outputs[0])
        assert array is not None
        if "state" in node.attrs:
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), STATE + node.attrs["state"]))
            return STATE + str(node.attrs["state"])
        key = (array.dtype.str, str(array.shape), array.tobytes())
        if key not in self.seen:
            self.seen[key] = f"{self.prefix}constant/{len(self.seen)}"
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), self.seen[key]))
        return self.seen[key]


def _info(value: Value, name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _rename(nodes: Iterable[onnx.NodeProto], names: Mapping[str, str]) -> None:
    """Other names for values, in nodes and in their subgraphs."""
    for node in nodes:
        for used in (node.input, node.output):
            for i, name in enumerate(used):
                if name in names:
                    used[i] = names[name]
        for attribute in node.attribute:
            _rename(attribute.g.node, names)

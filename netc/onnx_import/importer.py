"""Runs the nodes of a file on values: each becomes a constant, another op, or the same op in netc's graph."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netc.errors import Diagnostic, NetcError, ShapeError, SpecError
from netc.graph.ir import Value, cast, constant, constant_value, op, toposort
from netc.graph.origin import origin
from netc.onnx_import import shapes
from netc.onnx_import.checks import check_ops, checked_attributes
from netc.onnx_import.contents import follow
from netc.onnx_import.folding import RANDOM, Folder
from netc.onnx_import.model import Body, FileNode, OnnxFile, every
from netc.onnx_import.opsets import MOST_NODES
from netc.onnx_import.table import BECOMES, Call
from netc.onnx_import.weights import VIEWS, Kind, Weight, found

Leaf = Callable[[Weight], Value]
Update = Callable[[Value, Value], None]
Content = np.ndarray

KEEP_SCALE = {*VIEWS, "Concat", "DepthToSpace", "MaxPool", "SpaceToDepth"}  # ops that move quantized integers, and change none
LONGEST = 200  # letters of Python's message that a sentence shows


def values(
    file: OnnxFile,
    inputs: Mapping[str, Value],
    outputs: Sequence[str],
    leaf: Leaf,
    *,
    training: bool = False,
    update: Update | None = None,
    train_batch_norm: bool = False,
) -> tuple[Value, ...]:
    """Return the values of the tensors `outputs`, computed from the values of the tensors `inputs`.

    `leaf` returns the value of each weight and of each moment of BatchNormalization: a state, or a constant. In `training` with
    `train_batch_norm`, moments are computed from the batch, and `update` gets the state of each, unless it is frozen, and its new value.
    SpecError if a name or an op is unknown; ShapeError if the values do not fit the file.
    """
    nodes = file.needed(inputs, tuple(outputs))
    check_ops(file, nodes)
    read = frozenset(outputs).union(*(n.reads for n in every(nodes)), *(b.outputs for n in every(nodes) for b in n.bodies))
    run = Importer(file, leaf, found(file, nodes), training, update, train_batch_norm, read=read)
    run.values |= {name: run.given(name, value) for name, value in inputs.items()}
    try:
        run.nodes(nodes)
    except ShapeError as e:
        pinned = [n for n, v in inputs.items() if (file.known[n].shape or (None,))[:1] == (1,) and v.shape[:1] != (1,)]
        if not pinned:
            raise
        raise ShapeError(f"{e} The file is for a batch of 1.") from e
    return tuple(run.need(name) for name in outputs)


@dataclass(eq=False)
class Importer:
    """The values of the tensors so far. `contents` are integers that hold sizes, which only a run knows in numbers."""

    file: OnnxFile
    leaf: Leaf
    weights: Mapping[tuple[str, Kind], Weight]
    training: bool = False
    update: Update | None = None
    train_batch_norm: bool = False
    values: dict[str, Value] = field(default_factory=dict)
    contents: dict[Value, Content] = field(default_factory=dict)
    quantized: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    leaves: dict[tuple[str, Kind], Value] = field(default_factory=dict)
    constants: dict[str, Value] = field(default_factory=dict)
    read: frozenset[str] = frozenset()
    folder: Folder = field(default_factory=Folder)
    made: int = 0

    def given(self, name: str, value: Value) -> Value:
        """An input of the file as the type that the file declares."""
        info = self.file.known[name]
        if info.shape is not None and len(info.shape) != value.rank:
            wanted = "x".join("?" if d is None else str(d) for d in info.shape) or "a number"
            raise ShapeError(f"{name!r} of {self.file.path.name} is {wanted}, got {'x'.join(map(str, value.shape)) or 'a number'}.")
        return value if info.dtype is None else cast(value, info.dtype)

    def get(self, name: str) -> Value | None:
        """The value of a tensor; None for an omitted one."""
        return self.need(name) if name else None

    def need(self, name: str) -> Value:
        """The value of a tensor. Those of constants are made at their first use."""
        if name in self.values:
            return self.values[name]
        leaf = self.parameter(name)
        if leaf is None and name not in self.constants:
            self.constants[name] = constant(self.file.array(name))
        return self.constants[name] if leaf is None else leaf

    def parameter(self, name: str) -> Value | None:
        """The leaf of a tensor that learns; None for any other."""
        return self._leaf((name, "parameter"))

    def statistic(self, name: str) -> Value | None:
        """The leaf of a moment of BatchNormalization; None if it is computed."""
        return self._leaf((name, "statistic"))

    def _leaf(self, key: tuple[str, Kind]) -> Value | None:
        if key not in self.leaves and key in self.weights:
            self.leaves[key] = self.leaf(self.weights[key])
        return self.leaves.get(key)

    def known(self, value: Value | None) -> Content | None:
        """The content of a value in numbers and sizes; None if only a run knows it."""
        array = constant_value(value)
        return array if array is not None or value is None else self.contents.get(value)

    def nodes(self, nodes: Iterable[FileNode]) -> None:
        """Run nodes in order."""
        for node in nodes:
            self.count(1)
            with _at(node), origin(node=node.label):
                self._node(node)

    def count(self, nodes: int) -> None:
        """Count nodes. SpecError if there are too many of them."""
        self.made += nodes
        if self.made > MOST_NODES:
            raise SpecError(f"{self.file.path.name} has more than {MOST_NODES:,} nodes once its loops are unrolled.")

    def body(self, body: Body, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """The outputs of a graph inside a node."""
        self.values |= zip(body.inputs, inputs, strict=True)
        check_ops(self.file, body.nodes)
        self.nodes(body.nodes)
        outputs = tuple(self.need(o) for o in body.outputs)
        for name in body.own:
            self.values.pop(name, None)
        return outputs

    def _node(self, node: FileNode) -> None:
        if any((o, "parameter") in self.weights for o in node.outputs):
            self.values |= {o: self._needed_leaf(o) for o in node.outputs if o}
            return
        inputs = tuple(self.get(i) for i in node.inputs)
        attrs = checked_attributes(node)
        result = self._folded(node, inputs) or self._made(Call(self, node, inputs, attrs))
        outputs = result if isinstance(result, tuple | list) else (result,)
        self._follow_quantized(node)
        self.values |= {o: v for o, v in zip(node.outputs, outputs, strict=False) if o and v is not None}

    def _follow_quantized(self, node: FileNode) -> None:
        """Note which outputs stand for quantized integers. SpecError if an op computes with such integers."""
        scales = [self.quantized[i] for i in node.inputs if i in self.quantized]
        if not scales or node.op in ("DequantizeLinear", "QuantizeLinear"):
            return
        if node.op not in KEEP_SCALE or any(not np.array_equal(a, b) for s in scales[1:] for a, b in zip(s, scales[0], strict=True)):
            raise SpecError("It computes with quantized integers. netc trains files whose ops compute with floats between DequantizeLinear "
                            "and QuantizeLinear.")  # fmt: skip
        self.quantized |= {o: scales[0] for o in node.outputs}

    def depends_on_sizes(self, value: Value) -> bool:
        """Whether a value is computed from sizes that only a run knows."""
        return any(v in self.contents for n in toposort([value]) for v in n.outputs)

    def _needed_leaf(self, name: str) -> Value:
        value = self.parameter(name)
        assert value is not None, name
        return value

    def _folded(self, node: FileNode, inputs: Sequence[Value | None]) -> list[Value] | None:
        """The outputs as constants, or as integers that hold sizes; None if a run computes them."""
        arrays = [self.known(v) for v in inputs]
        if not inputs or node.domain or any(node.bodies) or node.op in RANDOM:
            return None
        if any(a is None and v is not None for a, v in zip(arrays, inputs, strict=True)):
            return None
        if not any(v in self.contents for v in inputs):
            outputs = self.folder.fold(node, arrays)
            return None if outputs is None else [constant(y) for y in outputs]
        content = follow(node.op, arrays, node.attrs)
        if content is None:
            return None
        if content.dtype != object:
            return [constant(content)]
        value = getattr(op, node.op)(*inputs, shape=content.shape, **node.attrs)
        self.contents[value] = content
        return [value]

    def _made(self, call: Call) -> Any:
        """The outputs as values of the graph."""
        rule = BECOMES.get(call.node.op)
        made = rule(call) if rule is not None else None
        return self.plain(call) if made is None else made

    def plain(self, call: Call) -> tuple[Value, ...]:
        """The outputs of the same op, without those at the end that nothing reads."""
        outputs = call.node.outputs
        while len(outputs) > 1 and outputs[-1] not in self.read:
            outputs = outputs[:-1]
        make = getattr(op, call.node.op)
        try:
            result: tuple[Value, ...] = make(*call.inputs, outputs=len(outputs), **call.attrs)
        except ShapeError:
            stated = shapes.stated(call)
            if stated is None:
                raise
            result = make(*call.inputs, outputs=len(outputs), shape=stated, **call.attrs)
        return result


@contextmanager
def _at(node: FileNode) -> Iterator[None]:
    """Name the node in errors."""
    try:
        with origin(node=node.label):
            yield
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as e:  # a file may hold anything
        reason = f"Its inputs or attributes make no sense ({type(e).__name__}: {str(e)[:LONGEST]})."
        raise SpecError(_Named(None, f"The node {node.label!r} ({node.op}): {reason}")) from e
    except NetcError as e:
        if any(isinstance(d, _Named) for d in e.diagnostics):
            raise
        kind = ShapeError if isinstance(e, ShapeError) else SpecError
        raise kind(_Named(None, f"The node {node.label!r} ({node.op}): {e}")) from e


class _Named(Diagnostic):
    """A diagnostic that already names its node."""

"""The two forms of a graph's values, and the table of rules that choose between them. Elementwise ops share one rule."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from netc.graph.ir import Graph, Node, Value, constant, constant_value, op, rebuild
from netc.graph.op_info import info
from netc.graph.training_ops import channels_last as nhwc

Rule = Callable[["Layout", Node], bool]
RULES: dict[tuple[str, str], Rule] = {}


class Layout:
    """The new values of a graph, in two forms: channels first, as in the original, and channels last."""

    def __init__(self, graph: Graph):
        self.firsts: dict[Value, Value] = {}
        self.lasts: dict[Value, Value] = {}
        self.winners: dict[Value, Value] = {}
        self.readers: dict[Value, list[Node]] = {v: [] for v in graph.ends}
        for node in graph.nodes:
            for value in node.operands:
                self.readers.setdefault(value, []).append(node)
        self.uses = Counter({v: len(nodes) for v, nodes in self.readers.items()}) + Counter(graph.ends)

    def add(self, node: Node) -> None:
        """Add the new form of a node's outputs."""
        if node.outputs[0] in self.lasts:
            return
        found = RULES.get(node.key) or (elementwise if info(node).elementwise else None)
        if found is None or not found(self, node):
            new = rebuild(node, tuple(None if v is None else self.first(v) for v in node.inputs))
            self.firsts |= zip(node.outputs, new.outputs, strict=True)

    def first(self, value: Value) -> Value:
        """Return `value` with channels first."""
        if value not in self.firsts:
            self.firsts[value] = _turned(self.lasts[value], nhwc.to_channels_first, [0, 3, 1, 2])
        return self.firsts[value]

    def last(self, value: Value) -> Value:
        """Return the image `value` with channels last."""
        if value not in self.lasts:
            self.lasts[value] = _turned(self.firsts[value], nhwc.to_channels_last, [0, 2, 3, 1])
        return self.lasts[value]

    def only_relu(self, value: Value) -> list[Node]:
        """Return the Relu that is the only reader of `value`, or an empty list."""
        return [n for n in self.readers[value] if n.key == ("", "Relu")] if self.uses[value] == 1 else []

    def turned(self, value: Value | None) -> bool:
        """Whether the value is an image that exists with channels last."""
        return value in self.lasts


def rule(*ops: str, domain: str = "") -> Callable[[Rule], Rule]:
    """Decorator: the function gives the outputs of nodes of these ops their new form, or returns False to leave them unchanged."""

    def add(function: Rule) -> Rule:
        RULES.update({(domain, name): function for name in ops})
        return function

    return add


def elementwise(layout: Layout, node: Node) -> bool:
    """Use channels last if an input does. An operand with one number per channel, (1, C, 1, 1) or (C, 1, 1), is reshaped."""
    y = node.outputs[0]
    alike = all(v.shape == y.shape for v in node.outputs)
    if y.rank != 4 or not alike or not any(layout.turned(v) and v.shape == y.shape for v in node.operands):
        return False
    inputs: list[Value | None] = []
    for value in node.inputs:
        if value is None or (value.shape != y.shape and all(d == 1 for d in value.shape)):
            inputs.append(None if value is None else op.Reshape(layout.first(value), [1]) if value.rank else layout.first(value))
        elif value.shape == y.shape:
            inputs.append(layout.last(value))
        elif (array := constant_value(value)) is not None:
            inputs.append(constant(array.reshape([1] * (4 - array.ndim) + list(array.shape)).transpose(0, 2, 3, 1)))
        elif value.shape in ((1, y.shape[1], 1, 1), (y.shape[1], 1, 1)):
            inputs.append(op.Reshape(layout.first(value), [y.shape[1]]))
        else:
            return False
    n, c, h, w = y.shape
    types = tuple(replace(t, shape=(n, h, w, c)) for t in node.types)
    layout.lasts |= zip(node.outputs, replace(node, inputs=tuple(inputs), types=types).outputs, strict=True)
    return True


def _turned(x: Value, transpose: Callable[[Value], Value], perm: list[int]) -> Value:
    """Return `x` transposed, or reshaped if that gives the same result."""
    moved = [i for i in perm if x.shape[i] != 1]
    if moved != sorted(moved) or any(isinstance(d, str) for d in x.shape[1:]):
        return transpose(x)
    shape = [x.shape[i] for i in perm]
    return op.Reshape(x, [0 if isinstance(d, str) else d for d in shape], shape=shape)

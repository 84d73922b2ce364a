"""Replace `$name` in the nodes of a layer or of a use by the values of parameters and by blobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from netc.errors import Diagnostic, SpecError, Suggestion, near
from netc.spec.blocks import text
from netc.spec.blocks.references import within
from netc.spec.document import Origin
from netc.spec.reading import Reading, in_order
from netc.spec.yaml_nodes import at, given, named

MOST = 200_000  # nodes in the layers of all blocks
LETTERS = 32  # of a text that count as one more node
Mode = Literal["field", "blob", "argument"]  # a field of a layer, a bottom or top, the argument of a block
STR = "tag:yaml.org,2002:str"


class BlobNode(ScalarNode):
    """A reference to a blob."""


class WrongNode(ScalarNode):
    """A text for which there is no value, which is an error already. It reads as an unset field."""


@dataclass(frozen=True)
class Value:
    """The value of a parameter. Blobs that it names are those of the layers of `scope`."""

    node: Node
    scope: str


@dataclass
class Budget:
    """How many nodes may still be made. SpecError with the errors of `reading` once it is used up."""

    reading: Reading
    left: int = MOST

    def take(self, node: Node, at_: Node, origin: Origin) -> None:
        """Count a node that a text at `at_` makes."""
        self.left -= 1 + (len(node.value) // LETTERS if isinstance(node, ScalarNode) else 0)
        if self.left < 0:
            found = Diagnostic(origin.place(at(at_)), "The blocks of this net expand to far more layers and values than a net can have.")
            raise SpecError(*in_order(self.reading.errors), found)


@dataclass(frozen=True)
class Frame:
    """The place where items are expanded: the text, the first part of the names, and the values of names.

    `values` grows by each `as`. `top`: the items are those of the net itself, in no block and no repeat.
    """

    origin: Origin
    scope: str
    values: dict[str, Value]
    budget: Budget
    top: bool = False
    names: Mapping[str, Value] = field(default_factory=dict)  # in, last and i

    def error(self, node: Node, message: str, suggestion: Suggestion | None = None) -> None:
        """Add an error at a node."""
        self.budget.reading.report(Diagnostic(self.origin.place(at(node)), message, suggestion))

    def made(self, node: Node, mode: Mode) -> Node:
        """A copy of a node with the values of the names in it."""
        self.budget.take(node, node, self.origin)
        if isinstance(node, MappingNode):
            items = [(key, self.made(value, _inside(key, mode))) for key, value in node.value]
            return MappingNode(node.tag, items, node.start_mark, node.end_mark, node.flow_style)
        if isinstance(node, SequenceNode):
            values = [self.made(item, mode) for item in node.value]
            return SequenceNode(node.tag, values, node.start_mark, node.end_mark, node.flow_style)
        if not isinstance(node, ScalarNode):
            return node
        if "$" not in node.value or (self.top and mode == "field"):
            return self._named(node, self.scope) if mode == "blob" and not isinstance(node, BlobNode) else node
        return self._text(node, mode)

    def argument(self, node: Node) -> Value:
        """The value of an argument. One that only passes on a value keeps its scope."""
        name = text.whole(node.value) if isinstance(node, ScalarNode) else ""
        passed = self._value(name) if name else None
        return passed or Value(self.made(node, "argument"), self.scope)

    def _value(self, name: str) -> Value | None:
        return self.names.get(name) or self.values.get(name)

    def _text(self, node: ScalarNode, mode: Mode) -> Node:
        if name := text.whole(node.value):
            value = self._value(name)
            return self._placed(value, node, mode) if value else self._unknown(node, name)
        try:
            parts = text.product(node.value)
            new = self._product(node, *parts) if parts else text.filled(node.value, lambda n: self._spelled(node, n))
        except ValueError as e:
            return self._wrong(node, *e.args)
        made = ScalarNode(node.tag, new, node.start_mark, node.end_mark, node.style)
        return self._named(made, self.scope) if mode == "blob" else made

    def _placed(self, value: Value, node: ScalarNode, mode: Mode) -> Node:
        """A copy of a value in the place of the text that refers to it."""
        old = value.node
        self.budget.take(old, node, self.origin)
        marks = node.start_mark, node.end_mark
        if isinstance(old, BlobNode):
            if mode == "field":
                return self._wrong(node, f"`{node.value}` is a blob. It can be a bottom, a top, or an argument of a block.")
            return BlobNode(old.tag, old.value, *marks)
        if isinstance(old, WrongNode):
            return old
        if isinstance(old, ScalarNode):
            copy = ScalarNode(old.tag, old.value, *marks, old.style)
            return self._named(copy, value.scope) if mode == "blob" else copy
        if isinstance(old, MappingNode):
            items = [(_moved(key, node), self._placed(Value(v, value.scope), node, _inside(key, mode))) for key, v in old.value]
            return MappingNode(old.tag, items, *marks, old.flow_style)
        values = [self._placed(Value(item, value.scope), node, mode) for item in old.value]
        return SequenceNode(old.tag, values, *marks)

    def _named(self, node: ScalarNode, scope: str) -> Node:
        """The blob that a text names, from the layers of a scope. An unset or missing name stays as it is."""
        if not given(node) or (node.value == "~" and not node.style) or not scope:
            return node
        return BlobNode(node.tag, within(scope, node.value), node.start_mark, node.end_mark, node.style)

    def _spelled(self, node: ScalarNode, name: str) -> str:
        """The text of a value inside of a longer text. ValueError if it has none."""
        value = self._value(name)
        if value is None:
            self._unknown(node, name)
        if value is None or isinstance(value.node, WrongNode):
            raise ValueError
        if isinstance(value.node, BlobNode):
            raise ValueError(f"`${name}` is a blob. It cannot be a part of a longer text.")
        if not isinstance(value.node, ScalarNode):
            raise ValueError(f"`${name}` is {named(value.node)}. It cannot be a part of a longer text.")
        self.budget.take(value.node, node, self.origin)
        return str(value.node.value)

    def _product(self, node: ScalarNode, a: str, sign: str, b: str) -> str:
        left, right = (self._number(node, part) for part in (a, b))
        if sign == "//" and right == 0:
            raise ValueError(f"`{node.value}` divides by zero.")
        return str(left * right if sign == "*" else left // right)

    def _number(self, node: ScalarNode, part: str) -> int:
        name = text.whole(part)
        spelled = self._spelled(node, name) if name else part
        if not text.DIGITS.fullmatch(spelled):
            raise ValueError(f"`{node.value}` needs whole numbers, but `{part}` is {spelled!r}.")
        return int(spelled)

    def _unknown(self, node: ScalarNode, name: str) -> Node:
        known = (*self.values, *self.names)
        reason = {"in": " Only a block has one.", "i": " Only a `repeat` has one.", "last": " There is no layer above."}.get(name, "")
        return self._wrong(node, f"There is no value for `${name}` here.{reason}", None if reason else near(name, known))

    def _wrong(self, node: Node, message: str = "", suggestion: Suggestion | None = None) -> Node:
        """The node of a text without a value. It adds an error, unless another text has given it already."""
        if message:
            self.error(node, message, suggestion)
        return WrongNode(node.tag, "~", node.start_mark, node.end_mark)


def _inside(key: Node, mode: Mode) -> Mode:
    """The mode of a field within a node of the given mode."""
    if mode == "argument":
        return mode
    return "blob" if key.value in ("bottom", "top") else "field"


def _moved(key: Node, to: Node) -> Node:
    return ScalarNode(key.tag, key.value, to.start_mark, to.end_mark, key.style) if isinstance(key, ScalarNode) else key

"""The forms of an item in a list of layers: a repeat, or the use of a layer type or a block."""

from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from netc.spec.fields import LAYER_FIELDS
from netc.spec.reading import Reading
from netc.spec.yaml_nodes import given, pairs

Pairs = tuple[tuple[ScalarNode, Node], ...]


@dataclass(frozen=True)
class Use:
    """A layer, or the use of a block: the node of its type or name, and its fields."""

    node: Node
    kind: ScalarNode
    pairs: Pairs

    @property
    def name(self) -> str:
        """The layer type, or the name of the block."""
        return str(self.kind.value)


@dataclass(frozen=True)
class Repeat:
    """A repeat: the node of the key `repeat`, and all fields."""

    key: ScalarNode
    pairs: Pairs

    @property
    def items(self) -> tuple[Node, ...]:
        """The items that are repeated."""
        return tuple(item for key, value in self.pairs if key.value == "layers" for item in children(value))


Item = Use | Repeat


def item_of(node: Node) -> Item | None:
    """The item that a node describes. None if it has no form of an item."""
    if isinstance(node, ScalarNode):
        return Use(node, node, ()) if given(node) else None
    fields = fields_of(node)
    named = {key.value: (key, value) for key, value in fields}
    if "repeat" in named:
        return Repeat(named["repeat"][0], fields)
    if "type" in named:
        kind = named["type"][1]
        return Use(node, kind, tuple(f for f in fields if f[0].value != "type")) if isinstance(kind, ScalarNode) else None
    if len(fields) == 1 and fields[0][0].value not in LAYER_FIELDS:
        return Use(node, fields[0][0], fields_of(fields[0][1]))
    return None


def fields_of(node: Node) -> Pairs:
    """The fields of a mapping. Errors in its keys are left to the reader of the layers."""
    return tuple(pairs(Reading("", ""), node)) if isinstance(node, MappingNode) else ()


def children(node: Node) -> tuple[Node, ...]:
    """The elements of a list. A single value is a list of one, and nothing is an empty list."""
    if isinstance(node, SequenceNode):
        return tuple(node.value)
    return () if isinstance(node, ScalarNode) and not given(node) else (node,)

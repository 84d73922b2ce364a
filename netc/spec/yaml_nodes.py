"""Helpers for the nodes that PyYAML composes."""

from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from netc.spec.document import Position
from netc.spec.reading import Reading
from netc.spec.scalars import NUMBER, short
from netc.spec.values import DEEPEST
from netc.spec.yaml_compose import MERGE


def at(node: Node) -> Position:
    """Line and column of a node, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1


def named(node: Node) -> str:
    """A description of a node for error messages."""
    if isinstance(node, ScalarNode):
        return repr(short(node.value)) if given(node) else "nothing"
    return "a list" if isinstance(node, SequenceNode) else "a mapping"


def given(node: ScalarNode) -> bool:
    """Whether there is a value, including an empty text in quotes."""
    return node.value != "" or bool(node.style)


def is_unset(node: Node) -> bool:
    """Whether the value is a bare `~`: the field stays unset and gets no default name or blob."""
    return isinstance(node, ScalarNode) and node.value == "~" and not node.style


def pairs(reading: Reading, node: MappingNode) -> list[tuple[ScalarNode, Node]]:
    """The keys and values of a mapping, then those that `<<` merges into it, unless it has the same keys."""
    found = []
    merged: list[tuple[Node, Node]] = []
    for key, value in node.value:
        if key.tag == MERGE:
            merged += [(key, source) for source in (value.value if isinstance(value, SequenceNode) else [value])]
        elif isinstance(key, ScalarNode):
            found.append((key, value))
        else:
            reading.error(at(key), f"A key must be the name of a field, got {named(key)}.")
    for key, source in merged:
        if isinstance(source, MappingNode):
            names = {key.value for key, _ in found}
            found += [pair for pair in pairs(reading, source) if pair[0].value not in names]
        else:
            reading.error(at(source if named(source) != "nothing" else key), f"`<<` merges mappings, got {named(source)}.")
    return found


def struct_value(reading: Reading, node: Node, depth: int = 0) -> Any:
    """A value without a schema: mappings, lists, texts, numbers, true, false and null, as in JSON."""
    if depth > DEEPEST:
        raise RecursionError
    if isinstance(node, MappingNode):
        return {key.value: struct_value(reading, value, depth + 1) for key, value in pairs(reading, node)}
    if isinstance(node, SequenceNode):
        return [struct_value(reading, item, depth + 1) for item in node.value]
    if not isinstance(node, ScalarNode) or node.style:
        return node.value
    plain = {"": None, "~": None, "null": None, "true": True, "false": False}
    if node.value in plain:
        return plain[node.value]
    return float(node.value) if NUMBER.fullmatch(node.value) else node.value

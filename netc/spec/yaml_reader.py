"""Read YAML into messages. PyYAML composes nodes with positions, and the type of a field determines how its text is parsed."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from netc import registry
from netc.errors import Diagnostic, Place, SpecError
from netc.spec.blocks import LACKING, Entry, expanded, plain_entries
from netc.spec.blocks.keys import NET_KEYS
from netc.spec.document import Document, FieldPath
from netc.spec.fields import SINGLE, keyed
from netc.spec.reading import NET, Reading
from netc.spec.scalars import from_text
from netc.spec.values import TOO_DEEP
from netc.spec.yaml_compose import compose
from netc.spec.yaml_layers import complete, layer_parts, layer_target, type_of
from netc.spec.yaml_nodes import at, given, is_unset, named, pairs, struct_value


def parse_yaml(text: str, message_type: type[Any], path: str = "<text>") -> Document:
    """Parse a YAML text into a document with its errors. SpecError if the text is not YAML."""
    reading = Reading(path, text)
    message = message_type()
    try:
        root = compose(text, path)
        if root is not None:
            _message(reading, root, message, ())
    except RecursionError as e:
        raise SpecError(Diagnostic(Place(path), TOO_DEEP)) from e
    document = reading.finish(message)
    if LACKING in reading.broken:  # checks of the rest would report errors that are none
        raise SpecError(*document.errors)
    return document


def _message(reading: Reading, node: Node, message: Any, path: FieldPath) -> None:
    """Fill a message from a mapping, or from another form that is allowed for it."""
    owner = message.DESCRIPTOR
    if isinstance(node, ScalarNode) and owner.name in SINGLE and given(node):
        field = owner.fields_by_name[SINGLE[owner.name]]
        if (single := _scalar(reading, node, node, field)) is not None:
            setattr(message, field.name, single)
        return
    if isinstance(node, ScalarNode) and not given(node):
        return
    if not isinstance(node, MappingNode):
        what = f"`{path[-1]}`" if path else "The file"
        reading.error(at(node), f"{what} must be a mapping of the fields of {owner.name}, got {named(node)}.")
    elif owner.full_name == "google.protobuf.Struct":
        message.update(struct_value(reading, node))
    else:
        layers: list[tuple[Entry, Any, set[str]]] = []
        node, entries = expanded(reading, node) if owner is NET else (node, None)
        for key, value in pairs(reading, node):
            name = "layer" if owner is NET and key.value == "layers" else key.value
            field = owner.fields_by_name.get(name)
            if field is None:
                field = reading.unknown(at(key), message, name, path, keys=NET_KEYS if owner is NET else ())
            if field is None:
                continue
            if owner is NET and field.name == "layer":
                layers = _layers(reading, key, value, message, path, entries)
            elif field.name == "solver":
                with reading.judging((*path, "solver")):
                    _field(reading, key, value, message, field, path)
            else:
                _field(reading, key, value, message, field, path)
        complete(reading, layers, message, path)


def _field(reading: Reading, key: Node, value: Node, message: Any, field: FieldDescriptor, path: FieldPath) -> None:
    here = (*path, field.name)
    if not reading.claim(at(key), here) or is_unset(value):
        return
    if not field.is_repeated:
        if field.message_type:
            getattr(message, field.name).SetInParent()
            _message(reading, value, getattr(message, field.name), here)
        elif (single := _scalar(reading, key, value, field)) is not None:
            setattr(message, field.name, single)
        return
    target = getattr(message, field.name)
    if (names := keyed(field)) and isinstance(value, MappingNode):
        for i, (name, item) in enumerate(pairs(reading, value)):
            _keyed(reading, name, item, target.add(), names, (*here, i))
        return
    for i, item in enumerate(value.value if isinstance(value, SequenceNode) else [value]):
        reading.claim(at(item if isinstance(value, SequenceNode) else key), (*here, i))
        if field.message_type:
            _message(reading, item, target.add(), (*here, i))
        elif (single := _scalar(reading, key, item, field)) is not None:
            target.append(single)


def _keyed(reading: Reading, key: Node, value: Node, message: Any, names: tuple[str, str], path: FieldPath) -> None:
    """Fill a message whose name is a key of a mapping. A scalar is the value of its second field."""
    first, second = names
    reading.claim(at(key), path)
    reading.claim(at(key), (*path, first))
    setattr(message, first, key.value)
    if isinstance(value, ScalarNode) and given(value) and not is_unset(value):
        _field(reading, key, value, message, message.DESCRIPTOR.fields_by_name[second], path)
    else:
        _message(reading, value, message, path)


def _scalar(reading: Reading, key: Node, node: Node, field: FieldDescriptor) -> Any:
    """The value of a scalar; for an invalid one, an error and None. The error of a missing value points to its key."""
    if not isinstance(node, ScalarNode):
        reading.error(at(node), f"`{field.name}` must be a single value, got {named(node)}.")
    elif not given(node):
        reading.error(at(key), f"`{field.name}` has no value.")
    else:
        try:
            return from_text(field, node.value)
        except ValueError as e:
            reading.error(at(node), *e.args)
    return None


def _layers(
    reading: Reading, key: Node, value: Node, net: Any, path: FieldPath, entries: Sequence[Entry] | None
) -> list[tuple[Entry, Any, set[str]]]:
    """Read the layers of a net. Returns each with its entry and the names of the fields in the text."""
    registry.load()  # a layer's fields, and its default bottoms and tops, depend on its type
    found: list[tuple[Entry, Any, set[str]]] = []
    here = (*path, "layer")
    if not reading.claim(at(key), here) or is_unset(value):
        return found
    nodes = value.value if isinstance(value, SequenceNode) else [value]
    for i, entry in enumerate(plain_entries(nodes) if entries is None else entries):
        layer = net.layer.add()
        reading.claim(at(entry.node), (*here, i))
        if entry.origin:
            reading.origins[*here, i] = entry.origin
        with reading.judging((*here, i)):
            found.append((entry, layer, _layer(reading, entry.node, layer, (*here, i))))
    return found


def _layer(reading: Reading, node: Node, layer: Any, path: FieldPath) -> set[str]:
    """Fill a layer. Returns the names of the fields in the text."""
    type_node, fields = layer_parts(reading, node)
    if type_node is not None:
        layer.type = type_of(reading, type_node, fields)
        reading.claim(at(type_node), (*path, "type"))
    written = set()
    for key_node, value_node in fields:
        target, field, inner = layer_target(reading, layer, key_node, path)
        if field is not None:
            _field(reading, key_node, value_node, target, field, inner)
            written.add(field.name)
    return written

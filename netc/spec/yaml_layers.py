"""Layers in YAML: their forms, where their fields belong, and what is taken for what they leave out."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from yaml.nodes import MappingNode, Node, ScalarNode

from netc.errors import near
from netc.spec.document import FieldPath
from netc.spec.fields import KINDS, LAYER_FIELDS, kind, own_fields
from netc.spec.reading import Reading
from netc.spec.yaml_nodes import at, given, is_unset, named, pairs

Fields = list[tuple[ScalarNode, Node]]


def layer_parts(reading: Reading, node: Node) -> tuple[ScalarNode | None, Fields]:
    """The node of a layer's type and its fields, from `Type`, `Type: {fields}` or `{type: Type, fields}`."""
    if isinstance(node, ScalarNode) and given(node):
        return node, []
    fields = pairs(reading, node) if isinstance(node, MappingNode) else []
    types = [value for key, value in fields if key.value == "type"]
    if types:
        if len(types) > 1 or not isinstance(types[0], ScalarNode):
            reading.fault(at(types[-1]), "a layer has one type")
            return None, []
        return None if is_unset(types[0]) else types[0], [pair for pair in fields if pair[0].value != "type"]
    if len(fields) == 1 and fields[0][0].value not in LAYER_FIELDS:
        return fields[0][0], _inner(reading, *fields[0])
    reading.fault(at(node), _no_layer(node, fields))
    return None, []


def _inner(reading: Reading, key: ScalarNode, value: Node) -> Fields:
    if isinstance(value, MappingNode):
        return pairs(reading, value)
    if not isinstance(value, ScalarNode) or given(value):
        reading.fault(at(value), f"what follows {key.value!r} is a mapping of its fields; {named(value)} came")
    return []


def _no_layer(node: Node, fields: Fields) -> str:
    first, value = fields[0] if fields else (None, None)
    if first is not None and isinstance(value, ScalarNode) and not given(value) and first.value not in LAYER_FIELDS:
        return f"the fields of {first.value!r} stand further to the right than it does"
    if len(fields) > 1 and all(key.value not in LAYER_FIELDS for key, _ in fields):
        return "layers stand in a list, each after a `- `"
    came = f"fields without a type ({', '.join(key.value for key, _ in fields)})" if fields else named(node)
    return f"a layer is `Type`, `Type: {{fields}}` or a mapping with `type`; {came} came"


def layer_target(reading: Reading, layer: Any, key: ScalarNode, path: FieldPath) -> tuple[Any, FieldDescriptor | None, FieldPath]:
    """The message that a key of a layer belongs to, its field there, and that message's path; else only a fault."""
    name, own = key.value, own_fields(layer.type)
    if name in own:
        param, field = own[name]
        getattr(layer, param).SetInParent()
        return getattr(layer, param), field, (*path, param)
    if name in LAYER_FIELDS:
        return layer, LAYER_FIELDS[name], path
    if not layer.type or layer.type in KINDS:
        known = {n for n in LAYER_FIELDS if not n.endswith("_param")} | own.keys()
        reading.fault(at(key), f"{layer.type or 'the layer'} has no field {name!r}; {near(name, known)}")
    return layer, None, path


def unknown_type(reading: Reading, type_node: ScalarNode, fields: Fields) -> None:
    """One fault for a type that is not in the table and yet has fields of its own, which a plug-in's has under `custom`."""
    own = [key.value for key, _ in fields if key.value not in LAYER_FIELDS]
    if own and type_node.value not in KINDS:
        hint = near(type_node.value, KINDS)
        text = f"there is no layer type {type_node.value!r}; {hint} (a plug-in's type has its fields, {', '.join(own)}, under `custom`)"
        reading.fault(at(type_node), text)


def complete(reading: Reading, layers: list[tuple[Node, Any, set[str]]], net: Any) -> None:
    """Give the layers of a net the names, bottoms and tops that they leave out."""
    taken = {layer.name for _, layer, given_names in layers if "name" in given_names}
    newest = net.input[0] if layers and net.input else None
    for node, layer, written in layers:
        if not layer.type:
            continue
        of_type = kind(layer.type)
        if "name" not in written:
            layer.name = of_type.default_name(taken)
            taken.add(layer.name)
        if "bottom" not in written:
            bottom = of_type.default_bottom(newest)
            if bottom is None:
                several = of_type.default_bottom("") is None
                reason = "it reads several blobs" if several else "nothing stands above it that it could read"
                reading.fault(at(node), f"{layer.type} needs `bottom`: {reason}")
            layer.bottom.extend(bottom or [])
        if "top" not in written:
            layer.top.extend(of_type.default_top(layer.name, layer.bottom, "bottom" not in written))
        newest = of_type.newest(layer.top, newest)

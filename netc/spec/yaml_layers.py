"""Layers in YAML: their forms, the messages of their fields, and default names, bottoms and tops."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from yaml.nodes import MappingNode, Node, ScalarNode

from netc import registry
from netc.registry import LayerType
from netc.spec.blocks import Blobs, Entry
from netc.spec.document import FieldPath
from netc.spec.fields import LAYER_FIELDS, own_fields
from netc.spec.other_names import suggest_field, suggest_type
from netc.spec.reading import Reading
from netc.spec.shorthand import Names, default_bottoms, default_tops, newest_after
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
            reading.error(at(types[-1]), "A layer has exactly one type.")
            return None, []
        return None if is_unset(types[0]) else types[0], [pair for pair in fields if pair[0].value != "type"]
    if len(fields) == 1 and fields[0][0].value not in LAYER_FIELDS:
        return fields[0][0], _inner(reading, *fields[0])
    reading.error(at(node), _no_layer(node, fields))
    return None, []


def _inner(reading: Reading, key: ScalarNode, value: Node) -> Fields:
    if isinstance(value, MappingNode):
        return pairs(reading, value)
    if not isinstance(value, ScalarNode) or given(value):
        reading.error(at(value), f"Expected the fields of {key.value!r} as a mapping, `{{field: value, ...}}`, got {named(value)}.")
    return []


def _no_layer(node: Node, fields: Fields) -> str:
    first, value = fields[0] if fields else (None, None)
    if first is not None and isinstance(value, ScalarNode) and not given(value) and first.value not in LAYER_FIELDS:
        return f"The fields of {first.value!r} are not indented. Indent them by two spaces more than {first.value!r}."
    if len(fields) > 1 and all(key.value not in LAYER_FIELDS for key, _ in fields):
        return f"The layers must be a list. Write `- {fields[0][0].value}`, each layer on its own line."
    given_ = f"fields without a type ({', '.join(key.value for key, _ in fields)})" if fields else named(node)
    return f"A layer is `Type`, `Type: {{fields}}` or a mapping with `type`, got {given_}."


def layer_target(reading: Reading, layer: Any, key: ScalarNode, path: FieldPath) -> tuple[Any, FieldDescriptor | None, FieldPath]:
    """The message that a key of a layer belongs to, its field and the message's path. An unknown key is an error."""
    name, own = key.value, own_fields(layer.type)
    if name in own:
        param, field = own[name]
        getattr(layer, param).SetInParent()
        return getattr(layer, param), field, (*path, param)
    if name in LAYER_FIELDS:
        return layer, LAYER_FIELDS[name], path
    if not layer.type or registry.layer.is_own(layer.type):
        return _unknown_field(reading, layer, key, path)
    return layer, None, path


def _unknown_field(reading: Reading, layer: Any, key: ScalarNode, path: FieldPath) -> tuple[Any, FieldDescriptor | None, FieldPath]:
    """Report an unknown field. Returns the field that is assumed to be meant, if there is one and it is still unset."""
    own = own_fields(layer.type)
    known = {n: ((), f) for n, f in LAYER_FIELDS.items() if not n.endswith("_param")} | {n: ((p,), f) for n, (p, f) in own.items()}
    text, suggestion = f"{layer.type or 'The layer'} has no field {key.value!r}.", suggest_field(key.value, known)
    others = sorted(t for t in registry.layer if key.value in own_fields(t))
    if others and (len(key.value) < 4 or not suggestion.meant):
        text += f" It is a field of {', '.join(others[:4])}{' and others' if len(others) > 4 else ''}."
        reading.error(at(key), text)
        return layer, None, path
    inner, field = known.get(suggestion.meant, ((), None))
    taken = (*path, *inner, suggestion.meant) in reading.positions
    reading.error(at(key), text, suggestion, plain=field is not None and not taken)
    target = layer
    for name in inner if not taken else ():
        target = getattr(layer, name)
        target.SetInParent()
    return target, None if taken else field, (*path, *inner)


def type_of(reading: Reading, type_node: ScalarNode, fields: Fields) -> str:
    """The layer type that is meant. An unregistered type with fields outside of `custom` is an error."""
    name: str = type_node.value
    own = [key.value for key, _ in fields if key.value not in LAYER_FIELDS]
    if not own or registry.layer.is_own(name):
        return name
    if name in registry.layer:
        reading.error(at(type_node), f"{name} is a layer of a plug-in. Write its fields ({', '.join(own)}) under `custom`.")
        return name
    suggestion = suggest_type(name, registry.layer)
    if not suggestion.meant:
        suggestion = replace(suggestion, detail=f" A layer of a plug-in has its fields ({', '.join(own)}) under `custom`.")
    reading.error(at(type_node), f"There is no layer type {name!r}.", suggestion, plain=bool(suggestion.meant))
    return suggestion.meant or name


def complete(reading: Reading, layers: Sequence[tuple[Entry, Any, set[str]]], net: Any, path: FieldPath) -> None:
    """Set the names, bottoms and tops that the layers of a net leave out. Layers of blocks get the first part of their names."""
    names = {scope: Names() for scope in {entry.scope for entry, _, _ in layers}}
    for entry, layer, given_names in layers:
        if "name" in given_names and layer.HasField("name"):
            names[entry.scope].add(layer.name)
            layer.name = entry.scope + layer.name
    blobs = Blobs(net.input[0] if layers and net.input else None, [(entry.newest, *layer.bottom) for entry, layer, _ in layers])
    for k, (entry, layer, written) in enumerate(layers):
        above = blobs.name(entry.newest)
        if not layer.type:
            blobs.add(above)
            continue
        of_type = registry.layer_type(layer.type)
        if "name" not in written:
            name = names[entry.scope].free(of_type)
            names[entry.scope].add(name)
            layer.name = entry.scope + name
        with reading.judging((*path, "layer", k)):
            layer.bottom[:] = [blobs.name(bottom) or "" for bottom in layer.bottom]
            if "bottom" not in written:
                layer.bottom.extend(_bottoms(reading, entry, of_type, above))
            if "top" not in written:
                in_place = "bottom" not in written and not blobs.is_read_below(above, k)
                layer.top.extend(default_tops(of_type, layer, in_place))
            else:
                layer.top[:] = [_top(reading, entry, layer.type, top, blobs, k) for top in layer.top]
        blobs.add(newest_after(of_type, layer.top, above))


def _bottoms(reading: Reading, entry: Entry, of_type: LayerType, above: str | None) -> list[str]:
    """The blobs that a layer reads by default. It is an error if there are none."""
    bottoms = default_bottoms(of_type, above)
    if bottoms is None:
        several = default_bottoms(of_type, "") is None
        reason = "The layer reads several blobs: add `bottom: [a, b]`." if several else "There is no layer above to read from."
        reading.error(at(entry.node), f"{of_type.name}: `bottom` is missing. {reason}")
    return bottoms or []


def _top(reading: Reading, entry: Entry, type_: str, reference: str, blobs: Blobs, k: int) -> str:
    """The name of a top. It is an error to overwrite a blob that a layer below reads by a reference."""
    name = blobs.written(reference)
    if name != reference and blobs.is_read_below(name, k):
        text = f"{type_}: The top would overwrite the blob {name!r}, which a layer below reads as it was. Leave out `top`."
        reading.error(at(entry.node), text)
    return name

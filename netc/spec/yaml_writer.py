"""Write messages as YAML: in the short form, or with every name and blob."""

from typing import Any

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.struct_pb2 import Struct
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from netc import registry
from netc.registry import LayerType
from netc.spec.fields import FLAGS, LAYER_FIELDS, SINGLE, keyed, messages, own_fields
from netc.spec.reading import LAYER, NET
from netc.spec.scalars import to_text
from netc.spec.shorthand import Names, default_bottoms, default_tops, newest_after

STR = "tag:yaml.org,2002:str"
RESOLVER: Any = yaml.resolver.Resolver()  # its stub lacks the types of `resolve`


class Dumper(yaml.SafeDumper):
    """PyYAML's writer, which also indents the items of a list."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Never write a list without indent."""
        super().increase_indent(flow, False)


def to_yaml(message: Any, short: bool = True) -> str:
    """Format `message` as YAML: with shorthands that read the same, or with everything written out."""
    set_fields = [pair for pair in _set_fields(message) if pair[0].message_type is not LAYER]
    fields = [(_text(f.name), _field(f, value, short)) for f, value in set_fields]
    if message.DESCRIPTOR is NET and message.layer:
        layers = _short_layers(message) if short else [_spelled_layer(layer) for layer in message.layer]
        place = sum(f.index < NET.fields_by_name["layer"].index for f, _ in set_fields)
        fields.insert(place, (_text("layers" if short else "layer"), _sequence(layers, flow=False)))
    return str(yaml.serialize(_mapping(fields, flow=False), Dumper=Dumper, width=120, allow_unicode=True))


def _set_fields(message: Any) -> list[tuple[Any, Any]]:
    """The fields that are set and their values, in the order of the proto file."""
    return sorted(message.ListFields(), key=lambda pair: pair[0].index)


def _text(text: str) -> Node:
    """The node of a text. Line breaks and invisible characters need double quotes."""
    return ScalarNode(STR, text, style=None if text.isprintable() else '"')


def _plain(text: str) -> Node:
    """The node of a scalar without quotes: numbers, enums, true and false."""
    resolve: Any = RESOLVER.resolve
    return ScalarNode(resolve(ScalarNode, text, (True, False)), text)


def _mapping(items: list[tuple[Node, Node]], flow: bool = True) -> Node:
    return MappingNode("tag:yaml.org,2002:map", items, flow_style=flow or not items)


def _sequence(items: list[Node], flow: bool = True) -> Node:
    return SequenceNode("tag:yaml.org,2002:seq", items, flow_style=flow or not items)


def _field(field: Any, value: Any, short: bool) -> Node:
    """The node of a field's value. In the short form, a single element replaces a list of one."""
    if not field.is_repeated:
        return _value(field, value, short)
    names = keyed(field)
    if names and _is_keyed(value, names[0]):
        return _mapping([(_text(getattr(item, names[0])), _of_key(item, names, short)) for item in value], flow=False)
    if field.name in FLAGS and len(value) == 1 and value[0] in ("true", "false"):
        return _plain(value[0])
    items = [_value(field, item, short) for item in value]
    alone = short and len(items) == 1 and not (names and isinstance(items[0], MappingNode))  # keys would be names
    return items[0] if alone else _sequence(items)


def _is_keyed(items: Any, name: str) -> bool:
    """Whether messages can be written as a mapping: each has a name of its own, and not only a name."""
    return len({getattr(item, name) for item in items}) == len(items) and all(item.HasField(name) for item in items)


def _of_key(item: Any, names: tuple[str, str], short: bool) -> Node:
    """The node of a message without its first field, which is its key. If only the second field is set, that field's value."""
    fields = [(f, value) for f, value in _set_fields(item) if f.name != names[0]]
    if [f.name for f, _ in fields] == [names[1]]:
        return _value(*fields[0], short)
    return _mapping([(_text(f.name), _field(f, value, short)) for f, value in fields])


def _value(field: Any, value: Any, short: bool) -> Node:
    if field.message_type:
        return _message(value, short)
    text = to_text(field, value)
    return _text(text) if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else _plain(text)


def _message(message: Any, short: bool) -> Node:
    fields = _set_fields(message)
    if message.DESCRIPTOR.full_name == "google.protobuf.Struct":
        return _struct(message)
    if message.DESCRIPTOR is NET:
        node = yaml.compose(to_yaml(message, short), yaml.SafeLoader)
        assert node is not None
        return node
    if short and [f.name for f, _ in fields] == [SINGLE.get(message.DESCRIPTOR.name)]:
        return _value(*fields[0], short)
    return _mapping([(_text(f.name), _field(f, value, short)) for f, value in fields])


def _struct(value: Any) -> Node:
    """The node of a Struct, or of a value in one. Texts are quoted, so that none reads as a number."""
    if isinstance(value, Struct):
        return _mapping([(ScalarNode(STR, key, style='"'), _struct(item)) for key, item in sorted(value.items())])
    if isinstance(value, str):
        return ScalarNode(STR, value, style='"')
    if value is None or isinstance(value, bool):
        return _plain({None: "null", True: "true", False: "false"}[value])
    if isinstance(value, float):
        return _plain(repr(value).removesuffix(".0"))
    return _sequence([_struct(item) for item in value])


def _spelled_layer(layer: Any) -> Node:
    """A layer as a mapping of LayerParameter's own fields, without any defaults."""
    fields = _layer_fields(layer, short=False)
    if layer.type:
        names = {"bottom": _names(layer.bottom, short=False), "top": _names(layer.top, short=False)}
        fields = {"name": _plain("~")} | fields | names
    else:
        fields.setdefault("type", _plain("~"))
    order = {name: i for i, name in enumerate(LAYER_FIELDS)}
    return _mapping([(_text(name), fields[name]) for name in sorted(fields, key=order.__getitem__)], flow=False)


def _short_layers(net: Any) -> list[Node]:
    """Every layer in the shortest form that reads the same, with or without the plug-ins that are loaded now."""
    unnamed = _default_names(net.layer)
    newest = [net.input[0] if net.input else None] * 2  # the newest blob for readers with the plug-ins, and for readers without
    nodes = []
    for layer, names_itself in zip(net.layer, unnamed, strict=True):
        of_type = registry.layer_type(layer.type)
        fields = _layer_fields(layer, short=True)
        if layer.type:
            own = registry.layer.is_own(layer.type)
            bottom_is_default = own and all(list(layer.bottom) == default_bottoms(of_type, blob) for blob in newest)
            fields["bottom"] = _names(layer.bottom)
            fields["top"] = _names(layer.top)
            if bottom_is_default:
                del fields["bottom"]
            if own and list(layer.top) == default_tops(of_type, layer, bottom_is_default):
                del fields["top"]
            if own and names_itself:
                del fields["name"]
            elif not layer.HasField("name"):
                fields["name"] = _plain("~")
            records = of_type, of_type if own else LayerType(layer.type)
            newest = [newest_after(record, layer.top, blob) for record, blob in zip(records, newest, strict=True)]
        nodes.append(_short_layer(layer, fields))
    return nodes


def _layer_fields(layer: Any, short: bool) -> dict[str, Node]:
    """The nodes of the fields of LayerParameter that are set."""
    fields = {f.name: _field(f, value, short) for f, value in _set_fields(layer)}
    return fields | {name: _names(getattr(layer, name), short) for name in ("bottom", "top") if name in fields}


def _names(names: Any, short: bool = True) -> Node:
    """The node of the names of blobs, in which `$` begins a reference."""
    nodes = [_text(name.replace("$", "$$")) for name in names]
    return nodes[0] if short and len(nodes) == 1 else _sequence(nodes)


def _default_names(layers: Any) -> list[bool]:
    """For each layer, whether its name is the one that it gets by default.

    The reader avoids all explicit names and those of earlier layers, so this goes from the last layer to the first.
    """
    names = Names(layer.name for layer in layers)
    found: list[bool] = []
    for layer in reversed(layers):
        found.append(bool(layer.type) and layer.HasField("name") and names.is_default(registry.layer_type(layer.type), layer.name))
        if found[-1]:
            names.remove(layer.name)
    return found[::-1]


def _short_layer(layer: Any, fields: dict[str, Node]) -> Node:
    """`Type` or `{Type: {fields}}`, with the fields of the type's own messages directly in it."""
    own = own_fields(layer.type)
    items: list[tuple[str, Node]] = [(name, fields[name]) for name in ("name", "bottom", "top") if name in fields]
    for param in reversed(messages(layer.type)):
        if layer.HasField(param):
            message = getattr(layer, param)
            parts = [(f, _field(f, value, short=True)) for f, value in _set_fields(message)]
            items += [(f.name, node) for f, node in parts if own[f.name][0] == param]
            hidden = [(_text(f.name), node) for f, node in parts if own[f.name][0] != param]
            if hidden or not parts:
                items.append((param, _mapping(hidden)))
    done = {"type", "name", "bottom", "top", *messages(layer.type)}
    items += [(name, node) for name, node in fields.items() if name not in done]
    nodes = [(_text(name), node) for name, node in items]
    if not layer.type.isidentifier() or layer.type in LAYER_FIELDS:
        return _mapping([(_text("type"), _text(layer.type) if layer.HasField("type") else _plain("~")), *nodes])
    return _mapping([(_text(layer.type), _mapping(nodes))], flow=False) if nodes else _text(layer.type)

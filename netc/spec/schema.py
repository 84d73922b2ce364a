"""The comments of the proto file, and the JSON Schema of YAML net files that is made from them."""

from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from netc import registry
from netc.spec.blocks import keys
from netc.spec.fields import LAYER_FIELDS, SINGLE, keyed, messages, own_fields
from netc.spec.reading import LAYER, NET
from netc.spec.scalars import INTEGERS, shortest

PARAMETER = "a parameter of a block"
OLD = {"layers"}  # V1 layers; YAML files have only current layers
TEXT = {"type": ["string", "number", "boolean"]}
NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf", "nan"]}]}
BOOL = {"enum": [True, False, "yes", "no", "on", "off", 0, 1]}


def comments(descriptor: Any) -> dict[str, str]:
    """The proto's comments on a message or enum and its members, by full name (`netc.ReLUParameter.negative_slope`)."""
    start = descriptor.full_name
    return {name: text for name, text in _comments().items() if name == start or name.startswith(f"{start}.")}


@cache
def _comments() -> dict[str, str]:
    file = FileDescriptorSet.FromString((files("netc") / "netc.desc").read_bytes()).file[0]
    found = {}
    for location in file.source_code_info.location:
        item: Any = file
        name, path = file.package, list(location.path)
        while path and item is not None:
            field = item.DESCRIPTOR.fields_by_number[path.pop(0)]
            item = getattr(item, field.name)[path.pop(0)] if path and field.message_type and field.is_repeated else None
            name = f"{name}.{getattr(item, 'name', '')}"
        if item is not None and location.leading_comments:
            found[name] = " ".join(location.leading_comments.split())
    return found


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of YAML net files: all registered layer types, including those of plug-ins, and all fields."""
    registry.load()
    definitions: dict[str, Any] = {"Layer": _layer(), "Layers": _layers(), PARAMETER: _parameter()}
    for type_ in sorted(registry.layer):
        definitions[f"layer {type_}"] = _object(_layer_fields(type_), f"A layer of type {type_}.")
    _define(NET, definitions)
    root = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "netc net"}
    return {**root, "$ref": "#/$defs/NetParameter", "$defs": definitions}


def _define(message: Any, definitions: dict[str, Any]) -> None:
    """Add a message and all messages that it contains to the definitions."""
    if message.name in definitions:
        return
    if message.full_name == "google.protobuf.Struct":
        definitions[message.name] = {"type": "object"}
        return
    fields = {f.name: _field(f) for f in message.fields if f.name not in OLD}
    if message is NET:
        fields["layer"] = fields["layers"] = {**fields["layer"], "anyOf": [{"$ref": "#/$defs/Layers"}, {"type": "null"}]}
        paths = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        values: dict[str, dict[str, Any]] = {"blocks": {"type": ["object", "null"], "additionalProperties": _block()}, "include": paths}
        fields |= {name: {"description": keys.NET_KEYS[name], **value} for name, value in values.items()}
    definitions[message.name] = _object(fields, _comments()[message.full_name])
    required = [f.name for f in message.fields if f.is_required]
    if required:
        definitions[message.name]["required"] = required
    for field in message.fields:
        if field.message_type and field.name not in OLD:
            _define(field.message_type, definitions)


def _object(fields: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": fields, "additionalProperties": False}


def _layer_fields(type_: str) -> dict[str, Any]:
    """The fields of a layer: those of LayerParameter, and those of the type's own messages."""
    params = messages(type_)
    shared = {name: _of(LAYER, name) for name in LAYER_FIELDS if not name.endswith("_param") or name in params}
    return shared | {name: _of(field.containing_type, name) for name, (_, field) in own_fields(type_).items()}


def _of(message: Any, name: str) -> dict[str, Any]:
    """The schema of a field of a layer, whose value may come from a parameter."""
    return {"anyOf": [{"$ref": f"#/$defs/{message.name}/properties/{name}"}, {"$ref": f"#/$defs/{PARAMETER}"}]}


def _layer() -> dict[str, Any]:
    """The schema of a layer in all its forms. A type that is not registered may come from a plug-in."""
    types = sorted(registry.layer)
    by_type = {type_: {"anyOf": [{"$ref": f"#/$defs/layer {type_}"}, {"type": "null"}]} for type_ in types}
    plugin = {"anyOf": [_object(_layer_fields(""), "A layer of a plug-in's type."), {"type": "null"}]}
    one = {"type": "object", "minProperties": 1, "maxProperties": 1, "not": {"required": ["type"]}}
    use = {
        "type": "object",
        "description": "The use of a block.",
        "properties": {n: {"description": t, **TEXT} for n, t in keys.USE_KEYS.items()},
    }
    blocks = {"^[a-z_]": {"anyOf": [use, {"type": "null"}]}}
    short = {**one, "properties": by_type, "patternProperties": blocks, "additionalProperties": plugin}
    spelled = {"type": "object", "required": ["type"], "allOf": [_when(type_) for type_ in types]}
    forms = [{"enum": types}, {"type": "string"}, short, spelled, _repeat()]
    return {"description": _comments()[LAYER.full_name], "anyOf": forms}


def _layers() -> dict[str, Any]:
    """The schema of the layers of a net, a block or a repeat."""
    return {"anyOf": [{"$ref": "#/$defs/Layer"}, {"type": "array", "items": {"$ref": "#/$defs/Layer"}}]}


def _parameter() -> dict[str, Any]:
    """The schema of a value with `$name` in it, at any depth."""
    inside = {"$ref": f"#/$defs/{PARAMETER}"}
    text = {"type": "string", "pattern": "\\$"}
    return {"anyOf": [text, {"type": "array", "contains": inside}, {"type": "object", "not": {"additionalProperties": {"not": inside}}}]}


def _block() -> dict[str, Any]:
    names = {"type": "array", "items": {"type": "string"}}
    parameters = {"anyOf": [names, {"type": "string"}, {"type": "object"}]}
    fields: dict[str, dict[str, Any]] = {"parameters": parameters, "layers": {"$ref": "#/$defs/Layers"}}
    full = _object({name: {"description": keys.BLOCK_KEYS[name], **value} for name, value in fields.items()}, "A block of layers.")
    return {"anyOf": [{"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Layer"}}, {**full, "required": ["layers"]}]}


def _repeat() -> dict[str, Any]:
    count = {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": f"#/$defs/{PARAMETER}"}]}
    values: dict[str, dict[str, Any]] = {"repeat": count, "layers": {"$ref": "#/$defs/Layers"}, "from": TEXT, "as": TEXT}
    fields = {name: {"description": keys.REPEAT_KEYS[name], **value} for name, value in values.items()}
    return {**_object(fields, "Layers that occur several times."), "required": ["repeat", "layers"]}


def _when(type_: str) -> dict[str, Any]:
    return {"if": {"properties": {"type": {"const": type_}}}, "then": {"$ref": f"#/$defs/layer {type_}"}}


def _field(field: Any) -> dict[str, Any]:
    """The schema of a field's value. A single element may replace its list."""
    one = _value(field)
    found = {"anyOf": [one, {"type": "array", "items": one}, {"type": "null"}]} if field.is_repeated else one
    if names := keyed(field):
        second = _value(field.message_type.fields_by_name[names[1]])
        found["anyOf"].append({"type": "object", "additionalProperties": {"anyOf": [one, second, {"type": "null"}]}})
    default = {"default": _default(field)} if field.has_default_value else {}
    return {"description": _comments()[field.full_name], **found, **default}


def _default(field: Any) -> Any:
    if field.enum_type:
        return field.enum_type.values_by_number[field.default_value].name
    is_float = field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT
    return float(shortest(field.default_value)) if is_float else field.default_value


def _value(field: Any) -> dict[str, Any]:
    if field.message_type:
        name = field.message_type.name
        short = {"$ref": "#/$defs/Layer"} if field.message_type is LAYER else {"$ref": f"#/$defs/{name}"}
        return {"anyOf": [short, _value(field.message_type.fields_by_name[SINGLE[name]])]} if name in SINGLE else short
    if field.enum_type:
        return {"enum": [v.name for v in field.enum_type.values]}
    if field.cpp_type in INTEGERS:
        least, most = INTEGERS[field.cpp_type]
        return {"type": "integer", "minimum": least, "maximum": most}
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return dict(NUMBER)
    return dict(BOOL if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL else TEXT)

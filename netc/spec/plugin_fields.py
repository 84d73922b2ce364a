"""Fields of a fork of Caffe that only a plug-in's layer knows, such as its `*_param`: read from text and binary files into `custom`.

The plug-in declares them in `@layer("Type", fields=...)`:

* a `.proto` file beside the plug-in, or the fork's generated LayerParameter: the fields have types;
* numbers by name, `{"permute_param": (202, {"order": 1})}`: a mapping, which binary files can also fill;
* nothing: a mapping, from text only.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from google.protobuf.internal import wire_format
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from netc import netc_pb2 as pb
from netc import registry
from netc.errors import Diagnostic, Place, SpecError
from netc.files import read_file
from netc.spec.proto_text import message_class

LAYER: Any = pb.LayerParameter.DESCRIPTOR
LARGEST = 2**53  # the largest whole number that `custom` holds exactly
FLOATS = {wire_format.WIRETYPE_FIXED32: "<f", wire_format.WIRETYPE_FIXED64: "<d"}
Numbers = Mapping[str, Any]  # a field's number by name, or the number of a message and the numbers within it


def takes_any(type_: str) -> bool:
    """Whether a layer of this type may have fields that netc does not know: it is a plug-in's."""
    return type_ in registry.layer and not registry.layer.is_own(type_)


def schema(type_: str) -> type[Message] | None:
    """The fork's LayerParameter that a plug-in brings for a layer type, else None. SpecError if it cannot be read."""
    fields = registry.layer_type(type_).fields
    if fields is None or isinstance(fields, Mapping):
        return None
    if isinstance(fields, str | Path):
        return _from_file(str(fields))
    found = getattr(fields, "LayerParameter", fields)  # a generated module, or the class itself
    if not isinstance(found, type) or not issubclass(found, Message):
        text = "`fields` must be a .proto file, a generated LayerParameter, or numbers by name"
        raise SpecError(f"Layer type {type_!r}: {text}, got {fields!r:.80}.")
    return found


@cache
def _from_file(path: str) -> type[Message]:
    try:
        text = read_file(Path(path)).decode()
    except (OSError, UnicodeDecodeError) as e:
        raise SpecError(Diagnostic(Place(path), f"Cannot read the .proto file: {getattr(e, 'strerror', None) or e}.")) from e
    found: type[Message] = message_class(text, "LayerParameter", path)
    return found


def numbers(type_: str) -> Numbers:
    """The numbers that a plug-in declares for the fields of a layer type."""
    fields = registry.layer_type(type_).fields
    return fields if isinstance(fields, Mapping) else {}


def names(type_: str) -> set[str]:
    """The names of the fields of a layer type that its plug-in declares and netc lacks."""
    foreign = schema(type_)
    declared = numbers(type_) if foreign is None else cast(Any, foreign).DESCRIPTOR.fields_by_name
    return set(declared) - set(LAYER.fields_by_name)


def own(message: Any, known: Any = LAYER) -> dict[str, Any]:
    """The content of a fork's message that the descriptor `known` lacks, as a mapping: unknown fields, also within known messages."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name not in known.fields_by_name:
            found |= _plain(message, field.name)
        else:
            inner = known.fields_by_name[field.name].message_type
            rest = own(value, inner) if inner and field.message_type and not field.is_repeated else {}
            found |= {field.name: rest} if rest else {}
    return found


def _plain(message: Any, name: str) -> dict[str, Any]:
    """One field of a message as a mapping."""
    alone = type(message)()
    value = getattr(message, name)
    if message.DESCRIPTOR.fields_by_name[name].is_repeated:
        getattr(alone, name).extend(value)
    elif isinstance(value, Message):
        getattr(alone, name).CopyFrom(value)
    else:
        setattr(alone, name, value)
    found: dict[str, Any] = json_format.MessageToDict(alone, preserving_proto_field_name=True)
    return found


def merge(layer: Any, found: Mapping[str, Any]) -> None:
    """Add a plug-in's fields to the `custom` of a layer."""
    if found:
        layer.custom.update(found)


def take_unknown(layer: Any, place: str) -> None:
    """Copy the unknown fields of a binary layer that its plug-in declares into `custom`. They also stay in the message.

    SpecError if they do not have the types of the plug-in's schema.
    """
    if not takes_any(layer.type):
        return
    foreign = schema(layer.type)
    try:
        if foreign is None:
            merge(layer, dict(_decoded(layer, numbers(layer.type))))
            return
        extra = own(foreign.FromString(layer.SerializeToString()))
        _clear_collisions(layer, foreign.DESCRIPTOR)
        merge(layer, extra)
    except (DecodeError, UnicodeDecodeError) as e:
        text = f"Layer {layer.name!r} ({layer.type}): Its fields do not have the types that the plug-in declares: {e}."
        raise SpecError(Diagnostic(Place(place), text)) from e


def declares(type_: str, within: Sequence[str | int], number: int) -> bool:
    """Whether the plug-in of a layer type declares field `number` of the layer's message, or of a message within it."""
    if not takes_any(type_):
        return False
    foreign = schema(type_)
    if foreign is None:
        return not within and number in map(_number, numbers(type_).values())
    descriptor: Any = foreign.DESCRIPTOR
    for name in within:
        inner = descriptor.fields_by_name.get(str(name))
        if inner is None or inner.message_type is None:
            return False
        descriptor = inner.message_type
    return number in descriptor.fields_by_number


def _clear_collisions(layer: Any, foreign: Any) -> None:
    """Clear the fields of netc whose numbers have another name in the fork: their values are the fork's."""
    for field in foreign.fields:
        known = LAYER.fields_by_number.get(field.number)
        if known is not None and known.name != field.name and field.name not in LAYER.fields_by_name:
            layer.ClearField(known.name)


def _number(declared: Any) -> int:
    return int(declared[0] if isinstance(declared, tuple | list) else declared)


def unknown_fields(message: Any) -> list[Any]:
    """The fields of a binary message that netc's schema lacks, each with `field_number`, `wire_type` and `data`."""
    found: Any = UnknownFieldSet
    return list(found(message))


def _decoded(message: Any, declared: Numbers) -> Iterator[tuple[str, Any]]:
    """The (name, value) pairs of the unknown fields of `message` whose numbers are declared. Several values are a list."""
    values: dict[int, list[Any]] = {}
    for field in unknown_fields(message):
        values.setdefault(field.field_number, []).append((field.wire_type, field.data))
    for name, number in declared.items():
        inner = number[1] if isinstance(number, tuple | list) else None
        found = [_value(kind, data, inner) for kind, data in values.get(_number(number), ())]
        if found:
            yield name, found[0] if len(found) == 1 else found


def _value(kind: int, data: Any, inner: Numbers | None) -> Any:
    """A value in binary: a whole number, a float, a text, or a message if the numbers within it are declared."""
    if kind == wire_format.WIRETYPE_VARINT:
        return signed(data)
    if kind in FLOATS:
        return struct.unpack(FLOATS[kind], struct.pack("<I" if kind == wire_format.WIRETYPE_FIXED32 else "<Q", data))[0]
    if inner is None:
        return data.decode()
    message = Empty.FromString(data)
    undeclared = {f.field_number for f in unknown_fields(message)} - set(map(_number, inner.values()))
    if undeclared:
        raise DecodeError(f"the number {min(undeclared)} within it is not declared")
    return dict(_decoded(message, inner))


def signed(number: int) -> int:
    """A varint as a signed number of 64 bits."""
    return number - (1 << 64) if number >= 1 << 63 else number

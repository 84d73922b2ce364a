"""Unknown content of binary files: fields of a Caffe fork, unknown enum values, and texts that are not UTF-8.

Of a fork's fields, only the numbers are known.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, SpecError
from netc.spec import plugin_fields
from netc.spec.document import Dropped, FieldPath

NO_LAYER = pb.LayerParameter()  # around fields that are in no layer
MOST_NAMES = 3  # layer names in a message
MOST_SHOWN = 40  # bytes of an unreadable text in a message


def discard(message: Any, path: str, dropped: Dropped) -> tuple[Diagnostic, ...]:
    """Remove unknown fields from `message` if they are in `dropped`. Returns a warning for each kind.

    Any other unknown field is an error, because it may change what a layer computes. SpecError lists them. A known field with an
    invalid value is treated as unknown: another type, or a number outside of its enum.
    """
    for layer in getattr(message, "layer", ()):
        plugin_fields.take_unknown(layer, path)
    found: dict[tuple[str, str, bool], Counter[str]] = {}
    of_plugin = False
    for at, owner, number, layer in _strangers(message, (), NO_LAYER):
        field = owner.fields_by_number.get(number)
        if field is None and plugin_fields.declares(layer.type, at[1:], number):
            of_plugin = True
            continue
        name = field.name if field else str(number)
        what = f"{owner.name}.{name} has an unknown value." if field else f"{owner.name} has no field with the number {number}."
        if not field and not at[1:] and plugin_fields.takes_any(layer.type):
            what += f" The plug-in can declare it: `@layer({layer.type!r}, fields={{NAME: {number}}})`."
        key = what, Dropped.name(at, name), dropped.has(at, name, layer.name, layer.type)
        found.setdefault(key, Counter())["" if layer is NO_LAYER else layer.name or "?"] += 1
    errors = [
        Diagnostic(Place(path), f"{_where(layers)}{what} {_how_to_drop(name, layers)}")
        for (what, name, gone), layers in found.items()
        if not gone
    ]
    if errors:
        raise SpecError(*errors)
    if found or of_plugin:
        message.DiscardUnknownFields()
    return tuple(Diagnostic(Place(path), f"{_where(layers)}{what} It is ignored.") for (what, _, _), layers in found.items())


def check_texts(message: Any, path: str) -> None:
    """SpecError for a text in `message` that is not UTF-8; protobuf returns bytes for it."""
    for owner, name, value in _texts(message):
        if isinstance(value, bytes):
            raise SpecError(Diagnostic(Place(path), f"{owner}.{name} is not UTF-8: {value[:MOST_SHOWN]!r}"))


def _texts(message: Any) -> Iterator[tuple[str, str, str | bytes]]:
    """(message, field, value) of every text in a message."""
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for inner in value if field.is_repeated else (value,):
                yield from _texts(inner)
        elif field.type == field.TYPE_STRING:
            yield from ((message.DESCRIPTOR.name, field.name, text) for text in (value if field.is_repeated else (value,)))


def _strangers(message: Any, path: FieldPath, layer: Any) -> Iterator[tuple[FieldPath, Any, int, Any]]:
    """(path of the message, its descriptor, field number, layer) of each unknown field."""
    for number in dict.fromkeys(field.field_number for field in plugin_fields.unknown_fields(message)):
        yield path, message.DESCRIPTOR, number, layer
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for item in value if field.is_repeated else (value,):
            inner = item if field.name in ("layer", "layers") else layer
            yield from _strangers(item, (*path, field.name), inner)


def _where(layers: Counter[str]) -> str:
    """A prefix such as `Layers 'a', 'b' and 3 more: `."""
    names = [repr(name) for name in layers if name]
    if not names:
        return ""
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"Layer{'s' if len(names) > 1 else ''} {', '.join(names[:MOST_NAMES])}{rest}: "


def _how_to_drop(name: str, layers: Counter[str]) -> str:
    if not any(layers):
        return "`--allow-unknown` ignores it."
    return f"netc cannot know what it does in this layer; `--ignore {name}` ignores it."

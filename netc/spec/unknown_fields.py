"""Fields of a binary file that netc's messages do not have: a fork's, of which only the numbers are known, or values that no enum
has; and texts that are none."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from netc.errors import Diagnostic, Place, SpecError
from netc.spec.document import Dropped, FieldPath

MOST_NAMES = 3  # of layers in a message
MOST_SHOWN = 40  # bytes of a text that cannot be read


def discard(message: Any, path: str, dropped: Dropped) -> tuple[Diagnostic, ...]:
    """Takes the fields that netc does not have out of `message`, where `dropped` has them; a warning for each kind.

    Such a field may change what a layer computes, so any other is an error. SpecError lists them. A known field is a stranger too
    where its value is none: of another type, or a number that its enum lacks.
    """
    found: dict[tuple[str, str, bool], Counter[str]] = {}
    for at, owner, number, layer in _strangers(message, (), ""):
        field = owner.fields_by_number.get(number)
        name = field.name if field else str(number)
        what = f"{owner.name}.{name} has an unknown value." if field else f"{owner.name} has no field with the number {number}."
        key = what, Dropped.name(at, name), dropped.has(at, name)
        found.setdefault(key, Counter())[layer] += 1
    errors = [
        Diagnostic(Place(path), f"{_where(layers)}{what} {_how_to_drop(name, layers)}")
        for (what, name, gone), layers in found.items()
        if not gone
    ]
    if errors:
        raise SpecError(*errors)
    if found:
        message.DiscardUnknownFields()
    return tuple(Diagnostic(Place(path), f"{_where(layers)}{what} It is ignored.") for (what, _, _), layers in found.items())


def check_texts(message: Any, path: str) -> None:
    """SpecError where a text in `message` is not UTF-8; protobuf gives bytes for such a one."""
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


def _strangers(message: Any, path: FieldPath, layer: str) -> Iterator[tuple[FieldPath, Any, int, str]]:
    """(path of the message, its descriptor, number of the field, name of the layer) of each field that is not known."""
    for number in dict.fromkeys(field.field_number for field in UnknownFieldSet(message)):  # type: ignore[attr-defined]  # its stub lacks it
        yield path, message.DESCRIPTOR, number, layer
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for item in value if field.is_repeated else (value,):
            name = (getattr(item, "name", "") or "?") if field.name in ("layer", "layers") else layer
            yield from _strangers(item, (*path, field.name), name)


def _where(layers: Counter[str]) -> str:
    """`Layers 'a', 'b' and 3 more: `."""
    names = [repr(name) for name in layers if name]
    if not names:
        return ""
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"Layer{'s' if len(names) > 1 else ''} {', '.join(names[:MOST_NAMES])}{rest}: "


def _how_to_drop(name: str, layers: Counter[str]) -> str:
    if not any(layers):
        return "`--allow-unknown` ignores it."
    return f"netc cannot know what it does in this layer; `--ignore {name}` ignores it."

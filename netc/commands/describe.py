"""Documentation of layer types and fields, from docstrings and comments of the schema."""

from collections.abc import Callable, Iterator
from inspect import getdoc
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from netc import netc_pb2 as pb
from netc import registry
from netc.commands.differences import DIFFERENCES
from netc.spec import comments
from netc.spec.fields import messages
from netc.spec.scalars import to_text


def summary(function: Callable[..., Any]) -> str:
    """The first line of a docstring."""
    return (getdoc(function) or "").splitlines()[0] if getdoc(function) else ""


def describe_layer(name: str) -> str:
    """Describe a layer type: what it computes, its bottoms and tops, and its fields with their defaults."""
    function, record = registry.layer.find(name), registry.layer_type(name)
    lines = [name, "", getdoc(function) or "", ""]
    lines += [f"bottoms: {_count(record.bottoms)}", f"tops: {_count(record.tops)}"]
    if record.in_place is not None:
        lines.append(f"in place: {'by default' if record.in_place else 'never'}")
    if differences := [d for d in DIFFERENCES if name in d.types]:
        lines += ["", "Differences from Caffe:", *(f"  Caffe: {d.caffe}. netc: {d.netc}." for d in differences)]
    for field in messages(name):
        lines += ["", f"{field}:", *describe_message(pb.LayerParameter.DESCRIPTOR.fields_by_name[field].message_type)]
    return "\n".join(lines)


def _count(limits: tuple[int, int | None]) -> str:
    least, most = limits
    return f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"


def describe_message(message: Any) -> Iterator[str]:
    """The lines on the fields of a message."""
    for field in message.fields:
        yield from (f"  {line}" for line in describe_field(field))


def describe_field(field: FieldDescriptor, name: str = "") -> Iterator[str]:
    """The lines on a field, under `name` or its own name: type and default, then its comment."""
    yield f"{name or field.name}: {_type(field)}"
    yield from (f"    {line}" for line in comments(field.containing_type).get(field.full_name, "").splitlines())


def _type(field: FieldDescriptor) -> str:
    kinds = {v: k.removeprefix("TYPE_").lower() for k, v in vars(FieldDescriptor).items() if k.startswith("TYPE_")}
    name = field.message_type.name if field.message_type else kinds[field.type]
    name = "|".join(field.enum_type.values_by_name) if field.enum_type else name
    if field.is_repeated:
        return f"list of {name}"
    return f"{name} [{to_text(field, field.default_value)}]" if field.has_default_value else name

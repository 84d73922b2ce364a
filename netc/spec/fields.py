"""Which messages and fields belong to a layer type."""

from functools import cache
from typing import Any

from netc import netc_pb2 as pb
from netc import registry

LAYER_FIELDS: dict[str, Any] = dict(pb.LayerParameter.DESCRIPTOR.fields_by_name)
# The field of LayerParameter with the message `<Type>Parameter`, by type.
NAMED = {f.message_type.name.removesuffix("Parameter"): f.name for f in LAYER_FIELDS.values() if f.name.endswith("_param")}


def messages(type_: str) -> tuple[str, ...]:
    """The fields of LayerParameter that hold a type's own fields; of two fields of one name, the first message's is meant."""
    stated = registry.layer_type(type_).messages
    return stated or ((NAMED[type_],) if type_ in NAMED and type_ in registry.layer else ())


def own_fields(type_: str) -> dict[str, tuple[str, Any]]:
    """The fields that stand directly in a layer of the type, by name: the field of LayerParameter, and that within."""
    return _fields_of(messages(type_))


@cache
def _fields_of(params: tuple[str, ...]) -> dict[str, tuple[str, Any]]:
    return {f.name: (param, f) for param in reversed(params) for f in LAYER_FIELDS[param].message_type.fields}

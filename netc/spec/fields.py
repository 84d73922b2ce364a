"""The messages and fields that belong to a layer type."""

from functools import cache
from typing import Any

from netc import netc_pb2 as pb
from netc import registry

LAYER_FIELDS: dict[str, Any] = dict(pb.LayerParameter.DESCRIPTOR.fields_by_name)
# By layer type: the field of LayerParameter with the message `<Type>Parameter`.
NAMED = {f.message_type.name.removesuffix("Parameter"): f.name for f in LAYER_FIELDS.values() if f.name.endswith("_param")}

# Repeated messages that YAML writes as a mapping: from the value of the first of these fields to a mapping of the others, or to
# the value of the second one.
KEYED: dict[str, tuple[str, str]] = {
    "ColumnParameter": ("name", "type"), "IgnoredColumn": ("name", "reason"), "LearningRateRule": ("pattern", "lr_mult"),
    "FixedInput": ("name", "value"),
}  # fmt: skip
# Messages that YAML writes as a single value, which is that of this field.
SINGLE: dict[str, str] = {"FillerParameter": "type", "LearningRateRule": "lr_mult"}
# Lists of patterns for which YAML also takes true, for all, and false, for none.
FLAGS = ("freeze",)


def keyed(field: Any) -> tuple[str, str] | None:
    """The two fields by which YAML writes a repeated field as a mapping; None for other fields."""
    return KEYED.get(field.message_type.name) if field.message_type and field.is_repeated else None


def messages(type_: str) -> tuple[str, ...]:
    """The fields of LayerParameter that contain a type's own fields. If two contain the same field, the first has priority."""
    stated = registry.layer_type(type_).messages
    return stated or ((NAMED[type_],) if type_ in NAMED and type_ in registry.layer else ())


def own_fields(type_: str) -> dict[str, tuple[str, Any]]:
    """The fields that a layer of the type accepts directly, by name: the field of LayerParameter, and the field within it."""
    return _fields_of(messages(type_))


@cache
def _fields_of(params: tuple[str, ...]) -> dict[str, tuple[str, Any]]:
    return {f.name: (param, f) for param in reversed(params) for f in LAYER_FIELDS[param].message_type.fields}

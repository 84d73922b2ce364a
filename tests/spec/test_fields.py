"""Which messages and fields belong to the layer types."""

import pytest

from netc import registry
from netc.spec.fields import LAYER_FIELDS, messages, own_fields

registry.load()

# Fields that two messages of a type share; the first message of the type is the one that is meant.
SHARED = {
    "AnnotatedData": {"scale", "mirror", "crop_size", "mean_file"},
    "Data": {"scale", "mirror", "crop_size", "mean_file"},
    "DenseImageData": {"mean_file"},
    "ImageData": {"scale", "mirror", "crop_size", "mean_file"},
    "ImageSegData": {"scale", "mirror", "crop_size", "mean_file"},
    "WindowData": {"scale", "mirror", "crop_size", "mean_file"},
}


@pytest.mark.parametrize("type_", registry.layer)
def test_no_two_messages_share_a_field(type_: str) -> None:
    seen: set[str] = set()
    shared: set[str] = set()
    for param in messages(type_):
        names = set(LAYER_FIELDS[param].message_type.fields_by_name)
        shared |= names & seen
        seen |= names
    assert shared == SHARED.get(type_, set())
    assert not seen & LAYER_FIELDS.keys()
    assert all(own_fields(type_)[name][0] == "transform_param" for name in shared)


def test_every_message_belongs_to_a_type() -> None:
    used = {param for type_ in registry.layer for param in messages(type_)}
    assert used == {name for name in LAYER_FIELDS if name.endswith("_param")}


def test_a_type_that_is_not_registered_has_no_message() -> None:
    assert messages("Transformation") == () and own_fields("Transformation") == {}

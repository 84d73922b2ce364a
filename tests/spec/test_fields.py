"""What the YAML spelling knows of the layer types."""

import pytest

from netc.spec.fields import KINDS, LAYER_FIELDS, LOSSES, OWN_TYPES, PARAMS, SHORT_NAMES, TYPES, Names, kind, own_fields

# Fields that two messages of a type share; the first message of the type is the one that is meant.
SHARED = {
    "Data": {"scale", "mirror", "crop_size", "mean_file"},
    "ImageData": {"scale", "mirror", "crop_size", "mean_file"},
    "WindowData": {"scale", "mirror", "crop_size", "mean_file"},
}


def test_there_are_caffes_61_types() -> None:
    assert len(TYPES) == 61
    assert len(KINDS) == len(TYPES) + len(OWN_TYPES)
    assert PARAMS.keys() <= KINDS.keys()
    assert SHORT_NAMES.keys() <= KINDS.keys()


@pytest.mark.parametrize("type_", KINDS)
def test_no_two_messages_share_a_field(type_: str) -> None:
    seen: set[str] = set()
    shared: set[str] = set()
    for param in KINDS[type_].params:
        names = set(LAYER_FIELDS[param].message_type.fields_by_name)
        shared |= names & seen
        seen |= names
    assert shared == SHARED.get(type_, set())
    assert not seen & LAYER_FIELDS.keys()
    assert all(own_fields(type_)[name][0] == "transform_param" for name in shared)


def test_every_message_belongs_to_a_type() -> None:
    used = {param for k in KINDS.values() for param in k.params}
    assert used == {name for name in LAYER_FIELDS if name.endswith("_param")}


def test_losses() -> None:
    assert len(LOSSES) == 7
    assert "SoftmaxWithLoss" in LOSSES


@pytest.mark.parametrize(
    ("type_", "names"),
    [
        ("Convolution", ["conv1", "conv2"]),
        ("Deconvolution", ["deconv1", "deconv2"]),
        ("LRN", ["norm1", "norm2"]),
        ("SoftmaxWithLoss", ["loss", "loss2"]),
        ("Accuracy", ["accuracy", "accuracy2"]),
        ("Softmax", ["prob", "prob2"]),
        ("Data", ["data", "data2"]),
        ("Mine", ["mine1", "mine2"]),
    ],
)
def test_default_names(type_: str, names: list[str]) -> None:
    assert [Names().free(kind(type_)), Names(names[:1]).free(kind(type_))] == names
    assert [kind(type_).number(name) for name in names] == [1, 2]


def test_names_that_are_no_default_ones() -> None:
    wrong = ("", "conv", "conv0", "conv01", "conv٣", "con1", "conv1.", "conv" + "9" * 5000)
    assert {kind("Convolution").number(name) for name in wrong} == {0}


def test_default_names_in_the_gaps() -> None:
    names = Names(["conv1", "conv3", "relu61", "conv3"])
    assert names.free(kind("Convolution")) == "conv2"
    names.add("conv2")
    assert names.free(kind("Convolution")) == "conv4"
    assert names.is_default(kind("Convolution"), "conv2")
    assert not names.is_default(kind("Convolution"), "conv3")
    names.remove("conv1")
    assert not names.is_default(kind("Convolution"), "conv2")
    assert names.free(kind("Convolution")) == "conv1"

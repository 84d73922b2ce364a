"""What layers are called, read and write where a YAML file does not say it."""

import pytest

from netc.registry import layer_type
from netc.spec.shorthand import Names, number_of


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
    assert [Names().free(layer_type(type_)), Names(names[:1]).free(layer_type(type_))] == names
    assert [number_of(layer_type(type_), name) for name in names] == [1, 2]


def test_names_that_are_no_default_ones() -> None:
    wrong = ("", "conv", "conv0", "conv01", "conv٣", "con1", "conv1.", "conv" + "9" * 5000)
    assert {number_of(layer_type("Convolution"), name) for name in wrong} == {0}


def test_default_names_in_the_gaps() -> None:
    names = Names(["conv1", "conv3", "relu61", "conv3"])
    assert names.free(layer_type("Convolution")) == "conv2"
    names.add("conv2")
    assert names.free(layer_type("Convolution")) == "conv4"
    assert names.is_default(layer_type("Convolution"), "conv2")
    assert not names.is_default(layer_type("Convolution"), "conv3")
    names.remove("conv1")
    assert not names.is_default(layer_type("Convolution"), "conv2")
    assert names.free(layer_type("Convolution")) == "conv1"

"""`netc layers`: prose and fields of every type."""

import pytest

from netc import registry
from netc.commands.describe import describe_layer, summary
from netc.spec.fields import messages
from tests.small_nets import netc

registry.load()


@pytest.mark.parametrize("name", sorted(registry.layer))
def test_every_layer_says_what_it_does(name: str) -> None:
    text = describe_layer(name)
    assert text.startswith(f"{name}\n\n") and summary(registry.layer[name]).endswith((".", ":"))
    assert "\nbottoms: " in text and "\ntops: " in text
    assert all(f"\n{field}:\n" in text for field in messages(name))


def test_fields_have_types_defaults_and_comments() -> None:
    text = describe_layer("Pooling")
    assert "  pool: MAX|AVE|STOCHASTIC [MAX]\n" in text and "  stride: uint32 [1]\n      " in text
    text = describe_layer("Convolution")
    assert (
        "  kernel_size: list of uint32\n" in text and "  weight_filler: FillerParameter\n" in text and "  bias_term: bool [true]\n" in text
    )
    assert "  eps: float [1e-05]\n" in describe_layer("BatchNorm")
    assert "bottoms: 1 or more" in describe_layer("Silence")


def test_whether_a_layer_works_in_place_is_said() -> None:
    assert "\nin place: by default\n" in describe_layer("ReLU") and "\nin place: never\n" in describe_layer("Flatten")
    assert "\nin place: " not in describe_layer("Power")


def test_the_command_lists_and_describes() -> None:
    names = [line.split()[0] for line in netc("layers").stdout.splitlines()]
    assert names == sorted(registry.layer)
    assert netc("layers", "Dropout").stdout == describe_layer("Dropout") + "\n"
    result = netc("layers", "Dropot")
    assert result.exit_code == 2 and "Did you mean 'Dropout'?" in result.stderr

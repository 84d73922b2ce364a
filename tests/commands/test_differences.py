"""The table of differences to Caffe: types that there are, shown by `netc layers`, and every recorded difference in it."""

from netc import registry
from netc.commands.describe import describe_layer
from netc.commands.differences import DIFFERENCES, table
from tests.layers.test_recorded import CASES, DIFFERS
from tests.small_nets import netc


def test_types_are_registered() -> None:
    assert {t for d in DIFFERENCES for t in d.types} <= registry.layer.keys()


def test_what_recorded_cases_differ_in_stands_there() -> None:
    listed = {t for d in DIFFERENCES for t in d.types}
    assert {CASES[name]["type"] for name in DIFFERS if name in CASES} <= listed


def test_they_are_shown() -> None:
    assert netc("layers", "--differences").stdout.splitlines() == table()
    assert "Differences from Caffe" in describe_layer("HDF5Output") and "crashes at the second batch" in describe_layer("HDF5Output")
    assert "Differences from Caffe" not in describe_layer("TanH")

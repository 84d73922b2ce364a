"""Values without a schema: what one spelling holds, all of them hold."""

from pathlib import Path

import pytest
from google.protobuf import text_format

from netc import netc_pb2 as pb
from netc.errors import SpecError
from netc.spec import load, parse_prototxt, parse_yaml, to_prototxt, to_yaml
from netc.spec.values import DEEPEST, TOO_DEEP


def text(levels: int, before: str, after: str) -> str:
    """A layer whose `custom` has a number so many levels deep."""
    inner = f"{before * (levels - 1)}number_value: 1 {after * (levels - 1)}"
    return f'layer {{ name: "a" type: "X"\n  custom {{ fields {{ key: "k" value {{ {inner} }} }} }} }}'


NESTED = [("list_value { values { ", "} } "), ('struct_value { fields { key: "k" value { ', "} } } ")]


@pytest.mark.parametrize(("before", "after"), NESTED, ids=["lists", "mappings"])
def test_the_deepest_value_is_the_same_in_every_spelling(tmp_path: Path, before: str, after: str) -> None:
    net = parse_prototxt(text(DEEPEST, before, after)).message
    assert parse_yaml(to_yaml(net)).message == parse_prototxt(to_prototxt(net)).message == net
    (tmp_path / "n.caffemodel").write_bytes(net.SerializeToString())
    assert load(tmp_path / "n.caffemodel").message == net


@pytest.mark.parametrize(("before", "after"), NESTED, ids=["lists", "mappings"])
def test_a_deeper_one_is_refused(tmp_path: Path, before: str, after: str) -> None:
    for levels in (DEEPEST + 1, 31, 60):
        with pytest.raises(SpecError, match=f"n.prototxt:2:3: {TOO_DEEP}"):
            parse_prototxt(text(levels, before, after), path="n.prototxt")
    with pytest.raises(SpecError, match=f"s.prototxt:1:.*{TOO_DEEP}|s.prototxt:2:3: {TOO_DEEP}"):
        parse_prototxt(f"net_param {{ {text(DEEPEST + 1, before, after)} }}", pb.SolverParameter, "s.prototxt")
    (tmp_path / "n.caffemodel").write_bytes(text_format.Parse(text(DEEPEST + 1, before, after), pb.NetParameter()).SerializeToString())
    with pytest.raises(SpecError, match=f"n.caffemodel: {TOO_DEEP}"):
        load(tmp_path / "n.caffemodel")

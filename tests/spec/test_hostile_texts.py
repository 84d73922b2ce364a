"""Texts that are made to take long are read, or refused, within two seconds for 100 KB; libyaml changes nothing of what is read."""

import time
from collections.abc import Callable

import pytest
import yaml
from google.protobuf.message import Message

from netc import netc_pb2 as pb
from netc.errors import SpecError
from netc.spec import parse_prototxt, parse_yaml
from netc.spec.overrides import overridden
from tests.spec import hostile_texts
from tests.spec.hostile_texts import PROTOTXT, SIZE, YAML

SECONDS = 2


def outcome(parse: Callable[..., object], text: str, message_type: type[Message]) -> list[str]:
    """The errors of a text, read within the time."""
    start = time.process_time()
    try:
        parse(text, message_type)
        errors = []
    except SpecError as e:
        errors = [str(diagnostic) for diagnostic in e.diagnostics]
    assert time.process_time() - start < SECONDS
    return errors


@pytest.mark.parametrize("name", YAML)
def test_yaml(name: str) -> None:
    text = YAML[name]()
    assert len(text) <= 1.1 * SIZE
    outcome(parse_yaml, text, pb.NetParameter)


@pytest.mark.parametrize("name", YAML)
def test_yaml_without_libyaml(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile_texts, "SIZE", SIZE // 20)
    text = YAML[name]()
    errors = outcome(parse_yaml, text, pb.NetParameter)
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert outcome(parse_yaml, text, pb.NetParameter) == errors


@pytest.mark.parametrize("message_type", [pb.NetParameter, pb.SolverParameter], ids=["net", "solver"])
@pytest.mark.parametrize("name", PROTOTXT)
def test_prototxt(name: str, message_type: type[Message]) -> None:
    text = PROTOTXT[name]()
    assert len(text) <= 1.1 * SIZE
    outcome(parse_prototxt, text, message_type)


@pytest.mark.parametrize("name", YAML)
def test_what_the_command_line_sets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile_texts, "SIZE", SIZE // 20)
    net = parse_yaml("layers: [Input]", path="n.yaml")
    start = time.process_time()
    errors = overridden([net], pb.SolverParameter(), [f"layers.data.shape={YAML[name]()}", f"name={YAML[name]()}"]).errors
    assert time.process_time() - start < SECONDS
    assert sum(len(str(diagnostic)) for diagnostic in errors) < 2**24


@pytest.mark.parametrize("libyaml", [True, False])
def test_aliases(libyaml: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nets use them for stays: a filler for each of many layers, and settings that are merged into them."""
    if not libyaml:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    layers = "".join(f"  - InnerProduct: {{<<: *ip, name: ip{k}, bias_filler: *f}}\n" for k in range(2000))
    first = "  - Input\n  - InnerProduct: &ip {num_output: 3, weight_filler: &f {type: constant, value: 1}}\n"
    net = parse_yaml(f"layers:\n{first}{layers}").message
    assert len(net.layer) == 2002
    assert net.layer[-1].inner_product_param.num_output == 3
    assert net.layer[-1].inner_product_param.weight_filler.value == 1
    assert net.layer[-1].inner_product_param.bias_filler.type == "constant"


def test_too_many_errors_end_the_reading() -> None:
    with pytest.raises(SpecError) as caught:
        parse_yaml("".join(f"nmae{k}: 1\n" for k in range(2000)), path="n.yaml")
    assert len(caught.value.diagnostics) == 501
    assert str(caught.value.diagnostics[-1]) == "n.yaml: Too many errors. Reading stopped after 500."

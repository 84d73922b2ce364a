"""`netc config`: every value, and where it comes from."""

import json
from pathlib import Path

import pytest

from netc.spec import load_job, parse_yaml
from tests.conftest import ROOT
from tests.small_nets import netc, write_small

PROTOTXT = """\
layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer {
  name: "ip" type: "InnerProduct" bottom: "x" top: "y" param { lr_mult: 1 } param { lr_mult: 2 }
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.1 } }
}
"""


def config(*arguments: str) -> dict[str, tuple[str, str]]:
    result = netc("config", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return {s["path"]: (s["value"], s["place"] or s["origin"]) for s in json.loads(result.stdout)}


@pytest.mark.parametrize("path, value, origin", [
    ("layers.conv1.num_output", "8", "--set"),
    ("layers.conv1.kernel_size", "3", "small.yaml:4:34"),
    ("layers.conv1.weight_filler.type", "xavier", "small.yaml:4:50"),
    ("layers.conv1.bias_filler.type", "constant", "Caffe's default"),
    ("layers.conv1.stride", "1", "Caffe's default"),
    ("layers.conv1.bottom", "data", "filled in"),
    ("layers.conv1.name", "conv1", "filled in"),
    ("layers.data.shuffle", "true", "netc's default"),
    ("layers.data.test_fraction", "0.2", "small.yaml:3:47"),
    ("solver.base_lr", "0.5", "--set"),
    ("solver.momentum", "0.9", "small.yaml:12:25"),
    ("solver.random_seed", "0", "netc's default"),
    ("solver.type", "SGD", "Caffe's default"),
    ("name", "small", "small.yaml:1:1"),
])  # fmt: skip
def test_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, value: str, origin: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path)
    found = config("small.yaml", "--set", "solver.base_lr=0.5", "--set", "layers.conv1.num_output=8")
    assert found[path] == (value, origin)


def test_protobuf_text_and_nested_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.prototxt").write_text(PROTOTXT)
    found = config("n.prototxt")
    assert found["layers.ip.weight_filler.std"] == ("0.1", "n.prototxt:4:72") and found["layers.ip.param.1.lr_mult"][0] == "2"
    assert found["layers.d.shape.0.dim"][0] == "2, 3" and not any(path.startswith("solver") for path in found)


@pytest.mark.parametrize("net", sorted(p.name for p in (ROOT / "nets").glob("*.yaml")))
def test_every_net_has_no_field_twice(net: str) -> None:
    lines = netc("config", ROOT / "nets" / net).stdout.splitlines()
    paths = [line.split(": ")[0] for line in lines]
    assert len(paths) == len(set(paths)) > 20


BLOCKS = """\
blocks:
  dense: [{InnerProduct: {num_output: $n}}, ReLU]
name: blocks
layers:
  - Input: {shape: {dim: [1, 4]}}
  - dense: {n: 3}
"""


def test_a_net_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.yaml").write_text(BLOCKS)
    assert config("n.yaml")["layers.dense1/ip1.num_output"] == ("3", "n.yaml:2:27")
    assert config("n.yaml", "--set", "layers.dense1/ip1.num_output=5")["layers.dense1/ip1.num_output"] == ("5", "--set")
    written = netc("config", "n.yaml", "--yaml", "--set", "layers.dense1/ip1.num_output=5").stdout
    assert parse_yaml(written).message == load_job("n.yaml", ["layers.dense1/ip1.num_output=5"]).train.message
    assert "blocks" not in written.replace("name: blocks", "") and "InnerProduct: {name: dense1/ip1, num_output: 5}" in written
    assert netc("config", "n.yaml", "--yaml", "--json").exit_code == 2

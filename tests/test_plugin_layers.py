"""A plug-in's layer is treated as one of netc's own: all that follows from the record of its type."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from netc import api, registry
from netc import netc_pb2 as pb
from netc.compiler.lower import lower
from netc.compiler.step import step_graphs
from netc.graph.ir import Graph
from netc.net.resolve import resolve
from netc.net.variants import deployed
from netc.spec import parse_yaml, to_yaml
from netc.spec.solver_settings import SolverSettings
from tests.layers.test_records import between_convolutions, transposes
from tests.small_nets import NET, netc, write_small

PLUGIN = '''\
"""HardSigmoid again, as a plug-in, and a loss."""

from netc import layer, op


@layer("Ramp", elementwise=True, in_place=True, range=(0.0, 1.0))
def ramp(ctx, x):
    """y = alpha x + beta, between 0 and 1."""
    return op.HardSigmoid(x, alpha=ctx.param.custom["alpha"], beta=ctx.param.custom["beta"])


@layer("RowLoss", bottoms=(2, 2), loss=True, deployed="Softmax")
def row_loss(ctx, scores, labels):
    """The mean of all scores."""
    return op.ReduceMean(scores, keepdims=0)
'''
RAMP = "Ramp: {custom: {alpha: 0.25, beta: 0.5}}"
HARD_SIGMOID = "HardSigmoid: {alpha: 0.25, beta: 0.5}"


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "ramp.py"
    file.write_text(PLUGIN)
    with registry.scoped():
        registry.load(str(file))
        yield file


def step(layer: str) -> Graph:
    """The training graph of a net with this layer between two convolutions."""
    net = resolve(parse_yaml(between_convolutions(layer)))
    return step_graphs(lower(net), SolverSettings.of(pb.SolverParameter(base_lr=0.1))).train


def listed(graph: Graph) -> list[Any]:
    """The nodes of a graph: ops, types, attributes, and the numbers of the nodes that they read."""
    number = {node: k for k, node in enumerate(graph.nodes)}
    hidden = {"name", "layer", "start", "spec", "value"}
    return [
        (n.key, n.types, {k: v for k, v in n.attrs.items() if k not in hidden}, [v and (number[v.node], v.index) for v in n.inputs])
        for n in graph.nodes
    ]


def test_the_graph_is_the_same_node_for_node() -> None:
    assert listed(step(RAMP)) == listed(step(HARD_SIGMOID))
    assert transposes(RAMP) == transposes(HARD_SIGMOID) == transposes("ReLU") == 3


def test_it_writes_its_bottom_by_default_and_a_loss_reads_the_label() -> None:
    net = parse_yaml(f"layers:\n  - Input: {{top: [data, label]}}\n  - {RAMP}\n  - RowLoss").message
    assert [(layer.name, list(layer.bottom), list(layer.top)) for layer in net.layer[1:]] == [
        ("ramp1", ["data"], ["data"]), ("loss", ["data", "label"], ["loss"]),
    ]  # fmt: skip


def test_a_loss_is_replaced_in_a_deployed_net(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("SoftmaxWithLoss", "RowLoss"))
    made = deployed(api.load(path).test_net)
    assert made.layers[-1].type == "Softmax"


def test_the_schema_and_the_help_know_it(plugin: Path) -> None:
    schema = json.loads(netc("schema", "--plugin", plugin).stdout)
    definitions = schema["$defs"]
    assert "custom" in definitions["layer Ramp"]["properties"] and "Ramp" in definitions["Layer"]["anyOf"][0]["enum"]
    assert "y = alpha x + beta, between 0 and 1." in netc("layers", "Ramp", "--plugin", plugin).stdout
    assert "HardSigmoid" in netc("layers").stdout


def test_written_yaml_reads_the_same_without_the_plug_in() -> None:
    text = f"layers:\n  - Input: {{top: [data, label]}}\n  - {RAMP}\n  - RowLoss\n  - ReLU\n  - Softmax"
    message = parse_yaml(text).message
    written = to_yaml(message)
    assert yaml.safe_load(written)["layers"][-2] == {"ReLU": {"bottom": "data", "top": "data"}}  # the loss is no end without its plug-in
    with registry.scoped():
        for name in ("Ramp", "RowLoss"):
            del registry.layer[name], registry.layer.records[name]
        assert parse_yaml(written).message == message


def test_a_property_that_no_layer_has_is_an_error() -> None:
    with pytest.raises(TypeError, match="in_plase"):
        registry.layer("Mine", in_plase=True)(lambda ctx, x: x)
    assert "Mine" not in registry.layer


def test_the_scope_takes_back_what_was_registered(plugin: Path) -> None:
    with registry.scoped():
        registry.layer("Mine")(lambda ctx, x: x)
        assert "Mine" in registry.layer and "Mine" in registry.layer.records
    assert "Mine" not in registry.layer and "Mine" not in registry.layer.records
    assert registry.plugins() == (str(plugin),)

"""What `netc check` says of each parameter: whether it learns, and at which rate."""

import json
from pathlib import Path

import pytest

from netc import load
from netc.commands.learning import FROZEN, IDLE, KEPT, LEARNS, UPDATED, chooses, learning
from tests.layers.test_model import tuned
from tests.onnx_files import classifier
from tests.small_nets import NET, netc, write_small


@pytest.mark.parametrize("fields, expected", [
    ("", {"features.0.weight": (LEARNS, 1.0), "features.0.bias": (LEARNS, 1.0), "norm.mean": (KEPT, 0.0)}),
    ("batch_norm: TRAIN, lr_mult: 0.1,", {"features.0.weight": (LEARNS, 0.1), "norm.mean": (UPDATED, 0.0)}),
    ("freeze: ['features.0'],", {"features.0.weight": (FROZEN, 0.0), "norm.scale": (LEARNS, 1.0), "norm.mean": (KEPT, 0.0)}),
    ("lr_mult: {norm: 0},", {"norm.scale": (FROZEN, 0.0), "features.0.bias": (LEARNS, 1.0)}),
    ("freeze: true, batch_norm: TRAIN,", {"norm.scale": (FROZEN, 0.0), "norm.mean": (FROZEN, 0.0)}),
])  # fmt: skip
def test_how_each_parameter_learns(tmp_path: Path, fields: str, expected: dict[str, tuple[str, float]]) -> None:
    program = load(tuned(tmp_path, fields, classifier(norm=True)))
    found = {one.name.removeprefix("body."): (one.how, round(one.lr_mult, 6)) for one in learning(program)}
    assert {name: found[name] for name in expected} == expected
    updated = {s.node.name for s in program.graph("train").updates}
    assert {one.name for one in learning(program) if one.how in (LEARNS, UPDATED)} == {
        n for n, s in program.states.items() if s.state.is_weight and n in updated
    }


def test_a_parameter_that_no_loss_reads(tmp_path: Path) -> None:
    text = NET.replace(
        "  - Accuracy\n", "  - InnerProduct: {name: unread, bottom: data, num_output: 2}\n  - Accuracy: {bottom: [ip2, label]}\n"
    )
    text = text.replace("- SoftmaxWithLoss", "- SoftmaxWithLoss: {bottom: [ip2, label]}")
    found = {one.name: one.how for one in learning(load(write_small(tmp_path, text)))}
    assert found["unread.weight"] == IDLE and found["ip2.weight"] == LEARNS


def test_the_list_is_printed_where_a_net_chooses(tmp_path: Path) -> None:
    plain, model = write_small(tmp_path), tuned(tmp_path, "freeze: ['features.0.bias'],")
    assert not chooses(load(plain)) and chooses(load(model)) and chooses(load(plain, "solver.freeze=conv1"))
    assert "parameter" not in netc("check", plain).stdout.split("multiply-adds are")[0].splitlines()[1]
    printed = netc("check", model).stdout
    assert "body.features.0.bias    3        frozen\n" in printed and "ip1.weight              10x432   learns\n" in printed
    assert "learns: 3 tensors of 4,357 numbers; frozen: 1 tensors of 3 numbers\n" in printed
    found = json.loads(netc("check", plain, "--json").stdout)["learning"]
    assert found[0] == {"name": "conv1.weight", "shape": "4x1x3x3", "count": 36, "how": "learns", "lr_mult": 1.0}

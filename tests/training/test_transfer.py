"""Fine-tuning: weights by the layer's name, and frozen layers that cost no backward time."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.compiler.program import Program, program
from netc.errors import SnapshotError
from netc.graph.ir import Graph
from netc.spec.job import load_job
from netc.training.caffe_snapshots import write_model
from netc.training.weights import load_weights

NET = """\
name: "tuned"
layer {{ name: "in" type: "Input" top: "data" top: "label" input_param {{ shape {{ dim: [4, 3, 12, 12] }} shape {{ dim: 4 }} }} }}
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1" {first}
         convolution_param {{ num_output: 4 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }}
layer {{ name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param {{ kernel_size: 2 stride: 2 }} }}
layer {{ name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2" {second}
         convolution_param {{ num_output: 6 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }}
layer {{ name: "{head}" type: "InnerProduct" bottom: "conv2" top: "score"
         inner_product_param {{ num_output: {classes} weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }}
solver {{ base_lr: 0.1 momentum: 0.9 max_iter: 10 weight_decay: 0.001 {solver} }}
"""
FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"


def made(folder: Path, first: str = "", second: str = "", head: str = "fc", classes: int = 5, solver: str = "") -> Program:
    registry.load()
    (folder / f"{head}.prototxt").write_text(NET.format(first=first, second=second, head=head, classes=classes, solver=solver))
    return program(load_job(str(folder / f"{head}.prototxt")))


def parts(graph: Graph) -> Counter[tuple[str, str]]:
    """How many nodes each layer has in each part of a step."""
    return Counter((n.origin.layer, n.origin.part) for n in graph.nodes if n.domain != "netc")


def test_frozen_layers_cost_no_backward_time(tmp_path: Path) -> None:
    free = parts(made(tmp_path).steps.train)
    assert all(free[layer, "backward"] and free[layer, "update"] for layer in ("conv1", "conv2", "fc"))
    tuned = parts(made(tmp_path, FROZEN, FROZEN).steps.train)
    assert [key for key in tuned if key[0] in ("conv1", "relu1", "pool1", "conv2", "relu2") and key[1] != "forward"] == []
    assert tuned["fc", "backward"] == 2 < free["fc", "backward"]  # of the weights and of the bias, none towards the bottom
    assert tuned["loss", "backward"] == free["loss", "backward"]
    forward = {key: count for key, count in free.items() if key[1] == "forward"}
    assert {key: tuned[key] for key in forward} == forward


def test_a_frozen_layer_above_one_that_learns_only_passes_the_gradient_on(tmp_path: Path) -> None:
    graph = made(tmp_path, "", FROZEN).steps.train
    ops = Counter(n.op for n in graph.nodes if n.origin.layer == "conv2" and n.origin.part == "backward")
    assert ops == {"ConvInputGrad": 1}
    assert {s.node.name for s in graph.updates if s.node.state.kind == "parameter"} == {
        "conv1.weight", "conv1.bias", "fc.weight", "fc.bias",
    }  # fmt: skip


def test_the_clipped_norm_counts_only_what_learns(tmp_path: Path) -> None:
    graph = made(tmp_path, FROZEN, FROZEN, solver="clip_gradients: 1").steps.train
    assert sum(n.op == "ReduceSumSquare" for n in graph.nodes) == 2


def test_layers_are_found_by_name_and_a_new_head_starts_by_its_filler(tmp_path: Path) -> None:
    old, new = made(tmp_path), made(tmp_path, FROZEN, head="fc_new", classes=2)
    states = {n: np.full_like(a, 7) for n, a in old.start().items()}
    write_model(tmp_path / "old.caffemodel", old.train, states)
    found = load_weights(str(tmp_path / "old.caffemodel"), new.states, new.layer_blobs)
    assert sorted(found) == ["conv1.bias", "conv1.weight", "conv2.bias", "conv2.weight"]
    assert all((a == 7).all() for a in found.values())


def test_a_layer_of_the_same_name_and_another_shape(tmp_path: Path) -> None:
    old, new = made(tmp_path), made(tmp_path, classes=2)
    write_model(tmp_path / "old.caffemodel", old.train, old.start())
    with pytest.raises(SnapshotError, match="blob 0 \\(weight\\) of layer 'fc' is 5x54 in .*, but 2x54 in the net"):
        load_weights(str(tmp_path / "old.caffemodel"), new.states, new.layer_blobs)


def test_old_shapes_of_four_numbers(tmp_path: Path) -> None:
    found = made(tmp_path)
    write_model(tmp_path / "w.caffemodel", found.train, found.start())
    net = pb.NetParameter.FromString((tmp_path / "w.caffemodel").read_bytes())
    for blob in (blob for layer in net.layer for blob in layer.blobs):
        shape = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
        blob.ClearField("shape")
        blob.num, blob.channels, blob.height, blob.width = shape
        blob.double_data.extend(blob.data)
        blob.ClearField("data")
    (tmp_path / "old.caffemodel").write_bytes(net.SerializeToString())
    loaded = (load_weights(str(tmp_path / f"{n}.caffemodel"), found.states, found.layer_blobs) for n in ("w", "old"))
    for (name, a), b in zip(next(loaded).items(), next(loaded).values(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)

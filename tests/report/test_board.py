"""TensorBoard's event files, as TensorBoard itself reads them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import api
from netc.report.board import graph_def
from netc.runtime import snapshot
from tests.conftest import ROOT
from tests.small_nets import log, netc


def opened(folder: Any) -> Any:
    """What TensorBoard makes of a run's folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorBoard's own
        accumulator = pytest.importorskip(
            "tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard: pip install tensorboard"
        )
        found = accumulator.EventAccumulator(str(folder), {accumulator.SCALARS: 0, accumulator.HISTOGRAMS: 0, accumulator.IMAGES: 0})
        return found.Reload()


def scalars(folder: Any) -> Any:
    """Every scalar: {tag: [(step, value)]}."""
    found = opened(folder)
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_scalars_are_those_of_the_log(runs: Path) -> None:
    found, lines = scalars(runs / "small/1"), log(runs / "small/1")
    steps = [line for line in lines if line["event"] == "train"]
    tests = [line for line in lines if line["event"] == "test"]
    assert found["train/loss"] == [(s["iteration"], pytest.approx(s["loss"])) for s in steps] and len(steps) == 60
    assert found["learning_rate"] == [(s["iteration"], pytest.approx(s["lr"])) for s in steps]
    assert found["test/accuracy"] == [(t["iteration"], pytest.approx(t["accuracy"])) for t in tests]
    watched = [line for line in lines if line["event"] == "watch"]
    assert found["watch/gradient/ip1"] == [(w["iteration"], pytest.approx(w["layers"]["ip1"]["gradient"])) for w in watched]


def test_parameters_filters_and_the_graph(runs: Path) -> None:
    found = opened(runs / "small/1")
    histograms = found.Histograms("ip1/weight")
    assert [h.step for h in histograms] == [0, 15, 30, 45, 60]
    states = snapshot.read(runs / "small/1/snapshots/iter_00000060.safetensors").states
    last, weight = histograms[-1].histogram_value, states["ip1.weight"]
    assert last.num == weight.size == sum(last.bucket)
    assert (last.min, last.max, last.sum) == (
        pytest.approx(weight.min()),
        pytest.approx(weight.max()),
        pytest.approx(weight.sum(), rel=1e-3),
    )
    assert [i.step for i in found.Images("filters/conv1")] == [0, 15, 30, 45, 60]
    assert found.Images("filters/conv1")[0].encoded_image_string.startswith(b"\x89PNG")
    names = {node.name for node in graph_nodes(found)}
    assert {"conv1/Conv", "conv1/backward/ConvFilterGrad", "conv1/update/SGD", "inputs/batch/data"} <= names


def graph_nodes(found: Any) -> Any:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    return GraphDef.FromString(found.Graph().SerializeToString()).node


def test_stages_follow_one_another(runs: Path) -> None:
    found = scalars(runs / "coder/1")
    assert [step for step, _ in found["pretrain/rbm1/loss"]] == [0, 5, 10, 15]
    assert [step for step, _ in found["train/loss"]] == [20 + k for k in range(0, 40, 5)]


def test_a_run_that_goes_on_shows_what_one_without_a_stop_does(runs: Path, tmp_path: Path) -> None:
    net = runs.parent / "small.yaml"
    assert netc("train", net, "--no-publish", "--runs", tmp_path).exit_code == 0
    for name in ("iter_00000040", "iter_00000060"):
        (tmp_path / f"small/1/snapshots/{name}.safetensors").unlink()
    assert netc("train", net, "--no-publish", "--runs", tmp_path, "--resume").exit_code == 0
    assert len(list((tmp_path / "small/1").glob("events.*"))) == 2
    assert scalars(tmp_path / "small/1") == scalars(runs / "small/1")
    finished = netc("train", net, "--no-publish", "--runs", tmp_path, "--resume")
    assert finished.exit_code == 0 and scalars(tmp_path / "small/1") == scalars(runs / "small/1")


@pytest.mark.parametrize("name", ["lenet", "rntn", "char_lstm"])
def test_a_graph_has_every_op_once_and_no_edge_to_nowhere(name: str) -> None:
    graph = api.load(str(ROOT / f"nets/{name}.yaml")).steps.train
    nodes = graph_def(graph).node
    names = [node.name for node in nodes]
    assert len(names) == len(set(names)) == len(graph.nodes)
    assert {i.split(":")[0] for node in nodes for i in node.input} <= set(names)
    assert np.all([name.isascii() for name in names])

"""The benchmark's own arithmetic and what it writes; that it runs; that the nets are what they say."""

import json
from math import prod
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from netc.layers.context import sizes
from netc.spec import parse_prototxt
from tests.benchmarks import big_nets, caffe_twin, deep_nets, nets, report
from tests.benchmarks.__main__ import CURVES
from tests.benchmarks.measure import Result, measure
from tests.some import some

MEASURED = {
    "lenet": {
        "netc native": Result([1.0, 2.0, 3.0], 120.0, 0.81),
        "torch eager": Result([9.0], 300.0, 3.0),
        "torch channels_last": Result([3.0], 310.0, 3.5),
        "Caffe": Result([10.0], 180.0, None),
    }
}
LEFT_OUT = {"lenet": {"JAX": "is not here"}}


def test_speeds_are_multiples_of_the_best_torch_variant() -> None:
    lines = report.table("lenet", MEASURED["lenet"], LEFT_OUT["lenet"]).splitlines()
    assert lines[2] == "| netc native | 2 (1.5 - 2.5) | 1.50 | 120 | 0.8 |"
    assert "| 0.33 |" in lines[3] and "| 1.00 |" in lines[4] and lines[5] == "| Caffe | 10 (10 - 10) | 0.30 | 180 | - |"
    assert lines[-1] == "JAX is not here."
    assert (
        report.table("lenet", {"netc native": Result([1.0], 1.0, 1.0)}, {}).splitlines()[2] == "| netc native | 1 (1 - 1) | - | 1 | 1.0 |"
    )


def test_what_is_written(tmp_path: Path) -> None:
    report.write(tmp_path, MEASURED, LEFT_OUT, 2)
    said = json.loads((tmp_path / "benchmark.json").read_text())
    assert said["nets"]["lenet"]["netc native"]["ms"] == [1.5, 2.0, 2.5]
    assert said["machine"]["threads"] == 2 and said["left_out"] == LEFT_OUT
    assert "| netc native | 2 (1.5 - 2.5) |" in (tmp_path / "benchmark.md").read_text()
    chart = ElementTree.fromstring((tmp_path / "benchmark.svg").read_text())
    widths = [float(some(bar.get("width"))) for bar in chart.findall(".//{*}rect") if bar.get("width") != "100%"]
    assert widths == pytest.approx([widths[0], widths[0] / 4.5, widths[0] / 1.5, widths[0] / 5], rel=1e-2)


def test_a_curve_is_a_line_for_each_contender() -> None:
    chart = ElementTree.fromstring(report.curves("batch", [1, 2, 4], {"netc native": [1, 2, 4], "torch eager": [2, 4, 8]}))
    lines = [[tuple(map(float, p.split(","))) for p in some(line.get("points")).split()] for line in chart.findall(".//{*}polyline")]
    assert [len(line) for line in lines] == [3, 3] and lines[0][2][1] == pytest.approx(lines[1][1][1])


def test_a_contender_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAFFE_PYTHON", raising=False)
    results, left_out = measure("mlp", ["netc portable", "Caffe", "none"], rounds=1, threads=1)
    assert len(results["netc portable"].times) == nets.NETS["mlp"].steps and min(results["netc portable"].times) > 0
    assert some(results["netc portable"].memory) > 30 and some(results["netc portable"].start) > 0.1
    assert left_out == {"Caffe": "is not here", "none": "cannot train this net here"}


@pytest.mark.parametrize(("net", "parameters"), [
    ("mlp", 79_510), ("lenet", 431_080), ("cifar10_quick", 145_578), ("cifar10_full", 89_578), ("mnist_autoencoder", 2_837_314),
    ("resnet20", 272_474), ("alexnet", 60_965_224), ("googlenet", 13_378_280), ("resnet8", 78_042),
])  # fmt: skip
def test_the_nets_have_the_parameters_that_they_should(net: str, parameters: int) -> None:
    program = nets.program(net)
    shapes = [p.shape for p in program.train.parameters]
    assert sum(prod(sizes(s)) for s in shapes) == parameters


def test_curves_name_nets_that_are_there() -> None:
    assert nets.program(CURVES["batch"][1][4]).train.versions["data"][0].shape[0] == 4
    assert deep_nets.resnet(14, 64).count("Eltwise") == 6


def test_caffe_gets_the_same_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE_PYTHON", "python3.8")
    command = caffe_twin.command("cifar10_quick", tmp_path)
    text = (tmp_path / "net.prototxt").read_text()
    assert some(command)[0] == "python3.8" and text.count('type: "Convolution"') == 3 and 'type: "Input"' in text and "Data" not in text
    with np.load(tmp_path / "arrays.npz") as arrays:
        assert {"conv1:0", "conv1:1", "blob:data", "blob:label"} <= set(arrays.files)


@pytest.mark.parametrize(("name", "layers"), [("ResNet-152", 671), ("Inception-ResNet-v2", 919), ("SSD-512", 113)])
def test_nets_of_the_size_that_users_convert(name: str, layers: int) -> None:
    net = parse_prototxt(big_nets.NETS[name]()).message
    assert len(net.layer) == layers and len({layer.name for layer in net.layer}) == layers

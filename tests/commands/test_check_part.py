"""`netc check` of one of Caffe's files whose data or Python modules are not on this machine."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netc.cli import main

NET = """
layer {{ name: "data" type: "{source}" top: "data" top: "label" {param} }}
layer {{ name: "small" type: "Input" top: "small" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "small" top: "ip" inner_product_param {{ num_output: 4 }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {{ num_output: 2 kernel_size: 3 }} }}
layer {{ name: "loss" type: "{loss}" bottom: "conv" bottom: "label" top: "loss" }}
"""
SOURCES = {
    "Data": 'data_param { source: "train_lmdb" batch_size: 2 backend: LMDB }',
    "HDF5Data": 'hdf5_data_param { source: "lists/train.txt" batch_size: 2 }',
    "ImageData": 'image_data_param { source: "train.txt" batch_size: 2 }',
    "Python": 'python_param { module: "far.away" layer: "Rows" param_str: "{}" }',
}


def check(folder: Path, source: str, *options: str, suffix: str = "prototxt", loss: str = "SoftmaxWithLoss") -> Result:
    path = folder / f"net.{suffix}"
    path.write_text(NET.format(source=source, param=SOURCES[source], loss=loss))
    return CliRunner().invoke(main, [*options, "check", str(path)], catch_exceptions=False)


@pytest.mark.parametrize("source", SOURCES)
def test_what_depends_on_nothing_absent_is_checked(tmp_path: Path, source: str) -> None:
    result = check(tmp_path, source)
    assert result.exit_code == 0 and "The sizes of 3 of 5 layers are not checked" in result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[1:4]] == ["small", "ip", "total"] and "conv" not in result.stdout
    path = tmp_path / "net.prototxt"
    told = json.loads(CliRunner().invoke(main, ["check", str(path), "--json"]).stdout)
    assert told["unchecked"] == ["data", "conv", "loss"] and told["parameters"] == 16 and len(told["warnings"]) == 2


@pytest.mark.parametrize("source", SOURCES)
def test_other_errors_are_errors(tmp_path: Path, source: str) -> None:
    result = check(tmp_path, source, loss="SoftmaxWithLoos")
    assert result.exit_code == 2 and "SoftmaxWithLoos" in result.stderr and "not checked" not in result.stderr


def test_a_module_is_named_and_where_netc_looked(tmp_path: Path) -> None:
    refused = check(tmp_path, "Python")
    assert "module 'far.away'" in refused.stderr and "class 'Rows'" in refused.stderr and repr(str(tmp_path)) in refused.stderr
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "away.py").write_text("raise SystemExit('it ran')")
    there = check(tmp_path, "Python")
    assert there.exit_code == 0 and "--allow-python" in there.stderr and "Python's path" not in there.stderr


def test_a_module_that_is_allowed_and_absent(tmp_path: Path) -> None:
    result = check(tmp_path, "Python", "--allow-python")
    assert result.exit_code == 0 and "far.away.Rows cannot be made: ModuleNotFoundError" in result.stderr


def test_other_commands_refuse(tmp_path: Path) -> None:
    check(tmp_path, "Data")
    result = CliRunner().invoke(main, ["convert", str(tmp_path / "net.prototxt"), "-o", str(tmp_path / "net.onnx")])
    assert result.exit_code == 2 and "train_lmdb" in result.stderr and not (tmp_path / "net.onnx").exists()


STAGES = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } include { stage: "small" } }
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 7 } } include { stage: "large" } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }
"""


def test_a_net_with_data_in_stages_alone_is_checked_in_the_first(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(STAGES)
    for options, size in (((), 3), (("--stage", "large"), 7)):
        result = CliRunner().invoke(main, ["check", str(tmp_path / "net.prototxt"), *options], catch_exceptions=False)
        assert result.exit_code == 0 and f"2x{size}" in result.stdout
        assert ("This is the stage 'small'; `--stage` chooses another." in result.stderr) == (size == 3)


def test_old_layers_of_forks(tmp_path: Path) -> None:
    """Layers in Caffe's form of 2014, with the types of SegNet, DeepLab and Fast R-CNN."""
    (tmp_path / "net.prototxt").write_text("""
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { bottom: "data" top: "bn" name: "bn" type: BN bn_param { scale_filler { value: 1 } shift_filler { value: 0.001 } } }
layers { name: "pool" type: POOLING bottom: "bn" top: "pool" top: "mask" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layers { name: "up" type: UPSAMPLE bottom: "pool" bottom: "mask" top: "up" upsample_param { scale: 2 } }
layers { name: "prelu" type: PRELU bottom: "up" top: "prelu" blobs_lr: 2 }
layers { name: "out" type: INTERP bottom: "prelu" top: "out" interp_param { height: 5 width: 6 } }
""")
    result = CliRunner().invoke(main, ["check", str(tmp_path / "net.prototxt")], catch_exceptions=False)
    assert result.exit_code == 0 and [row.split()[1:3] for row in result.stdout.splitlines()[1:7]] == [
        ["Input", "1x3x8x8"], ["BN", "1x3x8x8"], ["Pooling", "1x3x4x4"], ["Upsample", "1x3x8x8"], ["PReLU", "1x3x8x8"],
        ["Interp", "1x3x5x6"],
    ]  # fmt: skip

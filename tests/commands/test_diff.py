"""`netc diff`: what is other between two nets."""

import shutil
from pathlib import Path

from tests.conftest import ROOT, needs_zoo
from tests.small_nets import NET, netc, write_small


def test_nets_that_are_alike(tmp_path: Path) -> None:
    assert netc("diff", "nets/lenet.yaml", "nets/lenet_solver.prototxt").stdout == "alike\n"  # in two spellings
    a = write_small(tmp_path)
    assert netc("diff", a, write_small(tmp_path, NET.replace("kernel_size: 3", "kernel_size: 3, stride: 1"), "b.yaml")).exit_code == 0


def test_layers_fields_shapes_and_solver(tmp_path: Path) -> None:
    changed = NET.replace("num_output: 4", "num_output: 6").replace("  - Dropout\n", "").replace("  - ReLU\n", "  - ReLU\n  - TanH\n")
    a, b = write_small(tmp_path), write_small(tmp_path, changed.replace("max_iter: 60", "max_iter: 80"), "b.yaml")
    result = netc("diff", a, b)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "- layer drop1 (Dropout)",
        "+ layer tanh1 (TanH)",
        "~ layers.conv1.num_output: 4 -> 6",
        "~ layers.conv1 output shape: 16x4x10x10 -> 16x6x10x10",
        "~ layers.conv1 parameters: 40 -> 60",
        "~ layers.pool1 output shape: 16x4x5x5 -> 16x6x5x5",
        "~ layers.ip1 parameters: 1,616 -> 2,416",
        "~ solver.max_iter: 60 -> 80",
        "~ parameters: 1,826 -> 2,646",
    ]


def test_other_order_and_unset_fields(tmp_path: Path) -> None:
    two = "layers:\n  - Input: {top: x, shape: {dim: [2, 3]}}\n  - AbsVal: {bottom: x}\n  - Exp: {bottom: x}\n"
    other = "layers:\n  - Input: {top: x, shape: {dim: [2, 3]}}\n  - Exp: {bottom: x}\n  - AbsVal: {bottom: x, propagate_down: false}\n"
    result = netc("diff", write_small(tmp_path, two, "a.yaml"), write_small(tmp_path, other, "b.yaml"))
    assert result.stdout.splitlines() == ["~ layers.abs1.propagate_down: unset -> false", "~ the layers have a different order"]


@needs_zoo
def test_a_published_model_and_a_run(tmp_path: Path) -> None:
    zoo = str(ROOT / "model_zoo")
    assert netc("diff", "mlp", "nets/mlp.yaml", NETC_ZOO=zoo).stdout == "alike\n"
    shutil.copytree(ROOT / "model_zoo" / "mlp" / "1.0.1", tmp_path / "run")
    assert netc("diff", tmp_path / "run", "mlp@1.0.1", NETC_ZOO=zoo).exit_code == 0
    result = netc("diff", "mlpp", "nets/mlp.yaml", NETC_ZOO=zoo)
    assert result.exit_code == 2 and "Did you mean 'mlp'?" in result.stderr
    result = netc("diff", write_small(tmp_path, NET.replace("small.npz", "gone.npz")), "nets/mlp.yaml")
    assert result.exit_code == 1 and "shapes and parameters are not compared" in result.stderr

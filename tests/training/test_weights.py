"""What is said of weights from files: which layers have theirs, which begin anew, and what is left over."""

from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from netc import Net
from tests.small_nets import NET, netc, write_small

TUNED = NET.replace("InnerProduct: {num_output: 10,", "InnerProduct: {name: fc8, num_output: 10,")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    over = ("solver.max_iter=20", "solver.snapshot_format=BINARYPROTO")
    result = netc("train", write_small(folder), "--no-publish", "--runs", folder / "runs", *(x for o in over for x in ("--set", o)))
    assert result.exit_code == 0, result.stderr
    (folder / "tuned.yaml").write_text(TUNED)
    return folder


def begun(folder: Path, net: str, weights: object, runs: Path) -> str:
    result = netc("train", folder / net, "--no-publish", "--runs", runs, "--set", "solver.max_iter=2", "--weights", weights)
    assert result.exit_code == 0, result.stderr
    return next(line for line in result.output.splitlines() if line.startswith("weights "))


@pytest.mark.parametrize("file", ["iter_00000020.safetensors", "small_iter_20.caffemodel"])
def test_what_training_begins_with(trained: Path, tmp_path: Path, file: str) -> None:
    path = trained / "runs/small/1/snapshots" / file
    assert begun(trained, "small.yaml", path, tmp_path) == f"weights {path}: loaded 3 layers (conv1, ip1, ip2)"
    said = begun(trained, "tuned.yaml", path, tmp_path)
    assert said == f"weights {path}: loaded 2 layers (conv1, ip1); not in the file: fc8; only in the file: ip2"


def test_a_layer_without_weights_is_told_in_a_test(trained: Path) -> None:
    path = trained / "runs/small/1/snapshots/iter_00000020.safetensors"
    result = netc("test", trained / "tuned.yaml", "--weights", path)
    assert result.exit_code == 0 and "not in the file: fc8" in result.stderr
    assert "weights " not in netc("test", trained / "small.yaml", "--weights", path).output


def test_a_part_of_a_layer(trained: Path, tmp_path: Path) -> None:
    arrays = load_file(trained / "runs/small/1/snapshots/iter_00000020.safetensors")
    save_file({n: a for n, a in arrays.items() if n in ("ip1.weight", "ip2.weight", "ip2.bias")}, tmp_path / "w.safetensors")
    said = begun(trained, "small.yaml", tmp_path / "w.safetensors", tmp_path)
    assert said.endswith("loaded 2 layers (ip1, ip2); not in the file: conv1, ip1.bias")


def test_weights_of_a_published_model(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, with a version or without, or its folder; the run remembers its parent."""
    zoo = tmp_path / "zoo"
    result = netc("train", trained / "small.yaml", "--publish", "--zoo", zoo, "--runs", tmp_path / "runs", "--set", "solver.max_iter=5")
    assert result.exit_code == 0, result.stderr
    monkeypatch.setenv("NETC_ZOO", str(zoo))
    monkeypatch.chdir(tmp_path)
    file = zoo / "small/1.0.0/start.safetensors"
    for k, name in enumerate(("small", "small@1.0.0", "small@latest", zoo / "small/1.0.0", file)):
        said = begun(trained, "small.yaml", name, tmp_path / f"again{k}")
        assert said == f"weights {file}: loaded 3 layers (conv1, ip1, ip2)"
        assert (tmp_path / f"again{k}/small/1/parent.json").is_file()
    assert netc("test", trained / "small.yaml", "--weights", "small").exit_code == 0
    assert (Net(str(trained / "small.yaml"), "small").params["ip1"][0].data == load_file(file)["ip1.weight"]).all()
    result = netc("train", trained / "small.yaml", "--weights", "smal", "--no-publish")
    assert "smal: is not a weight file or a model" in result.stderr and "Did you mean 'small'" in result.stderr
    assert result.exit_code in (1, 2)
    result = netc("train", trained / "small.yaml", "--weights", "small.safetensors", "--no-publish")
    assert "small.safetensors: There is no such file" in result.stderr

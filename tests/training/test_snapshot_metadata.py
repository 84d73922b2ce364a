"""What is read from snapshots and weights: types and shapes are looked at before a byte is copied."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from netc import api
from netc.api.net import Net
from netc.errors import NetcError, RunError, SnapshotError
from netc.runtime import snapshot
from netc.runtime.session import States
from netc.training import log as logs
from netc.training.caffe_snapshots import read_snapshot, write_model, write_snapshot
from netc.training.snapshot_metadata import check_states, read_metadata
from tests.small_nets import log, netc, write_small

NAME = snapshot.file_name(20)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noted")
    result = netc("train", write_small(folder), "--no-publish", "--runs", folder / "runs", "--set", "solver.max_iter=20")
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "all")
    return tmp_path / "all"


def rewritten(path: Path, states: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], **said: Any) -> None:
    """A snapshot with other states or another metadata, and the checksum that fits."""
    found = snapshot.read(path)
    snapshot.write(path, states(found.states), {k: v for k, v in (found.metadata | said).items() if v != "gone"})


def same(states: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return states


WRONG = {
    "format": (2, "has format 2; this version of netc reads format 1"),
    "iteration": ("20", "iteration is '20'. Expected a whole number"),
    "seed": (None, "seed is None. Expected a whole number"),
    "recent": (5, "recent is 5. Expected a list"),
    "best": ("high", "best is 'high'. Expected a number"),
    "stale": (-1, "stale is -1. Expected 0 or more"),
    "tested": ([1], "tested has 1 elements. Expected 2"),
    "log_length": (1.5, "log_length is 1.5. Expected a whole number"),
    "provider": ("gpu", "provider is 'gpu'. Expected cpu or cuda"),
    "threads": (True, "threads is True. Expected a whole number"),
    "target": ({}, "target is {}. Expected a text"),
    "stage": ("x", "stage is 'x'. Expected a whole number"),
    "before": (-5, "before is -5. Expected 0 or more"),
    "net": (1, "net is 1. Expected a text"),
    "net_sha256": ("gone", "net_sha256 is missing"),
    "scores": ([], "scores is []. Expected an object"),
}


@pytest.mark.parametrize("field", WRONG)
def test_metadata_of_a_wrong_type(folder: Path, field: str) -> None:
    value, wanted = WRONG[field]
    path = folder / "runs/small/1/snapshots" / NAME
    rewritten(path, same, **{field: value})
    with pytest.raises(SnapshotError) as error:
        read_metadata(snapshot.read(path))
    assert str(path) in str(error.value) and wanted in str(error.value)
    result = netc("train", folder / "small.yaml", "--runs", folder / "runs", "--no-publish", "--snapshot", path)
    assert result.exit_code == 2 and wanted in result.stderr, result.stderr
    result = netc("train", folder / "small.yaml", "--runs", folder / "runs", "--no-publish", "--resume")
    assert result.exit_code == 2 and wanted in result.stderr, result.stderr


STATES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "uint8": (lambda a: np.ones(a.shape, np.uint8), "ip1.weight is uint8 16x100, but float32 16x100 in the net"),
    "float64": (lambda a: a.astype(np.float64), "ip1.weight is float64 16x100, but float32 16x100 in the net"),
    "float16": (lambda a: a.astype(np.float16), "ip1.weight is float16 16x100, but float32 16x100 in the net"),
    "half the shape": (lambda a: a[:8].copy(), "ip1.weight is float32 8x100, but float32 16x100 in the net"),
    "twice the shape": (lambda a: np.concatenate([a, a]), "ip1.weight is float32 32x100, but float32 16x100 in the net"),
    "flat": (lambda a: a.reshape(-1), "ip1.weight is float32 1600, but float32 16x100 in the net"),
}


@pytest.mark.parametrize("change", STATES)
def test_states_of_another_type_or_shape(folder: Path, change: str) -> None:
    function, wanted = STATES[change]
    snapshots = folder / "runs/small/1/snapshots"
    for name in (NAME, "best.safetensors"):
        rewritten(snapshots / name, lambda s: s | {"ip1.weight": function(s["ip1.weight"])})
    for options in (("--snapshot", snapshots / NAME), ("--resume",)):
        result = netc("train", folder / "small.yaml", "--runs", folder / "runs", "--no-publish", *options)
        assert result.exit_code == 2 and wanted in result.stderr, result.stderr
    result = netc("report", folder / "runs/small/1")
    assert result.exit_code == 0 and wanted in result.output


def test_states_that_are_missing_or_too_many(folder: Path) -> None:
    program = api.load(str(folder / "small.yaml"))
    found = snapshot.read(folder / "runs/small/1/snapshots" / NAME)
    check_states(found, program)
    fewer = snapshot.Snapshot({n: a for n, a in found.states.items() if n != "ip1.weight"} | {"x": np.zeros(1)}, {}, found.path)
    with pytest.raises(SnapshotError, match="belongs to a different net: ip1.weight is missing, x is not in the net"):
        check_states(fewer, program)
    check_states(fewer, program, whole=False)


def test_nothing_is_copied_into_a_tensor_of_another_type_or_shape() -> None:
    states = States({"w": np.ones((2, 3), np.float32)})
    for array in (
        np.ones((2, 3)),
        np.ones((2, 3), np.uint8),
        np.ones((3, 2), np.float32),
        np.ones(6, np.float32),
        np.ones((2, 4), np.float32),
    ):
        with pytest.raises(RunError, match=r"Expected tensor\(float\) of shape \(2, 3\) for 'w', got "):
            states.set({"w": array})
    states.set({"w": np.zeros((3, 2), np.float32).T})
    assert not states.arrays()["w"].any()


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (np.ones((16, 100), np.uint8), "ip1.weight has type uint8 in .*; expected floating-point numbers"),
        (np.ones((16, 100), bool), "ip1.weight has type bool in .*; expected floating-point numbers"),
        (np.full((16, 100), 1e300), "ip1.weight: Expected numbers of type float32. 1e.300 is too large"),
        (np.ones((8, 100), np.float32), "ip1.weight is 8x100 in .*, but 16x100 in the net"),
    ],
)
def test_weights_that_are_no_such_numbers(finished: Path, tmp_path: Path, array: np.ndarray, wanted: str) -> None:
    save_file({"ip1.weight": array}, tmp_path / "w.safetensors")
    calls: list[Callable[[Path], object]] = [
        lambda p: netc_net(finished, p),
        lambda p: ended(netc("test", finished / "small.yaml", "--weights", p)),
    ]
    for call in calls:
        with pytest.raises(NetcError, match=wanted):
            call(tmp_path / "w.safetensors")


def netc_net(folder: Path, weights: Path) -> None:
    Net(str(folder / "small.yaml"), str(weights))


def ended(result: Any) -> None:
    assert result.exit_code == 2
    raise SnapshotError(result.stderr)


def test_weights_of_other_precisions_are_rounded(finished: Path, tmp_path: Path) -> None:
    array = np.linspace(-1, 1, 1600).reshape(16, 100)
    for kind in (np.float64, np.float16):
        save_file({"ip1.weight": array.astype(kind)}, tmp_path / "w.safetensors")
        net = Net(str(finished / "small.yaml"), str(tmp_path / "w.safetensors"))
        np.testing.assert_array_equal(net.params["ip1"][0].data, array.astype(kind).astype(np.float32))


@pytest.mark.parametrize("form", ["", ".h5"])
def test_a_solver_state_of_other_numbers(finished: Path, tmp_path: Path, form: str) -> None:
    h5py = pytest.importorskip("h5py", reason="HDF5 files need h5py: pip install netc[caffe]") if form else None
    over = ("solver.snapshot_format=HDF5",) if form else ()
    program = api.load(str(finished / "small.yaml"), *over)
    _, state = write_snapshot(str(tmp_path / "s"), program, program.start(), 5)
    assert read_snapshot(str(state), program).iteration == 5
    if h5py:
        with h5py.File(state, "r+") as file:
            history = file["history"]
            array = history["0"][...]
            del history["0"]
            history["0"] = np.full(array.shape, 7, np.int64)
        with pytest.raises(SnapshotError, match="history of .* has type int64"):
            read_snapshot(str(state), program)


def test_log_of_a_resumed_run_keeps_every_line_that_is_whole(folder: Path) -> None:
    """A byte of the log, a line joined with the next, or a line in two: the resumed run is the undisturbed one, but for that line."""
    run = folder / "runs/small/1"
    whole = (run / "log.jsonl").read_bytes()
    lines = whole.split(b"\n")
    shutil.copytree(run / "snapshots", folder / "kept")
    damaged = {
        "a byte": (b"\n".join([*lines[:4], lines[4][:20] + b"\xff" + lines[4][21:], *lines[5:]]), 5, 1),
        "joined": (b"\n".join([*lines[:4], lines[4] + b" " + lines[5], *lines[6:]]), 5, 2),
        "parted": (b"\n".join([*lines[:4], lines[4][:20] + b"\n" + lines[4][21:], *lines[5:]]), 5, 1),
    }
    for data, number, lost in damaged.values():
        shutil.rmtree(run / "snapshots")
        shutil.copytree(folder / "kept", run / "snapshots")
        (run / "log.jsonl").write_bytes(data)
        result = netc("train", folder / "small.yaml", "--runs", folder / "runs", "--no-publish", "--resume", "--set", "solver.max_iter=30")
        assert result.exit_code == 0, result.stderr
        assert f"log.jsonl: line {number}" in result.output or f"lines {number}, " in result.output
        found = json.loads(netc("report", run, "--json").stdout)
        assert found["iterations"] == 30
        read = logs.read(run / "log.jsonl")
        steps = [line["iteration"] for line in read.lines if line["event"] == "train"]
        assert len(set(steps)) == len(steps) == 30 - lost
        assert all(json.loads(line) in read.lines for k, line in enumerate(lines[:-1]) if not 4 <= k < 4 + lost)


def test_the_log_is_cut_at_what_the_snapshot_remembers(folder: Path) -> None:
    run = folder / "runs/small/1"
    whole = log(run)
    (run / "snapshots" / NAME).rename(run / "snapshots" / "away")
    found, _ = snapshot.newest(run / "snapshots")
    assert found is None
    (run / "snapshots" / "away").rename(run / "snapshots" / NAME)
    with (run / "log.jsonl").open("ab") as file:
        file.write(b'{"event": "train", "iteration": 20, "loss": 1, "lr": 1}\n{"event": "tr')
    over = ("--set", "solver.max_iter=20")
    result = netc("train", folder / "small.yaml", "--runs", folder / "runs", "--no-publish", "--resume", *over)
    assert result.exit_code == 0 and log(run) == whole


def test_a_model_that_holds_whole_numbers(finished: Path, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="HDF5 files need h5py: pip install netc[caffe]")
    program = api.load(str(finished / "small.yaml"))
    path = tmp_path / "w.caffemodel.h5"
    write_model(path, program.train, program.start(), 0)
    with h5py.File(path, "r+") as file:
        del file["data"]["ip1"]["0"]
        file["data"]["ip1"]["0"] = np.ones((16, 100), np.int32)
    with pytest.raises(NetcError, match=r"blob 0 \(weight\) of layer 'ip1' has type int32"):
        Net(str(finished / "small.yaml"), str(path))

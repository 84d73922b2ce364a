"""Runs of Caffe go on here, and snapshots that are written here are Caffe's, field by field, against recorded ones."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from netc import netc_pb2 as pb
from netc import registry, schedules
from netc.commands.options import TrainOptions
from netc.commands.train import train_command
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program, program
from netc.compiler.twins import state_of
from netc.errors import SnapshotError, SpecError
from netc.formats.caffe_weights import read_state, read_weights, to_array
from netc.report.screen import Screen
from netc.runtime import snapshot
from netc.runtime.session import Session, States, Stepper
from netc.spec import parse_prototxt
from netc.spec.job import load_job
from netc.training import caffe_snapshots
from netc.training.weights import load_weights
from tests.conftest import DATA
from tests.recorded import FOLDER, Case, check, index

FILES = FOLDER / "files"
CASES = [entry["file"].removesuffix(".npz") for entry in index("files")]
recorded = pytest.mark.skipif(not CASES, reason=f"no recorded results in {FOLDER}")
each = pytest.mark.parametrize("name", CASES)
K = 5

IRIS = """\
layers:
  - Data: {source: iris.csv, batch_size: 30, test_fraction: 0.2}
  - InnerProduct: {num_output: 3, weight_filler: xavier}
  - SoftmaxWithLoss
solver: {type: Adam, base_lr: 0.02, momentum: 0.9, max_iter: 6, snapshot: 3, snapshot_format: %s, snapshot_prefix: %s}
"""


def suffix(name: str) -> str:
    return ".h5" if "_h5" in name else ""


def made(name: str) -> Program:
    if "h5" in name:
        pytest.importorskip("h5py", reason="HDF5 files need h5py: pip install netc[caffe]")
    registry.load()
    return program(load_job(str(FILES / f"{name}_solver.prototxt")))


def snapshotted(name: str) -> tuple[Program, caffe_snapshots.CaffeSnapshot]:
    found = made(name)
    return found, caffe_snapshots.read_snapshot(str(FILES / f"{name}_iter_{K}.solverstate{suffix(name)}"), found)


@recorded
@each
def test_a_run_goes_on_to_the_recorded_losses_and_parameters(name: str) -> None:
    found, start = snapshotted(name)
    case = Case(FILES / f"{name}.npz")
    assert (start.iteration, start.current_step) == (K, int(np.ravel(case.arrays["current_step"])[0]))
    assert caffe_snapshots.step_note(start, found) is None
    states = States({f"state/{n}": a for n, a in start.states.items()})
    stepper, solver = Stepper(Session(found.model("train")), states), found.job.solver
    losses = []
    for iteration in range(K, 2 * K):
        rate = {"lr": np.asarray(schedules.rate(found.job.settings, iteration, solver.max_iter), np.float32)}
        losses.append(float(stepper.run({f"batch/{n}": a[iteration] for n, a in case.part("in_").items()} | rate)["loss"]))
    check(np.array(losses), case.arrays["loss"][K:], "the losses")
    blobs = found.train.layer_blobs
    for key, expected in case.part("param_after_").items():
        layer, _, blob = key.rpartition("_")
        state = state_of(blobs[layer][int(blob)]).name
        check(states.arrays()[f"state/{state}"], expected, f"{key} after {2 * K}")


@recorded
@each
def test_what_is_written_is_what_caffe_wrote(name: str, tmp_path: Path) -> None:
    found, start = snapshotted(name)
    diffs = {n: np.full_like(a, 0.5) for n, a in start.states.items()}
    model, state = caffe_snapshots.write_snapshot(str(tmp_path / name), found, start.states, K, diffs)
    assert (model.name, state.name) == (f"{name}_iter_5.caffemodel{suffix(name)}", f"{name}_iter_5.solverstate{suffix(name)}")
    if suffix(name):
        same_hdf5(model, FILES / model.name)
        same_hdf5(state, FILES / state.name)
        return
    ours, theirs = (pb.NetParameter.FromString((folder / model.name).read_bytes()) for folder in (tmp_path, FILES))
    if found.job.solver.snapshot_diff:
        assert all(list(blob.diff) == [0.5] * len(blob.data) for layer in ours.layer for blob in layer.blobs)
        for blob in (b for net in (ours, theirs) for layer in net.layer for b in layer.blobs):
            blob.ClearField("diff")
    assert ours == theirs
    our_state, their_state = (pb.SolverState.FromString((folder / state.name).read_bytes()) for folder in (tmp_path, FILES))
    assert our_state.learned_net == str(model)
    their_state.learned_net = str(model)
    assert our_state == their_state


def same_hdf5(ours: Path, theirs: Path) -> None:
    import h5py

    def content(path: Path) -> dict[str, tuple[Any, ...]]:
        with h5py.File(path) as file:
            names: list[str] = []
            file.visit(names.append)
            items = {name: file[name] for name in names}
            return {n: (i.dtype, i.shape, i[()].tolist()) if hasattr(i, "dtype") else () for n, i in items.items()}

    mine, wanted = content(ours), content(theirs)
    if "learned_net" in mine:
        assert mine.pop("learned_net")[2] == str(ours).replace("solverstate", "caffemodel").encode()
        wanted.pop("learned_net")
    assert mine == wanted


@recorded
def test_the_recorded_diffs_are_the_last_updates() -> None:
    net = pb.NetParameter.FromString((FILES / "mlp_diff_iter_5.caffemodel").read_bytes())
    case = Case(FILES / "mlp_diff.npz")
    for layer in (layer for layer in net.layer if layer.blobs):
        for k, blob in enumerate(layer.blobs):
            np.testing.assert_array_equal(to_array(blob, "", "diff"), case.arrays[f"diff_snapshot_{layer.name}_{k}"])


@pytest.mark.skipif(not (DATA / "caffemodels").is_dir(), reason=f"no trained nets in {DATA / 'caffemodels'}")
def test_lenets_files_of_both_kinds() -> None:
    pytest.importorskip("h5py", reason="HDF5 files need h5py: pip install netc[caffe]")
    folder = DATA / "caffemodels" / "lenet"
    shapes = [a.shape for blobs in read_weights(folder / "lenet_h5_iter_200.caffemodel.h5").values() for a in blobs]
    assert sorted(shapes) == sorted(a.shape for blobs in read_weights(folder / "lenet_iter_10000.caffemodel").values() for a in blobs)
    binary, hdf5 = (read_state(folder / f"lenet_{n}") for n in ("iter_10000.solverstate", "h5_iter_200.solverstate.h5"))
    assert (binary.iteration, hdf5.iteration) == (10000, 200)
    assert sorted(shapes) == sorted(a.shape for a in binary.history) == sorted(a.shape for a in hdf5.history)


SPLITS = """\
name: "s"
layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "t" type: "Input" top: "y" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" } inner_product_param { num_output: 3 bias_term: false } }
layer { name: "b" type: "InnerProduct" bottom: "x" top: "b" param { name: "w" } inner_product_param { num_output: 3 bias_term: false } }
layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
layer { name: "l" type: "EuclideanLoss" bottom: "a" bottom: "y" top: "l" loss_weight: 2 }
layer { name: "m" type: "EuclideanLoss" bottom: "a" bottom: "b" top: "m" }
layer { name: "q" type: "Silence" bottom: "l" }
"""


def split_net(folder: Path) -> Program:
    (folder / "n.prototxt").write_text(SPLITS)
    (folder / "s.prototxt").write_text('net: "n.prototxt" base_lr: 0.1 max_iter: 1 snapshot_format: HDF5')
    return program(load_job(str(folder / "s.prototxt")))


def test_splits_are_caffes(tmp_path: Path) -> None:
    net = caffe_snapshots.caffe_net(split_net(tmp_path).train_net)
    assert [(layer.name, list(layer.bottom), list(layer.top), list(layer.loss_weight)) for layer in net.layer] == [
        ("d", [], ["x"], []),
        ("x_d_0_split", ["x"], ["x_d_0_split_0", "x_d_0_split_1"], []),
        ("t", [], ["y"], []),
        ("a", ["x_d_0_split_0"], ["a"], []),
        ("b", ["x_d_0_split_1"], ["b"], []),
        ("r", ["a"], ["a"], []),
        ("a_r_0_split", ["a"], ["a_r_0_split_0", "a_r_0_split_1"], []),
        ("l", ["a_r_0_split_0", "y"], ["l"], [1]),
        ("l_l_0_split", ["l"], ["l_l_0_split_0", "l_l_0_split_1"], [2, 0]),
        ("m", ["a_r_0_split_1", "b"], ["m"], [1]),
        ("q", ["l_l_0_split_1"], [], []),
    ]
    assert {layer.phase for layer in net.layer} == {pb.TRAIN}


def test_shared_blobs_stand_under_each_layer_and_once_in_hdf5(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="HDF5 files need h5py: pip install netc[caffe]")
    found = split_net(tmp_path)
    states = found.start() | {"a.weight": np.arange(9, dtype=np.float32).reshape(3, 3)}
    caffe_snapshots.write_model(tmp_path / "m.caffemodel", found.train, states)
    assert {n: [b.tolist() for b in blobs] for n, blobs in read_weights(tmp_path / "m.caffemodel").items()} == {
        "a": [states["a.weight"].tolist()],
        "b": [states["a.weight"].tolist()],
    }
    _, state = caffe_snapshots.write_snapshot(str(tmp_path / "h"), found, states, 1)
    assert list(read_weights(tmp_path / "h_iter_1.caffemodel.h5")) == ["a"]
    assert len(read_state(state).history) == 1
    np.testing.assert_array_equal(caffe_snapshots.read_snapshot(str(state), found).states["a.weight"], states["a.weight"])


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_a_run_there_and_back_is_the_run_itself(form: str, tmp_path: Path) -> None:
    if form == "HDF5":
        pytest.importorskip("h5py", reason="HDF5 files need h5py: pip install netc[caffe]")
    shutil.copy(Path(__file__).parents[2] / "nets" / "iris.csv", tmp_path)
    (tmp_path / "iris.yaml").write_text(IRIS % (form, tmp_path / "p"))
    job = load_job(str(tmp_path / "iris.yaml"))
    quiet = Console(quiet=True)
    silent = Screen(quiet, quiet, quiet)
    options = TrainOptions(provider="cpu", target="portable", threads=1, runs=str(tmp_path / "runs"))
    assert train_command(Compilation.of(job), options, silent) == "max_iter"
    state = tmp_path / f"p_iter_3.solverstate{'.h5' if form == 'HDF5' else ''}"
    assert train_command(Compilation.of(job), replace(options, snapshot_file=str(state)), silent) == "max_iter"
    netcs = tmp_path / "runs" / "iris" / "1" / "snapshots" / "iter_00000003.safetensors"
    assert train_command(Compilation.of(job), replace(options, snapshot_file=str(netcs)), silent) == "max_iter"
    ends = [snapshot.read(tmp_path / "runs" / "iris" / str(k) / "snapshots" / "iter_00000006.safetensors").states for k in (1, 2, 3)]
    for name, array in ends[0].items():
        np.testing.assert_array_equal(ends[1][name], array)
        np.testing.assert_array_equal(ends[2][name], array)
    lines = (tmp_path / "runs" / "iris" / "2" / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["iteration"] == 6


def test_snapshots_of_other_nets(tmp_path: Path) -> None:
    found = split_net(tmp_path)
    state = pb.SolverState(iter=1, learned_net="m.caffemodel")
    path = tmp_path / "x.solverstate"
    path.write_bytes(state.SerializeToString())
    with pytest.raises(SnapshotError, match="has 0 history blobs; this net with solver SGD needs 1"):
        caffe_snapshots.read_snapshot(str(path), found)
    state.history.add(data=[1])
    path.write_bytes(state.SerializeToString())
    with pytest.raises(SnapshotError, match="its weight file 'm.caffemodel' is neither in the current folder nor"):
        caffe_snapshots.read_snapshot(str(path), found)
    caffe_snapshots.write_model(tmp_path / "m.caffemodel", found.train, found.start())
    with pytest.raises(SnapshotError, match=r"the history of a.weight.history has 1 values; the net needs 9"):
        caffe_snapshots.read_snapshot(str(path), found)
    path.write_bytes(b"\x0a\xff")
    with pytest.raises(SpecError, match="x.solverstate: This is not a binary SolverState, or the file is truncated: it ends"):
        caffe_snapshots.read_snapshot(str(path), found)
    net = parse_prototxt(SPLITS).message
    net.layer[2].blobs.extend([pb.BlobProto(data=[1])] * 2)
    (tmp_path / "two.caffemodel").write_bytes(net.SerializeToString())
    with pytest.raises(SnapshotError, match="Layer 'a' has 2 blobs in .*, but 1 in the net"):
        load_weights(str(tmp_path / "two.caffemodel"), found.states, found.layer_blobs)

"""State that goes from batch to batch: in the contract, in training, testing, resuming, and from Python."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from netc import Net, api
from netc.compiler.program import Program
from netc.compiler.step_files import write
from netc.runtime import snapshot
from netc.runtime.session import Session
from tests.recurrent_nets import NET, write_letters
from tests.small_nets import log, netc

CARRIES = {"lstm1.h", "lstm1.c", "gru1.h"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return api.load(write_letters(tmp_path_factory.mktemp("letters")))


def ports(model: onnx.ModelProto, prefix: str) -> set[str]:
    return {n.name.removeprefix(prefix) for n in (*model.graph.input, *model.graph.output) if n.name.startswith(prefix)}


@pytest.mark.parametrize("kind", ["train", "gradient", "test"])
def test_carries_are_states_of_a_phase(made: Program, kind: str) -> None:
    model, phase = made.model(kind), "test" if kind == "test" else "train"
    named = {f"{name}.{phase}" for name in CARRIES}
    assert named <= ports(model, "state/") and named <= ports(model, "next/")
    said = json.loads(model.metadata_props[0].value)
    states = {s["name"]: s for s in said["states"] if s["kind"] == "carry"}
    assert states.keys() == named and all(s["output"] == f"next/{n}" for n, s in states.items())
    assert states[f"gru1.h.{phase}"]["shape"] == [2 if phase == "test" else 4, 12]


def test_update_leaves_carries_alone(made: Program) -> None:
    assert not any("lstm1.h" in name for name in ports(made.model("update"), "next/"))


def test_the_deployed_model_takes_and_gives_them_for_any_batch_and_time(made: Program, tmp_path: Path) -> None:
    files = {p.name: p for p in write(made, tmp_path)}
    model = onnx.load(files["model.onnx"])
    assert ports(model, "state/") == ports(model, "next/") == CARRIES
    said = json.loads(model.metadata_props[0].value)
    assert said["vocabulary"] == list("\nabcd") and said["tokens"] == "characters" and said["batch_axis"] == 1 and said["steps"] == 8
    session = Session(files["model.onnx"])
    tokens = np.random.default_rng(0).integers(0, 5, (7, 3))
    zero = {f"state/{n}": np.zeros((3, 12), np.float32) for n in CARRIES}
    whole = session.run({"data": tokens, **zero})
    first = session.run({"data": tokens[:3], **zero})
    second = session.run({"data": tokens[3:], **{f"state/{n}": first[f"next/{n}"] for n in CARRIES}})
    np.testing.assert_allclose(np.concatenate([first["prob"], second["prob"]]), whole["prob"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("iter_size", [1, 2])
def test_a_resumed_run_has_the_bits_of_a_whole_one(tmp_path: Path, iter_size: int) -> None:
    """Also where a snapshot lies in the midst of the streams: the carried states are in it."""
    path = write_letters(tmp_path, NET.replace("display: 1", f"display: 1, iter_size: {iter_size}"))
    runs = tmp_path / "runs"
    assert netc("train", path, "--no-publish", "--runs", runs).exit_code == 0
    whole = runs / "letters/1"
    kept = snapshot.read(whole / "snapshots" / snapshot.file_name(40)).states
    assert all(np.abs(kept[f"{name}.train"]).max() > 0 for name in CARRIES)
    final = whole / "snapshots" / snapshot.file_name(60)
    bits, lines = final.read_bytes(), log(whole)
    final.unlink()
    assert netc("train", path, "--no-publish", "--runs", runs, "--resume").exit_code == 0
    assert final.read_bytes() == bits and log(whole) == lines
    assert lines[-1]["accuracy"] > 0.8  # the letters repeat


def test_every_test_begins_with_nothing(tmp_path: Path) -> None:
    """`netc test` gives what the run's own last test gave, though that run had tested before."""
    path = write_letters(tmp_path)
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs").exit_code == 0
    weights = tmp_path / "runs/letters/1/snapshots" / snapshot.file_name(60)
    result = netc("test", path, "--weights", weights)
    last = [line for line in log(tmp_path / "runs/letters/1") if line["event"] == "test"][-1]
    assert result.exit_code == 0 and f"loss: {last['loss']:.6g}" in result.stdout and f"accuracy: {last['accuracy']:.6g}" in result.stdout


def test_state_matters_for_the_next_batch(made: Program) -> None:
    """A test batch that goes on from another gives other numbers than one that begins."""
    session, start = Session(made.model("test")), {f"state/{n}": a for n, a in made.start().items()}
    feeds = {"batch/data": np.ones((8, 2), np.int64), "batch/label": np.ones((8, 2), np.int64)}
    first = session.run({n: a for n, a in (start | feeds).items() if n in session.inputs})
    moved = {f"state/{n.removeprefix('next/')}": a for n, a in first.items() if n.startswith("next/")}
    second = session.run({n: a for n, a in (start | moved | feeds).items() if n in session.inputs})
    assert moved and first["loss"] != second["loss"]


def test_a_net_in_python_carries_too(tmp_path: Path) -> None:
    net = Net(write_letters(tmp_path))
    assert [len(net.params[name]) for name in ("lstm1", "gru1")] == [3, 4]
    batch = {"data": np.ones((8, 4)), "label": np.ones((8, 4))}
    first = float(net.forward(**batch)["loss"])
    net.backward()
    exact = net.params["ip1"][1].diff.copy()
    second = float(net.forward(**batch)["loss"])
    assert first != second
    # The gradient is that of the pass that was run, not of the state that it left: raise the bias, begin again, compare.
    other = Net(write_letters(tmp_path))
    other.params["ip1"][1].data[1] += 1e-2
    np.testing.assert_allclose((float(other.forward(**batch)["loss"]) - first) / 1e-2, exact[1], rtol=2e-2)


def test_a_batch_that_fills_no_stream_is_told(tmp_path: Path) -> None:
    result = netc("train", write_letters(tmp_path, NET.replace("batch_size: 4", "batch_size: 400")), "--no-publish", "--runs", tmp_path)
    assert (
        result.exit_code == 2
        and "letters.yaml:3:12: Layer 'data': letters.txt: 93 windows of 8 steps are too few for a `batch_size` of 400." in result.stderr
    )


def test_a_table_that_is_too_small_for_the_text_is_told(tmp_path: Path) -> None:
    result = netc("check", write_letters(tmp_path, NET.replace("num_output: 6", "num_output: 6, input_dim: 4")))
    assert result.exit_code == 2
    assert "letters.yaml:4:28: Layer 'embed1' (Embed): data has indices up to 4, a table of 4 rows is too small" in result.stderr


def test_scores_of_fewer_classes_than_the_text_has_are_told(tmp_path: Path) -> None:
    result = netc("check", write_letters(tmp_path, NET.replace("num_output: 5", "num_output: 3")))
    assert result.exit_code == 2 and "label has 5 classes, but ip1 8x4x3 has scores for 3 on axis 2" in result.stderr

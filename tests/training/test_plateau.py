"""The policy `plateau` in a run: its lines in the log, its state in snapshots, and Caffe's snapshots."""

import json
from pathlib import Path

import pytest

from netc.runtime import snapshot
from netc.training.snapshot_metadata import read_metadata
from tests.small_nets import NET, log, netc, write_small

FIELDS = "lr_policy: plateau, gamma: 0.5, plateau_patience: 0, plateau_threshold: 0.5, min_lr: 0.003, test_interval: 5"
PLATEAU = NET.replace("lr_policy: inv, gamma: 0.01, power: 0.75", FIELDS).replace("test_interval: 15, ", "")


def trained(folder: Path, text: str, *options: object) -> tuple[Path, str]:
    """The folder of a run and what it printed."""
    result = netc("train", write_small(folder, text), "--runs", folder / "runs", "--threads", 1, "--no-publish", *options)
    assert result.exit_code == 0, result.output
    return sorted((folder / "runs/small").iterdir(), key=lambda p: int(p.name))[-1], result.output


def last(run: Path) -> snapshot.Snapshot:
    found, _ = snapshot.newest(run / "snapshots")
    assert found is not None
    return found


def test_a_reduction_is_printed_logged_and_kept(tmp_path: Path) -> None:
    run, said = trained(tmp_path, PLATEAU)
    lines = log(run)
    reduced = [line for line in lines if line["event"] == "rate"]
    assert [line["lr"] for line in reduced] == pytest.approx([0.01, 0.005, 0.003]) and [line["reductions"] for line in reduced] == [1, 2, 3]
    assert said.count("the tests no longer improve; the learning rate is now") == 3
    for line in reduced:
        (first,) = [x for x in lines if x["event"] == "train" and x["iteration"] == line["iteration"]]
        (before,) = [x for x in lines if x["event"] == "train" and x["iteration"] == line["iteration"] - 1]
        assert first["lr"] == line["lr"] < before["lr"]
    state = read_metadata(last(run)).plateau
    assert state.reductions == 3 and state.best is not None


@pytest.mark.parametrize("at", [9, 11, 20])
def test_a_run_that_is_resumed_equals_a_whole_one(tmp_path: Path, at: int) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole, _ = trained(tmp_path / "whole", PLATEAU)
    trained(tmp_path / "parts", PLATEAU, "--set", f"solver.max_iter={at}")
    parts, _ = trained(tmp_path / "parts", PLATEAU, "--resume")
    one, two = last(whole), last(parts)
    assert all(one.states[n].tobytes() == two.states[n].tobytes() for n in one.states)
    rates = [[(x["iteration"], x["lr"]) for x in log(run) if x["event"] in ("rate", "train")] for run in (whole, parts)]
    assert rates[0] == rates[1]


def test_another_interval_of_tests_is_noted(tmp_path: Path) -> None:
    trained(tmp_path, PLATEAU, "--set", "solver.max_iter=10")
    _, said = trained(tmp_path, PLATEAU, "--resume", "--set", "solver.test_interval=20")
    assert "lr_policy plateau counts the tests: from here on, it counts those of the new test_interval" in said


def test_a_snapshot_starts_a_run_with_another_rate(tmp_path: Path) -> None:
    """The reductions continue from the new base_lr."""
    run, _ = trained(tmp_path, PLATEAU, "--set", "solver.max_iter=20")
    again, _ = trained(tmp_path, PLATEAU, "--snapshot", last(run).path, "--set", "solver.base_lr=0.2")
    first = next(line for line in log(again) if line["event"] == "train")
    assert first["iteration"] == 20 and first["lr"] == pytest.approx(0.2 / 2 ** read_metadata(last(run)).plateau.reductions)


def test_caffes_snapshot_keeps_the_reductions(tmp_path: Path) -> None:
    run, _ = trained(
        tmp_path, PLATEAU, "--set", "solver.snapshot_format=BINARYPROTO", "--set", "solver.type=Muon", "--set", "solver.momentum=0.9"
    )
    (state,) = (run / "snapshots").glob("*_iter_40.solverstate")
    again, said = trained(tmp_path, PLATEAU, "--snapshot", state, "--set", "solver.type=Muon", "--set", "solver.momentum=0.9")
    before, after = ({x["iteration"]: x for x in log(r) if x["event"] == "train"} for r in (run, again))
    assert after[40]["lr"] == before[40]["lr"] == pytest.approx(0.003) and "stepsize differ" not in said
    one, two = last(run), last(again)
    assert one.states.keys() == two.states.keys()
    assert all(one.states[n].tobytes() == two.states[n].tobytes() for n in one.states)


@pytest.mark.parametrize("wrong", [{"reductions": -1}, {"cooldown": -1}, {"reductions": "x"}])
def test_a_damaged_state_is_an_error(tmp_path: Path, wrong: dict[str, object]) -> None:
    run, _ = trained(tmp_path, PLATEAU, "--set", "solver.max_iter=10")
    found = last(run)
    metadata = json.loads(json.dumps(dict(found.metadata)))
    metadata["plateau"] |= wrong
    path = snapshot.write(tmp_path / "wrong.safetensors", found.states, metadata)
    result = netc("train", tmp_path / "small.yaml", "--snapshot", path, "--runs", tmp_path / "runs")
    assert result.exit_code not in (0, 1) and "plateau" in result.stderr and "Traceback" not in result.output


def test_pycaffe_says_that_it_cannot_follow_tests(tmp_path: Path) -> None:
    from netc.caffe.solver import Solver
    from netc.errors import SpecError

    with pytest.raises(SpecError, match="follows the tests, which a script runs itself"):
        Solver(write_small(tmp_path, PLATEAU))

"""The loop: its events, when it tests and snapshots, what it logs, how it ends."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import api
from netc.errors import RunError, SpecError
from netc.runtime import snapshot
from netc.training import events as run_events
from netc.training.events import Finished, Snapshotted, Stepped
from netc.training.folder import RunFolder
from netc.training.trainer import Trainer
from tests.small_nets import NET, log, netc, write_small

SHORT = ("solver.max_iter=10", "solver.test_interval=4", "solver.snapshot=5", "solver.average_loss=1")


def trainer(folder: Path, *overrides: str, net: str = NET, weights: Mapping[str, np.ndarray] | None = None) -> Trainer:
    folder.mkdir(exist_ok=True)
    return Trainer(api.load(write_small(folder, net), *overrides), RunFolder.new(folder / "runs", "small"), 1, weights or {})


def told(events: Any) -> list[str]:
    """`s3` a step, `t4` a test, `w5` a snapshot after so many iterations."""
    kinds = {Stepped: "s", run_events.Tested: "t", Snapshotted: "w", Finished: "end"}
    return [kinds[type(e)] + str(e.iteration) for e in events if type(e) in kinds]


def test_events_come_in_order(tmp_path: Path) -> None:
    assert " ".join(told(trainer(tmp_path, *SHORT).events())) == "t0 s0 s1 s2 s3 t4 s4 w5 s5 s6 s7 t8 s8 s9 t10 w10 end10"


def test_no_test_before_the_first_iteration_if_so_asked(tmp_path: Path) -> None:
    events = told(trainer(tmp_path, *SHORT, "solver.test_initialization=false").events())
    assert events[0] == "s0" and "t4" in events


def test_a_net_without_data_to_test_on_is_not_tested(tmp_path: Path) -> None:
    net = NET.replace("test_fraction: 0.2", "test_fraction: 0.2, include: {phase: TRAIN}").replace(
        "  - Convolution",
        "  - Input: {top: [data, label], shape: [{dim: [1, 1, 12, 12]}, {dim: [1]}], include: {phase: TEST}}\n  - Convolution",
    )
    events = told(trainer(tmp_path, "solver.max_iter=3", "solver.test_interval=0", net=net).events())
    assert events == ["s0", "s1", "s2", "w3", "end3"]


def test_display_and_smoothed_loss(tmp_path: Path) -> None:
    plain = trainer(tmp_path / "plain", "solver.average_loss=1", "solver.max_iter=12")
    losses = [e.loss for e in plain.events() if isinstance(e, Stepped)]
    smooth = trainer(tmp_path / "smooth", "solver.average_loss=4", "solver.max_iter=12", "solver.display=3")
    shown = [e.loss for e in smooth.events() if isinstance(e, Stepped)]
    assert shown == pytest.approx([np.mean(losses[max(0, i - 3) : i + 1]) for i in range(12)])
    lines = [line for line in log(smooth.folder.path) if line["event"] == "train"]
    assert [line["iteration"] for line in lines] == [0, 3, 6, 9] and [line["loss"] for line in lines] == [shown[i] for i in (0, 3, 6, 9)]


def test_the_log_tells_rate_and_scores(tmp_path: Path) -> None:
    one = trainer(tmp_path, *SHORT)
    tested = [e for e in one.events() if isinstance(e, run_events.Tested)]
    lines = log(one.folder.path)
    assert [line["lr"] for line in lines if line["event"] == "train"] == pytest.approx([0.02 * (1 + 0.01 * i) ** -0.75 for i in range(10)])
    assert [{k: v for k, v in line.items() if k not in ("event", "iteration")} for line in lines if line["event"] == "test"] == [
        t.scores for t in tested
    ]
    assert tested[0].scores.keys() == {"accuracy", "loss"}


def test_max_epoch(tmp_path: Path) -> None:
    net = NET.replace("max_iter: 60", "max_epoch: 2")
    assert trainer(tmp_path, net=net).max_iter == 20  # 160 rows, 16 at a time
    assert trainer(tmp_path, "solver.iter_size=3", net=net).max_iter == 7


def test_max_epoch_of_an_endless_source_is_an_error(tmp_path: Path) -> None:
    net = NET.replace(
        "Data: {source: small.npz, batch_size: 16, test_fraction: 0.2}", "DummyData: {shape: [{dim: [16, 1, 12, 12]}, {dim: [16]}]}"
    ).replace("max_iter: 60", "max_epoch: 2")
    with pytest.raises(SpecError, match=r"small.yaml:12:104: `max_epoch` needs a source with a fixed number of rows. Set `"):
        trainer(tmp_path, net=net)


def test_the_best_model_and_early_stopping(tmp_path: Path) -> None:
    stuck = ("solver.base_lr=1e-30", "solver.weight_decay=0", "solver.test_interval=2", "solver.patience=3")
    one = trainer(tmp_path, *stuck)
    events = list(one.events())
    assert " ".join(told(events)) == "t0 s0 s1 t2 s2 s3 t4 s4 s5 t6 w6 end6"
    last = events[-1]
    assert isinstance(last, Finished) and last.reason == "patience"
    assert [e.best for e in events if isinstance(e, run_events.Tested)] == [True, False, False, False]
    best = snapshot.read(one.folder.snapshots / "best.safetensors")
    assert best.metadata["iteration"] == 0 and best.metadata["scores"] == last.scores


def test_early_stopping_on_the_command_line_publishes_the_best(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("base_lr: 0.02", "base_lr: 0.5, patience: 2"))
    result = netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo", "--set", "solver.test_interval=1", "--publish")
    assert result.exit_code == 0, result.stderr
    said = int(result.stdout.split("the best model is from iteration ")[1].split("\n")[0])
    tests = [line for line in log(tmp_path / "runs/small/1") if line["event"] == "test"]
    assert "no improvement in the last 2 tests" in result.stdout and said == max(tests, key=lambda line: line["accuracy"])["iteration"]
    again = netc(
        "train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo", "--set", "solver.test_interval=1", "--resume", "--publish"
    )
    assert again.exit_code == 0 and "it was there already, identical" in again.stdout


@pytest.mark.parametrize("name, better", [("accuracy", max), ("loss", min)])
def test_monitor_picks_the_score(tmp_path: Path, name: str, better: Any) -> None:
    events = [e for e in trainer(tmp_path, "solver.test_interval=3", f"solver.monitor={name}").events() if isinstance(e, run_events.Tested)]
    values = [e.scores[name] for e in events]
    assert [e.best for e in events] == [k == values.index(better(values[: k + 1])) for k in range(len(values))]


def test_a_monitor_that_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"small.yaml.*the test net has no output 'acuracy'; it has loss, accuracy|has accuracy, loss"):
        list(trainer(tmp_path, "solver.monitor=acuracy").events())


def test_snapshots_are_kept_as_asked(tmp_path: Path) -> None:
    one = trainer(tmp_path, "solver.snapshot=5", "solver.max_iter=30", "solver.snapshot_keep=2")
    list(one.events())
    assert sorted(p.name for p in one.folder.snapshots.iterdir()) == ["best.safetensors", snapshot.file_name(25), snapshot.file_name(30)]


@pytest.mark.parametrize("changes, taken", [
    (["solver.snapshot_minutes=1"], "w4 w8 w10"), (["solver.snapshot=0"], "w10"), (["solver.snapshot_minutes=0"], "w10"), ([], "w10"),
])  # fmt: skip
def test_snapshots_come_by_the_clock_where_iterations_do_not_say_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: list[str], taken: str
) -> None:
    one = trainer(tmp_path, "solver.max_iter=10", "solver.test_interval=0", *changes, net=NET.replace("snapshot: 20, ", ""))
    started = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: started + 16 * one.iteration)  # a step takes 16 seconds
    assert " ".join(e for e in told(one.events()) if e[0] == "w") == taken


def test_weights_are_where_it_starts(tmp_path: Path) -> None:
    weight = np.full((10, 16), 0.25, np.float32)
    assert np.array_equal(trainer(tmp_path, weights={"ip2.weight": weight}).step.arrays()["ip2.weight"], weight)


@pytest.mark.parametrize("iter_size", [1, 2])
def test_nan_stops_the_run_and_names_the_first_layer(tmp_path: Path, iter_size: int) -> None:
    path = write_small(tmp_path)
    result = netc(
        "train", path, "--no-publish", "--runs", tmp_path, "--set", "solver.base_lr=1e10", "--set", f"solver.iter_size={iter_size}"
    )
    assert result.exit_code == 1
    assert f"{path}:6:5: the loss is nan at iteration" in result.stderr
    assert "in the forward pass of layer 'ip1', op Gemm" in result.stderr, result.stderr
    assert "try 0.01 (typical for SGD: 0.01)" in result.stderr


def test_nan_in_the_data_is_told_apart(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    np.savez(tmp_path / "small.npz", data=np.full((200, 1, 12, 12), np.nan, np.float32), label=np.zeros(200, np.int64))
    result = netc("train", path, "--no-publish", "--runs", tmp_path)
    assert result.exit_code == 2 and "'data' of TRAIN contains NaN (23,040 times, first at small.npz: data[" in result.stderr
    assert "remove these rows from the data" in result.stderr and "base_lr" not in result.stderr


def test_nan_in_a_weight_names_its_layer(tmp_path: Path) -> None:
    one = trainer(tmp_path, "solver.test_interval=0", weights={"ip1.bias": np.full(16, np.inf, np.float32)})
    with pytest.raises(RunError, match="state/ip1.bias contains infinity before the step, from the update of layer 'ip1'"):
        list(one.events())


def test_nan_in_the_last_test_is_not_published(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    changes = ["--set", "solver.base_lr=1e10", "--set", "solver.max_iter=2", "--set", "solver.test_interval=0"]
    result = netc("train", path, "--publish", "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo", *changes)
    assert result.exit_code == 1 and "the test gives" in result.stderr and not (tmp_path / "zoo").exists()

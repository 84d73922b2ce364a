"""A run that is killed, interrupted or damaged, and resumed, gives the bits of one that was not."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from netc.runtime import snapshot
from tests.small_nets import NET, log, netc, netc_process, write_small
from tests.some import some

LONG = (
    NET.replace("max_iter: 60", "max_iter: 1200")
    .replace("test_interval: 15", "test_interval: 150")
    .replace("snapshot: 20", "snapshot: 100")
)
FINAL = snapshot.file_name(1200)


def trained(path: str | Path, runs: Path, *options: str) -> Path:
    """The folder of a run that was never disturbed."""
    result = netc("train", path, "--no-publish", "--runs", runs, *options)
    assert result.exit_code == 0, result.stderr
    return max((runs / "small").iterdir(), key=lambda p: int(p.name))


def started(folder: Path, *options: str) -> Any:
    """A run in a process of its own, past its second snapshot, its folder being `folder`/runs/small/1."""
    process = netc_process("train", "small.yaml", "--no-publish", *options, cwd=folder)
    wait_for(lambda: (folder / "runs/small/1/snapshots" / snapshot.file_name(200)).exists(), process)
    return process


def wait_for(condition: Callable[..., Any], process: Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def assert_same(resumed: Path, whole: Path) -> None:
    assert (resumed / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()
    assert (resumed / "snapshots" / FINAL).read_bytes() == (whole / "snapshots" / FINAL).read_bytes()
    assert (resumed / "net.yaml").read_bytes() == (whole / "net.yaml").read_bytes()


def test_a_killed_run_of_summed_gradients_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    path = write_small(tmp_path, LONG.replace("average_loss", "iter_size: 2, average_loss"))
    whole = trained(path, tmp_path / "whole")
    process = started(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    killed = tmp_path / "runs/small/1"
    assert not (killed / "snapshots" / FINAL).exists()
    with (killed / "log.jsonl").open("a") as file:
        file.write('{"event": "tra')  # as a kill in the middle of a write leaves it
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume")
    assert result.exit_code == 0 and f"resumed from {killed / 'snapshots'}" in result.stdout
    assert_same(killed, whole)
    losses = [line["loss"] for line in log(whole) if line["event"] == "train"]
    assert len(losses) == 1200 and len(set(losses)) > 1100


def test_sigint_finishes_the_step_and_resume_goes_on(tmp_path: Path) -> None:
    path = write_small(tmp_path, LONG)
    process = started(tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    stopped = int(out.split("SIGINT: stopped after iteration ")[1].split(";")[0])
    folder = tmp_path / "runs/small/1"
    assert 200 <= stopped < 1200 and (folder / "snapshots" / snapshot.file_name(stopped)).exists()
    assert "continue with --resume" in out and "ended by SIGINT" in (folder / "report.html").read_text()
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume").exit_code == 0
    assert_same(folder, trained(path, tmp_path / "whole"))


def test_sighup_snapshots_and_sigterm_ends(tmp_path: Path) -> None:
    write_small(tmp_path, LONG.replace("snapshot: 100", "snapshot: 0").replace("max_iter: 1200", "max_iter: 1000000"))
    process = netc_process("train", "small.yaml", "--no-publish", cwd=tmp_path)
    folder = tmp_path / "runs/small/1"
    wait_for(lambda: (folder / "log.jsonl").exists(), process)
    assert not list((folder / "snapshots").glob("iter_*"))
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: list((folder / "snapshots").glob("iter_*")), process)
    hung_up = some(snapshot.newest(folder / "snapshots")[0]).metadata["iteration"]
    wait_for(lambda: len(log(folder)) > hung_up + 20, process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143 and "SIGTERM: stopped after iteration" in out
    assert some(snapshot.newest(folder / "snapshots")[0]).metadata["iteration"] > hung_up


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A net file, and the folder of its run of 60 iterations with snapshots at 20, 40 and 60."""
    folder = tmp_path_factory.mktemp("finished")
    path = write_small(folder)
    return path, trained(path, folder / "runs")


@pytest.fixture
def copied(finished: tuple[str, Path], tmp_path: Path) -> tuple[str, Path]:
    shutil.copytree(finished[1].parents[1], tmp_path / "runs")
    return finished[0], tmp_path / "runs/small/1"


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def test_a_damaged_snapshot_falls_back_to_the_one_before(finished: tuple[str, Path], copied: tuple[str, Path]) -> None:
    path, folder = copied
    damage(folder / "snapshots" / snapshot.file_name(60))
    result = netc("train", path, "--no-publish", "--runs", folder.parents[1], "--resume")
    assert result.exit_code == 0
    assert "skipped a snapshot: " in result.stdout and "iter_00000060.safetensors: The snapshot is damaged." in result.stdout
    assert (folder / "snapshots/iter_00000060.safetensors.damaged").exists()
    assert f"resumed from {folder / 'snapshots' / snapshot.file_name(40)}" in result.stdout
    assert (folder / "log.jsonl").read_bytes() == (finished[1] / "log.jsonl").read_bytes()


def test_a_damaged_best_model_is_told_and_can_be_done_without(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("test_fraction: 0.2", "test_fraction: 0.2, validation_source: small.npz"))
    folder = trained(path, tmp_path / "runs")
    damage(folder / "snapshots/best.safetensors")
    arguments = ("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume")
    result = netc(*arguments)
    assert result.exit_code == 2 and "best.safetensors: The snapshot is damaged." in result.stderr
    assert "If you delete that file, --resume ends with the last model" in result.stderr
    (folder / "snapshots/best.safetensors").unlink()
    assert netc(*arguments).exit_code == 0


def test_a_run_whose_snapshots_are_all_damaged_cannot_resume(copied: tuple[str, Path]) -> None:
    path, folder = copied
    for file in (folder / "snapshots").glob("iter_*"):
        file.write_bytes(b"")
    result = netc("train", path, "--runs", folder.parents[1], "--resume")
    assert result.exit_code == 2 and "no snapshot to resume from" in result.stderr


def test_a_finished_run_resumes_to_its_end_without_a_trace(finished: tuple[str, Path], copied: tuple[str, Path]) -> None:
    path, folder = copied
    result = netc("train", path, "--no-publish", "--runs", folder.parents[1], "--resume")
    assert result.exit_code == 0 and "after 60 iterations: accuracy" in result.stdout
    assert "this run is complete after 60 iterations" in result.stdout
    for name in ("log.jsonl", "snapshots/iter_00000060.safetensors", "snapshots/best.safetensors"):
        assert (folder / name).read_bytes() == (finished[1] / name).read_bytes()


def test_a_finished_run_can_be_made_longer(copied: tuple[str, Path]) -> None:
    path, folder = copied
    result = netc("train", path, "--no-publish", "--runs", folder.parents[1], "--resume", "--set", "solver.max_iter=70")
    assert result.exit_code == 0 and "changed since the run started: solver.max_iter: 60, now 70" in result.stdout
    assert "max_iter: 70" in (folder / "net.yaml").read_text()
    assert [line["iteration"] for line in log(folder) if line["event"] == "train"] == list(range(70))


def test_resume_takes_the_newest_run_with_a_snapshot(copied: tuple[str, Path]) -> None:
    path, folder = copied
    (folder.parent / "2" / "snapshots").mkdir(parents=True)
    for days, file in enumerate(sorted(folder.rglob("*"), reverse=True)):  # newest is by number: clocks may go backwards
        os.utime(file, (1e9 + 86400 * days,) * 2)
    result = netc("train", path, "--no-publish", "--runs", folder.parents[1], "--resume")
    assert result.exit_code == 0 and f"resumed from {folder}" in result.stdout


@pytest.mark.parametrize("change, sentence", [
    ("layers.ip1.num_output=17", "layers.ip1.inner_product_param.num_output: 16, now 17"),
    ("solver.type=Adam", "solver.type: unset, now Adam"),
    ("solver.random_seed=5", "solver.random_seed: unset, now 5"),
])  # fmt: skip
def test_another_net_is_not_resumed(copied: tuple[str, Path], change: str, sentence: str) -> None:
    path, folder = copied
    result = netc("train", path, "--runs", folder.parents[1], "--resume", "--set", change)
    assert result.exit_code == 2 and sentence in result.stderr, result.stderr
    assert "the net has changed since this run started" in result.stderr
    assert len(log(folder)) == 65  # untouched: 60 iterations and 5 tests


def test_nothing_to_resume(finished: tuple[str, Path], tmp_path: Path) -> None:
    result = netc("train", finished[0], "--runs", tmp_path, "--resume")
    assert result.exit_code == 2 and "no run of small has a snapshot to resume from" in result.stderr
    result = netc("train", finished[0], "--resume", "--weights", "x.safetensors")
    assert result.exit_code == 2 and "use only one of" in result.stderr


def test_another_number_of_threads_is_told(copied: tuple[str, Path]) -> None:
    path, folder = copied
    result = netc("train", path, "--no-publish", "--runs", folder.parents[1], "--resume", "--threads", 2)
    assert result.exit_code == 0
    assert "the snapshot was made with threads 1, but this run uses 2: results can differ in the last bits" in result.stdout


def test_a_run_that_drew_its_seed_resumes_with_it_and_its_net_file_repeats_it(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("base_lr", "random_seed: -1, base_lr"))
    first, other = (trained(path, tmp_path / "runs") for _ in range(2))
    logs = [(folder / "log.jsonl").read_bytes() for folder in (first, other)]
    assert logs[0] != logs[1]
    (other / "snapshots" / snapshot.file_name(60)).unlink()
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume")
    assert result.exit_code == 0, result.stderr
    assert (other / "log.jsonl").read_bytes() == logs[1]
    assert (trained(str(first / "net.yaml"), tmp_path / "again") / "log.jsonl").read_bytes() == logs[0]


def test_a_full_disk_while_the_log_is_cut_is_told(copied: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path, folder = copied

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    result = netc("train", path, "--no-publish", "--runs", folder.parents[1], "--resume")
    assert result.exit_code == 1 and "log.jsonl: No space left on device" in result.stderr


def test_several_test_nets_in_the_log_after_a_resume_and_in_net_yaml(tmp_path: Path) -> None:
    """Each with its own test_iter. The net.yaml of the run is the same job in one file: trained again, it logs the same."""
    net, _, _ = NET.partition("solver:")
    for name, text in (("a", net), ("b", net.replace("batch_size: 16", "batch_size: 8")), ("c", net.replace("  - Dropout\n", ""))):
        write_small(tmp_path, text, f"{name}.yaml")
    solver = (
        'train_net: "a.yaml" test_net: "b.yaml" test_net: "c.yaml" test_iter: 1 test_iter: 2 base_lr: 0.02 max_iter: 30 test_interval: 15'
    )
    (tmp_path / "s.prototxt").write_text(solver)
    run = trained(tmp_path / "s.prototxt", tmp_path / "runs")
    tests = [line for line in log(run) if line["event"] == "test"]
    assert [line["iteration"] for line in tests] == [0, 15, 30]
    assert all({"accuracy", "loss", "accuracy#1", "loss#1"} <= line.keys() and line["loss"] != line["loss#1"] for line in tests)
    again = trained(run / "net.yaml", tmp_path / "again")
    assert (again / "log.jsonl").read_bytes() == (run / "log.jsonl").read_bytes()
    resumed = trained(run / "net.yaml", tmp_path / "runs", "--resume", "--set", "solver.max_iter=45")
    assert resumed == run and [line["iteration"] for line in log(run) if "loss#1" in line] == [0, 15, 30, 45]

"""Errors of the world: full and read-only disks, two runs at once, signals, NaN. Each is told, and nothing that was there is lost."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netc import api
from netc.commands.options import TrainOptions
from netc.commands.train import train_command
from netc.compiler.compilation import Compilation
from netc.errors import DivergedError, RunError
from netc.runtime import snapshot
from netc.spec.job import load_job
from netc.training import events as run_events
from netc.training import test_nets
from netc.training.evaluate import Stopped
from netc.training.events import Stepped
from netc.training.folder import RunFolder
from netc.training.trainer import Trainer
from tests.conftest import ROOT
from tests.small_nets import NET, log, netc, netc_process, write_small
from tests.some import some

MOUNTS = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
can_mount = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*MOUNTS, "mount -t tmpfs tmpfs /mnt"], capture_output=True).returncode != 0,
    reason="a file system of our own cannot be mounted here (unshare, mount)",
)
TRAIN = f"PYTHONPATH={ROOT}:$PYTHONPATH {sys.executable} -m netc train small.yaml --no-publish"
FULL = OSError(errno.ENOSPC, "No space left on device")


def mounted(folder: Path, options: str, command: str) -> "subprocess.CompletedProcess[str]":
    """A shell command in `folder`, with an empty file system at `folder`/runs that vanishes with it."""
    (folder / "runs").mkdir()
    script = f"cd {folder} && mount -t tmpfs -o {options} tmpfs runs && {command}"
    return subprocess.run([*MOUNTS, script], capture_output=True, text=True)


def whole_run(folder: Path, path: str, *options: str) -> Path:
    result = netc("train", path, "--no-publish", "--runs", folder, *options)
    assert result.exit_code == 0, result.output
    return folder / "small/1"


@can_mount
def test_a_disk_that_fills_up_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("max_iter: 60", "max_iter: 1000"))
    done = mounted(tmp_path, "size=128k", f"{TRAIN}; code=$?; cp -r runs kept; exit $code")
    said = done.stdout + done.stderr
    assert done.returncode == 1 and not any(word in said for word in ("Traceback", "Exception", "tensorboardX", "no report"))
    assert said.count("No space left on device") == 1 and ": No space left on device" in done.stderr
    kept, _ = snapshot.newest(tmp_path / "kept/small/1/snapshots")
    assert (
        f"the newest snapshot, runs/small/1/snapshots/{some(kept).path.name}, is intact; after you fix the cause, --resume" in done.stderr
    )
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "kept", "--resume")
    assert result.exit_code == 0, result.output
    whole = whole_run(tmp_path / "whole", path)
    for name in ("log.jsonl", f"snapshots/{snapshot.file_name(1000)}", "snapshots/best.safetensors"):
        assert (tmp_path / "kept/small/1" / name).read_bytes() == (whole / name).read_bytes()


@can_mount
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    write_small(tmp_path)
    done = mounted(tmp_path, "ro", TRAIN)
    assert done.returncode == 1 and "netc: Cannot write runs/small: Read-only file system" in done.stderr


def test_a_full_disk_at_a_line_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, open_file = write_small(tmp_path), Path.open

    def full(self: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if self.name == "log.jsonl" and mode == "a" and self.exists() and len(self.read_bytes().splitlines()) == 33:
            self.write_bytes(self.read_bytes() + b'{"event": "tr')  # as much as still fitted
            raise FULL
        return open_file(self, mode, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs")
    assert result.exit_code == 1 and "log.jsonl: No space left on device" in result.stderr
    assert "iter_00000020.safetensors, is intact" in result.stderr
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume").exit_code == 0
    whole = whole_run(tmp_path / "whole", path)
    assert (tmp_path / "runs/small/1/log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()


def test_a_full_disk_at_the_first_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise FULL

    path, folder = write_small(tmp_path), RunFolder.new(tmp_path / "runs", "small")
    trainer = Trainer(api.load(path, "solver.test_interval=0"), folder, 1)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Exception, match=r"(?s)iter_00000020.safetensors: No space left.*there is no snapshot of this run yet"):
        list(trainer.events())
    assert list(folder.snapshots.iterdir()) == []


def test_a_full_disk_while_publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, fsync = write_small(tmp_path), os.fsync

    def full(descriptor: int) -> None:
        if "zoo" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise FULL
        fsync(descriptor)

    arguments = ("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        result = netc(*arguments)
    assert result.exit_code == 1 and "small cannot be published" in result.stderr and "No space left" in result.stderr
    assert f"the run in {tmp_path}/runs/small/1 is complete; --resume --publish publishes it" in result.stderr
    assert not list((tmp_path / "zoo").glob("small/*")) and not list((tmp_path / "zoo").glob(".publish*"))
    again = netc(*arguments, "--resume", "--publish")
    assert again.exit_code == 0 and "this run is complete" in again.stdout and "published" in again.stdout


def test_two_runs_at_once_have_numbers_of_their_own(tmp_path: Path) -> None:
    write_small(tmp_path)
    both = [netc_process("train", "small.yaml", "--no-publish", cwd=tmp_path) for _ in range(2)]
    assert [process.communicate(timeout=60) and process.returncode for process in both] == [0, 0]
    one, two = (tmp_path / "runs/small" / str(k) for k in (1, 2))
    assert (one / "log.jsonl").read_bytes() == (two / "log.jsonl").read_bytes() and len(log(one)) == 65


def test_a_run_that_is_still_going_on_is_not_resumed(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    folder = RunFolder(whole_run(tmp_path / "runs", path))
    before = {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()}
    with folder.held():
        result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume")
    assert result.exit_code == 2 and "runs/small/1: another process is writing this run; wait for it" in result.stderr
    assert {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()} == before
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume").exit_code == 0


def test_lines_of_the_log_that_got_lost_are_told(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    lines = whole_run(tmp_path / "runs", path) / "log.jsonl"
    lines.write_bytes(b"".join(lines.read_bytes().splitlines(keepends=True)[:50]))
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume")
    assert "log.jsonl: 15 lines that were there at the snapshot are missing" in result.stdout


def test_a_second_sigint_ends_the_run_at_once(tmp_path: Path) -> None:
    def twice(event: object) -> None:
        if isinstance(event, Stepped) and event.iteration == 30:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    job, options = load_job(write_small(tmp_path)), TrainOptions(runs=str(tmp_path / "runs"), quiet=True)
    with pytest.raises(KeyboardInterrupt):
        train_command(Compilation.of(job), options, extra=[twice])
    found, skipped = snapshot.newest(tmp_path / "runs/small/1/snapshots")
    assert some(found).metadata["iteration"] == 20 and not skipped  # no snapshot of the step that was interrupted
    with RunFolder(tmp_path / "runs/small/1").held():
        pass  # and nobody holds it


def test_a_signal_does_not_wait_for_the_end_of_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test that was given up is made when the run goes on."""
    path = write_small(tmp_path)

    def end(event: object) -> None:
        if isinstance(event, Stepped) and event.iteration == 29:

            def slow(*arguments: Any, stop: Any, **options: Any) -> None:
                os.kill(os.getpid(), signal.SIGTERM)
                assert stop()
                raise Stopped

            monkeypatch.setattr(test_nets, "evaluate", slow)

    assert train_command(Compilation.of(load_job(path)), TrainOptions(runs=str(tmp_path / "runs"), quiet=True), extra=[end]) == "SIGTERM"
    monkeypatch.undo()
    lines = log(tmp_path / "runs/small/1")
    assert [line["iteration"] for line in lines if line["event"] == "test"] == [0, 15]
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume").exit_code == 0
    whole = whole_run(tmp_path / "whole", path)
    assert (tmp_path / "runs/small/1/log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()


def test_a_run_that_diverges_keeps_its_last_sound_snapshot_and_can_go_on_from_it(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    late = ("--set", "solver.lr_policy=multistep", "--set", "solver.stepvalue=[30]", "--set", "solver.gamma=1e12")
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", *late)
    kept = tmp_path / "runs/small/1/snapshots/iter_00000020.safetensors"
    assert result.exit_code == 1 and "of layer '" in result.stderr and "grown to 2e+10 (multistep); base_lr is 0.02: try " in result.stderr
    assert f"a new run with a different solver, use --snapshot {kept}" in result.stderr
    assert some(snapshot.newest(kept.parent)[0]).path == kept
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--snapshot", kept)
    assert result.exit_code == 0 and "differs from that of the snapshot" in result.stdout, result.output
    assert [line["iteration"] for line in log(tmp_path / "runs/small/2") if line["event"] == "train"] == list(range(20, 60))


def test_states_that_are_not_finite_push_no_sound_snapshot_out(tmp_path: Path) -> None:
    trainer = Trainer(api.load(write_small(tmp_path)), RunFolder.new(tmp_path / "runs", "small"), 1)
    told = trainer.events()
    assert isinstance(told, Generator)
    assert any(isinstance(event, run_events.Tested) for event in (next(told) for _ in range(3)))
    before = (trainer.folder.snapshots / "best.safetensors").read_bytes()
    trainer.step.set({"ip2.bias": np.full(10, np.nan, np.float32)})
    with pytest.raises(DivergedError, match="ip2.bias contains NaN, from the last update of layer 'ip2'"):
        trainer.write_snapshot()
    assert [p.name for p in trainer.folder.snapshots.iterdir()] == ["best.safetensors"]
    assert (trainer.folder.snapshots / "best.safetensors").read_bytes() == before
    told.close()


def test_a_run_that_skips_images_says_so_and_resumes_exactly(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(20):
            Image.fromarray(random.integers(0, 255, (12, 12), np.uint8)).save(tmp_path / "photos" / name / f"{k}.png")
    (tmp_path / "photos/b/3.png").write_bytes(b"no image")
    path = write_small(tmp_path, NET.replace("small.npz", "photos, scale: 0.01"))
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "stopped")
    assert result.exit_code == 2 and "photos/b/3.png: " in result.stderr
    skip = ("--set", "layers.data.on_error=SKIP")
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", *skip)
    assert result.exit_code == 0 and result.stdout.count("skipped: ") == 1, result.output
    assert f"skipped: Cannot decode {tmp_path}/photos/b/3.png: " in result.stdout and "(1 so far)" in result.stdout
    whole, run = (tmp_path / "runs/small/1/log.jsonl").read_bytes(), tmp_path / "runs/small/1"
    tested = netc("test", path, "--weights", run / "snapshots" / snapshot.file_name(60), *skip, "--set", "layers.data.test_fraction=0.9")
    assert tested.exit_code == 0 and tested.stderr.count("photos/b/3.png: ") == 1, tested.output
    (run / "snapshots" / snapshot.file_name(60)).unlink()
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume", *skip).exit_code == 0
    assert (run / "log.jsonl").read_bytes() == whole


COUNTING = """
from netc.registry import source
from netc.data import Description, Table, TopSpec

class Rows:
    def __getitem__(self, rows):
        raise ValueError("row 7 is bad")

@source(".bad")
def bad(request):
    return Table(Description("bad", (TopSpec("float32", (1, 12, 12)), TopSpec("int64", ())), 20), lambda: (Rows(), Rows()), True)
"""


def test_what_a_worker_raises_is_shown(tmp_path: Path) -> None:
    """Without a traceback, as a user's own source raises it on the thread that makes batches; --debug has it."""
    (tmp_path / "bad.py").write_text(COUNTING)
    (tmp_path / "x.bad").touch()
    path = write_small(
        tmp_path, NET.replace("small.npz", "x.bad").replace(", test_fraction: 0.2", "").replace("test_interval: 15", "test_interval: 0")
    )
    arguments = ("train", path, "--no-publish", "--runs", tmp_path / "runs", "--plugin", tmp_path / "bad.py")
    result = netc(*arguments)
    assert result.exit_code == 1 and result.stderr.startswith("netc: ValueError: row 7 is bad (an error in netc, in a plug-in")
    assert isinstance(netc("--debug", *arguments).exception, ValueError)


def test_a_follower_whose_file_cannot_be_written_does_not_hide_what_is_kept(tmp_path: Path) -> None:
    def full(event: object) -> None:
        if isinstance(event, Stepped) and event.iteration == 30:
            raise OSError(errno.ENOSPC, "No space left on device", "events.out")

    with pytest.raises(RunError, match=r"(?s)Cannot write events.out: No space left.*iter_00000020.safetensors, is intact"):
        train_command(Compilation.of(load_job(write_small(tmp_path))), TrainOptions(runs=str(tmp_path / "runs"), quiet=True), extra=[full])

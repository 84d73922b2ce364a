"""A run that is killed again and again, at any moment, also inside a write, ends with the bits of one that never was.

The suite kills it a few times. `pytest tests/training/test_kill.py --kills 50 -s` does so 50 times and says where; that takes minutes.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netc.runtime import snapshot
from tests.conftest import ROOT
from tests.small_nets import NET, log, netc, write_small

PER_KILL = 400  # iterations for each kill, so that the run is not at its end before the last one

# A plug-in that kills its own process at a moment that is counted: between and within the calls that write files.
KILLER = """
import os, signal
import netc.files
from netc.training.folder import RunFolder

left, only = int(os.environ["KILL_AT"]), os.environ["KILL_IN"]


def moment(name):
    global left
    if only in name:
        left -= 1
        if left == 0:
            print("killed", name, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


class File:
    def __init__(self, path, mode, **options):
        self.file, self.name = open(path, mode, **options), os.path.basename(path)

    def __enter__(self):
        return self

    def close(self):
        self.file.close()

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        moment(f"before the write of {self.name}")
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        moment(f"in the middle of the write of {self.name}")
        self.file.write(data[len(data) // 2 :])
        self.file.flush()
        moment(f"after the write of {self.name}")

    def flush(self):
        self.file.flush()

    def fileno(self):
        return self.file.fileno()


def renamed(old, new, replace=os.replace):
    moment(f"before the rename of {os.path.basename(old)}")
    replace(old, new)
    moment(f"after the rename of {os.path.basename(old)}")


def log(self, line, log=RunFolder.log):
    text = log(self, line)
    size = os.path.getsize(self.log_path)
    os.truncate(self.log_path, size - len(text) // 2)
    moment("in the middle of a line of log.jsonl")
    with open(self.log_path, "a") as file:
        file.write((text + "\\n")[-(len(text) // 2):])
    moment("after a line of log.jsonl")
    return text


netc.files.open, os.replace, RunFolder.log = File, renamed, log
"""


def started(folder: Path, path: str, resume: bool, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "netc", "train", path, "--no-publish", "--runs", folder / "runs"]
    command += ["--resume"] * resume + ["--plugin", folder / "killer.py"] * bool(environment)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **environment}
    return subprocess.Popen(list(map(str, command)), cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def snapshots(folder: Path) -> list[Path]:
    """Those that there is something to go on from; without one a second run would begin."""
    return list((folder / "runs").glob("small/1/snapshots/iter_*"))


def killed_once(folder: Path, path: str, luck: random.Random, number: int) -> str | None:
    """Kill the run once; where it was killed, None if it came to its end before."""
    resume = bool(snapshots(folder))
    if number % 3:  # by itself: inside the write of a snapshot, or at any write
        inside, most = ("iter_", 12) if number % 3 == 1 else ("", 900)
        process = started(folder, path, resume, KILL_AT=str(luck.randint(1, most)), KILL_IN=inside)
        out, err = process.communicate(timeout=120)
        found = re.search("killed (.*)", out)
        where = found[1] if found else ""
    else:  # by another process, whatever it does just then
        process, lines = started(folder, path, resume), folder / "runs/small/1/log.jsonl"
        before = lines.stat().st_mtime_ns if lines.exists() else 0
        while process.poll() is None and (not lines.exists() or lines.stat().st_mtime_ns == before or not snapshots(folder)):
            time.sleep(0.002)
        delay = luck.uniform(0, 0.3)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=120)
        where = f"{delay:.3f} s after its first line"
    assert process.returncode in (0, -signal.SIGKILL), (out, err)
    return where if process.returncode else None


@pytest.mark.parametrize("seed", [0])
def test_a_run_that_is_killed_again_and_again_is_the_run_itself(tmp_path: Path, request: pytest.FixtureRequest, seed: int) -> None:
    kills, luck = request.config.getoption("--kills"), random.Random(seed)
    (tmp_path / "killer.py").write_text(KILLER)
    net = NET.replace("max_iter: 60", f"max_iter: {PER_KILL * kills}").replace("test_interval: 15", "test_interval: 150")
    path = write_small(tmp_path, net.replace("snapshot: 20", "snapshot: 40"))
    whole = netc("train", path, "--no-publish", "--runs", tmp_path / "whole")
    assert whole.exit_code == 0, whole.output
    for number in range(kills):
        where = killed_once(tmp_path, path, luck, number)
        assert where is not None, f"the run was at its end before kill {number + 1}"
        found, skipped = snapshot.newest(tmp_path / "runs/small/1/snapshots")
        assert not skipped
        print(f"kill {number + 1}: {where}; goes on from iteration {found.metadata['iteration'] if found else 0}")
    last = started(tmp_path, path, resume=True)
    out, err = last.communicate(timeout=600)
    assert last.returncode == 0, err
    run, undisturbed = tmp_path / "runs/small/1", tmp_path / "whole/small/1"
    assert (run / "log.jsonl").read_bytes() == (undisturbed / "log.jsonl").read_bytes()
    for name in (snapshot.file_name(PER_KILL * kills), snapshot.file_name(PER_KILL * kills - 40), "best.safetensors"):
        assert (run / "snapshots" / name).read_bytes() == (undisturbed / "snapshots" / name).read_bytes()
    assert sorted(p.name for p in (run / "snapshots").iterdir()) == sorted(p.name for p in (undisturbed / "snapshots").iterdir())
    assert len({line["loss"] for line in log(run) if line["event"] == "train"}) > 0.9 * PER_KILL * kills

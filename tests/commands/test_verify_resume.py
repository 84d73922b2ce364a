"""The proof that a net resumes exactly, and what it says of one that does not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.commands import verify_resume
from netc.commands.verify_resume import Outcome, Recipe
from netc.runtime.snapshot import Snapshot
from tests.small_nets import NET, netc, write_small

SAID = {"provider": "cpu", "target": "native", "threads": 2}
STRAIGHT = Outcome(['{"loss": 1.5}', '{"loss": 1.0}'], Snapshot({"a": np.zeros(3), "b": np.ones(3, np.float32)}, SAID, Path("x")))
OTHER = replace(STRAIGHT, lines=['{"loss": 1.5}', '{"loss": 1.25}'])
MOVED = replace(STRAIGHT, last=replace(STRAIGHT.last, states={"a": np.zeros(3), "b": np.array([1, 1.5, 1], np.float32)}))


def test_a_net_that_resumes_exactly(tmp_path: Path) -> None:
    result = netc("verify-resume", write_small(tmp_path), "--iterations", 8)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert lines[0].startswith("uninterrupted: 8 iterations, provider cpu, ")
    for line, how in zip(lines[1:3], ("stopped (SIGINT) after iteration ", "killed (SIGKILL) after iteration "), strict=True):
        assert line.startswith(how) and line.endswith("equal bit for bit (11 log lines, 12 states)")
    assert lines[3].endswith("small.yaml resumes exactly") and not list(tmp_path.glob("runs*"))


@pytest.mark.parametrize(
    "resumed, again, sentences",
    [
        (
            OTHER,
            STRAIGHT,
            ['log line 2 is {"loss": 1.25}; in the uninterrupted run it is {"loss": 1.0}', "some state is missing from"],
        ),
        (MOVED, MOVED, ["the first state that differs is b by up to 0.5", "so resuming is not the cause"]),
    ],
)
def test_a_net_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumed: Any, again: Any, sentences: list[str]) -> None:
    def run(recipe: Any, runs: Any, at: int = 0, number: int = 0, resume: bool = False) -> Any:
        return resumed if resume else again if runs.name == "again" else STRAIGHT

    monkeypatch.setattr(verify_resume, "_run", run)
    result = netc("verify-resume", write_small(tmp_path))
    assert result.exit_code == 1 and "does NOT resume exactly" in result.stdout
    assert all(s in result.stdout for s in sentences) and "2 threads may divide the work differently" in result.stdout


def test_a_run_that_fails_is_told_and_so_is_a_wrong_net(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    result = netc("verify-resume", path, "--set", "solver.base_lr=1e20")
    assert (
        result.exit_code == 1
        and "failed, from its start:\n" in result.stderr
        and ": the loss is " in result.stderr
        and "Traceback" not in result.stderr
    )
    result = netc("verify-resume", write_small(tmp_path, NET.replace("Pooling", "Poling")))
    assert result.exit_code == 2 and "small.yaml:5:5: There is no layer type 'Poling'" in result.stderr


def test_runs_are_short_in_every_stage(tmp_path: Path) -> None:
    net = NET.replace("solver: {", "solver: {pretrain: [{layer: ip1, max_epoch: 3, base_lr: 0.5}], random_seed: -1, patience: 2, ")
    job = Recipe(write_small(tmp_path, net), ()).job()
    found = verify_resume._short(job, 12)
    solver = Recipe(str(tmp_path / "small.yaml"), tuple(found)).job().solver
    assert [(s.layer, s.max_iter, s.HasField("max_epoch")) for s in solver.pretrain] == [("ip1", 12, False)]
    assert (solver.max_iter, solver.test_interval, solver.snapshot, solver.patience) == (12, 6, 3, 0)
    assert solver.random_seed == job.seed >= 0


def test_augmented_and_mixed_rows_resume_exactly(tmp_path: Path) -> None:
    fields = "pad: 2, mirror: true, vertical_flip: true, rotation: 20, random_erasing: {}, mixup_alpha: 0.5, cutmix_alpha: 1, workers: 2"
    path = write_small(tmp_path, NET.replace("test_fraction: 0.2}", f"test_fraction: 0.2, {fields}}}"))
    result = netc("verify-resume", path, "--iterations", 8)
    assert result.exit_code == 0 and "resumes exactly" in result.stdout, result.output

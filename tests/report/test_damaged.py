"""`netc report` of runs whose files are damaged, in any way: a page, or a sentence and an exit code, never an error in netc's."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from netc.training import log
from tests.small_nets import netc, write_small


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    result = netc("train", write_small(folder), "--no-publish", "--runs", folder / "runs", "--set", "solver.max_iter=20")
    assert result.exit_code == 0, result.stderr
    return folder / "runs/small/1"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished.parents[2], tmp_path / "all", dirs_exist_ok=True)
    return tmp_path / "all/runs/small/1"


def sound(result: Result) -> str:
    """What it said; it must have ended as a command does."""
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in (0, 1, 2) and "Traceback" not in result.output and "error in netc" not in result.output
    return result.output


def reported(run: Path) -> tuple[str, str]:
    """What the command says, and the page."""
    (run / "report.html").unlink(missing_ok=True)
    said = sound(netc("report", run))
    sound(netc("report", run, "--json"))
    sound(netc("report", run, run))
    page = (run / "report.html").read_text() if (run / "report.html").exists() else ""
    assert "An error occurred in this section" not in page
    return said, page


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": lambda p: p.unlink(),
    "empty": lambda p: p.write_bytes(b""),
    "cut short": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
    "bytes": lambda p: p.write_bytes(bytes(range(256)) * 20),
    "a byte": lambda p: p.write_bytes(p.read_bytes()[:90] + b"\xff" + p.read_bytes()[91:]),
    "a folder": as_folder,
    "a pipe": as_pipe,
    "deep": lambda p: p.write_bytes(b"[" * 100_000),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["net.yaml", "log.jsonl", "run.json", "snapshots/iter_00000020.safetensors", "snapshots/best.safetensors"])
def test_a_file_that_is_damaged(run: Path, name: str, damage: str) -> None:
    DAMAGES[damage](run / name)
    reported(run)


def test_no_snapshots_at_all(run: Path) -> None:
    shutil.rmtree(run / "snapshots")
    assert "this run has no snapshot" in reported(run)[0]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda said: said | {"iteration": "x"}, "iteration is 'x'. Expected a whole number"),
        (lambda said: said | {"parts": {}}, "parts is {}. Expected a list"),
        (lambda said: said | {"parts": [{**said["parts"][0], "steps": 1.5}]}, "parts[0].steps is 1.5. Expected a whole number"),
        (lambda said: said | {"parts": [{**said["parts"][0], "environment": {"a": 1}}]}, "parts[0].environment.a is 1. Expected a text"),
        (lambda said: said | {"parts": [1]}, "parts[0] is 1. Expected an object"),
        (lambda said: said | {"scores": {"loss": "low"}}, "scores.loss is 'low'. Expected a number"),
        (lambda said: said | {"scores": []}, "scores is []. Expected an object"),
        (lambda said: said | {"best": "1"}, "best is '1'. Expected a whole number"),
        (lambda said: said | {"plugins": "a.py"}, "plugins is 'a.py'. Expected a list"),
        (lambda said: said | {"reason": None}, "reason is None. Expected a text"),
        (lambda said: said | {"rows": True}, "rows is True. Expected a whole number"),
        (lambda said: {k: v for k, v in said.items() if k != "name"}, "name is missing"),
        (lambda said: [said], "the whole is"),
        (lambda said: None, "the whole is None. Expected an object"),
    ],
)
def test_a_run_json_of_wrong_types(run: Path, change: Callable[[dict[str, Any]], object], wanted: str) -> None:
    (run / "run.json").write_text(json.dumps(change(json.loads((run / "run.json").read_text()))))
    said, page = reported(run)
    assert (
        f"run.json: The record of the training run is invalid: {wanted}" in said
        and "Times and speed are unknown" in page
        and "accuracy" in said
    )


@pytest.mark.parametrize(
    "line",
    [b"\xff", b"{}", b"[1]", b"1", b'{"event": "train"}', b'{"event": "train", "iteration": "5", "loss": 1}',
     b'{"event": 3, "iteration": 5}',     b'{"event": "train", "iteration": 5, "loss": "low", "lr": 1}',
     b'{"event": "watch", "iteration": 1, "layers": {"a": 1}}',
     b'{"event": "train", "iteration": 1.5, "loss": 1, "lr": 1}', b'{"event": "test", "iteration": 0, "accuracy": null}', b"",
     b'{"event": "train", "iteration": 5, "loss": 1' + b"0" * 400 + b', "lr": 1}', b"[" * 100_000],
)  # fmt: skip
def test_a_line_of_the_log_that_is_damaged_costs_no_other(run: Path, line: bytes) -> None:
    lines = (run / "log.jsonl").read_bytes().split(b"\n")
    (run / "log.jsonl").write_bytes(b"\n".join([*lines[:5], line, *lines[6:]]))
    said, page = reported(run)
    assert "log.jsonl: line 6 cannot be read" in said and "line 6 cannot be read; the report shows the other lines" in page
    found = log.read(run / "log.jsonl")
    assert len(found.lines) == len(lines) - 2 and found.damaged == (6,)


def test_a_failed_run_says_how_it_ended(tmp_path: Path) -> None:
    result = netc("train", write_small(tmp_path), "--no-publish", "--runs", tmp_path / "runs", "--set", "solver.base_lr=1e8")
    assert result.exit_code == 1
    page = (tmp_path / "runs/small/1/report.html").read_text()
    assert "This run ended with an error: " in page and "An error occurred in this section" not in page
    said, page = reported(tmp_path / "runs/small/1")
    assert "This run ended with an error: " in page and "this run has no snapshot" in said

"""`python -m tests.gpu` on the CPU: every part runs, a part that fails loses nothing, and both files are written."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, needs_data
from tests.gpu import parts
from tests.gpu.__main__ import apart
from tests.gpu.report import table, write


@needs_data("mnist")
def test_every_part_runs_on_the_cpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gpu", "--cpu", "--quick", "--net", "logistic", "mlp", "lenet", "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert done.returncode == 0 and list(found) == list(parts.PARTS), done.stdout + done.stderr
    assert all(outcome["well"] for outcome in found.values())
    assert [row["net"] for row in found["nets"]["rows"]] == ["lenet", "logistic", "mlp"]
    assert {row["net"]: row["well"] for row in found["nets"]["rows"]} == {"lenet": "yes", "logistic": "yes", "mlp": "yes"}
    assert [row["net"] for row in found["speed"]["rows"]] == ["mlp", "lenet"] and found["profile"]["rows"][0]["share"] > 0.1
    text = (tmp_path / "gpu.md").read_text()
    assert all(f"## {part.title}\n\nwell, " in text for part in parts.PARTS.values())


def test_a_part_that_hangs_or_fails_is_told_and_the_others_stay(tmp_path: Path) -> None:
    options = parts.Options("cpu", True)
    slow = apart("lenet", options, 0)
    assert not slow.well and slow.notes[0] == "took more than 0 s"
    broken = apart("speed", parts.Options("cpu", True, ("no such net",)), 60)
    assert not broken.well
    found = write({"devices": parts.Outcome(True, notes=["cpu"]), "lenet": slow, "speed": broken}, tmp_path)
    assert "FAILED" in found["lenet"] and list(json.loads((tmp_path / "gpu.json").read_text())) == ["devices", "lenet", "speed"]


def test_a_table_has_every_column() -> None:
    assert table([{"net": "a", "ms": 1.23456}, {"net": "b|c", "why": "no\nstep"}]) == (
        "| net | ms | why |\n| --- | --- | --- |\n| a | 1.235 | - |\n| b\\|c | - | no step |\n"
    )

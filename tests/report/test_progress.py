"""What a run prints: lines without a terminal, a bar on one."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from netc.report.progress import progress, scores_text
from netc.run import events as run_events
from netc.run.events import Began, Finished, Snapshotted, Stepped


def run(terminal: bool, steps: int = 250, **options) -> tuple[str, Finished]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, highlight=False, soft_wrap=True)
    end = Finished(steps, "max_iter", {"accuracy": 0.5})
    events = [
        Began(0, 1, 0, steps),
        run_events.Tested(0, {"accuracy": 0.1, "loss": 2.5}, True),
        *(Stepped(i, 1 / (i + 1), 0.01) for i in range(steps)),
        Snapshotted(steps, Path("runs/x/1/snapshots/iter.safetensors")),
        run_events.Tested(steps, {"accuracy": 0.05}, False),
        end,
    ]
    with progress(console, 64, **options) as told:
        for event in events:
            told(event)
    return out.getvalue(), end


def test_lines_where_there_is_no_terminal():
    lines = run(False)[0].splitlines()
    assert lines[0] == "test at iteration 0: accuracy 0.1000, loss 2.5000 (best)"
    assert lines[1] == "iteration 0 of 250: loss 1.0000, lr 0.01"
    assert lines[2].startswith("iteration 100 of 250: loss 0.0099, lr 0.01, ") and lines[2].endswith(" images/s")
    assert lines[3].startswith("iteration 200 of 250: ")
    assert lines[4:] == ["snapshot runs/x/1/snapshots/iter.safetensors", "test at iteration 250: accuracy 0.0500"]


@pytest.mark.parametrize("display, count", [(0, 3), (50, 5), (1, 250)])
def test_a_line_each_display_iterations(display, count):
    assert sum(line.startswith("iteration ") for line in run(False, display=display)[0].splitlines()) == count


def test_a_bar_on_a_terminal():
    text = run(True)[0]
    assert "250/250" in text and "images/s" in text and "\x1b[" in text
    assert "test at iteration 0: accuracy 0.1000" in text and "snapshot" not in text


def test_scores_are_short():
    assert scores_text({"accuracy": 0.98765, "loss": 1.0}) == "accuracy 0.9877, loss 1.0000" and scores_text({}) == ""

"""What a run prints: lines without a terminal, a bar on one."""

import io
import json
from pathlib import Path
from typing import IO, Any, cast

import pytest
from rich.console import Console

from netc.report.progress import progress, scores_text
from netc.report.screen import Screen, Steady
from netc.training import events
from netc.training.stages import Stage
from tests.small_nets import log, netc, write_small

STAGE = Stage(250, 0, 0, True, 64, "images", 1)


class Ascii(io.StringIO):
    """A terminal that knows no more than ASCII."""

    encoding = "ascii"


def run(terminal: bool, steps: int = 250, width: int = 130, out: io.StringIO | None = None, **options: Any) -> str:
    out = out or io.StringIO()
    console = Console(file=cast(IO[str], Steady(out)), force_terminal=terminal, width=width, highlight=False, soft_wrap=True)
    told_of: list[events.Event] = [
        events.Began(0, 1, 0, steps),
        events.Tested(0, {"accuracy": 0.1, "loss": 2.5}, True),
        *(events.Stepped(i, 1 / (i + 1), 0.01) for i in range(steps)),
        events.Snapshotted(steps, Path("runs/x/1/snapshots/iter.safetensors")),
        events.Skipped("photos/größe.png: cannot be decoded", 1),
        events.Tested(steps, {"accuracy": 0.05}, False),
        events.Finished(steps, "max_iter", {"accuracy": 0.5}),
    ]
    with progress(Screen(console, console, console), [STAGE], **options) as told:
        for event in told_of:
            told(event)
    return out.getvalue()


def test_lines_where_there_is_no_terminal() -> None:
    lines = run(False).splitlines()
    assert lines[0] == "test at iteration 0: accuracy 0.1000, loss 2.5000 (best)"
    assert lines[1] == "iteration 0 of 250: loss 1.0000, lr 0.01"
    assert lines[2].startswith("iteration 100 of 250: loss 0.0099, lr 0.01, ") and lines[2].endswith(" images/s, >0:00 left")
    assert lines[3].startswith("iteration 200 of 250: ")
    assert lines[4] == "snapshot runs/x/1/snapshots/iter.safetensors"
    assert lines[5:] == ["skipped: photos/größe.png: cannot be decoded (1 so far)", "test at iteration 250: accuracy 0.0500"]
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("display, count", [(100, 3), (50, 5), (1, 250)])
def test_a_line_each_display_iterations(display: int, count: int) -> None:
    assert sum(line.startswith("iteration ") for line in run(False, display=display).splitlines()) == count


def test_a_bar_on_a_terminal() -> None:
    text = run(True)
    assert "250/250" in text and "images/s" in text and "█▂▂▁" in text and "\x1b[" in text
    assert "test at iteration 0: accuracy 0.1000" in text and "snapshot" not in text


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[90m" in run(True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[90m" not in run(True)


@pytest.mark.parametrize("width", [1, 10, 35, 60, 90, 400])
def test_narrow_terminals_without_unicode(width: int) -> None:
    text = run(True, width=width, out=Ascii())
    assert text.isascii() and "gr\\xf6\\xdfe" in text
    bars = [line for line in text.replace("\r", "\n").splitlines() if "250/250" in line]
    assert width < 10 or bars


class Gone(io.StringIO):
    """A terminal that was closed after some characters."""

    def write(self, text: str) -> int:
        if self.tell() > 300:
            raise OSError(5, "Input/output error")
        return super().write(text)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_goes_away_ends_nothing(terminal: bool) -> None:
    assert 250 < len(run(terminal, out=Gone())) < 1000


def test_quiet_prints_the_result_alone(tmp_path: Path) -> None:
    result = netc("train", write_small(tmp_path), "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo", "--quiet")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("after 60 iterations: accuracy ") and lines[1] == f"published {tmp_path}/zoo/small/1.0.0"
    assert len(lines) == 2 and result.stderr == "" and result.exit_code == 0


def test_json_prints_the_log_alone(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    result = netc("train", path, "--runs", tmp_path / "runs", "--no-publish", "--json")
    assert result.stdout == (tmp_path / "runs/small/1/log.jsonl").read_text()
    assert result.stderr.startswith("after 60 iterations: accuracy ") and len(result.stderr.splitlines()) == 1
    assert [json.loads(line) for line in result.stdout.splitlines()] == log(tmp_path / "runs/small/1")
    both = netc("train", path, "--runs", tmp_path / "runs", "--quiet", "--json")
    assert both.exit_code == 2 and "use only one of" in both.stderr


def test_scores_are_short() -> None:
    assert scores_text({"accuracy": 0.98765, "loss": 1.0}) == "accuracy 0.9877, loss 1.0000" and scores_text({}) == ""

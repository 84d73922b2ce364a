"""What keeps the records of a run: a page while it goes on, what a disk or a picture that fails does to it."""

import gc
from pathlib import Path
from typing import Any

import pytest

from netc.report import board, event_file, page, recorder
from netc.report.run import Run
from netc.training import record
from netc.training.events import Event
from tests.small_nets import netc, write_small


def test_a_long_run_has_a_page_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = []

    def kept(run: Run, path: Path | None = None) -> Path:
        pages.append(page.page(run))
        return page.write_page(pages[-1], run.path / page.NAME)

    monkeypatch.setattr(recorder, "EVERY", 0.0)
    monkeypatch.setattr(page, "write", kept)
    assert netc("train", write_small(tmp_path), "--no-publish", "--runs", tmp_path / "runs", "--set", "solver.max_iter=20").exit_code == 0
    first, last = pages[len(pages) // 2], pages[-1]
    assert 'http-equiv="refresh"' in first and "running" in first
    assert "<h2>Curves</h2>" in first and "Confusion" not in first and "Environment" in first
    assert "refresh" not in last and "completed" in last and "<h2>Confusion matrix</h2>" in last


def test_a_page_that_cannot_be_made_is_said_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: Run) -> None:
        raise ValueError("no page")

    monkeypatch.setattr(page, "page", broken)
    result = netc("train", write_small(tmp_path), "--no-publish", "--runs", tmp_path / "runs")
    assert result.exit_code == 0 and "no report: ValueError: no page" in result.stdout and "after 60 iterations" in result.stdout


@pytest.mark.parametrize("text", ["", "{", "[]", '{"parts": 3}', '{"parts": [{}], "plugins": []}'])
def test_a_record_that_is_damaged_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / record.NAME).write_text(text)
    assert record.read(tmp_path) is None


def test_steps_and_seconds_are_counted(tmp_path: Path) -> None:
    assert netc("train", write_small(tmp_path), "--no-publish", "--runs", tmp_path / "runs").exit_code == 0
    known = record.read(tmp_path / "runs/small/1")
    assert known is not None and [p.steps for p in known.parts] == [60] and known.rows == 16
    assert 0 < known.parts[0].training < known.seconds and known.speed == pytest.approx(60 * 16 / known.parts[0].training)
    assert known.parts[0].environment["onnxruntime"] and known.parts[0].command.startswith("netc ")


def test_a_disk_that_takes_no_events_is_said_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: board.Board, event: Event) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(board.Board, "__call__", full)
    result = netc("train", write_small(tmp_path), "--no-publish", "--runs", tmp_path / "runs")
    assert result.exit_code == 0 and result.stdout.count("no more TensorBoard events: No space left on device") == 1
    assert "after 60 iterations" in result.stdout and (tmp_path / "runs/small/1/report.html").exists()


@pytest.mark.parametrize("call", ["write", "flush"])
def test_a_full_disk_under_an_event_file_is_said_once_and_by_no_one_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], call: str
) -> None:
    """No thread, and no file that is thrown away later, tells of it in its own way."""

    class Full:
        closed, name = False, "x"

        def write(self, data: bytes) -> None:
            if call == "write":
                raise OSError(28, "No space left on device")

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            self.closed = True
            self.flush()

    def opened(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        return Full() if "tfevents" in self.name else open_file(self, mode, *arguments, **options)

    open_file = Path.open
    monkeypatch.setattr(event_file, "FLUSHED", 0.0)
    monkeypatch.setattr(Path, "open", opened)
    result = netc("train", write_small(tmp_path), "--no-publish", "--runs", tmp_path / "runs")
    gc.collect()
    assert result.exit_code == 0 and result.output.count("No space left on device") == 1, result.output
    assert "Traceback" not in "".join(capfd.readouterr())

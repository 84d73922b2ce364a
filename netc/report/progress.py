"""Show the progress of a run: a live bar on a terminal, plain lines elsewhere, or the lines of its log."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.table import Column

from netc.report.pace import Pace, time_text
from netc.report.screen import Screen, speaks_unicode
from netc.report.sparkline import ASCII, BLOCKS, Sparkline
from netc.spec.solver_settings import DISPLAY
from netc.training.evaluate import Score, Scores
from netc.training.events import Began, Event, Finished, Logged, Reduced, Skipped, Snapshotted, Stepped, Tested
from netc.training.stages import Stage

MOST_CLASSES = 10  # for more classes, only the smallest and the largest score are shown
REFRESH = 0.25  # seconds between updates of the bar
# The parts of the bar, each with the terminal width that it needs.
BAR = (
    (0, "{task.completed}/{task.total}"),
    (30, "loss {task.fields[loss]}"),
    (48, "{task.fields[curve]}"),
    (64, "{task.fields[left]} left"),
    (84, "{task.fields[speed]}"),
    (120, "lr {task.fields[lr]}"),
)


@contextmanager
def progress(screen: Screen, stages: Sequence[Stage], display: int = DISPLAY) -> Iterator[Callable[[Event], None]]:
    """Yield a function that shows the events of a run. Without a live bar, it prints one line per `display` iterations."""
    pace = Pace(stages)
    with ExitStack() as bars:
        view: _Bar | _Lines = _Lines(screen, pace, display)

        def show(event: Event) -> None:
            nonlocal view
            pace(event)
            if isinstance(event, Began):
                if event.stages > 1:
                    what = "training the whole net" if event.layer is None else f"pretraining layer {event.layer!r}"
                    screen.say(f"stage {event.stage + 1} of {event.stages}: {what}")
                if screen.progress.is_terminal and not screen.progress.is_dumb_terminal:
                    view = _Bar(bars.enter_context(_live(screen.progress)), screen, pace)
            elif isinstance(event, Stepped):
                view.step(event)
            elif isinstance(event, Tested):
                best = " (best)" if event.best else ""
                screen.say(f"{event.rows} at iteration {event.iteration}: {scores_text(event.scores)}{best}")
            elif isinstance(event, Reduced):
                screen.say(f"iteration {event.iteration}: the tests no longer improve; the learning rate is now {event.lr:.3g}")
            elif isinstance(event, Snapshotted):
                view.snapshot(f"snapshot {event.path}")
            elif isinstance(event, Skipped):
                screen.note(f"skipped: {event.text} ({event.count} so far)")
            elif isinstance(event, Logged) and screen.log:
                screen.log.write(f"{event.line}\n")
                screen.log.flush()
            elif isinstance(event, Finished):
                bars.close()

        yield show


def scores_text(scores: Scores) -> str:
    """`accuracy 0.9912, loss 0.0271, per_class 0.9950 0.9873 -`; for many classes the smallest and the largest."""
    return ", ".join(f"{name} {_score_text(value)}" for name, value in scores.items())


def _score_text(value: Score) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    known = [v for v in value if v is not None]
    if len(value) > MOST_CLASSES and known:
        return f"{min(known):.4f} to {max(known):.4f}"
    return " ".join("-" if v is None else f"{v:.4f}" for v in value)


def _live(console: Console) -> Progress:
    """The live bar, with the parts that fit the width of the terminal."""
    width = console.width
    texts = [TextColumn(text, markup=False, table_column=Column(no_wrap=True, overflow="crop")) for least, text in BAR if width >= least]
    bar: list[ProgressColumn] = [BarColumn(bar_width=min(40, width - 84))] if width >= 100 else []
    return Progress(*bar, *texts, console=console, auto_refresh=False)


class _Bar:
    """Shows progress in a live bar."""

    def __init__(self, live: Progress, screen: Screen, pace: Pace):
        self.live, self.pace, self.shown = live, pace, 0.0
        self.curve = Sparkline(marks=BLOCKS if speaks_unicode(screen.progress) else ASCII)
        first: dict[str, Any] = {"loss": "-", "lr": "-", "speed": "", "curve": "", "left": "-"}
        self.task = live.add_task("", total=pace.max_iter, completed=pace.iteration, **first)

    def step(self, event: Stepped) -> None:
        self.curve.add(event.loss)
        now = time.monotonic()
        if now - self.shown < REFRESH and self.pace.iteration < self.pace.max_iter:
            return
        self.shown = now
        fields: dict[str, Any] = {"loss": f"{event.loss:.4f}", "lr": f"{event.lr:.3g}", "curve": str(self.curve)}
        fields |= {"speed": _speed_text(self.pace), "left": time_text(self.pace.left)}
        self.live.update(self.task, completed=self.pace.iteration, **fields)
        self.live.refresh()

    def snapshot(self, text: str) -> None:
        """Do nothing: the live bar does not show snapshots."""


class _Lines:
    """Shows progress as one line per `display` iterations."""

    def __init__(self, screen: Screen, pace: Pace, display: int):
        self.screen, self.pace, self.display = screen, pace, display

    def step(self, event: Stepped) -> None:
        if event.iteration % self.display == 0:
            parts = [f"loss {event.loss:.4f}", f"lr {event.lr:.3g}", _speed_text(self.pace)]
            parts += [f"{time_text(self.pace.left)} left"] if self.pace.left else []
            self.screen.say(f"iteration {event.iteration} of {self.pace.max_iter}: {', '.join(filter(None, parts))}")

    def snapshot(self, text: str) -> None:
        self.screen.say(text)


def _speed_text(pace: Pace) -> str:
    return f"{pace.speed:,.0f} {pace.stages[pace.stage].noun}/s" if pace.speed else ""

"""A run on the terminal: a live bar where there is one, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from netc.run.events import Began, Event, Finished, Snapshotted, Stepped, Tested
from netc.solver import DISPLAY


@contextmanager
def progress(console: Console, images: int, display: int = 0) -> Iterator[Callable[[Event], None]]:
    """What shows the events that it is told of. `images` is the number of rows in one iteration."""
    with ExitStack() as stack:
        views: list[_Bar | _Lines] = []

        def told(event: Event) -> None:
            if isinstance(event, Began):
                if event.stages > 1:
                    what = "the whole net learns" if event.layer is None else f"layer {event.layer!r} learns by its own loss"
                    console.print(f"stage {event.stage + 1} of {event.stages}: {what}", highlight=False)
                views[:] = [stack.enter_context(_view(console, event.iteration, event.max_iter, images, display or DISPLAY))]
            elif isinstance(event, Stepped):
                views[0].step(event)
            elif isinstance(event, Tested):
                best = " (best)" if event.best else ""
                console.print(f"{event.rows} at iteration {event.iteration}: {scores_text(event.scores)}{best}", highlight=False)
            elif isinstance(event, Snapshotted):
                views[0].note(f"snapshot {event.path}")
            elif isinstance(event, Finished):
                stack.close()

        yield told


def scores_text(scores: dict[str, float]) -> str:
    """`accuracy 0.9912, loss 0.0271`."""
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items())


@contextmanager
def _view(console: Console, start: int, max_iter: int, images: int, display: int) -> Iterator["_Bar | _Lines"]:
    if not console.is_terminal:
        yield _Lines(console, max_iter, images, display)
        return
    columns = (
        TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]}"),
        TextColumn("lr {task.fields[lr]}"), TextColumn("{task.fields[speed]} images/s"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, refresh_per_second=8) as progress:
        yield _Bar(progress, start, max_iter, images)


class _Speed:
    """Images a second since the last time it was asked."""

    def __init__(self, images: int):
        self.images, self.count, self.since = images, 0, time.perf_counter()

    def text(self) -> str:
        now = time.perf_counter()
        rate = self.count * self.images / max(now - self.since, 1e-9)
        self.count, self.since = 0, now
        return f"{rate:,.0f}"


class _Bar:
    """The live progress bar."""

    def __init__(self, progress: Progress, start: int, max_iter: int, images: int):
        self.progress, self.speed, self.shown = progress, _Speed(images), 0.0
        self.task = progress.add_task("train", total=max_iter, completed=start, loss="-", lr="-", speed="-")

    def step(self, event: Stepped) -> None:
        self.speed.count += 1
        now = time.monotonic()
        if now - self.shown > 0.25:
            self.shown = now
            loss, lr = f"{event.loss:.4f}", f"{event.lr:.3g}"
            self.progress.update(self.task, completed=event.iteration + 1, loss=loss, lr=lr, speed=self.speed.text())
        elif event.iteration + 1 == self.progress.tasks[0].total:
            self.progress.update(self.task, completed=event.iteration + 1)

    def note(self, text: str) -> None:
        """Snapshots need no line on a terminal."""


class _Lines:
    """One line each `display` iterations."""

    def __init__(self, console: Console, max_iter: int, images: int, display: int):
        self.console, self.max_iter, self.display, self.speed = console, max_iter, display, _Speed(images)

    def step(self, event: Stepped) -> None:
        self.speed.count += 1
        if event.iteration % self.display == 0:
            text = f"iteration {event.iteration} of {self.max_iter}: loss {event.loss:.4f}, lr {event.lr:.3g}"
            self.note(text + (f", {self.speed.text()} images/s" if event.iteration else ""))

    def note(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

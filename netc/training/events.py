"""The events that a run reports while it is active."""

from dataclasses import dataclass, field
from pathlib import Path

from netc.training.evaluate import Scores


@dataclass(frozen=True)
class Began:
    """A stage starts or resumes after `iteration` of its `max_iter` iterations. `layer` is the one that a pretraining stage trains."""

    stage: int
    stages: int
    iteration: int
    max_iter: int
    layer: str | None = None


@dataclass(frozen=True)
class Logged:
    """A line was added to log.jsonl: a JSON object without the newline."""

    line: str


@dataclass(frozen=True)
class Skipped:
    """An image was skipped because it cannot be decoded. `text` has its name and the error; `count` is the total in this stage."""

    text: str
    count: int


@dataclass(frozen=True)
class Stepped:
    """An iteration is complete. `loss` is the mean of the last average_loss iterations, each before its update.

    `outputs` are the scalar outputs of the net for the last batch.
    """

    iteration: int
    loss: float
    lr: float
    outputs: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Tested:
    """A test ran after `iteration` iterations. `best`: the scores are better than in all earlier tests.

    `rows` is "validation" if the data has a validation set, else "test".
    """

    iteration: int
    scores: Scores
    best: bool
    rows: str = "test"


@dataclass(frozen=True)
class Reduced:
    """The test after `iteration` iterations reduced the learning rate to `lr`, for the `reductions`-th time."""

    iteration: int
    lr: float
    reductions: int


@dataclass(frozen=True)
class Snapshotted:
    """A snapshot was written after `iteration` iterations."""

    iteration: int
    path: Path
    caffe: tuple[Path, ...] = ()  # the .caffemodel, the .solverstate and the average, if snapshot_format asks for them


@dataclass(frozen=True)
class Finished:
    """The run ended. `reason` is "max_iter", "patience" or the name of a signal; `scores` are the test scores of the final model.

    With patience or a validation set, the final model is the best one, after `best` iterations; else it is the last one.
    """

    iteration: int
    reason: str
    scores: Scores
    best: int | None = None


Event = Began | Logged | Skipped | Stepped | Tested | Reduced | Snapshotted | Finished

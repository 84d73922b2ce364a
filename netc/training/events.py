"""What a run tells of itself while it goes on."""

from dataclasses import dataclass, field
from pathlib import Path

from netc.training.evaluate import Scores


@dataclass(frozen=True)
class Began:
    """A stage begins, or goes on, after `iteration` of its `max_iter` iterations. `layer` is what learns in a stage of pretraining."""

    stage: int
    stages: int
    iteration: int
    max_iter: int
    layer: str | None = None


@dataclass(frozen=True)
class Logged:
    """A line was added to log.jsonl: a JSON object, without the line's end."""

    line: str


@dataclass(frozen=True)
class Skipped:
    """An image that cannot be decoded was skipped; `text` names it, and says what is wrong. It is the `count`th of this stage."""

    text: str
    count: int


@dataclass(frozen=True)
class Stepped:
    """One iteration is done. `loss` is the mean over the last average_loss iterations, from before the update.

    `outputs` are the net's outputs that are numbers, of the last batch.
    """

    iteration: int
    loss: float
    lr: float
    outputs: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Tested:
    """The test net was run on the states after `iteration` iterations. `best`: better than every test before.

    `rows` is "validation" where the data has rows for choosing the best model, else "test".
    """

    iteration: int
    scores: Scores
    best: bool
    rows: str = "test"


@dataclass(frozen=True)
class Snapshotted:
    """The states after `iteration` iterations are on disk."""

    iteration: int
    path: Path
    caffe: tuple[Path, ...] = ()  # the .caffemodel and .solverstate beside it, where they are asked for


@dataclass(frozen=True)
class Finished:
    """The run is over: "max_iter", "patience" or the name of a signal says why. `scores` are those of the run's model on the test rows.

    The model is the best one, that after `best` iterations, where patience or rows for validation chose it; else the last.
    """

    iteration: int
    reason: str
    scores: Scores
    best: int | None = None


Event = Began | Logged | Skipped | Stepped | Tested | Snapshotted | Finished

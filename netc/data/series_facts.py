"""How the rows of a table are read as series in time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SeriesFacts:
    """How a table is read as series in time, which a program needs to make the inputs of a deployed model from rows.

    `time` is the column of the time, `frequency` the time between two rows, such as "1h", `group` the column that names the series.
    Inputs are windows of `steps` rows; those of the columns `known` continue for `horizon` rows. `targets` are the predicted columns.
    """

    time: str
    frequency: str
    group: str
    steps: int
    horizon: int
    known: tuple[str, ...]
    targets: tuple[str, ...]

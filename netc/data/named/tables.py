"""The reader of small numeric tables: iris, wine, digits of 8 x 8, breast cancer, diabetes.

These data sets have no test rows of their own. netc holds out a fifth of the rows, the same for every net and seed. The means and
standard deviations in the records are those of the other rows.
"""

import numpy as np

from netc.data.named.dataset import DataSet
from netc.data.named.lookup import unpacked
from netc.data.named.readers import reader
from netc.data.order import held_out
from netc.data.source import Request, Table

TEST_FRACTION = 0.2


@reader("table")
def read_table(request: Request, record: DataSet) -> Table:
    """Read one file whose last column is the label, or one file of features and one of labels.

    The option `header` counts the lines before the numbers. Commas separate the values of one file, white space those of two files.
    """
    phase = "TRAIN" if request.phase == "TRAIN" else "TEST"
    kept = held_out(sum(record.rows.values()), TEST_FRACTION, phase)

    def load() -> tuple[np.ndarray, ...]:
        features, label = _columns(record)
        shaped = features.reshape(-1, *record.tops[0].sizes), label.astype(record.tops[1].dtype)
        return tuple(column[kept] for column in shaped)

    return Table(record.description(phase), load, has_test_rows=True)


def _columns(record: DataSet) -> tuple[np.ndarray, np.ndarray]:
    if len(record.files) == 2:
        features, label = (_numbers(record, k, delimiter=None) for k in (0, 1))
        return features, label.reshape(-1)
    numbers = _numbers(record, 0)
    return numbers[:, :-1], numbers[:, -1]


def _numbers(record: DataSet, file: int, delimiter: str | None = ",") -> np.ndarray:
    """The float32 numbers of a file, without its header lines."""
    lines = unpacked(record, record.files[file]).decode().splitlines()[record.options.get("header", 0) :]
    return np.array([line.split(delimiter) for line in lines], np.float32)

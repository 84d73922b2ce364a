"""Which rows of a table are for training, validation and testing."""

from collections.abc import Mapping

import numpy as np

from netc import netc_pb2 as pb
from netc.random import permutation


def parts(param: pb.TableSplitParameter, rows: int) -> Mapping[str, np.ndarray]:
    """Return the sorted row numbers of each phase."""
    mixed = permutation(param.seed, "split", rows)
    tested, validated = round(rows * param.test), round(rows * param.validation)
    ends = [tested, tested + validated]
    testing, validation, training = np.split(mixed, ends)
    return {"TRAIN": np.sort(training), "VALIDATION": np.sort(validation), "TEST": np.sort(testing)}

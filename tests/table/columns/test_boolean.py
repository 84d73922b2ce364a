"""Columns of true and false."""

from pathlib import Path

import numpy as np
import pytest

from netc.data.fitted import from_json
from netc.table.columns.boolean import NO, YES
from netc.table.encoded import encoded
from tests.layers.test_table import run, vectors
from tests.table.mixed import column, read


def test_spellings(tmp_path: Path) -> None:
    cells = [*YES, *NO, "YES", "nO", "True", "JA", "T", "", "NA", "perhaps", "2"]
    found, wrong = read(tmp_path, "boolean", cells)
    assert found == ["true"] * len(YES) + ["false"] * len(NO) + ["true", "false", "true", "true", "true", None, None, None, None]
    assert wrong == 2


def test_codes_of_all_capitals() -> None:
    fitted = column("b", "boolean", ["true", "false", ""] * 3)
    texts = [*YES, "yEs", "TRUE", "Ja", "ДА", *NO, "OFF", "nEIn", "", "perhaps", "yes "]
    found = encoded([fitted], {"b": np.array(texts, object)})[:, 0].tolist()
    assert found == [2] * (len(YES) + 4) + [1] * (len(NO) + 2) + [0, 0, 0]
    assert from_json(fitted.as_json()) == fitted


def test_several_columns_are_looked_up_at_once() -> None:
    columns = [column(name, "boolean", ["true", "false", ""] * 3) for name in "abc"]
    found = encoded(columns, {"a": np.array(["no", "yes"], object), "b": np.array(["", "1"], object), "c": np.array(["t", "F"], object)})
    np.testing.assert_array_equal(found, [[1, 0, 2], [2, 2, 1]])


@pytest.mark.parametrize("cells, expected", [
    (["true", "false", ""] * 3, [[0, 0, 1], [0, 1, 0], [1, 0, 0]]),
    (["true", "false", "true", "true"], [[0, 1], [1, 0], [0.25, 0.75]]),  # no gap in training: the mean
    (["true"] * 4, [[1], [1], [1]]),  # "false" was never there, so it is like a gap
    (["true"] * 4 + [""] * 4, [[0, 1], [1, 0], [1, 0]]),
])  # fmt: skip
def test_vectors_of_what_training_has_and_lacks(cells: list[str], expected: list[list[float]]) -> None:
    columns = [column("b", "boolean", cells)]
    _, y, _ = vectors(columns, "N")
    rows = encoded(columns, {"b": np.array(["yes", "no", ""], object)})
    np.testing.assert_allclose(run(y, rows, {})["y"], expected)

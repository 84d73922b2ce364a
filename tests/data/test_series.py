"""Windows of a series out of a CSV file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.errors import DataError
from netc.netc_pb2 import LayerParameter
from tests.data.layers import data_layer


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("day,heat\n" + "".join(f"{k},{k * k}\n" for k in range(12)))
    return path


def layer(path: Path, **fields: Any) -> LayerParameter:
    return data_layer(str(path), 2, steps=4, shuffle=False, **fields)


def test_a_window_has_the_value_after_it_as_its_label(table: Path) -> None:
    opened = data.open(layer(table), "TRAIN", seed=0)
    rows, label = opened.batch(1)
    assert rows.shape == (4, 2, 2) and label.shape == (2, 1) and opened.rows == 8
    np.testing.assert_array_equal(rows[:, 0], [[2, 4], [3, 9], [4, 16], [5, 25]])
    np.testing.assert_array_equal(label[:, 0], [36, 49])


def test_another_column_can_be_the_label(table: Path) -> None:
    assert data.open(layer(table, label_column="day"), "TRAIN", seed=0).batch(0)[1].tolist() == [[4], [5]]


def test_the_last_windows_are_for_testing_and_have_no_say_in_the_spread(table: Path) -> None:
    described = data.describe(layer(table, test_fraction=0.25), "TEST")
    trained = np.array([[k, k * k] for k in range(10)])  # six windows and their labels
    np.testing.assert_allclose(described.tops[0].mean, trained.mean(0))
    np.testing.assert_allclose(described.tops[0].std, trained.std(0))
    np.testing.assert_allclose(described.tops[1].mean, trained[:, 1].mean())
    assert described.columns == ("day", "heat") and described.target == "heat" and described.rows == 2
    assert data.open(layer(table, test_fraction=0.25), "TEST", seed=0).batch(0)[1].tolist() == [[100], [121]]


def test_a_column_of_one_value_has_a_spread_of_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "3,1\n3,2\n" * 5)
    assert data.describe(layer(tmp_path / "t.csv"), "TRAIN").tops[0].std[0] == 1


def test_columns_by_name(table: Path) -> None:
    np.testing.assert_array_equal(data.read_columns(table, ("heat",))[:3], [[0], [1], [4]])
    np.testing.assert_array_equal(data.read_columns(table, ("heat", "day"))[2], [4, 2])
    with pytest.raises(DataError, match="t.csv:1:1: There is no column 'cold', which the net reads. Known names: day, heat"):
        data.read_columns(table, ("cold",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "a,b\n1,2\n3,nan\n" * 4,
            r"t.csv:3:3: Column 'b' is 'nan'. Expected a number. 7 of 11 cells are wrong, 2 of them different: lines 3, 4, 6, 7, 9, ",
        ),
        ("a,b\n1,2\n3,\n", r"t.csv:3:3: Column 'b' is empty. Expected a number"),
        ("a,b\n1,2\n3,4\n", r"t.csv: There are 2 rows. Expected more than 4, the `steps` of the net"),
    ],
)
def test_what_is_wrong(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        data.describe(layer(tmp_path / "t.csv"), "TRAIN")

"""Columns by their names: other orders, headers, names that are missing, stand twice or look alike."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.errors import DataError
from tests.data.layers import data_layer
from tests.some import some

TRAIN = "a,b,kind\n1,10,no\n2,20,yes\n3,30,no\n"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[data.Description, np.ndarray, np.ndarray]]:
    """read(training, testing, ...) -> description and all rows for TEST."""

    def found(
        training: str, testing: str, phase: str = "TEST", encoding: str = "utf-8", **fields: Any
    ) -> tuple[data.Description, np.ndarray, np.ndarray]:
        (tmp_path / "train.csv").write_text(training)
        (tmp_path / "test.csv").write_bytes(testing.encode(encoding))
        key = "validation_source" if phase == "VALIDATION" else "test_source"
        layer = data_layer("train.csv", 1, shuffle=False, **{key: "test.csv"}, **fields)
        described = data.describe(layer, phase, tmp_path)
        layer.data_param.test_batch_size = some(described.rows)
        columns, labels = data.open(layer, phase, 0, tmp_path).batch(0)
        return described, columns, labels

    return found


@pytest.mark.parametrize("phase", ["TEST", "VALIDATION"])
@pytest.mark.parametrize(
    "testing",
    [
        "a,b,kind\n7,8,yes\n", "b,a,kind\n8,7,yes\n", "kind,b,a\nyes,8,7\n", "id,b,kind,more,a\nx,8,yes,,7\n", ' b ,"a","kind"\n8,7,yes\n',
        "b;a;kind\n8;7;yes\n", "\n\nb,a,kind\n8,7,yes\n", "b,a,2020,kind\n8,7,1,yes\n",
    ],
)  # fmt: skip
def test_other_orders_and_more_columns(
    read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]], testing: str, phase: str
) -> None:
    described, x, y = read(TRAIN, testing, phase)
    assert x.tolist() == [[7, 8]] and y.tolist() == [1] and described.columns == ("a", "b") and described.classes == ("no", "yes")
    np.testing.assert_allclose(
        [*described.tops[0].mean, *described.tops[0].std], [2.0, 20.0, float(np.std([1, 2, 3])), float(np.std([10, 20, 30]))]
    )


def test_a_byte_order_mark_and_composed_letters(read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]]) -> None:
    assert read("é,b,kind\n1,2,no\n", "b,e\u0301,kind\n8,7,no\n")[1].tolist() == [[7, 8]]
    assert read(TRAIN, "b,a,kind\n8,7,no\n", encoding="utf-8-sig")[1].tolist() == [[7, 8]]


def test_names_that_are_numbers(read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]]) -> None:
    described, x, _ = read("2019,2020,kind\n1,2,no\n", "2020,kind,2019\n8,no,7\n", label_column="kind")
    assert x.tolist() == [[7, 8]] and described.columns == ("2019", "2020")


@pytest.mark.parametrize(
    "testing, said",
    [
        ("aa,b,kind\n7,8,yes\n", r"test.csv:1:1: There is no column 'a', which the net reads. Did you mean 'aa'"),
        ("x,y,A\n7,8,yes\n", r"(?s)test.csv:1:5: There is no column 'a'.*mean 'A'.*no column 'b'.*no column 'kind', which is the label"),
        ("b,A,kind\n8,7,yes\n", r"test.csv:1:3: There is no column 'a', which the net reads. Did you mean 'A'"),
        ("b,a,knd\n8,7,yes\n", r"test.csv:1:5: There is no column 'kind', which is the label. Did you mean 'knd'"),
        ("b,a,kind,a\n8,7,yes,9\n", r"test.csv:1:10: 2 columns are called 'a'"),
        ("7,8,yes\n", r"test.csv:1:1: There is no header, and the net reads columns by name. Add a first line with a, b, kind"),
    ],
)
def test_what_cannot_be_matched(read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]], testing: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(TRAIN, testing)


def test_two_columns_of_one_name_in_training(read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]]) -> None:
    with pytest.raises(DataError, match=r"train.csv:1:3: 2 columns are called 'a'"):
        read("a,a,kind\n1,2,no\n", TRAIN)


def test_without_headers_places_count_and_their_number(read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]]) -> None:
    described, x, y = read("1,10,no\n2,20,yes\n", "7,8,yes\n")
    assert x.tolist() == [[7, 8]] and y.tolist() == [1] and described.columns == ("#0", "#1") and described.label == "#2"
    with pytest.raises(
        DataError,
        match=r"test.csv:1:1: There are 4 columns without a header; the net was trained on 3 with the label. Without a header, netc can ",
    ):
        read("1,10,no\n2,20,yes\n", "5,7,8,yes\n")
    with pytest.raises(
        DataError,
        match=r"test.csv:1:1: There is a header .a, b, kind., but the net was trained on 3 columns without one. Put the columns in the o",
    ):
        read("1,10,no\n2,20,yes\n", TRAIN)


def test_a_label_by_number_is_that_of_the_training_rows(read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]]) -> None:
    assert read("kind,a,b\nno,1,2\nyes,3,4\n", "a,b,kind\n7,8,yes\n", label_column="0")[1].tolist() == [[7, 8]]


def test_columns_can_be_chosen(read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]]) -> None:
    described, x, y = read("id,a,kind,b\nx,1,no,10\ny,2,yes,20\n", "b,kind,a\n8,yes,7\n", columns=["b", "a"], label_column="kind")
    assert described.columns == ("b", "a") and x.tolist() == [[8, 7]] and y.tolist() == [1]
    with pytest.raises(
        DataError, match="train.csv:1:1: The label 'b' is one of the columns that the net reads. Name another `label_column`"
    ):
        read("id,a,kind,b\nx,1,no,10\n", TRAIN, columns=["b", "a"])


def test_a_series_goes_by_names_too(read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]]) -> None:
    described, x, y = read("a,b\n1,10\n2,20\n3,30\n", "b,x,a\n8,0,7\n18,0,17\n28,0,27\n", steps=2, label_column="a")
    assert described.columns == ("a", "b") and described.target == "a" and x[:, 0].tolist() == [[7, 8], [17, 18]] and y.tolist() == [[27]]


def test_rows_for_a_model(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("kind,b,a\nyes,8,7\n")
    assert data.read_columns(path, ("a", "b")).tolist() == [[7, 8]]
    path.write_text("7,8\n")
    assert data.read_columns(path, ("#0", "#1")).tolist() == [[7, 8]]
    assert data.read_columns(path, ("#1", "#2")).tolist() == [[7, 8]]  # the label stood first
    path.write_text("7,8,9\n")
    for label, classes in (("", ()), ("#2", ("no", "yes")), ("#0", ("8", "9"))):
        with pytest.raises(
            DataError,
            match="t.csv:1:1: There are 3 columns without a header; the net was trained on 2. Without a header, netc can only match",
        ):
            data.read_columns(path, ("#0", "#1"), label, classes)
    assert data.read_columns(path, ("#0", "#1"), "#2", ("8", "9")).tolist() == [[7, 8]]  # which nothing but a label can be


def test_a_tsv_has_tabs(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("a\tb,c\tkind\n1\t2\tx,y\n")
    layer = data_layer("t.tsv", 1)
    assert data.describe(layer, "TRAIN", tmp_path).columns == ("a", "b,c")


@pytest.mark.parametrize("text", ["a,b,kind\n", "a,b,kind\n\n \n", "a,b,kind"])
def test_a_header_without_rows(read: Callable[..., tuple[data.Description, np.ndarray, np.ndarray]], text: str) -> None:
    with pytest.raises(DataError, match=r"train.csv:1:1: There are no rows below the header"):
        read(text, TRAIN)


@pytest.mark.parametrize("fraction, said", [(0.9999, "holds out 10 and leaves 0 to train on"), (0.01, "holds out 0 and leaves 10")])
def test_a_share_that_leaves_nothing(tmp_path: Path, fraction: float, said: str) -> None:
    (tmp_path / "t.csv").write_text("a,kind\n" + "1,x\n2,y\n" * 5)
    with pytest.raises(DataError, match=f"of 10 rows {said}"):
        data.describe(data_layer("t.csv", 1, test_fraction=fraction), "TRAIN", tmp_path)


def test_the_place_of_a_cell_among_quotes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b,kind\n"1","2",no\n"1, ""x""", "?",no\n')
    with pytest.raises(DataError) as caught:
        data.describe(data_layer("t.csv", 1), "TRAIN", tmp_path)
    assert [d.position for d in caught.value.diagnostics] == [(3, 1), (3, 13)]


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a,kind\n1,é\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t.csv:2:3: The byte 0xe9 is not UTF-8. Save the table as UTF-8."):
        data.describe(data_layer("t.csv", 1), "TRAIN", tmp_path)
    (tmp_path / "t.csv").write_bytes("a,kind\n1,x\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"t.csv:1:1: The byte 0xff is not UTF-8. The file seems to be UTF-16."):
        data.describe(data_layer("t.csv", 1), "TRAIN", tmp_path)


def test_a_wide_table_answers_soon(tmp_path: Path) -> None:
    """Thousands of columns that are not there, or hold text."""
    names = [f"column {k}" for k in range(2000)]
    (tmp_path / "wide.csv").write_text(",".join(f"{n}!" for n in names) + "\n" + ",".join("x" for _ in names) + "\n")
    began = time.process_time()
    with pytest.raises(DataError) as caught:
        data.read_columns(tmp_path / "wide.csv", names)
    assert len(caught.value.diagnostics) == 2000 and "Did you mean 'column 0!'" in str(caught.value)
    with pytest.raises(DataError) as caught:
        data.describe(data_layer("wide.csv", 1), "TRAIN", tmp_path)
    assert len(caught.value.diagnostics) == 1999 and time.process_time() - began < 10

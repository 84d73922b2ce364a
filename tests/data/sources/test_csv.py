"""Tables in text files: what is guessed, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.data import TopSpec
from netc.errors import DataError
from tests.data.layers import data_layer
from tests.some import some


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., tuple[Any, ...]]:
    """table(text, ...) -> description and the whole file as one batch."""

    def read(
        text: str, tops: tuple[str, str] | list[str] = ("data", "label"), phase: str = "TRAIN", encoding: str = "utf-8", **fields: Any
    ) -> tuple[Any, ...]:
        (tmp_path / "t.csv").write_bytes(text.encode(encoding))
        layer = data_layer("t.csv", 1, tops, shuffle=False, **fields)
        description = data.describe(layer, phase, tmp_path)
        layer.data_param.batch_size = some(description.rows)
        return description, *data.open(layer, phase, 0, tmp_path).batch(0)

    return read


def test_text_labels_are_classes_in_sorted_order(table: Callable[..., tuple[Any, ...]]) -> None:
    description, x, y = table("a,b,kind\n1,2,rose\n3,4,daisy\n-5e-1,.5,rose\n")
    assert description.classes == ("daisy", "rose") and description.rows == 3 and len(description.sha256) == 64
    assert description.tops == (TopSpec("float32", (2,)), TopSpec("int64", ()))
    assert x.tolist() == [[1, 2], [3, 4], [-0.5, 0.5]] and y.tolist() == [1, 0, 1] and y.dtype == np.int64


@pytest.mark.parametrize("text", ["1;2;0\n3;4;1\n", "1\t2\t0\n3\t4\t1\n", "1, 2, 0\r\n3, 4, 1\r\n\r\n", '"1",2,0\n3,4,1'])
def test_delimiters_without_a_header(table: Callable[..., tuple[Any, ...]], text: str) -> None:
    description, x, y = table(text)
    assert x.tolist() == [[1, 2], [3, 4]] and y.tolist() == [0, 1] and description.classes == ("0", "1")


def test_a_byte_order_mark_is_no_part_of_a_name(table: Callable[..., tuple[Any, ...]]) -> None:
    assert table("a,b\n1,2\n", encoding="utf-8-sig", label_column="a")[1].tolist() == [[2]]


@pytest.mark.parametrize("column, want", [("kind", [[1, 2]]), ("0", [[1, 2]]), ("-3", [[1, 2]]), ("b", [[3, 1]])])
def test_label_column_by_name_or_place(table: Callable[..., tuple[Any, ...]], column: str, want: list[list[int]]) -> None:
    assert table("kind,a,b\n3,1,2\n", label_column=column)[1].tolist() == want


def test_a_header_may_have_numbers_if_it_has_the_label(table: Callable[..., tuple[Any, ...]]) -> None:
    assert table("0,1,y\n5,6,1\n", label_column="y")[1].tolist() == [[5, 6]]


def test_whole_labels_are_numbered_in_numeric_order_and_others_are_targets(table: Callable[..., tuple[Any, ...]]) -> None:
    description, _, y = table("1,10\n1,9\n1,10.0\n")
    assert description.classes == ("9", "10") and y.tolist() == [1, 0, 1]
    description, _, y = table("1,0.5\n1,9\n")
    assert description.classes == () and y.dtype == np.float32 and y.tolist() == [0.5, 9]


def test_one_top_is_all_columns_unless_a_label_is_named(table: Callable[..., tuple[Any, ...]]) -> None:
    assert table("1,2,3\n", ["data"])[1].tolist() == [[1, 2, 3]]
    assert table("1,2,3\n", ["data"], label_column="2")[1].tolist() == [[1, 2]]


def test_test_rows_keep_the_numbers_of_the_training_classes(table: Callable[..., tuple[Any, ...]], tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("1,rose\n2,rose\n")
    description, _, y = table("1,daisy\n2,rose\n", phase="TEST", test_source="test.csv")
    assert description.classes == ("daisy", "rose") and y.tolist() == [1, 1]
    (tmp_path / "test.csv").write_text("1,rose\n2,roze\n")
    with pytest.raises(DataError, match=r"test.csv:2:3: Column '#1' is 'roze'. Expected the name of a class. Did you mean 'rose'"):
        table("1,daisy\n2,rose\n", phase="TEST", test_source="test.csv")


def test_whole_test_targets_stay_targets(table: Callable[..., tuple[Any, ...]], tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("1,3\n2,4\n")
    _, _, y = table("1,0.5\n", phase="TEST", test_source="test.csv")
    assert y.dtype == np.float32 and y.tolist() == [3, 4]


def test_everything_wrong_is_listed_by_line(table: Callable[..., tuple[Any, ...]]) -> None:
    with pytest.raises(DataError) as caught:
        table("a,b,kind\n1,2,x\n1,?,x\n\nnan,2,x\n1,2,\n")
    lines = [line.split("t.csv:")[1] for line in str(caught.value).splitlines()]
    assert lines == [
        "3:3: Column 'b' is '?'. Expected a number.",
        "5:1: Column 'a' is 'nan'. Expected a number.",
        "6:5: Column 'kind' is empty. Expected the name of a class.",
    ]


def test_a_column_has_one_error_however_many_cells_are_wrong(table: Callable[..., tuple[Any, ...]]) -> None:
    with pytest.raises(DataError) as caught:
        table("1,0\n" + "?,0\nx,0\n" * 5000)
    (diagnostic,) = caught.value.diagnostics
    said = "Column '#0' is '?'. Expected a number. 10,000 of 10,001 cells are wrong, 2 of them different: lines 2, 3, 4, 5, 6, ...."
    assert str(diagnostic).endswith(f"t.csv:2:1: {said}")


@pytest.mark.parametrize(
    "text, fields, message",
    [
        ("1,2\n1,2,3\n1\n", {}, r"t.csv:2:1: There are 3 cells. Expected 2, as in the first line. 2 lines have another number of cells"),
        ("", {}, "t.csv: The file is empty"),
        ("1\n2\n", {}, "t.csv: There is no column besides the label"),
        ("a,kind\n1,2\n", {"label_column": "knd"}, "t.csv: There is no column 'knd' .`label_column`.. Did you mean 'kind'"),
        ("1,2\n", {"label_column": "2"}, "t.csv: There is no column '2' .`label_column`.. Known names: #0, #1"),
        ('1,"2\n', {}, "not a table in UTF-8 text"),
    ],
)
def test_errors(table: Callable[..., tuple[Any, ...]], text: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        table(text, **fields)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"t.csv:1:1: The byte 0xff is not UTF-8"):
        data.describe(data_layer("t.csv"), "TRAIN", tmp_path)


def test_a_changed_file_is_read_again(table: Callable[..., tuple[Any, ...]]) -> None:
    assert table("1,0\n")[0].rows == 1
    assert table("1,0\n2,1\n")[0].rows == 2


@pytest.mark.parametrize(
    "values, fields, expected",
    [
        (range(30), {}, "float32"),  # as many as rows: measures
        ([k % 20 for k in range(30)], {}, "int64"),
        ([k % 25 for k in range(200)], {}, "int64"),  # an eighth of the rows
        ([k % 3 for k in range(30)], {"regression": True}, "float32"),
        (range(30), {"regression": False}, "int64"),
        ([k + 0.5 for k in range(30)], {"regression": False}, "float32"),
    ],
)
def test_whole_numbers_are_classes_or_measures(tmp_path: Path, values: range | list[float], fields: dict[str, Any], expected: str) -> None:
    (tmp_path / "t.csv").write_text("".join(f"0.5,{v}\n" for v in values))
    top = data.describe(data_layer(tmp_path / "t.csv", 1, **fields), "TRAIN").tops[1]
    assert top.dtype == expected and (expected == "int64" or top.mean == pytest.approx((np.mean(list(values)),)))


@pytest.mark.parametrize(
    "labels, classes, numbers",
    [
        (["02115", "2115"], ("02115", "2115"), [0, 1]),
        (["9007199254740992", "9007199254740993"], ("9007199254740992", "9007199254740993"), [0, 1]),
        (["1_000", "1000"], ("1000", "1_000"), [1, 0]),
        (["0x10", "16"], ("0x10", "16"), [0, 1]),
        (["１", "1"], ("1", "１"), [1, 0]),
        (["+1", "1"], ("+1", "1"), [0, 1]),
        (["1.0", "0.0"], ("0", "1"), [1, 0]),
        (["3+", "2"], ("2", "3+"), [1, 0]),
        (["nan", "stay"], ("nan", "stay"), [0, 1]),
        (["-1", "1"], ("-1", "1"), [0, 1]),
        (["1e5", "100000"], ("100000", "1e5"), [1, 0]),
        (["1e5", "high"], ("1e5", "high"), [0, 1]),
        ([" 1 ", "1"], ("1",), [0, 0]),
    ],
)
def test_labels_are_what_is_written(
    table: Callable[..., tuple[Any, ...]], labels: list[str], classes: tuple[Any, ...], numbers: list[int]
) -> None:
    description, _, y = table("a,kind\n" + "".join(f"1,{label}\n" for label in labels), label_column="kind")
    assert description.classes == classes and y.tolist() == numbers


@pytest.mark.parametrize("labels, said", [(["0.5", "nan", "1.5"], "'nan'"), (["1", "2", "NA"], "'NA'"), (["0.5", "high", "1.5"], "'high'")])
def test_numbers_with_cells_that_are_none_are_no_classes(table: Callable[..., tuple[Any, ...]], labels: list[str], said: str) -> None:
    with pytest.raises(DataError, match=rf"t.csv:\d:3: Column 'y' is {said}. Expected a number, as in the other rows"):
        table("a,y\n" + "".join(f"1,{label}\n" for label in labels))
    description, _, y = table("a,y\n" + "".join(f"1,{label}\n" for label in labels), classes=labels)
    assert description.classes == tuple(labels) and y.tolist() == [0, 1, 2]


def test_a_regression_has_numbers(table: Callable[..., tuple[Any, ...]]) -> None:
    with pytest.raises(
        DataError, match="t.csv:2:3: Column 'y' is 'x'. Expected a number. 2 of 2 cells are wrong, 2 of them different: lines 2, 3"
    ):
        table("a,y\n1,x\n2,y\n", regression=True)


def test_other_spellings_of_whole_classes(table: Callable[..., tuple[Any, ...]], tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("a,y\n1,1.0\n2,0\n")
    assert table("a,y\n1,0\n2,1\n", phase="TEST", test_source="test.csv")[2].tolist() == [1, 0]
    (tmp_path / "test.csv").write_text("a,y\n1,01\n")
    with pytest.raises(DataError, match="test.csv:2:3: Column 'y' is '01'. Expected the name of a class. Did you mean '1' or '0'"):
        table("a,y\n1,0\n2,1\n", phase="TEST", test_source="test.csv")


@pytest.mark.parametrize("column", ["²", "１", "1_0", "99"])
def test_a_label_column_that_is_none(table: Callable[..., tuple[Any, ...]], column: str) -> None:
    with pytest.raises(DataError, match=f"There is no column '{column}' .`label_column`."):
        table("a,kind\n1,2\n", label_column=column)

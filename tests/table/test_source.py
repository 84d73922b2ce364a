"""The source of the Table layer: labels, weights, errors, and what is fitted on the training rows."""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc import netc_pb2 as pb
from netc.data.tables import Tables
from netc.errors import DataError
from netc.spec import parse_yaml
from netc.table.columns.category import Category
from netc.table.columns.number import Number

ROWS = 40


def write(folder: Path, columns: dict[str, Sequence[Any]], name: str = "t.csv") -> Path:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def columns(**more: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """A number, a category and a label of classes."""
    own = {"x": [f"{k}.5" for k in range(ROWS)], "c": ["ab"[k % 2] for k in range(ROWS)], "y": ["no", "yes"] * (ROWS // 2)}
    return own | more


def layer(tops: Sequence[str] = ("data", "label"), **fields: Any) -> pb.LayerParameter:
    """A Table layer. `columns` may give the types of columns by name."""
    rules = [pb.ColumnParameter(name=name, type=type_) for name, type_ in fields.pop("columns", {"x": "number", "c": "category"}).items()]
    split = pb.TableSplitParameter(**fields.pop("split", {"test": 0.2, "validation": 0.1}))
    param = pb.TableParameter(source="t.csv", label=fields.pop("label", ["y"]), columns=rules, split=split, batch_size=4, **fields)
    return pb.LayerParameter(name="data", type="Table", top=tops, table_param=param)


def opened(folder: Path, phase: str = "TRAIN", **fields: Any) -> data.Source:
    return data.open(layer(**fields), phase, 0, folder)


def every(source: data.Source, top: int = 1) -> np.ndarray:
    return source.stored(top, np.arange(source.rows or 0))


def errors(folder: Path, **fields: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        data.describe(layer(**fields), "TRAIN", folder)
    return [d.sentence for d in caught.value.diagnostics]


def test_rows_labels_and_weights_are_three_tops(tmp_path: Path) -> None:
    write(tmp_path, columns(w=[0.5 + k for k in range(ROWS)]))
    source = opened(tmp_path, tops=("data", "label", "weight"), weight="w", split={})
    assert [array.shape for array in source.batch(0)] == [(4, 2), (4,), (4,)]
    assert [top.dtype for top in source.description.tops] == ["float32", "int64", "float32"]
    assert source.description.classes == ("no", "yes") and every(source).tolist() == [0, 1] * (ROWS // 2)
    assert every(source, 2).tolist() == [0.5 + k for k in range(ROWS)]
    assert every(source, 0)[:, 1].tolist() == [1, 2] * (ROWS // 2)


def test_the_parts_are_the_phases(tmp_path: Path) -> None:
    write(tmp_path, columns())
    sizes = {phase: data.describe(layer(), phase, tmp_path).rows for phase in ("TRAIN", "VALIDATION", "TEST")}
    assert sizes == {"TRAIN": 28, "VALIDATION": 4, "TEST": 8}
    described = data.describe(layer(), "TEST", tmp_path)
    assert described.set_apart and described.has_validation


def test_without_a_split_tests_use_the_training_rows(tmp_path: Path) -> None:
    write(tmp_path, columns())
    described = data.describe(layer(split={}), "TEST", tmp_path)
    assert described.rows == ROWS and not described.set_apart and not described.has_validation


def test_with_validation_rows_only_tests_use_them(tmp_path: Path) -> None:
    write(tmp_path, columns())
    described = data.describe(layer(split={"validation": 0.25}), "TEST", tmp_path)
    assert described.rows == 10 and described.set_apart


@pytest.mark.parametrize(
    ("cells", "dtype", "classes"),
    [
        (["b", "a"] * 20, "int64", ("a", "b")),
        (["10", "9"] * 20, "int64", ("9", "10")),
        (["1.0", "0.0"] * 20, "int64", ("0", "1")),
        (["True", "False"] * 20, "int64", ("False", "True")),
        (["001", "002"] * 20, "int64", ("001", "002")),
        (["1", "x"] * 20, "int64", ("1", "x")),
        ([f"{k}.5" for k in range(ROWS)], "float32", ()),
        ([f"{k}" for k in range(ROWS)], "float32", ()),
        (['"1,000.5"', "7"] * 20, "float32", ()),
    ],
)
def test_what_a_label_is_follows_from_its_values(tmp_path: Path, cells: list[str], dtype: str, classes: tuple[str, ...]) -> None:
    write(tmp_path, columns(y=cells))
    written = pb.TableFormatParameter(thousands=",", delimiter=",", decimal=".") if '"' in cells[0] else None
    described = data.describe(layer(format=written), "TRAIN", tmp_path)
    assert (described.tops[1].dtype, described.classes) == (dtype, classes)


def test_the_task_can_be_stated(tmp_path: Path) -> None:
    write(tmp_path, columns(y=["3", "1"] * 20))
    assert data.describe(layer(task=pb.TableParameter.NUMBERS), "TRAIN", tmp_path).tops[1].dtype == "float32"
    described = data.describe(layer(classes=["3", "1"]), "TRAIN", tmp_path)
    assert described.classes == ("3", "1") and every(opened(tmp_path, classes=["3", "1"], split={}))[:2].tolist() == [0, 1]


def test_numbers_have_the_mean_of_the_training_rows(tmp_path: Path) -> None:
    write(tmp_path, columns(y=[f"{k}.5" for k in range(ROWS)]))
    source = opened(tmp_path)
    top = source.description.tops[1]
    assert top.mean == pytest.approx([every(source).mean()]) and top.std == pytest.approx([every(source).std()])
    assert data.describe(layer(), "TEST", tmp_path).tops[1].mean == top.mean


def test_a_split_by_time_reads_dates_in_their_format(tmp_path: Path) -> None:
    days = [f"{1 + k % 28:02d}.{12 - k // 28:02d}.2024" for k in range(ROWS)]
    write(tmp_path, columns(d=days))
    split = {"time": "d", "test": 0.3}
    with pytest.raises(DataError, match="Column 'd' holds text"):
        opened(tmp_path, split=split)
    made = layer(split=split)
    made.table_param.columns.add(name="d", type="date", format="%d.%m.%Y")
    tested = data.open(made, "TEST", 0, tmp_path)
    assert tested.in_file(np.arange(12)).tolist() == list(range(16, 28))  # the last twelve of December


def test_several_labels_are_numbers_or_true_and_false(tmp_path: Path) -> None:
    write(tmp_path, columns(u=["yes", "no"] * 20, v=["0", "1"] * 20, z=[k / 2 for k in range(ROWS)]))
    truths = opened(tmp_path, label=["u", "v"], split={})
    assert every(truths)[:2].tolist() == [[1, 0], [0, 1]] and truths.description.classes == ("u", "v")
    numbers = opened(tmp_path, label=["v", "z"], split={})
    assert every(numbers)[:3].tolist() == [[0, 0], [1, 0.5], [0, 1]] and numbers.description.classes == ()
    assert len(numbers.description.tops[1].mean) == 2
    one = opened(tmp_path, label=["u"], task=pb.TableParameter.LABELS, split={})
    assert every(one)[:2].tolist() == [[1], [0]]


def test_rows_without_a_label_are_left_out_with_a_note(tmp_path: Path) -> None:
    write(tmp_path, columns(y=["", "NA", *(["no", "yes"] * 19)]))
    sources = [opened(tmp_path, phase) for phase in ("TRAIN", "VALIDATION", "TEST")]
    assert sum(source.rows or 0 for source in sources) == 38
    assert sources[0].notes() == ["t.csv: 2 of 40 rows have no label 'y' and are left out"]
    assert all(0.5 not in every(source, 0) for source in sources)


def test_the_place_of_a_row_is_its_line(tmp_path: Path) -> None:
    write(tmp_path, columns(y=["", *(["no", "yes"] * 20)][:ROWS]))
    source = opened(tmp_path, split={})
    assert source.place(0, 0).startswith(("t.csv:3", "t.csv")) and source.raw(np.array([2, 0])) is not None
    raw = source.raw(np.array([2, 0, 2]))
    assert raw is not None and raw["x"].tolist() == [3.5, 1.5, 3.5] and raw["c"].tolist() == ["b", "b", "b"]


def test_fitted_values_come_from_the_training_rows(tmp_path: Path) -> None:
    part = ["train"] * 30 + ["test"] * 10
    write(tmp_path, columns(x=[1.0] * 15 + [3.0] * 15 + [1e6] * 10, c=["a"] * 30 + ["only in tests"] * 10, p=part))
    source = opened(tmp_path, "TEST", split={"column": "p"})
    number, category = source.description.tops[0].fitted
    assert isinstance(number, Number) and number.middle in (1, 2, 3) and isinstance(category, Category) and category.values == ("a",)
    assert every(source, 0)[:, 1].tolist() == [0] * 10


def test_all_columns_that_have_no_other_role_are_read(tmp_path: Path) -> None:
    write(tmp_path, columns(w=[1] * ROWS, g=[*range(20)] * 2, boat=["b", "c"] * 20, x=["1.5", "2.5"] * 20))
    ignored = [pb.IgnoredColumn(name="boat"), pb.IgnoredColumn(name="body")]
    source = opened(tmp_path, columns={}, weight="w", ignore=ignored, split={"group": "g"}, tops=("data", "label", "weight"))
    assert source.description.columns == ("x", "c")
    assert source.notes() == ["t.csv has no column 'body', which `ignore` names"]


def test_all_columns_that_are_wrong_are_listed_at_once(tmp_path: Path) -> None:
    write(tmp_path, columns(x=["ten", *range(1, 37), "?", "x1", "x2"], z=[1, *(["u", "v", "w"] * 13)]))
    found = errors(tmp_path, columns={"x": "number", "z": "number", "c": "category"})
    assert found[0].startswith("Column 'x': 3 of 39 cells cannot be read, in ") and "'ten', 'x1', 'x2'. Expected a number." in found[0]
    assert found[1] == "t.csv: Column 'z' holds text (4 values). Expected a number. Write `{type: category}`."
    assert len(found) == 2


def test_columns_that_are_missing_or_have_two_roles(tmp_path: Path) -> None:
    write(tmp_path, columns())
    found = errors(tmp_path, columns={"xx": "number", "y": "category", "c": "categroy"}, weight="waight", label=["y"])
    assert found == [
        "Column 'c' has the type 'categroy'. " + next(f for f in found if "categroy" in f).split(". ", 1)[1],
        "The label 'y' is also one of the columns that the net reads.",
        "t.csv: There is no column 'xx'. Did you mean 'x'?",
        "t.csv: There is no column 'waight'. Known names: c, x, y.",
    ]
    assert "Did you mean 'category'?" in found[0]


@pytest.mark.parametrize(
    ("cells", "fields", "wanted"),
    [
        (["one"] * ROWS, {}, "t.csv: The label 'y' has one value, 'one'. Expected two or more."),
        ([""] * ROWS, {}, "t.csv: No row has a label in 'y'."),
        (["no", "yes"] * 20, {"classes": ["no", "yes!"]}, "Column 'y': 20 of 40 labels cannot be read, in "),
        (["no", "yes"] * 20, {"label": ["y", "x"], "classes": ["no", "yes"]}, "Classes need one label column, got 2: y, x."),
        (["no", "yes"] * 20, {"task": pb.TableParameter.NUMBERS}, "Column 'y': 40 of 40 labels cannot be read, in "),
        (["no", "maybe"] * 20, {"task": pb.TableParameter.LABELS}, "Column 'y': 20 of 40 labels cannot be read, in "),
        (["1e39", "0.5"] * 20, {}, "Column 'y': 20 of 40 labels cannot be read, in "),
        (["0.25", "0.5"] * 20, {"split": {"stratify": True}}, "`stratify` needs a label of classes."),
        (["no", "yes"] * 20, {"weight": "x", "columns": {"c": "category"}, "label": []}, "`weight` needs a `label`."),
        (["no", "yes"] * 20, {"split": {"time": "c"}}, "Column 'c' holds text"),
        (["no", "yes"] * 20, {"split": {"column": "c"}}, "Column 'c': 40 of 40 cells cannot be read, in "),
        (["no", "yes"] * 20, {"split": {"group": "city"}}, "t.csv: There is no column 'city'."),
    ],
)
def test_labels_and_splits_that_are_wrong(tmp_path: Path, cells: list[str], fields: dict[str, Any], wanted: str) -> None:
    write(tmp_path, columns(y=cells))
    assert any(wanted in error for error in errors(tmp_path, **({"columns": {"x": "number"}} | fields)))


def test_weights_are_not_negative(tmp_path: Path) -> None:
    write(tmp_path, columns(w=[0.0] + [1.0] * 36 + [0, -1, ""]))
    (found,) = errors(tmp_path, weight="w", tops=("data", "label", "weight"))
    assert found.startswith("Column 'w': 2 of 39 cells cannot be read, in ") and found.endswith("Expected 0 or a positive number.")
    write(tmp_path, columns(w=[0, 1] * (ROWS // 2)))
    assert set(every(opened(tmp_path, weight="w", split={}, tops=("data", "label", "weight")), 2)) == {0, 1}


def test_test_files_are_read_by_the_names_of_columns(tmp_path: Path) -> None:
    write(tmp_path, columns())
    own = {"more": range(4), "y": ["yes", "no", "yes", ""], "c": ["b", "new", "a", "a"], "x": [0.5, 1e9, "", 1]}
    write(tmp_path, own, "test.csv")
    source = opened(tmp_path, "TEST", test_source="test.csv", split={"validation": 0.1})
    assert every(source).tolist() == [1, 0, 1] and every(source, 0)[:, -1].tolist() == [2, 0, 1]
    assert source.description.set_apart and source.notes() == ["test.csv: 1 of 4 rows has no label 'y' and is left out"]
    described = [
        data.describe(layer(test_source="test.csv", split={"validation": 0.1}), phase, tmp_path) for phase in ("TRAIN", "VALIDATION")
    ]
    assert [d.rows for d in described] == [36, 4] and described[1].tops == source.description.tops


def test_test_files_with_other_columns_or_classes(tmp_path: Path) -> None:
    write(tmp_path, columns())
    write(tmp_path, {"X": [1], "y": ["yes"], "d": ["a"]}, "test.csv")
    fields: dict[str, Any] = {"test_source": "test.csv", "split": {}}
    with pytest.raises(DataError) as caught:
        data.describe(layer(**fields), "TEST", tmp_path)
    assert [d.text for d in caught.value.diagnostics] == ["test.csv: There is no column 'x'.", "test.csv: There is no column 'c'."]
    write(tmp_path, {"x": [1, 2], "c": ["a", "b"], "y": ["yes", "ye"]}, "test.csv")
    with pytest.raises(DataError, match="Column 'y': 1 of 2 labels cannot be read, in .*'ye'.*Expected 'no' or 'yes'. Did you mean 'yes'?"):
        data.describe(layer(**fields), "TEST", tmp_path)


def test_weights_of_a_net_determine_how_rows_are_read(tmp_path: Path) -> None:
    write(tmp_path, columns())
    learned = data.Learned.of(Tables(tmp_path).reader(layer(), "TRAIN").description)
    again = data.Learned.from_json(learned.as_json())
    assert again == learned
    write(tmp_path, columns(x=[100.0] * ROWS, c=["b"] * ROWS, y=["yes"] * ROWS))
    read = Tables(tmp_path).reader(layer(), "TEST", again).description
    assert (read.tops, read.classes) == (data.describe(layer(), "TRAIN", write(tmp_path, columns()).parent).tops, ("no", "yes"))


def test_a_net_file_with_other_types_than_the_weights(tmp_path: Path) -> None:
    write(tmp_path, columns())
    learned = data.Learned.of(Tables(tmp_path).reader(layer(), "TRAIN").description)
    with pytest.raises(DataError) as caught:
        Tables(tmp_path).reader(layer(columns={"x": "category", "c": "text"}), "TEST", learned)
    wanted = "has the type 'category' in the net file and 'number' in the weights. Set the type 'number', or train the net anew."
    assert [d.text.partition(" ")[2][4:] for d in caught.value.diagnostics][0] == wanted and len(caught.value.diagnostics) == 2


def test_training_goes_on_with_other_classes(tmp_path: Path) -> None:
    write(tmp_path, columns())
    known = data.Learned.of(Tables(tmp_path).reader(layer(), "TRAIN").description).for_training()
    write(tmp_path, columns(x=range(ROWS), y=["1", "2", "3", "4"] * 10))
    read = Tables(tmp_path).reader(layer(), "TRAIN", known).description
    assert read.classes == ("1", "2", "3", "4") and read.tops[0].fitted == known.fitted
    other = layer(columns={"c": "category"})
    assert [type(c) for c in Tables(tmp_path).reader(other, "TRAIN", known).description.tops[0].fitted] == [Category]


def test_a_compressed_file_is_the_same_table(tmp_path: Path) -> None:
    path = write(tmp_path, columns())
    plain = data.describe(layer(), "TRAIN", tmp_path)
    compressed = layer()
    compressed.table_param.source = f"{path.name}.gz"
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert replace(data.describe(compressed, "TRAIN", tmp_path), name=plain.name) == plain


def test_a_source_that_is_missing(tmp_path: Path) -> None:
    (found,) = errors(tmp_path)
    assert "t.csv" in found
    empty = layer()
    empty.table_param.source = ""
    with pytest.raises(DataError, match="`source` is missing"):
        data.describe(empty, "TRAIN", tmp_path)


def test_the_tops_of_a_table_are_what_it_has() -> None:
    def tops(fields: str) -> list[str]:
        layers = parse_yaml(f"layers:\n  - Table: {{source: t.csv{fields}}}\n", pb.NetParameter).message.layer
        return list(layers[0].top)

    assert tops("") == ["data"] and tops(", label: y") == ["data", "label"]
    assert tops(", label: y, weight: w") == ["data", "label", "weight"]

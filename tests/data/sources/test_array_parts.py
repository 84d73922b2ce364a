"""Arrays that a layer names: labels of every form, images of one channel, and the parts of a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.data import Tables, TopSpec
from netc.errors import DataError
from tests.data.layers import data_layer

X = np.arange(24).reshape(8, 3)
LABEL = TopSpec("int64", ())


def read(folder: Path, phase: str = "TRAIN", arrays: tuple[str, ...] = ("x", "y"), **fields: Any) -> tuple[data.Description, Any, Any]:
    """The description and all rows of a phase, in the order of the file."""
    layer = data_layer("a.npz", 99, arrays=list(arrays), shuffle=False, **fields)
    described = Tables(folder).reader(layer, phase).description
    opened = data.open(layer, phase, 0, folder)
    x, y = (opened.stored(top, np.arange(opened.rows or 0)) for top in range(2))
    return described, x, y


FORMS: dict[str, tuple[Any, dict[str, Any], list[Any], tuple[str, ...]]] = {
    "whole numbers": ([0, 1, 2, 0, 1, 2, 0, 1], {}, [0, 1, 2, 0, 1, 2, 0, 1], ()),
    "a column of them": ([[0], [1], [1], [0], [1], [0], [0], [1]], {}, [0, 1, 1, 0, 1, 0, 0, 1], ()),
    "a column of bytes": (np.array([[0], [1]] * 4, np.uint8), {}, [0, 1] * 4, ()),
    "whole floats": ([0.0, 1, 0, 1, 0, 1, 0, 1], {}, [0, 1] * 4, ()),
    "below 0": ([-1, 1] * 4, {}, [0, 1] * 4, ("-1", "1")),
    "far from 0": ([3, 700] * 4, {}, [0, 1] * 4, ("3", "700")),
    "true and false": ([True, False] * 4, {}, [1, 0] * 4, ()),
    "texts": (["b", "a"] * 4, {}, [1, 0] * 4, ("a", "b")),
    "a column of texts": ([["b"], ["a"]] * 4, {}, [1, 0] * 4, ("a", "b")),
    "bytes of texts": (np.array([b"b", "ä".encode()] * 4), {}, [0, 1] * 4, ("b", "ä")),
    "one-hot": ([[0, 1, 0], [1, 0, 0]] * 4, {"one_hot": True}, [1, 0] * 4, ()),
    "one-hot floats": ([[0, 1.0], [1, 0]] * 4, {"one_hot": True}, [1, 0] * 4, ()),
    "named classes": ([0, 1] * 4, {"classes": ["cat", "dog"]}, [0, 1] * 4, ("cat", "dog")),
    "an order of one's own": (["b", "a"] * 4, {"classes": ["b", "a"]}, [0, 1] * 4, ("b", "a")),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_that_are_classes(tmp_path: Path, form: str) -> None:
    stored, fields, wanted, classes = FORMS[form]
    np.savez(tmp_path / "a.npz", x=X, y=stored)
    described, x, y = read(tmp_path, **fields)
    assert y.tolist() == wanted and y.dtype == np.int64 and described.classes == classes
    assert described.tops == (TopSpec("float32", (3,)), TopSpec("int64", (), classes=np.shape(stored)[1] if "one_hot" in fields else 0))
    assert x.dtype == np.float32 and x.tolist() == X.tolist() and described.tops[0].mean == (10.5, 11.5, 12.5)


@pytest.mark.parametrize(
    "stored, fields, shape",
    [
        (np.arange(8) / 4, {}, ()),
        ((np.arange(8) / 4)[:, None], {}, ()),
        (np.arange(8), {"regression": True}, ()),
        (np.arange(16).reshape(8, 2) / 4, {}, (2,)),
    ],
)
def test_labels_that_are_numbers(tmp_path: Path, stored: np.ndarray, fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=stored)
    described, _, y = read(tmp_path, test_fraction=0.25, **fields)
    top, columns = described.tops[1], y.reshape(6, -1)
    assert top.dtype == "float32" and top.shape == shape and y.dtype == np.float32
    np.testing.assert_allclose(top.mean, columns.mean(0), rtol=1e-6)
    np.testing.assert_allclose(top.std, columns.std(0), rtol=1e-6)
    assert read(tmp_path, "TEST", test_fraction=0.25, **fields)[0].tops == described.tops


def test_many_whole_numbers_are_numbers_to_predict(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((60, 2)), y=np.arange(60))
    assert read(tmp_path)[0].tops[1].dtype == "float32"
    assert read(tmp_path, regression=False)[0].tops[1].dtype == "int64"


def test_images(tmp_path: Path) -> None:
    kinds: tuple[tuple[Any, dict[str, Any], Any], ...]
    kinds = (((8, 4, 5), {"one_channel": True}, (1, 4, 5)), ((8, 4, 5, 3), {"channels_last": True}, (3, 4, 5)))
    for shape, fields, wanted in kinds:
        np.savez(tmp_path / "a.npz", x=np.arange(np.prod(shape), dtype=np.int64).reshape(shape) % 250, y=[0, 1] * 4)
        described, x, _ = read(tmp_path, **fields)
        assert described.tops[0].shape == x.shape[1:] == wanted and x.dtype == np.float32 and described.tops[0].mean == ()
        assert x[0, 0, 1, 2] == (7 if len(shape) == 3 else 21)


def test_parts_of_a_file(tmp_path: Path) -> None:
    """Test labels get the numbers of the training classes; VALIDATION and TEST stand in for each other."""
    parts: dict[str, Any] = {"x_train": X, "y_train": ["b", "a"] * 4, "x_test": X[:2] + 100, "y_test": ["b", "b"]}
    np.savez(tmp_path / "a.npz", **parts)
    for phase, rows, labels in (("TRAIN", 8, [1, 0] * 4), ("TEST", 2, [1, 1]), ("VALIDATION", 2, [1, 1])):
        described, x, y = read(tmp_path, phase, ("x_train", "y_train"))
        assert len(x) == described.rows == rows and y.tolist() == labels and described.classes == ("a", "b")
        assert described.set_apart and not described.has_validation and described.tops[0].mean == (10.5, 11.5, 12.5)
    np.savez(tmp_path / "a.npz", **parts, x_val=X[:3], y_val=["a"] * 3)
    assert read(tmp_path, "VALIDATION", ("x_train", "y_train"))[2].tolist() == [0, 0, 0]
    assert read(tmp_path, "TEST", ("x_train", "y_train"))[0].has_validation
    with pytest.raises(DataError, match="`test_fraction` cannot be used: the source has test rows of its own"):
        read(tmp_path, "TEST", ("x_train", "y_train"), test_fraction=0.2)


def test_another_file_with_the_test_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=X, y_train=["b", "a"] * 4)
    np.savez(tmp_path / "b.npz", x_test=X[:2], y_test=["b", "b"])
    described, x, y = read(tmp_path, "TEST", ("x_train", "y_train"), test_source="b.npz")
    assert x.tolist() == X[:2].tolist() and y.tolist() == [1, 1] and described.classes == ("a", "b")


def gaps(rows: int = 8) -> np.ndarray:
    found = np.arange(rows * 3.0).reshape(rows, 3)
    found[2:, 1] = np.nan
    return found


ERRORS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a.npz: There is no array 'y'. Did you mean 'Y'?": ({"x": X, "Y": [0, 1] * 4}, {}),
    "a.npz: The arrays have different lengths: x (8x3 int64), y (7 int64).": ({"x": X, "y": [0] * 7}, {}),
    "Array 'x' is 8 int64. Expected numbers, with an axis of rows and one or more others.": ({"x": X[:, 0], "y": [0, 1] * 4}, {}),
    "Array 'x' is 8x3 text.": ({"x": X.astype(str), "y": [0, 1] * 4}, {}),
    "Array 'x': Row 2 contains a gap (NaN) or an infinite value. Fill or remove these rows. 6 of 8 rows are wrong: 2, 3, 4, 5, 6, ....": (
        *({"x": gaps(), "y": [0, 1] * 4}, {}),
    ),
    "Array 'x': Row 3 contains a gap (NaN) or an infinite value.": (
        {"x": np.full((8, 2, 3), [[[1]]] * 3 + [[[1e300]]] + [[[1]]] * 4), "y": [0, 1] * 4},
        {},
    ),
    "Array 'y': Row 1 contains a gap (NaN) or an infinite value. Fill or remove these rows.": ({"x": X, "y": [0, np.nan] + [1.5] * 6}, {}),
    "Array 'y': Row 1, [1, 1], is not one-hot, with a 1 and zeros elsewhere. 4 of 8": (
        {"x": X, "y": [[0, 1], [1, 1]] * 4},
        {"one_hot": True},
    ),
    "Array 'y' has the shape 8. `one_hot` is for rows with a value per class.": ({"x": X, "y": [0, 1] * 4}, {"one_hot": True}),
    "Array 'y': Row 1, 0.5, is not a whole number. Set `regression: true` to predict numbers. 4 of 8": (
        *({"x": X, "y": [0, 0.5] * 4}, {"regression": False}),
    ),
    "Array 'y': Row 0, 'b', is not one of the classes: a, ...": ({"x": X, "y": ["b", "a"] * 4}, {"classes": ["a"]}),
    "Array 'x' has rows of 3. `one_channel` is for rows of height x width.": ({"x": X, "y": [0, 1] * 4}, {"one_channel": True}),
    "Array 'x' has rows of 3. `channels_last` is for rows of height x width x channels.": (
        {"x": X, "y": [0, 1] * 4},
        {"channels_last": True},
    ),
    "`arrays` has 3 names. Expected two, the rows and their labels.": ({"x": X, "y": [0, 1] * 4}, {"arrays": ("x", "y", "x")}),
    "Array 'x_test' has rows of 2, and 'x' has rows of 3.": ({"x": X, "y": [0, 1] * 4, "x_test": X[:, :2], "y_test": [0, 1] * 4}, {}),
    "netc does not unpickle objects: save labels.astype(str).": ({"x": X, "y": np.array(["a", 1] * 4, object)}, {}),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(tmp_path: Path, message: str) -> None:
    stored, fields = ERRORS[message]
    np.savez(tmp_path / "a.npz", **stored)
    with pytest.raises(DataError) as caught:
        read(tmp_path, "TEST", **fields)
    assert message in str(caught.value)


def test_fields_that_need_others(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=X, label=[0, 1] * 4)
    for layer, field in ((data_layer("a.npz", one_hot=True), "one_hot"), (data_layer("a.npz", one_channel=True), "one_channel")):
        with pytest.raises(DataError, match=f"`{field}` needs `arrays`"):
            Tables(tmp_path).reader(layer, "TRAIN")
    with pytest.raises(DataError, match="`arrays` is for files of arrays .*, and 'iris' is not one"):
        Tables(tmp_path).reader(data_layer("iris", arrays=["x", "y"]), "TRAIN")


def test_damaged_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=[0, 1] * 4)
    whole = (tmp_path / "a.npz").read_bytes()
    for cut in range(0, len(whole), 37):
        (tmp_path / "a.npz").write_bytes(whole[:cut])
        with pytest.raises(DataError):
            read(tmp_path)

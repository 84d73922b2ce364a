"""The scores and the loss of each task."""

from types import SimpleNamespace

import numpy as np
import pytest

from netc.errors import DataError, SpecError
from netc.predict.explain.judge import Judge, judge, targets

PROB = np.array([[0.9, 0.1], [0.2, 0.8], [1.0, 0.0]], np.float32)


def port(name: str, *shape: int | str, type: str = "tensor(float)") -> SimpleNamespace:
    return SimpleNamespace(name=name, shape=list(shape), type=type)


def test_two_classes() -> None:
    two = judge([port("class", "N", type="tensor(string)"), port("prob", "N", 2)], {"label": "kind", "task": "classes"}, ["no", "yes"], "m")
    assert two == Judge("classes", ("prob",), ("no", "yes"), ("kind",)) and two.names == ("yes",)
    np.testing.assert_array_equal(two.scores({"prob": PROB}), PROB[:, 1:].astype(float))
    assert two.loss({"prob": PROB[:2]}, np.array([0, 1])) == pytest.approx(-np.log([0.9, 0.8]).mean())
    assert np.isfinite(two.loss({"prob": PROB}, np.array([1, 1, 1])))
    single = judge([port("p", "N", 1)], {"labels": ["kind"], "task": "classes"}, ["no", "yes"], "m")
    assert single.loss({"p": PROB[:2, 1:]}, np.array([0, 1])) == pytest.approx(-np.log([0.9, 0.8]).mean())


def test_several_classes() -> None:
    three = judge([port("prob", "N", 3)], {"label": "kind"}, ["a", "b", "c"], "m")
    assert three.names == ("a", "b", "c") and three.scores({"prob": np.eye(3, dtype=np.float32)}).shape == (3, 3)


def test_numbers() -> None:
    """RMSE in the unit of the label; of several labels, in deviations of each."""
    one = judge([port("price", "N")], {"labels": ["price"], "task": "numbers"}, [], "m")
    assert one.names == ("price",) and one.loss_name == "RMSE"
    assert one.loss({"price": np.array([1.0, 5.0])}, np.array([[1.0], [2.0]])) == pytest.approx(np.sqrt(4.5))
    two = judge([port("y", "N", 2)], {"labels": ["u", "v"]}, [], "m")
    target = np.array([[0.0, 0.0], [2.0, 200.0]])
    assert two.loss({"y": target + [1, 100]}, target) == pytest.approx(1) and two.names == ("u", "v")


def test_labels() -> None:
    several = judge([port("wet", "N"), port("cold", "N")], {"labels": ["cold", "wet"], "task": "labels"}, [], "m")
    assert several.outputs == ("cold", "wet")
    found = {"wet": np.array([0.5, 0.5]), "cold": np.array([0.9, 0.2])}
    assert several.loss(found, np.array([[1, 1], [0, 0]])) == pytest.approx(-np.log([0.9, 0.5, 0.8, 0.5]).mean())


def test_what_cannot_be_explained() -> None:
    with pytest.raises(SpecError, match="no output with a score for each class"):
        judge([port("map", "N", 4, 4)], {"label": "kind"}, ["no", "yes"], "m")


def test_rows_without_a_known_label_are_left_out() -> None:
    two = Judge("classes", ("prob",), ("no", "yes"), ("kind",))
    found, known = targets(two, {"kind": np.array(["yes", "maybe", "", "no"], object)}, "t.csv")
    assert found.tolist() == [1, 0] and known.tolist() == [True, False, False, True]
    number = Judge("numbers", ("y",), (), ("y",))
    assert targets(number, {"y": np.array([1.5, np.nan])}, "t")[0].tolist() == [[1.5]]
    with pytest.raises(DataError, match=r"t\.csv: No row has a label that the model knows in 'kind'\. Expected one of 'no', 'yes'"):
        targets(two, {"kind": np.array(["maybe"], object)}, "t.csv")

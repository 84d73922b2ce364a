"""Classes from scores: the likeliest one, or the one by a threshold."""

from types import SimpleNamespace

import numpy as np
import pytest

from netc.errors import SpecError
from netc.predict.raw.classes import Ranking, decision
from netc.predict.raw.results import Results

SCORES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], np.float32)
STATED = {"thresholds": {"best_f1": 0.4}}


def port(name: str, *shape: int | str, type: str = "tensor(float)") -> SimpleNamespace:
    return SimpleNamespace(name=name, shape=list(shape), type=type)


@pytest.mark.parametrize(
    "given, expected", [(None, [0, 0, 1]), ("0.4", [0, 1, 1]), (0.1, [1, 1, 1]), ("best_f1", [0, 1, 1]), ("1", [0, 0, 0])]
)
def test_thresholds(given: str | float | None, expected: list[int]) -> None:
    """A score that equals the threshold is enough, as far as float32 tells."""
    made = decision(["no", "yes"], given, STATED, "m")
    for scores in (SCORES, SCORES[:, 1:]):
        chosen, score = made(scores)
        assert chosen.tolist() == expected
        np.testing.assert_allclose(score, SCORES[np.arange(3), expected], rtol=1e-6)


def test_the_class_that_is_decided_on_is_first() -> None:
    ranked = Ranking(decision(["no", "yes"], 0.35, {}, "m"), 2)(SCORES[1])
    assert [name for name, _ in ranked] == ["yes", "no"] and Ranking(decision("abc", None, {}, "m"), 2)(np.array([0.2, 0.3, 0.5]))[1] == (
        "b",
        0.3,
    )


@pytest.mark.parametrize("labels, given, metadata, said", [
    (["no", "yes"], "best", STATED, "'best' is neither a number nor known. Did you mean 'best_f1'?"),
    (["a", "b", "c"], "0.5", {}, "needs a model of two classes. This model has 3 classes."),
    (["a", "b"], "0.5", {"task": "labels"}, "This model predicts no classes."),
    (["no", "yes"], "-1", {}, "Expected a number from 0 to 1."),
])  # fmt: skip
def test_what_is_refused(labels: list[str], given: str, metadata: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        decision(labels, given, metadata, "m")
    assert said in str(caught.value)


def test_columns_of_each_task() -> None:
    """The class and its score, then the outputs. Texts of the model itself are not needed twice."""
    found = {"class": np.array(["no", "no", "yes"], object), "prob": SCORES, "single": SCORES[:, 1:], "price": SCORES[:, 0]}
    ports = [port("class", "N", type="tensor(string)"), port("prob", "N", 2)]
    columns = Results(ports, decision(["no", "yes"], None, {}, "m")).columns(found)
    assert list(columns) == ["class", "score", "prob.no", "prob.yes"] and columns["class"].tolist() == ["no", "no", "yes"]
    columns = Results([port("single", "N", 1)], decision(["no", "yes"], 0.3, {}, "m")).columns(found)
    assert list(columns) == ["class", "score", "single"] and columns["class"].tolist() == ["no", "yes", "yes"]
    columns = Results([port("price", "N")], decision([], None, {"task": "numbers"}, "m")).columns(found)
    assert {name: array.tolist() for name, array in columns.items()} == {"price": SCORES[:, 0].tolist()}

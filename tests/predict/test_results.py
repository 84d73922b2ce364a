"""The files that predictions are kept in."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from netc.errors import DataError
from netc.predict.results import Forecast, Prediction, save

SCORES = np.array([[0.25, 0.75], [0.9, 0.1]], np.float32)
BEST = (("yes", 0.75), ("no", 0.25)), (("no", 0.8999999761581421), ("yes", 0.10000000149011612))
FOUND = [Prediction(f"t.csv[{k}]", {"prob": row}, BEST[k], labels=("no", "yes")) for k, row in enumerate(SCORES)]


def test_tables(tmp_path: Path) -> None:
    for suffix, delimiter in ((".csv", ","), (".tsv", "\t")):
        save(FOUND, str(tmp_path / f"o{suffix}"))
        head, *rows = csv.reader(io.StringIO((tmp_path / f"o{suffix}").read_text()), delimiter=delimiter)
        assert head == ["input", "class", "score", "prob.no", "prob.yes"] and [r[:2] for r in rows] == [
            ["t.csv[0]", "yes"],
            ["t.csv[1]", "no"],
        ]
        np.testing.assert_array_equal(np.array([r[3:] for r in rows], np.float32), SCORES)


def test_names_of_values(tmp_path: Path) -> None:
    outputs = {"one": np.ones(1), "grid": np.arange(4).reshape(2, 2)}
    save([Prediction("a, b", outputs, ())], str(tmp_path / "o.csv"))
    assert (tmp_path / "o.csv").read_text() == 'input,one,grid.0.0,grid.0.1,grid.1.0,grid.1.1\n"a, b",1,0,1,2,3\n'


def test_arrays(tmp_path: Path) -> None:
    save(FOUND, str(tmp_path / "o.npz"))
    save(FOUND, str(tmp_path / "o.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "o.npz")["prob"], SCORES)
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), SCORES)
    with pytest.raises(DataError, match="an .npy file stores one array, but there are 2 outputs"):
        save([Prediction("x", {"a": SCORES[0], "b": SCORES[0]}, ())], str(tmp_path / "o.npy"))


def test_objects(tmp_path: Path) -> None:
    odd = Prediction("é", {"prob": np.array([np.nan, 1.0], np.float32)}, ())
    save([*FOUND, odd], str(tmp_path / "o.json"))
    save([*FOUND, odd], str(tmp_path / "o.jsonl"))
    found = json.loads((tmp_path / "o.json").read_text("utf-8"))
    assert found == [json.loads(line) for line in (tmp_path / "o.jsonl").read_text("utf-8").splitlines()]
    classes = [{"class": "yes", "score": 0.75}, {"class": "no", "score": 0.25}]
    assert found[0] == {"input": "t.csv[0]", "classes": classes, "outputs": {"prob": [0.25, 0.75]}}
    assert found[2] == {"input": "é", "outputs": {"prob": [None, 1.0]}}


def test_text(tmp_path: Path) -> None:
    save([*FOUND, Forecast("s.csv", {"tide": np.array([1.5, 2])}, ())], str(tmp_path / "o.txt"))
    assert (tmp_path / "o.txt").read_text() == (
        "t.csv[0]: yes 0.7500, no 0.2500\nt.csv[1]: no 0.9000, yes 0.1000\ns.csv: tide +1 1.5\ns.csv: tide +2 2\n"
    )


def test_outputs_of_different_shapes(tmp_path: Path) -> None:
    trees = [Prediction(str(k), {"score": np.zeros((k, 2))}, ()) for k in (3, 5)]
    with pytest.raises(DataError, match=r"output 'score' has different shapes, such as \(3, 2\) and \(5, 2\)"):
        save(trees, str(tmp_path / "o.npz"))
    save(trees, str(tmp_path / "o.json"))

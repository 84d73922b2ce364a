"""What goes from the rows that a net learned from to other rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netc import data, registry
from netc import netc_pb2 as pb
from netc.compiler.nets import JobNets
from netc.data import Learned, Tables, rows_said, stated
from netc.errors import DataError
from netc.spec import load_job
from tests.data.layers import data_layer
from tests.some import some

registry.load()


def described(tmp_path: Path, text: str = "a,b,kind\n1,10,no\n3,20,yes\n", **fields: Any) -> data.Description:
    (tmp_path / "t.csv").write_text(text)
    return data.describe(data_layer("t.csv", 1, **fields), "TRAIN", tmp_path)


def test_it_outlives_json(tmp_path: Path) -> None:
    learned = Learned.of(described(tmp_path))
    assert learned == Learned(("a", "b"), "kind", ("no", "yes"), False, (((2.0, 15.0), (1.0, 5.0)), ((), ())))
    assert Learned.from_json(json.loads(json.dumps(rows_said({"data": learned})["data"]))) == learned
    assert rows_said({"data": Learned()}) == {}


def test_a_net_says_what_its_tables_are_read_by(tmp_path: Path) -> None:
    known = {"data": Learned.of(described(tmp_path))}
    whole = pb.NetParameter(layer=[data_layer("t.csv"), data_layer("mnist"), data_layer("t.csv", tops=("other", "label"))])
    first, second, third = stated(whole, known).layer
    assert list(first.data_param.columns) == ["a", "b"] and first.data_param.label_column == "kind"
    assert list(first.data_param.classes) == ["no", "yes"] and not second.data_param.columns and not third.data_param.columns
    assert not whole.layer[0].data_param.columns


def test_a_number_that_is_foretold_stays_one(tmp_path: Path) -> None:
    learned = Learned.of(described(tmp_path, "a,b,y\n1,2,0.5\n1,2,1\n"))
    assert learned.measures and learned.stated_in(data_layer("t.csv")).data_param.regression


@pytest.mark.parametrize(
    "labels, classes", [(["yes"], ("no", "yes")), (["yes", "no"], ("no", "yes")), (["maybe", "yes"], ("maybe", "yes"))]
)
def test_new_rows_keep_the_classes_if_they_have_no_others(tmp_path: Path, labels: list[str], classes: tuple[str, str]) -> None:
    learned = Learned.of(described(tmp_path)).for_training()
    (tmp_path / "new.csv").write_text("b,kind,a\n" + "".join(f"1,{label},2\n" for label in labels))
    found = Tables(tmp_path).reader(data_layer("new.csv", 1), "TRAIN", learned).description
    assert found.classes == classes and found.columns == ("a", "b") and found.label == "kind" and found.tops[0].mean == (2.0, 1.0)
    (tmp_path / "new.csv").write_text("b,a,other\n1,2,x\n")
    assert Tables(tmp_path).reader(data_layer("new.csv", 1), "TRAIN", learned).description.label == "other"


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"columns": ["a"]}, "`columns` is for tables ..csv, .tsv., and 'x.npz' is not a table"),
        ({"channels_last": True}, "`channels_last` is for arrays ..npy, .npz., and 'x.csv' is not an array"),
    ],
)
def test_fields_of_other_sources(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Tables(tmp_path).reader(data_layer("x.npz" if "columns" in fields else "x.csv", 1, **fields), "TRAIN")


def write_net(folder: Path, training: str, testing: str, more: str = "") -> JobNets:
    """A net with a data layer for each phase."""
    layer = "  - Data: {{source: {}, batch_size: 2{}, include: {{phase: {}}}}}\n"
    layers = layer.format(training, more, "TRAIN") + layer.format(testing, more, "TEST")
    (folder / "net.yaml").write_text(f"layers:\n{layers}  - Silence: {{bottom: [data, label]}}\n")
    return JobNets(load_job(str(folder / "net.yaml")))


def test_a_layer_for_testing_keeps_the_classes_of_folders(tmp_path: Path) -> None:
    for part, names in (("train", "abc"), ("test", "bc")):
        for name in names:
            (tmp_path / part / name).mkdir(parents=True)
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / part / name / "0.png")
    (layer,) = write_net(tmp_path, "train", "test").net("TEST").sources
    assert some(layer.source).classes == ("a", "b", "c")
    assert data.open(layer.param, "TEST", 0, tmp_path).batch(0)[1].tolist() == [1, 2]


def test_a_layer_for_testing_keeps_the_numbers_of_characters(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abcd" * 9)
    (tmp_path / "b.txt").write_text("bdbd" * 9)
    (layer,) = write_net(tmp_path, "a.txt", "b.txt", ", steps: 4").net("TEST").sources
    assert data.open(layer.param, "TEST", 0, tmp_path).batch(0)[0][:, 0].tolist() == [1, 3, 1, 3]


def test_a_layer_for_testing_has_the_spread_of_the_training_rows(tmp_path: Path) -> None:
    described(tmp_path)
    (tmp_path / "test.csv").write_text("kind,b,a\nyes,7,9\n")
    (layer,) = write_net(tmp_path, "t.csv", "test.csv").net("TEST").sources
    assert some(layer.source).tops[0].mean == (2.0, 15.0) and some(layer.source).tops[0].std == (1.0, 5.0)
    assert [a.tolist() for a in data.open(layer.param, "TEST", 0, tmp_path).batch(0)] == [[[9, 7]], [1]]


def test_a_text_to_go_on_with_keeps_the_numbers_of_characters(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abcd" * 9)
    (tmp_path / "b.txt").write_text("bdbd" * 9)
    (tmp_path / "c.txt").write_text("bcde" * 9)
    layers = [data_layer(f"{name}.txt", 1, steps=4, shuffle=False) for name in "abc"]
    learned = Learned.of(data.describe(layers[0], "TRAIN", tmp_path)).for_training()
    reader = Tables(tmp_path).reader(layers[1], "TRAIN", learned)
    assert data.open(reader.layer, "TRAIN", 0, tmp_path).batch(0)[0][:, 0].tolist() == [1, 3, 1, 3]
    with pytest.raises(DataError, match="The character 'e' is not one of the 4 characters of the training text"):
        Tables(tmp_path).reader(layers[2], "TRAIN", learned)

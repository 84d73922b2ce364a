"""Which rows come in which batch, and how a layer finds its source."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc import netc_pb2 as pb
from netc.data import Description, Table, TopSpec
from netc.errors import DataError, SpecError
from netc.registry import dataset, source
from tests.data.layers import data_layer


@pytest.fixture(autouse=True)
def ten_rows() -> Iterator[None]:
    """A data set `ten` of rows 0 to 9 with labels 0 to 90, in the registry for one test."""

    @dataset("ten")
    def ten(request: data.Request) -> Table:
        columns = np.arange(10, dtype=np.float32)[:, None], np.arange(0, 100, 10)
        tops = TopSpec("float32", (1,)), TopSpec("int64", ())
        return Table(Description("ten", tops, 10), lambda: columns)

    yield
    del dataset["ten"]


def rows(opened: data.Source, *steps: Any) -> list[int]:
    return [int(n) for step in steps for n in opened.batch(*step)[0][:, 0]]


def test_what_there_is() -> None:
    layers = {
        "AnnotatedData",
        "DenseImageData",
        "DummyData",
        "HDF5Data",
        "ImageData",
        "ImageSegData",
        "MemoryData",
        "Table",
        "TreeData",
        "WindowData",
    }
    files = {".csv", ".npy", ".npz", ".tsv", ".txt", "arrays", "leveldb", "lmdb"}
    assert set(source) == files | {"folder", "folder of texts", "images in a table", "images with masks"} | layers
    images = {"mnist", "fashion-mnist", "cifar10", "cifar100", "digits"}
    sequences = {"japanese_vowels", "sst", "sst_sentences", "sst_sentences2", "sunspots", "tinyshakespeare"}
    assert set(dataset) == images | sequences | {"iris", "wine", "breast_cancer", "diabetes", "ten", "shapes", "shape_boxes", "digit_lines"}


def test_every_epoch_is_an_order_of_its_own_and_batches_span_them() -> None:
    opened = data.open(data_layer("ten", 4), "TRAIN", seed=1)
    stream = rows(opened, *((i,) for i in range(10)))
    epochs = [stream[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_batch_is_a_function_of_its_numbers() -> None:
    layer = data_layer("ten", 3)
    forward = [data.open(layer, "TRAIN", 5).batch(i)[0].tolist() for i in range(20)]
    opened = data.open(layer, "TRAIN", 5)
    assert [opened.batch(i)[0].tolist() for i in reversed(range(20))] == forward[::-1]
    assert forward != [data.open(layer, "TRAIN", 6).batch(i)[0].tolist() for i in range(20)]


def test_iter_size_takes_several_batches_an_iteration() -> None:
    whole, parts = (data.open(data_layer("ten", b), "TRAIN", 0, iter_size=n) for b, n in ((6, 1), (2, 3)))
    assert rows(whole, (0,), (1,)) == rows(parts, (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2))


def test_some_rows_alone_have_labels() -> None:
    """Training takes them alone, others for another seed; testing takes all."""
    layer = data_layer("ten", 4, labelled=4)
    few = [set(rows(data.open(layer, "TRAIN", seed), (0,), (1,))) for seed in range(5)]
    assert all(len(found) == 4 for found in few) and len(set(map(frozenset, few))) > 1
    assert data.describe(layer, "TRAIN").rows == 4 and data.describe(layer, "TEST").rows == 10
    first, labels = data.open(layer, "TRAIN", 3).batch(0)
    assert (first[:, 0] * 10 == labels).all()
    held = data_layer("ten", 4, labelled=4, test_fraction=0.3)
    assert set(rows(data.open(held, "TRAIN", 0), (0,))).isdisjoint(rows(data.open(held, "TEST", 0), (0,)))
    for count in (0, 11):
        with pytest.raises(DataError, match=f"`labelled` is {count}, but ten has 10 training rows"):
            data.open(data_layer("ten", 4, labelled=count), "TRAIN", 0)


def test_without_labels_there_are_no_classes() -> None:
    assert data.describe(data_layer("mnist", 4), "TRAIN").classes == tuple("0123456789")
    assert data.describe(data_layer("mnist", 4, tops=("data",)), "TRAIN").classes == ()


def test_a_batch_larger_than_the_set_holds_several_epochs() -> None:
    assert sorted(rows(data.open(data_layer("ten", 30), "TRAIN", 0), (1,))) == sorted([*range(10)] * 3)


@pytest.mark.parametrize(
    "fields, in_order",
    [
        ({}, False),
        ({"backend": pb.DataParameter.LMDB}, True),
        ({"shuffle": False}, True),
        ({"backend": pb.DataParameter.LMDB, "shuffle": True}, False),
    ],
)
def test_training_is_shuffled_unless_the_layer_says_otherwise(fields: dict[str, Any], in_order: bool) -> None:
    opened = data.open(data_layer("ten", 4, **fields), "TRAIN", 0)
    assert (rows(opened, (0,), (1,), (2,)) == [*range(10), 0, 1]) == in_order


def test_testing_walks_once_in_order_and_ends_on_a_short_batch() -> None:
    opened = data.open(data_layer("ten", 100, test_batch_size=4, shuffle=True), "TEST", 0)
    assert data.test_batches(opened) == 3
    assert [rows(opened, (i,)) for i in range(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3]]
    assert opened.batch(2)[1].tolist() == [80, 90]


def test_rand_skip_starts_further_on() -> None:
    starts = {rows(data.open(data_layer("ten", 2, shuffle=False, rand_skip=5), "TRAIN", s), (0,))[0] for s in range(40)}
    assert starts == {0, 1, 2, 3, 4}


def test_held_out_rows_are_apart_and_the_same_for_every_seed() -> None:
    layer = data_layer("ten", 10, test_fraction=0.3)
    train, test = (data.open(layer, phase, 0) for phase in ("TRAIN", "TEST"))
    kept = rows(test, (0,))
    assert test.rows == 3 and train.rows == 7 and kept == sorted(kept)
    assert set(kept) | set(rows(train, (0,))) == set(range(10)) and not set(kept) & set(rows(train, (0,)))
    assert kept == rows(data.open(layer, "TEST", 9), (0,))
    assert data.describe(layer, "TEST").rows == 3


def test_one_top_takes_the_data_alone() -> None:
    layer = data_layer("ten", tops=["data"])
    assert len(data.describe(layer, "TRAIN").tops) == len(data.open(layer, "TRAIN", 0).batch(0)) == 1


def test_batch_sizes() -> None:
    layer = data_layer("ten", 5)
    assert data.resolve_batch_size(layer, "TEST") == 5
    layer.data_param.test_batch_size = 7
    assert [data.resolve_batch_size(layer, phase) for phase in ("TRAIN", "TEST")] == [5, 7]
    with pytest.raises(DataError, match="`batch_size` is missing. Add the number of rows of a batch, for example `batch_size: 64`"):
        data.resolve_batch_size(data_layer("ten", 0), "TRAIN")


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"source": "mnits"}, "'mnits' is neither a data set nor a file or folder. Did you mean 'mnist'"),
        (
            {"source": ""},
            "`source` is missing. Expected the name of a data set, a .csv, .npy, .npz, .tsv, .txt file, or a folder with a folder of ",
        ),
        ({"source": "x_lmdb", "backend": pb.DataParameter.LMDB}, "'x_lmdb' is neither a data set nor a file or folder"),
        ({"source": "ten", "tops": "abc"}, "ten has 2 tops, the layer 3"),
        ({"source": "ten", "test_fraction": 1.5}, "`test_fraction` is 1.5. Expected a number from 0 to 1"),
        (
            {"source": "ten", "test_fraction": 0.5, "test_source": "ten"},
            "Both `test_source` and `test_fraction` are set. Remove one of them",
        ),
        (
            {"source": "mnist", "test_fraction": 0.5},
            "mnist: `test_fraction` cannot be used: the source has test rows of its own, or no end",
        ),
    ],
)
def test_errors_of_a_layer(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.describe(data_layer(**fields), "TRAIN")


def test_a_database_and_a_strange_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "CURRENT").touch()
    (tmp_path / "rows.xls").touch()
    with pytest.raises(DataError, match="db as a LevelDB: CURRENT does not name a manifest"):
        data.describe(data_layer("db"), "TRAIN", tmp_path)
    with pytest.raises(
        DataError,
        match=r"rows.xls: netc cannot read files of this kind. Expected the name of a data set, a .csv, .npy, .npz, .tsv, .txt file, or ",
    ):
        data.describe(data_layer("rows.xls"), "TRAIN", tmp_path)


def test_a_layer_type_without_a_source() -> None:
    with pytest.raises(SpecError, match="There is no data source 'DumyData'. Did you mean 'DummyData'"):
        data.describe(pb.LayerParameter(name="d", type="DumyData"), "TRAIN")


def test_no_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "none.npz", data=np.zeros((0, 2)), label=np.zeros(0, int))
    with pytest.raises(DataError, match="none.npz: There are no rows"):
        data.open(data_layer(tmp_path / "none.npz"), "TRAIN", 0)

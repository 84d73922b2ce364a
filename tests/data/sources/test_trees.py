"""TreeData: what a batch of trees is made of, where trees come from, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc import netc_pb2 as pb
from netc.data.brackets import read_trees
from netc.data.sources.trees import Forest
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError
from tests.conftest import DATA
from tests.some import some

TREES = "(3 (2 a) (3 (1 b) (1 c)))\n(0 x)\n(1 (4 (2 p) (3 q)) (3 (1 r) (1 s)))\n"
TOPS = ("word", "child", "width", "label", "root_label")


def layer(source: Path | str, batch_size: int = 2, **fields: Any) -> pb.LayerParameter:
    made = pb.LayerParameter(name="data", type="TreeData", top=TOPS)
    made.data_param.source, made.data_param.batch_size = str(source), batch_size
    made.tree_data_param.vocabulary_size, made.tree_data_param.max_height = 20, 5
    for name, value in fields.items():
        owner = made.data_param if name in pb.DataParameter.DESCRIPTOR.fields_by_name else made.tree_data_param
        setattr(owner, name, value)
    return made


def written(path: Path, text: str = TREES) -> Path:
    path.write_text(text)
    return path


def test_leaves_first_then_inner_nodes_by_height() -> None:
    forest = Forest(tuple(read_trees(TREES, "t")), Vocabulary.of("abcpqrsx"), 5)
    word, child, width, label, root_label = (a.tolist() for a in forest.batch(np.array([0, 1, 2])))
    assert word == [1, 2, 3, 8, 4, 5, 6, 7]
    assert child == [[1, 2], [4, 5], [6, 7], [0, 8], [9, 10]]
    assert width == [3, 2, 0, 0, 0]
    assert label == [2, 1, 1, 0, 2, 3, 1, 1, 3, 4, 3, 3, 1]
    assert root_label == [-1, -1, -1, 0, -1, -1, -1, -1, -1, -1, -1, 3, 1]


def test_a_batch_of_single_words() -> None:
    forest = Forest(tuple(read_trees("(1 a)\n(0 b)\n", "t")), Vocabulary.of("ab"), 2)
    word, child, width, label, root_label = forest.batch(np.array([1, 0]))
    assert (
        child.shape == (0, 2) and width.tolist() == [0, 0] and word.tolist() == [2, 1] and label.tolist() == root_label.tolist() == [0, 1]
    )


def test_a_file(tmp_path: Path) -> None:
    source = data.open(layer(written(tmp_path / "t.txt")), "TEST", 0)
    assert source.rows == 3 and source.description.classes == ("0", "1", "2", "3", "4") and source.description.inputs == (0, 1, 2)
    assert [len(a) for a in source.batch(0)] == [4, 2, 5, 6, 6] and [len(a) for a in source.batch(1)] == [4, 3, 5, 7, 7]
    assert all(a.dtype == np.int64 for a in source.batch(0))


def test_words_are_those_of_the_training_trees(tmp_path: Path) -> None:
    made = layer(written(tmp_path / "t.txt"), test_source=str(written(tmp_path / "u.txt", "(2 (2 z) (1 p))\n")))
    words = some(data.vocabulary(made)).words
    assert len(words) == 9 and data.open(made, "TEST", 0).batch(0)[0].tolist() == [0, words.index("p")]
    made.tree_data_param.vocabulary_size = 3
    assert len(some(data.vocabulary(made)).words) == 3


def test_two_classes(tmp_path: Path) -> None:
    source = data.open(layer(written(tmp_path / "t.txt", TREES + "(2 (0 a) (4 b))\n"), binary=True), "TEST", 0)
    assert source.rows == 3 and len(source.description.classes) == 2
    assert source.batch(0)[3].tolist() == [-1, 0, 0, 0, 1, 1] and source.batch(0)[4].tolist() == [-1, -1, -1, 0, -1, 1]


def test_a_folder_has_a_part_for_each_phase(tmp_path: Path) -> None:
    for name, count in (("train", 3), ("dev", 2), ("test", 1)):
        written(tmp_path / f"{name}.txt", "\n".join(TREES.splitlines()[:count]))
    made = layer(tmp_path)
    assert [data.describe(made, p).rows for p in ("TRAIN", "VALIDATION", "TEST")] == [3, 2, 1]
    described = data.describe(made, "TEST")
    assert described.set_apart and described.has_validation
    (tmp_path / "dev.txt").unlink()
    assert not data.describe(made, "TEST").has_validation


def test_all_that_is_wrong_with_the_trees_of_a_part(tmp_path: Path) -> None:
    tests = "(1 (2 a) (0 b))\n(7 (2 a) (0 b))\n(1 (1 (1 (1 a) (1 b)) (1 c)) (1 d))\n"
    made = layer(written(tmp_path / "t.txt"), test_source=str(written(tmp_path / "u.txt", tests)), max_height=2)
    with pytest.raises(DataError) as caught:
        data.open(made, "TEST", 0)
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/u.txt:2:1: The label is 7, but the labels of the training trees are 0 to 4.",
        f"{tmp_path}/u.txt:3:1: The height of the tree is 3, but `max_height` is 2.",
    ]


@pytest.mark.parametrize(
    "content, fields, wanted",
    [
        ("(1 (2 a) (1 b)\n", {}, "t.txt:1:1: This bracket is never closed"),
        (TREES, {"vocabulary_size": 0}, "`vocabulary_size` is missing. Add the number of words"),
        (TREES, {"max_height": 0}, "`max_height` is 0. Expected 1 to 256"),
        (TREES, {"max_height": 257}, "`max_height` is 257. Expected 1 to 256"),
        ("(1 (0 a) (1 b))\n", {"binary": True}, "t.txt: `binary` needs an odd number of labels, such as 0 to 4. The labels of the "),
        (TREES, {"test_source": "gone.txt"}, "gone.txt: No such file"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, content: str, fields: dict[str, Any], wanted: str) -> None:
    made = layer(written(tmp_path / "t.txt", content), **fields)
    with pytest.raises(DataError) as caught:
        data.describe(made, "TEST", tmp_path)
    assert wanted in str(caught.value)


def test_no_source() -> None:
    with pytest.raises(DataError, match="`source` is missing. Expected 'sst', a file of trees"):
        data.describe(layer(""), "TRAIN")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"(1 (2 \xff) (1 b))\n")
    with pytest.raises(DataError, match=r"t\.txt:1:7: The byte 0xff is not UTF-8"):
        data.describe(layer(tmp_path / "t.txt"), "TRAIN")


def test_the_treebank_is_known_without_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETC_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert [data.describe(layer("sst"), p).rows for p in ("TRAIN", "VALIDATION", "TEST")] == [8544, 1101, 2210]
    with pytest.raises(DataError, match="netc data fetch sst"):
        data.open(layer("sst"), "TRAIN", 0)


@pytest.mark.skipif(not (DATA / "sst").is_dir(), reason=f"no treebank in {DATA}")
@pytest.mark.parametrize("binary, rows", [(False, 1101), (True, 872)])
def test_the_treebank(binary: bool, rows: int) -> None:
    source = data.open(layer("sst", 2000, binary=binary, max_height=32, vocabulary_size=8000), "VALIDATION", 0)
    batch = source.batch(0)
    assert source.rows == rows == np.count_nonzero(batch[4] >= 0)
    assert batch[2].sum() == len(batch[1]) == len(batch[0]) - rows and len(batch[3]) == len(batch[0]) + len(batch[1])

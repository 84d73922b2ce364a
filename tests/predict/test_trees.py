"""Trees on the command line: in brackets, or in files."""

import os
from pathlib import Path

import pytest

from netc.errors import DataError
from netc.predict.trees import trees_of


def balanced(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"({balanced(words[: len(words) // 2])} {balanced(words[len(words) // 2 :])})"


@pytest.mark.parametrize("count", [2, 60, 3000])
def test_a_tree_is_no_name_of_a_file_however_long(count: int) -> None:
    text = balanced([f"word{k}" for k in range(count)])
    ((name, tree),) = trees_of(text)
    assert name == text and len(tree.words) == count


def test_a_file_of_trees(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("(1 a)\n(2 (0 b) (1 c))\n")
    assert [(name.rpartition(":")[2], tree.words) for name, tree in trees_of(str(tmp_path / "t.txt"))] == [("1", ["a"]), ("2", ["b", "c"])]


def test_a_pipe_is_no_file_of_trees(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="Cannot read .*pipe as trees: .Errno 22. it is a pipe, not a file: '"):
        trees_of(str(tmp_path / "pipe"))

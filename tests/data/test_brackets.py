"""Trees in Penn brackets."""

import pytest

from netc.data.brackets import NO_LABEL, read_tree, read_trees
from netc.errors import DataError


def test_a_labelled_tree() -> None:
    (tree,) = read_trees("(3 (2 a) (1 (0 b) (4 c)))\n", "t.txt")
    assert tree.words == ["a", "b", "c"] and tree.leaf_labels == [2, 0, 4]
    assert tree.pairs == [(1, 2), (0, ~0)] and tree.heights == [1, 2] and tree.inner_labels == [1, 3]
    assert (tree.label, tree.height, tree.line) == (3, 2, 1)


def test_a_tree_may_go_over_lines_and_be_one_word() -> None:
    trees = read_trees("\n(3 (2 a)\n   (1 b))\n\n(0 c)\r\n", "t.txt")
    assert [(t.line, t.words, t.label) for t in trees] == [(2, ["a", "b"], 3), (5, ["c"], 0)]


def test_a_no_break_space_is_part_of_a_word() -> None:
    assert read_trees("(1 (2 9\u00a01/2) (3 x))", "t.txt")[0].words == ["9\u00a01/2", "x"]


def test_a_tree_without_labels() -> None:
    tree = read_tree("((not (very good)) .)")
    assert tree.words == ["not", "very", "good", "."] and tree.pairs == [(1, 2), (0, ~0), (~1, 3)]
    assert tree.label == NO_LABEL
    assert read_tree("good").words == ["good"] and read_tree("(3 (2 very) (3 good))").leaf_labels == [2, 3]


FILE = """\
(3 (2 a) (x b))
(3 (2 a)
   (3 b) (4 c))
(2 d
(2 e) f
(3 () (2 a))
(3 (2 g h))
i
(1 (2 j) k)
"""
ERRORS = [
    "t.txt:1:11: The label is 'x'. A bracket must be followed by a whole number, 0 or above.",
    "t.txt:2:1: A node is (label word) or (label tree tree). After the label 3 there are 3 parts.",
    "t.txt:4:1: This bracket is never closed.",
    "t.txt:5:7: 'f' follows the end of the tree. A tree has one root, in one pair of brackets.",
    "t.txt:6:4: This bracket has no label. A node is (label word) or (label tree tree).",
    "t.txt:7:4: A node is (label word) or (label tree tree). After the label 2 there are the words g h.",
    "t.txt:8:1: 'i' is not in brackets. A tree is (label word) or (label tree tree).",
    "t.txt:9:1: A node is (label word) or (label tree tree). After the label 1 there are 2 parts.",
]


def test_all_that_is_malformed_is_listed_with_its_place() -> None:
    with pytest.raises(DataError) as caught:
        read_trees(FILE, "t.txt")
    assert str(caught.value).splitlines() == ERRORS


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("(not good", "Column 1: This bracket is never closed."),
        ("not good)", "Column 5: 'good' follows the end"),
        (")", "Column 1: This closing bracket has no opening bracket."),
        ("(very very good)", "Column 1: A bracket contains two words or brackets, such as (very good). This one contains 3."),
        ("((good))", "Column 2: A bracket contains two words or brackets, such as (very good). This one contains 1."),
        ("", "Column 1: There is no tree."),
    ],
)
def test_one_malformed_tree(text: str, wanted: str) -> None:
    with pytest.raises(DataError) as caught:
        read_tree(text)
    assert wanted in str(caught.value)


def test_a_file_without_trees() -> None:
    with pytest.raises(DataError, match=r"t.txt: There are no trees"):
        read_trees("\n \n", "t.txt")


@pytest.mark.parametrize("label", ["65536", "9999999999999", "9" * 5000])
def test_a_label_makes_no_classes_without_end(label: str) -> None:
    with pytest.raises(DataError, match=r". The largest label is 65535, as each number up to it is a class."):
        read_trees(f"({label} a)\n", "f")

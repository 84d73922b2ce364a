"""Binary trees in Penn brackets: `(3 (2 very) (3 good))` with a label at every node, or `(very good)` without.

Only spaces, tabs and line ends separate words: a no-break space is part of a word. In a file, each tree starts in the first column of a
line. Its continuation lines are indented.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from netc.errors import DataError, Diagnostic, Place

TOKEN = re.compile(r"[()]|[^() \t\r\n]+")
START = re.compile(r"^(?=[^ \t\r\n])", re.MULTILINE)
NO_LABEL = -1
MOST_LABEL = 65535  # a label is a class, so this bounds the number of classes of a treebank

Subtree = tuple[int, int]  # the number of a node of a tree, and its height


@dataclass(frozen=True)
class Tree:
    """A tree: its words from left to right, and its inner nodes, each after its children.

    A child is the number of a leaf, or ~ the number of an inner node.
    """

    line: int = 1
    words: list[str] = field(default_factory=list)
    leaf_labels: list[int] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)
    heights: list[int] = field(default_factory=list)
    inner_labels: list[int] = field(default_factory=list)

    @property
    def label(self) -> int:
        """The label of the root."""
        return (self.inner_labels or self.leaf_labels)[-1]

    @property
    def height(self) -> int:
        """The height of the root; a leaf has height 0."""
        return (self.heights or [0])[-1]

    def _leaf(self, word: str, label: int) -> Subtree:
        self.words.append(word)
        self.leaf_labels.append(label)
        return len(self.words) - 1, 0

    def _inner(self, left: Subtree, right: Subtree, label: int) -> Subtree:
        self.pairs.append((left[0], right[0]))
        self.heights.append(max(left[1], right[1]) + 1)
        self.inner_labels.append(label)
        return ~(len(self.pairs) - 1), self.heights[-1]


class _Malformed(Exception):
    """The tree is malformed: the number of the wrong token, and what is wrong with it."""


def read_trees(text: str, name: str) -> list[Tree]:
    """Read the labelled trees in a file's text. DataError lists all errors, each as `name:line:column: ...`."""
    found, errors = [], []
    for line, part in _parts(text):
        tree = Tree(line)
        tokens = TOKEN.findall(part)
        try:
            _fill(tree, tokens, labelled=True)
            found.append(tree)
        except _Malformed as e:
            errors.append(Diagnostic(Place(name, *_position(part, line, e.args[0])), e.args[1]))
    if errors:
        raise DataError(*errors)
    if not found:
        raise DataError(f"{name}: There are no trees.")
    return found


def read_tree(text: str) -> Tree:
    """Read one tree; it has labels if a number follows its first bracket. DataError names the error and its column."""
    tree, tokens = Tree(), TOKEN.findall(text)
    try:
        _fill(tree, tokens, labelled=len(tokens) > 1 and tokens[0] == "(" and tokens[1].isdecimal())
    except _Malformed as e:
        raise DataError(f"{text}: Column {_position(text, 1, e.args[0])[1]}: {e.args[1]}") from e
    return tree


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """The line number and the text of each tree."""
    starts = [m.start() for m in START.finditer(text)]
    line, last = 1, 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=False):
        line, last = line + text.count("\n", last, start), start
        yield line, text[start:end]


def _position(part: str, line: int, index: int) -> tuple[int, int]:
    """The line and column of a token. If there are fewer tokens, those of the end."""
    starts = [m.start() for m in TOKEN.finditer(part)]
    at = starts[index] if index < len(starts) else len(part.rstrip())
    return line + part.count("\n", 0, at), at - part.rfind("\n", 0, at)


def _fill(tree: Tree, tokens: list[str], labelled: bool) -> None:
    """Add the nodes in `tokens` to `tree`. _Malformed if the tokens are not a tree."""
    opened: list[tuple[int, list[str | Subtree]]] = []  # for each open bracket: the number of its token, and its children so far
    root: list[str | Subtree] = []
    for index, token in enumerate(tokens):
        if not opened and root:
            raise _Malformed(index, f"{token!r} follows the end of the tree. A tree has one root, in one pair of brackets.")
        if token == "(":
            opened.append((index, []))
        elif token != ")":
            (opened[-1][1] if opened else root).append(token if labelled else tree._leaf(token, NO_LABEL))
        elif not opened:
            raise _Malformed(index, "This closing bracket has no opening bracket.")
        else:
            start, items = opened.pop()
            part = (_labelled if labelled else _plain)(tree, items, start)
            (opened[-1][1] if opened else root).append(part)
    if opened:
        raise _Malformed(opened[-1][0], "This bracket is never closed.")
    if not root:
        raise _Malformed(0, "There is no tree.")
    if isinstance(root[0], str):
        raise _Malformed(0, f"{root[0]!r} is not in brackets. A tree is (label word) or (label tree tree).")


def _labelled(tree: Tree, items: list[str | Subtree], start: int) -> Subtree:
    match items:
        case [str(label), *_] if not (label.isdecimal() and label.isascii()):
            raise _Malformed(start + 1, f"The label is {label!r}. A bracket must be followed by a whole number, 0 or above.")
        case [str(label), *_] if len(label) > len(str(MOST_LABEL)) or int(label) > MOST_LABEL:
            raise _Malformed(
                start + 1, f"The label is {label[:40]}. The largest label is {MOST_LABEL}, as each number up to it is a class."
            )
        case [str(label), str(word)]:
            return tree._leaf(word, int(label))
        case [str(label), tuple(left), tuple(right)]:
            return tree._inner(left, right, int(label))
        case [str(label), *children]:
            words = [c for c in children if isinstance(c, str)]
            given = f"the words {' '.join(words)}" if words == children and words else f"{len(children)} parts"
            raise _Malformed(start, f"A node is (label word) or (label tree tree). After the label {label} there are {given}.")
    raise _Malformed(start, "This bracket has no label. A node is (label word) or (label tree tree).")


def _plain(tree: Tree, items: list[str | Subtree], start: int) -> Subtree:
    match items:
        case [tuple(left), tuple(right)]:
            return tree._inner(left, right, NO_LABEL)
    raise _Malformed(start, f"A bracket contains two words or brackets, such as (very good). This one contains {len(items)}.")

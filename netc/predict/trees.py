"""Trees on the command line: read from brackets, drawn with what a model says of each node."""

import os
from collections.abc import Sequence

from netc.data.brackets import Tree, read_tree, read_trees
from netc.errors import DataError
from netc.files import read_text
from netc.terminal import line


def trees_of(text: str) -> list[tuple[str, Tree]]:
    """The tree that `text` is, or those of the file that it names."""
    if not os.path.exists(text) or os.path.isdir(text):  # the first is false, too, for what is too long to be a name
        return [(text, read_tree(text))]
    try:
        return [(f"{text}:{tree.line}", tree) for tree in read_trees(read_text(text), text)]
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"Cannot read {text} as trees: {e}") from e


def drawn(said: Sequence[str], words: Sequence[str], child: Sequence[Sequence[int]]) -> list[str]:
    """The lines of a tree: what is said of each node, children below it, the words of the leaves. The last is the root."""

    def lines(node: int, first: str, rest: str) -> list[str]:
        if node < len(words):
            return [f"{first}{line(said[node])}  {line(words[node])}"]
        left, right = child[node - len(words)]
        below = lines(left, f"{rest}├── ", f"{rest}│   ") + lines(right, f"{rest}└── ", f"{rest}    ")
        return [f"{first}{line(said[node])}", *below]

    return lines(len(words) + len(child) - 1, "", "")

"""Trees on the command line: parse brackets, and draw a tree with the prediction for each node."""

import os
from collections.abc import Sequence

from netc.data.brackets import Tree, read_tree, read_trees
from netc.errors import DataError
from netc.files import read_text
from netc.terminal import line


def trees_of(text: str) -> list[tuple[str, Tree]]:
    """Parse a tree, or the trees in a file."""
    if not os.path.exists(text) or os.path.isdir(text):  # exists is also false if the text is too long for a file name
        return [(text, read_tree(text))]
    try:
        return [(f"{text}:{tree.line}", tree) for tree in read_trees(read_text(text), text)]
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"Cannot read {text} as trees: {e}") from e


def drawn(texts: Sequence[str], words: Sequence[str], child: Sequence[Sequence[int]]) -> list[str]:
    """Draw a tree as lines of text: each node with its prediction and its children below. The last node is the root."""

    def lines(node: int, first: str, rest: str) -> list[str]:
        if node < len(words):
            return [f"{first}{line(texts[node])}  {line(words[node])}"]
        left, right = child[node - len(words)]
        below = lines(left, f"{rest}├── ", f"{rest}│   ") + lines(right, f"{rest}└── ", f"{rest}    ")
        return [f"{first}{line(texts[node])}", *below]

    return lines(len(words) + len(child) - 1, "", "")

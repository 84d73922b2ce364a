"""TreeData: trees with a label at every node. The nodes of a batch are in an order in which they can be computed.

The rows of the source are trees. In a batch the leaves come first, tree by tree, then the inner nodes by height. Five tops:

word        (leaves,)    int64  the number of each leaf's word, 0 for a word that is not in the training trees
child       (inner, 2)   int64  the two children of each inner node, as numbers of nodes of the batch
width       (max_height,) int64 the number of inner nodes at height 1, 2, ...
label       (nodes,)     int64  the label of each node; -1 if it has none
root_label  (nodes,)     int64  the label of each root; -1 at all other nodes
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from hashlib import sha256
from itertools import chain

import numpy as np

from netc import netc_pb2 as pb
from netc.data.brackets import NO_LABEL, Tree, read_trees
from netc.data.named import catalogue
from netc.data.named.dataset import DataSet
from netc.data.named.lookup import unpacked
from netc.data.source import Description, Request, Table, TopSpec
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError, Diagnostic, Place, not_utf8
from netc.files import read_file
from netc.registry import source

PARTS = {"TRAIN": "train.txt", "VALIDATION": "dev.txt", "TEST": "test.txt"}
TOPS = 5
MOST_HEIGHT = 256
Batch = tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees with their words as numbers."""

    trees: tuple[Tree, ...]
    vocabulary: Vocabulary
    max_height: int
    classes: tuple[str, ...] = ()

    @cached_property
    def _flat(self) -> dict[str, np.ndarray]:
        """All trees concatenated: words and labels of leaves; children, heights and labels of inner nodes; the start of each tree."""
        ids = self.vocabulary.ids(chain.from_iterable(t.words for t in self.trees))
        found = {"word": ids} | {name: _joined(self.trees, name) for name in ("leaf_labels", "heights", "inner_labels")}
        found["pairs"] = _joined(self.trees, "pairs").reshape(-1, 2)
        for name, counted in (("leaf", "words"), ("inner", "pairs")):
            found[name] = np.concatenate([[0], np.cumsum([len(getattr(t, counted)) for t in self.trees])]).astype(np.int64)
        return found

    def batch(self, rows: np.ndarray) -> Batch:
        """The five tops of the trees `rows`."""
        flat = self._flat
        leaf_counts, inner_counts = flat["leaf"][rows + 1] - flat["leaf"][rows], flat["inner"][rows + 1] - flat["inner"][rows]
        leaves, inner = _ranges(flat["leaf"][rows], leaf_counts), _ranges(flat["inner"][rows], inner_counts)
        order = np.argsort(flat["heights"][inner], kind="stable")
        rank = np.empty_like(order)  # for each inner node, counted tree by tree: its position in the order by height
        rank[order] = np.arange(len(order))
        leaf_starts, inner_starts = np.cumsum(leaf_counts) - leaf_counts, np.cumsum(inner_counts) - inner_counts
        pairs = flat["pairs"][inner]
        inner_child = np.repeat(inner_starts, inner_counts)[:, None] + ~pairs
        numbers = len(leaves) + (rank[np.where(pairs < 0, inner_child, 0)] if len(rank) else pairs)
        child = np.where(pairs < 0, numbers, np.repeat(leaf_starts, inner_counts)[:, None] + pairs)[order]
        width = np.bincount(flat["heights"][inner], minlength=self.max_height + 1)[1:].astype(np.int64)
        label = np.concatenate([flat["leaf_labels"][leaves], flat["inner_labels"][inner][order]])
        has_inner = inner_counts > 0
        roots = leaf_starts.copy()  # the root of a one-word tree is its leaf; any other root is the tree's last inner node
        roots[has_inner] = len(leaves) + rank[(inner_starts + inner_counts - 1)[has_inner]]
        root_label = np.full_like(label, NO_LABEL)
        root_label[roots] = label[roots]
        return flat["word"][leaves], child, width, label, root_label


def _joined(trees: tuple[Tree, ...], name: str) -> np.ndarray:
    return np.array(list(chain.from_iterable(getattr(t, name) for t in trees)), np.int64)


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, ... (counts[0] of them), starts[1], ..."""
    ends = np.cumsum(counts)
    places: np.ndarray = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return places


class _Tops:
    """The columns of a forest; they share each batch."""

    def __init__(self, forest: Callable[[], Forest]):
        self.forest = cache(forest)
        self.batch = lru_cache(maxsize=1)(lambda rows: self.forest().batch(np.frombuffer(rows, np.int64)))

    def columns(self) -> tuple["_Top", ...]:
        self.forest()
        return tuple(_Top(self, k) for k in range(TOPS))


@dataclass(frozen=True, eq=False)
class _Top:
    tops: _Tops
    index: int

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.tops.batch(rows.astype(np.int64).tobytes())[self.index]
        return found


@source("TreeData", noun="trees")
def tree_data(request: Request) -> Table:
    """The trees of the treebank `sst`, of a file, or of a folder with train.txt, test.txt and optionally dev.txt."""
    param = request.layer.tree_data_param
    if not param.vocabulary_size:
        raise DataError(
            "`vocabulary_size` is missing. Add the number of words, one of which stands for all others.", field="vocabulary_size"
        )
    if not 1 <= param.max_height <= MOST_HEIGHT:
        text = f"`max_height` is {param.max_height}. Expected 1 to {MOST_HEIGHT}, as the graph has ops for each level."
        raise DataError(text, field="max_height")
    word = TopSpec("int64", ("leaves",), batch_axis=None, input=True, classes=int(param.vocabulary_size))
    child, width = (replace(word, shape=shape, classes=0) for shape in (("inner", 2), (int(param.max_height),)))
    label = TopSpec("int64", ("nodes",), batch_axis=None)
    forest = cache(lambda: _forest(request))
    record = _record(request)
    described = record.description(request.phase) if record else _described(request, forest())
    described = replace(described, tops=(word, child, width, label, label), has_validation=record is not None or described.has_validation)
    parted = record is not None or request.path.is_dir()
    return Table(described, _Tops(forest).columns, has_test_rows=parted, vocabulary=lambda: forest().vocabulary)


def _record(request: Request) -> DataSet | None:
    """The built-in treebank that `source` names. With `binary`, its rows and classes exclude neutral sentences."""
    found = catalogue.record(request.source)
    if found is None or found.reader != "trees":
        return None
    if not request.layer.tree_data_param.binary:
        return found
    binary = found.options["binary"]
    return replace(found, rows=binary["rows"], classes=tuple(binary["classes"]))


def _described(request: Request, forest: Forest) -> Description:
    name, content = _content(request, request.phase)
    validation = request.path.is_dir() and (request.path / PARTS["VALIDATION"]).is_file()
    digest = sha256(content).hexdigest()
    return Description(name, (), len(forest.trees), forest.classes, sha256=digest, has_validation=validation)


def _forest(request: Request) -> Forest:
    """The trees of a phase, checked against the words and labels of the training trees."""
    param: pb.TreeDataParameter = request.layer.tree_data_param
    training = _trees(*_content(replace(request, source=request.layer.data_param.source), "TRAIN"))
    name, content = _content(request, request.phase)
    trees, most = _trees(name, content), max(max(t.leaf_labels + t.inner_labels) for t in training)
    errors = []
    for tree in trees:
        if tree.height > param.max_height:
            errors.append(
                Diagnostic(Place(name, tree.line, 1), f"The height of the tree is {tree.height}, but `max_height` is {param.max_height}.")
            )
        if (label := max(tree.leaf_labels + tree.inner_labels)) > most:
            text = f"The label is {label}, but the labels of the training trees are 0 to {most}."
            errors.append(Diagnostic(Place(name, tree.line, 1), text))
    if param.binary and (most < 2 or most % 2):
        errors.append(
            Diagnostic(
                Place(name), f"`binary` needs an odd number of labels, such as 0 to 4. The labels of the training trees are 0 to {most}."
            )
        )
    if errors:
        raise DataError(*errors)
    classes: tuple[str, ...] = tuple(str(k) for k in range(most + 1))
    if param.binary:
        trees, classes = _binary(trees, most // 2), (f"below {most // 2}", f"above {most // 2}")
    vocabulary = Vocabulary.of(chain.from_iterable(t.words for t in training), param.vocabulary_size)
    return Forest(trees, vocabulary, param.max_height, classes)


def _binary(trees: tuple[Tree, ...], middle: int) -> tuple[Tree, ...]:
    """The trees whose root is not neutral. Labels below neutral become 0 and labels above 1; neutral nodes get no label."""

    def side(labels: list[int]) -> list[int]:
        return [NO_LABEL if label == middle else int(label > middle) for label in labels]

    sided = (replace(t, leaf_labels=side(t.leaf_labels), inner_labels=side(t.inner_labels)) for t in trees if t.label != middle)
    return tuple(sided)


def _content(request: Request, phase: str) -> tuple[str, bytes]:
    """The name and the content of the file with the trees of a phase."""
    if record := _record(request):
        file = next(f for f in record.files if f.name == PARTS[phase])
        return file.name, unpacked(record, file)
    if not request.source:
        text = f"`source` is missing. Expected 'sst', a file of trees in brackets, or a folder with {', '.join(PARTS.values())}."
        raise DataError(text, field="source")
    path = request.path / PARTS[phase] if request.path.is_dir() else request.path
    try:
        return str(path), read_file(path)
    except OSError as e:
        raise DataError(f"Cannot read {path}: {e.strerror or e}") from e


@lru_cache(maxsize=4)
def _trees(name: str, content: bytes) -> tuple[Tree, ...]:
    try:
        return tuple(read_trees(content.decode(), name))
    except UnicodeDecodeError as e:
        raise DataError(not_utf8(name, e)) from e

"""Which tensors of a file learn.

A weight is a float constant that an op reads in a place where weights stand, such as input 1 of Conv. Between the constant and the op there
may be views of it, such as Transpose and Cast. A constant that is used twice is one weight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from netc.onnx_import.folding import RANDOM, Folder
from netc.onnx_import.model import FileNode, OnnxFile, every

LEARNS = {
    "BatchNormalization": (1, 2), "Conv": (1, 2), "ConvTranspose": (1, 2), "DeformConv": (1, 3), "Einsum": (0, 1, 2, 3), "GRU": (1, 2, 3),
    "Gather": (0,), "Gemm": (0, 1, 2), "GroupNormalization": (1, 2), "InstanceNormalization": (1, 2), "LSTM": (1, 2, 3, 7),
    "LayerNormalization": (1, 2), "MatMul": (0, 1), "PRelu": (1,), "RNN": (1, 2, 3),
}  # fmt: skip
STATISTICS = {"BatchNormalization": (3, 4)}
ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Sum", "Concat"}  # with another operand that is computed
# Ops whose output has the values of their first input, in other places or another type.
VIEWS = {
    "Cast", "CastLike", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
MASK = 1e4  # constants with larger numbers are masks of attention, not weights
MOST_VIEWS = 64  # between a constant and the op that it serves

Kind = Literal["parameter", "statistic"]


@dataclass(frozen=True, eq=False)
class Weight:
    """A tensor of the file that learns (`parameter`), or that training updates as the moments of BatchNormalization (`statistic`).

    `uses` are the nodes that read it, as `/conv1/Conv (Conv)`.
    """

    name: str
    array: np.ndarray = field(repr=False)
    kind: Kind
    uses: tuple[str, ...]


def weights(file: OnnxFile, inputs: Sequence[str], outputs: Sequence[str]) -> tuple[Weight, ...]:
    """The weights between the tensors `inputs` and `outputs`, in the order in which nodes read them."""
    return tuple(found(file, file.needed(dict.fromkeys(inputs), tuple(outputs))).values())


def found(file: OnnxFile, nodes: tuple[FileNode, ...]) -> dict[tuple[str, Kind], Weight]:
    """The weights that `nodes` read, by the name of their tensor in the file and their kind."""
    search = _Search(file)
    uses: dict[tuple[str, Kind], list[FileNode]] = {}
    for node in every(nodes):
        for key in search.keys(node):
            readers = uses.setdefault(key, [])
            if node not in readers:
                readers.append(node)
    named = {name for name, kind in uses if kind == "parameter"}
    result = {}
    for (name, kind), readers in uses.items():
        label = f"{name}.{kind}" if kind == "statistic" and name in named else name
        result[name, kind] = Weight(label, search.array(name), kind, tuple(f"{n.label} ({n.op})" for n in readers))
    return result


@dataclass
class _Search:
    file: OnnxFile
    folder: Folder = field(default_factory=Folder)
    arrays: dict[str, np.ndarray | None] = field(default_factory=dict)
    roots: dict[tuple[str, bool], tuple[str, ...]] = field(default_factory=dict)

    def keys(self, node: FileNode) -> list[tuple[str, Kind]]:
        """The weights that a node reads."""
        if node.domain or self._is_plain_norm(node):
            return []
        keys: list[tuple[str, Kind]] = [(i, "statistic") for i in self._at(node, STATISTICS) if self.array(i) is not None]
        keys += [(root, "parameter") for i in self._at(node, LEARNS) for root in self._roots(i, True) if self._fits(node, root)]
        if node.op in ELEMENTWISE:
            roots = {i: self._roots(i, False) for i in node.inputs}
            if not all(roots.values()):  # some operand is computed
                keys += [(r, "parameter") for found in roots.values() for r in found if self._is_elementwise_weight(node, r)]
        return keys

    def _at(self, node: FileNode, places: Mapping[str, tuple[int, ...]]) -> list[str]:
        return [node.inputs[k] for k in places.get(node.op, ()) if k < len(node.inputs) and node.inputs[k]]

    def array(self, name: str) -> Any:
        """The array of a tensor that depends on constants only; None for any other."""
        stack = [(name, False)]
        while stack:
            now, ready = stack.pop()
            if ready:
                self.arrays[now] = self._array(now)
            elif now not in self.arrays:
                self.arrays[now] = None  # until it is computed
                node = self.file.makers.get(now)
                stack.append((now, True))
                stack += [(i, False) for i in (() if node is None else node.inputs) if i and i not in self.arrays]
        return self.arrays[name]

    def _array(self, name: str) -> np.ndarray | None:
        if name in self.file.constants:
            return self.file.array(name)
        node = self.file.makers.get(name)
        if node is None or node.domain or node.op in RANDOM or not node.inputs:
            return None
        inputs = [self.arrays[i] if i else None for i in node.inputs]
        if any(a is None and i for a, i in zip(inputs, node.inputs, strict=True)):
            return None
        outputs = self.folder.fold(node, inputs)
        return None if outputs is None else outputs[node.outputs.index(name)]

    def _roots(self, name: str, computed: bool, depth: int = 0) -> tuple[str, ...]:
        """The float constants that a tensor is a view of. With `computed`, also a tensor that is computed from constants."""
        key = (name, computed)
        if key not in self.roots:
            self.roots[key] = () if depth > MOST_VIEWS or not name else self._find_roots(name, computed, depth)
        return self.roots[key]

    def _find_roots(self, name: str, computed: bool, depth: int) -> tuple[str, ...]:
        if name in self.file.constants:
            return (name,) if self.array(name).dtype == np.float32 else ()
        node = self.file.makers.get(name)
        if node is None or node.domain:
            return ()
        if node.op in VIEWS or node.op == "Concat":
            parts = [self._roots(i, computed, depth + 1) for i in (node.inputs if node.op == "Concat" else node.inputs[:1])]
            return tuple(dict.fromkeys(r for part in parts for r in part)) if all(parts) else ()
        if node.op == "DequantizeLinear" or computed:
            array = self.array(name)
            return (name,) if array is not None and array.dtype == np.float32 else ()
        return ()

    def _fits(self, node: FileNode, root: str) -> bool:
        """Whether the tensor is a table, if it is read as one. A vector that a node gathers from holds settings."""
        return node.op != "Gather" or self.array(root).ndim > 1

    def _is_elementwise_weight(self, node: FileNode, root: str) -> bool:
        """Whether a constant operand is a weight, and no number, mask, or padding."""
        array = self.array(root)
        if array.size < 2 or not np.abs(array).max() < MASK:
            return False
        lowest, highest = array.min(), array.max()
        if lowest == highest:
            return node.op != "Concat"
        return not (array.ndim > 1 and lowest == 0 and highest == 1 and np.isin(array, (0, 1)).all())

    def _is_plain_norm(self, node: FileNode) -> bool:
        """Whether it is a norm without weights: ONNX's op needs a scale of ones and a bias of zeros."""
        if node.op != "InstanceNormalization":
            return False
        operands = [self.array(i) for i in node.inputs[1:3]]
        return all(a is not None and bool((a == start).all()) for a, start in zip(operands, (1, 0), strict=True))

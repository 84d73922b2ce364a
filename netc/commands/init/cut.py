"""Where to cut an ONNX file so that another net can go on from it: before its classifier."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from netc.onnx_import import OnnxFile, TensorInfo
from netc.onnx_import.model import FileNode

CLASSIFIERS = ("Gemm", "MatMul", "Conv")
# Ops that may follow a classifier: they change the form of the scores, or add a bias to them.
BEHIND = {
    "Add", "ArgMax", "AveragePool", "Cast", "Clip", "Div", "Dropout", "Flatten", "GlobalAveragePool", "Identity", "LogSoftmax", "Mul",
    "ReduceMean", "Relu", "Reshape", "Sigmoid", "Softmax", "Squeeze", "Sub", "Transpose",
}  # fmt: skip
FIRST_ONLY = ("ArgMax", "Cast", "Clip", "Flatten", "ReduceMean", "Reshape", "Squeeze")  # their other inputs are settings
NORMALIZES = ("Add", "BatchNormalization", "Div", "Mul", "Sub")
MOST_OTHERS = 6


@dataclass(frozen=True)
class Cut:
    """The tensor to cut at, the node of the classifier that is left out ("" for none), and tensors before it where one could cut too."""

    tensor: TensorInfo
    classifier: str
    others: tuple[TensorInfo, ...]


@dataclass(frozen=True)
class _Graph:
    file: OnnxFile

    @cached_property
    def computed(self) -> frozenset[str]:
        """The tensors that depend on an input of the file."""
        found = {info.name for info in self.file.inputs}
        for node in self.file.nodes:
            if node.reads & found:
                found.update(o for o in node.outputs if o)
        return frozenset(found)

    def only_input(self, node: FileNode) -> str:
        """The input of a node that is computed; "" if there are several."""
        names = node.inputs[:1] if node.op in FIRST_ONLY else node.inputs
        found = [name for name in names if name in self.computed]
        return found[0] if len(found) == 1 else ""

    def chain(self, name: str) -> Iterator[tuple[FileNode, str]]:
        """The nodes before a tensor, each with its only computed input, as long as there is one."""
        while (node := self.file.makers.get(name)) is not None and (name := self.only_input(node)):
            yield node, name


def proposed(file: OnnxFile) -> Cut:
    """The input of the last Gemm, MatMul or Conv, if only ops follow it that change the form of its scores; else the first output."""
    graph, output = _Graph(file), file.outputs[0].name
    for node, name in graph.chain(output):
        if node.op in CLASSIFIERS:
            return _cut(file, name, node.label)
        if node.op not in BEHIND:
            break
    return _cut(file, output, "")


def _cut(file: OnnxFile, name: str, classifier: str) -> Cut:
    """The cut, with the last tensors before it that have all rows and a size of their own."""
    graph = _Graph(file)
    before = [info for info in _before(file, name) if info.name in graph.computed and info.shape and len(info.shape) > 1]
    return Cut(file.known[name], classifier, tuple(before[-MOST_OTHERS:]))


def _before(file: OnnxFile, name: str) -> list[TensorInfo]:
    """The tensors that a tensor depends on, in order."""
    needed = file.needed(dict.fromkeys(info.name for info in file.inputs), (name,))
    made = {o for node in needed for o in node.outputs}
    return [info for info in file.tensors() if info.name in made and info.name != name]


def normalizes(file: OnnxFile, name: str) -> bool:
    """Whether the file itself shifts or scales the input `name` before anything else."""
    reading = [node for node in file.nodes if name in node.inputs]
    while len(reading) == 1 and reading[0].op in ("Cast", "Identity", "Transpose"):
        name = reading[0].outputs[0]
        reading = [node for node in file.nodes if name in node.inputs]
    return bool(reading) and all(node.op in NORMALIZES for node in reading)

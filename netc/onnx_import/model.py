"""An ONNX file as frozen data: nodes in order, constants, and what is known of the tensors between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from netc.errors import SpecError, near
from netc.graph.tensor_type import Dim

FLOATS = {np.dtype(t) for t in (np.float16, np.float32, np.float64, ml_dtypes.bfloat16)}
LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of a file: its name, the op that computes it ("" for an input), and its dtype and shape as far as they are known.

    A dimension is a number, a name, or None. Floats of every width are float32 here, in which netc computes them.
    """

    name: str
    op: str = ""
    dtype: np.dtype[Any] | None = None
    shape: tuple[Dim | None, ...] | None = None


@dataclass(frozen=True, eq=False)
class FileNode:
    """One node of a file. Attributes that are graphs are `Body`. Omitted inputs and outputs are ""."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any]

    @property
    def bodies(self) -> Iterator["Body"]:
        """The graphs among the attributes."""
        return (a for a in self.attrs.values() if isinstance(a, Body))

    @cached_property
    def reads(self) -> frozenset[str]:
        """The tensors that the node reads, those that its bodies capture included."""
        return frozenset(i for i in self.inputs if i).union(*(b.captured for b in self.bodies))

    @property
    def called(self) -> str:
        """The op with its domain, such as `com.microsoft:FusedGelu`."""
        return f"{self.domain}:{self.op}" if self.domain else self.op

    @property
    def label(self) -> str:
        """The name, or the first output of a node without a name."""
        return self.name or next((o for o in self.outputs if o), "")


@dataclass(frozen=True, eq=False)
class Body:
    """A graph inside a node."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[FileNode, ...]

    @cached_property
    def own(self) -> frozenset[str]:
        """The tensors that exist only inside."""
        return frozenset((*self.inputs, *(o for n in self.nodes for o in n.outputs)))

    @cached_property
    def captured(self) -> frozenset[str]:
        """The tensors that the body reads from outside."""
        return frozenset({i for n in self.nodes for i in n.reads} | set(self.outputs)) - self.own


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """A model of an ONNX file, at opset 21 and without local functions. Every name is unique, also across the graphs inside nodes.

    `opset` is that of the file, and `files` are the file itself and those that hold its weights. `known` describes every tensor that is
    not inside a node's graph, in the order of the nodes. `constants` returns the array of a constant.
    """

    path: Path
    files: tuple[Path, ...]
    sha256: str
    opset: int
    producer: str
    metadata: Mapping[str, str]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    nodes: tuple[FileNode, ...]
    known: Mapping[str, TensorInfo]
    constants: Mapping[str, Any] = field(repr=False)

    @property
    def licence(self) -> str:
        """The licence that the metadata name; "" if they name none."""
        return next((v for k, v in self.metadata.items() if k.lower() in ("license", "licence")), "")

    def tensors(self) -> tuple[TensorInfo, ...]:
        """Every tensor that can be a cut, in the order of the nodes."""
        return tuple(self.known.values())

    def array(self, name: str) -> np.ndarray:
        """The array of a constant, floats as float32."""
        return trained(np.asarray(self.constants[name]()))

    @cached_property
    def makers(self) -> Mapping[str, FileNode]:
        """The node that computes each tensor, those inside the graphs of nodes included."""
        return {o: n for n in every(self.nodes) for o in n.outputs if o}

    def needed(self, inputs: Mapping[str, Any], outputs: tuple[str, ...]) -> tuple[FileNode, ...]:
        """The nodes between the tensors `inputs` and `outputs`. SpecError that lists every name that is wrong."""
        wrong = [f"{self.path.name} has no tensor {n!r}. {near(n, self.known)}" for n in (*inputs, *outputs) if n not in self.known]
        if wrong:
            raise SpecError(*wrong)
        makers = {o: n for n in self.nodes for o in n.outputs}
        want, kept, seen = [o for o in outputs if o not in inputs], set[FileNode](), set[str]()
        while want:
            name = want.pop()
            if name in seen:
                continue
            seen.add(name)
            if (node := makers.get(name)) is not None and node not in kept:
                kept.add(node)
                want += [i for i in node.reads if i not in inputs]
        missing = [i.name for i in self.inputs if i.name in seen and i.name not in inputs]
        if missing:
            names = ", ".join(map(repr, missing))
            raise SpecError(f"{', '.join(map(repr, outputs))} of {self.path.name} also depends on the input {names}, which is not given.")
        return tuple(n for n in self.nodes if n in kept)


def every(nodes: tuple[FileNode, ...]) -> Iterator[FileNode]:
    """The nodes, and after each those inside its graphs."""
    for node in nodes:
        yield node
        for body in node.bodies:
            yield from every(body.nodes)


def trained(array: np.ndarray) -> np.ndarray:
    """The array in the type that netc computes with: floats of every width as float32, finite numbers kept finite."""
    if array.dtype not in FLOATS or array.dtype == np.float32:
        return array
    if array.dtype == np.float64:
        return np.where(np.isfinite(array), np.clip(array, -LARGEST, LARGEST), array).astype(np.float32)
    return array.astype(np.float32)


def trained_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that netc computes tensors of `dtype` in."""
    return np.dtype(np.float32) if dtype in FLOATS else dtype

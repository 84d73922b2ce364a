"""Python layers: a user's class, run in NumPy between the parts of the graph.

A class has `setup`, `reshape`, `forward` and `backward` as in pycaffe. `PythonLayer` is an optional base class. The code runs only if the
user allows it for the net: `netc.Net(..., allow_python=True)`, `--allow-python`.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from netc.errors import Absent, Diagnostic, NetcError, RunError, SpecError
from netc.graph.ir import HOST, Node, Value, cast
from netc.graph.tensor_type import Type
from netc.layers.context import Context, sizes
from netc.layers.pycaffe import as_caffe
from netc.net.model import TRAIN
from netc.registry import layer
from netc.spec.places import Places

PHASES = {TRAIN: 0}  # pycaffe's numbers; any other phase is 1


class Blob:
    """An array and its gradient, as a Python layer sees them. `reshape` replaces both by zeros."""

    def __init__(self, *shape: int):
        self.data, self.diff = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def reshape(self, *shape: int) -> None:
        """Replace both arrays by zeros of a shape, unless they have that shape already."""
        if self.data.shape != tuple(shape):
            self.data, self.diff = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def count(self) -> int:
        """The number of elements."""
        return int(self.data.size)

    @property
    def num(self) -> int:
        return self._axis(0)

    @property
    def channels(self) -> int:
        return self._axis(1)

    @property
    def height(self) -> int:
        return self._axis(2)

    @property
    def width(self) -> int:
        return self._axis(3)

    def _axis(self, k: int) -> int:
        return int(self.data.shape[k]) if k < self.data.ndim else 1


class Blobs(list[Blob]):
    """The learned blobs of a Python layer."""

    def add_blob(self, *shape: int) -> None:
        """Add a blob. It contains zeros until the layer writes into its data."""
        self.append(Blob(*shape))


class PythonLayer:
    """An optional base class for Python layers. `param_str`, `phase` and `blobs` are set before `setup`."""

    param_str: str
    phase: int
    blobs: Blobs

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Prepare the layer. It is called once, before the other methods."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Set the shape of each top from the shapes of the bottoms."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Compute top[i].data."""
        raise NotImplementedError

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Compute bottom[i].diff where propagate_down[i] is true, and add to the diffs of the layer's blobs."""
        raise NotImplementedError


class Hosted:
    """One Python layer of a net: the user's object and the calls of its methods."""

    def __init__(self, ctx: Context, bottoms: Sequence[Value]):
        self.name, self.place, self.param = ctx.layer.name, ctx.layer.at(), ctx.param.python_param
        self.error: Callable[[str], NetcError] = ctx.error
        self.user = _instance(ctx)
        self.user.param_str, self.user.phase, self.user.blobs = self.param.param_str, PHASES.get(ctx.phase, 1), Blobs()
        self.user.param_str_ = self.param.param_str  # its name in Caffe before 2015
        self.bottom = [Blob(*sizes(b.shape)) for b in bottoms]
        self.top = [Blob(0) for _ in ctx.layer.tops]
        self._guarded("setup", self.bottom, self.top)
        self._guarded("reshape", self.bottom, self.top)
        self.shapes = [t.shape for t in self.top]
        self.error = lambda text: RunError(f"{self.place}: {text}")

    @property
    def facts(self) -> Mapping[str, Any]:
        """What another program needs to create such an object."""
        p = self.param
        return {"module": p.module, "class": p.layer, "param_str": p.param_str, "phase": self.user.phase, "bottoms": len(self.bottom),
                "blobs": len(self.user.blobs), "tops": len(self.top)}  # fmt: skip

    def forward(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the tops for bottoms and learned blobs. A layer without tops returns a 0, so that its node has an output."""
        self._take(arrays)
        self._guarded("reshape", self.bottom, self.top)
        if (found := [t.shape for t in self.top]) != self.shapes:
            raise self.error(f"Layer {self.name!r}: reshape made tops of {found}, but of {self.shapes} before.")
        self._guarded("forward", self.bottom, self.top)
        return tuple(np.array(t.data, np.float32, ndmin=t.data.ndim) for t in self.top) or (np.zeros((), np.float32),)

    def backward(self, propagate_down: list[bool], *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the gradients with respect to bottoms and learned blobs.

        `arrays` are the bottoms, the learned blobs, the tops and the gradients with respect to the tops.
        """
        rest = self._take(arrays)
        for blob, data, diff in zip(self.top, rest, rest[len(self.top) :], strict=False):
            blob.data[...], blob.diff[...] = data, diff
        learned = [*self.bottom, *self.user.blobs]
        for blob in learned:
            blob.diff[...] = 0
        self._guarded("backward", self.top, propagate_down, self.bottom)
        return tuple(np.array(blob.diff, np.float32, ndmin=blob.diff.ndim) for blob in learned)

    def _take(self, arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        blobs = [*self.bottom, *self.user.blobs]
        for blob, array in zip(blobs, arrays, strict=False):
            blob.data[...] = array
        return arrays[len(blobs) :]

    def _guarded(self, method: str, *arguments: Any) -> None:
        """Call a method of the user's code. An exception becomes an error that names the layer."""
        try:
            with as_caffe():
                getattr(self.user, method)(*arguments)
        except Exception as e:
            raise self.error(f"Layer {self.name!r}: {method} of {type(self.user).__name__}: {type(e).__name__}: {e}") from e


@layer("Python", bottoms=(0, None), tops=(0, None))
def python_layer(ctx: Context, *bottoms: Value) -> tuple[Value, ...]:
    """A layer that you write in NumPy: class `layer` of `module` with setup, reshape, forward and backward. Needs --allow-python.

    netc first looks for the module in the folder of the net file, then in the current folder. `import caffe` in it gives netc.caffe. The
    layer splits the graph: in every step netc copies its blobs and waits for it, on the CPU. A loss needs a loss_weight. Blobs that the
    class adds in setup are trained. A layer without bottoms is a source. A layer without tops runs too.
    """
    _check_allowed(ctx)
    hosted = Hosted(ctx, [cast(b, np.float32) for b in bottoms])
    learned = [ctx.parameter(f"blob{k}", blob.data) for k, blob in enumerate(hosted.user.blobs)]
    inputs = (*(cast(b, np.float32) for b in bottoms), *learned)
    types = tuple(Type(np.dtype(np.float32), shape) for shape in hosted.shapes or [()])
    attrs = {"hosted": hosted, "call": hosted.forward, "facts": {"method": "forward", **hosted.facts}}
    outputs = Node("Python", inputs, attrs, types, HOST).outputs
    if ctx.layer.tops:
        return outputs
    ctx.keep(outputs[0])
    return ()


def _check_allowed(ctx: Context) -> None:
    """Raise an error unless the user allowed Python and the net is not from a zoo."""
    p = ctx.param.python_param
    text = f"It runs code of the module {p.module!r}. "
    if not ctx.layer.document.allow_python:
        folder = Path(ctx.layer.document.path).resolve().parent
        here = _is_here(p.module, [Path.cwd(), folder, *map(Path, sys.path)])
        places = f"neither in the current folder, nor in {str(folder)!r}, nor on Python's path"
        where = "" if here or not Places.of(ctx.layer.document).current else f" The module, with the class {p.layer!r}, is {places}."
        raise _absent(ctx, f"{text}If you trust it, add `--allow-python`.{where}")
    if (Path(ctx.layer.document.path).resolve().parent / "manifest.json").is_file():
        raise ctx.error(text + "A net from a zoo may not run Python.", "python_param")


def _absent(ctx: Context, text: str) -> SpecError:
    """The error for code that does not run. Caffe's files often come without their modules."""
    kind = Absent if Places.of(ctx.layer.document).current else Diagnostic
    return SpecError(ctx.diagnostic(text, ("python_param",), kind=kind))


def _is_here(module: str, folders: Sequence[Path]) -> bool:
    """Whether a module is in one of the folders, or part of Python itself. Nothing is imported."""
    first, *rest = module.split(".")
    paths = [folder.joinpath(first, *rest) for folder in folders]
    found = any(path.is_dir() or path.with_name(f"{path.name}.py").is_file() for path in paths)
    return found or (not rest and first in sys.stdlib_module_names)


def _instance(ctx: Context) -> Any:
    p = ctx.param.python_param
    if not p.module or not p.layer:
        raise ctx.error("`module` and `layer` are missing: a Python module and a class in it.", "python_param")
    for folder in (str(Path.cwd()), str(Path(ctx.layer.document.path).resolve().parent)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        with as_caffe():
            return getattr(import_module(p.module), p.layer)()
    except Exception as e:
        if isinstance(e, ModuleNotFoundError) and f"{p.module}.".startswith(f"{e.name}."):
            raise _absent(ctx, f"{p.module}.{p.layer} cannot be made: {type(e).__name__}: {e}") from e
        raise ctx.error(f"{p.module}.{p.layer} cannot be made: {type(e).__name__}: {e}", "python_param") from e

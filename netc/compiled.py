"""Models of a program as onnxruntime optimized them, kept by hash in the cache folder, so that a second start is a short one.

The hash is of the graph as the layers made it, and of all that turns it into what runs: target, kernels, versions, the
processor, and the source files of netc and of plug-ins. NETC_CACHE=0 switches the cache off.
"""

import hashlib
import inspect
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from netc import registry
from netc.chain import Chain, calls
from netc.contract import Program
from netc.errors import RunError
from netc.files import cache_folder, replace_file, scratch
from netc.ir import Graph, Node, Value
from netc.session import Session
from netc.subgraph import Subgraph

MOST_FILES = 100


def session(made: Program, kind: str, threads: int) -> Session | Chain:
    """The session of model `kind` ("train", "gradient", "update", "test" or "watch"). A cache that cannot be read or written is none."""
    if calls(made.plain_graph(kind)):
        return Chain(made.graph(kind), made.provider, threads, made.kernels)
    if os.environ.get("NETC_CACHE") == "0" or made.provider != "cpu":
        return Session(made.model(kind), made.provider, threads, kernels=made.kernels)
    path = cache_folder() / "graphs" / f"{key(made, kind)}.onnx"
    if path.is_file():
        with suppress(RunError, OSError):
            found = Session(path, made.provider, threads, kernels=made.kernels, optimized=True)
            os.utime(path)  # the least used go first
            return found
    return _kept(made, kind, threads, path)


def key(made: Program, kind: str) -> str:
    """What stands for model `kind` on this machine."""
    digest = hashlib.sha256(fingerprint(made.plain_graph(kind)).encode())
    files = [*_sources(), *([made.kernels] if made.kernels else [])]
    stamps = [(str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files]
    digest.update(repr((kind, made.provider, made.target, ort.__version__, onnx.__version__, _processor(), stamps)).encode())
    return digest.hexdigest()


def fingerprint(graph: Graph) -> str:
    """A hash of ops, attributes, types, constants and names; not of layers, places and start values."""
    nodes = graph.nodes
    numbers = {node: k for k, node in enumerate(nodes)}
    digest = hashlib.sha256()

    def reference(value: Value | None) -> tuple[int, int] | None:
        return None if value is None else (numbers[value.node], value.index)

    for node in nodes:
        types = [(t.dtype.str, t.shape) for t in node.types]
        digest.update(repr((node.key, [reference(v) for v in node.inputs], types, list(_attributes(node)))).encode())
    ends = [(name, reference(value)) for name, value in graph.outputs.items()]
    digest.update(repr((ends, [(reference(old), reference(new)) for old, new in graph.updates.items()])).encode())
    return digest.hexdigest()


def _attributes(node: Node) -> Iterator[tuple[str, object]]:
    for name, value in node.attrs.items():
        if isinstance(value, np.ndarray):
            yield name, (value.dtype.str, value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest())
        elif isinstance(value, Subgraph):
            yield name, (fingerprint(Graph("", {str(k): v for k, v in enumerate(value.outputs)})), len(value.inputs))
        elif not callable(value):
            yield name, value


def _kept(made: Program, kind: str, threads: int, path: Path) -> Session:
    """A new session, whose optimized graph is left at `path`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _prune(path.parent)
        with scratch(path.parent) as folder:
            found = Session(made.model(kind), made.provider, threads, kernels=made.kernels, keep=folder / path.name)
            with suppress(OSError):
                replace_file(path, (folder / path.name).read_bytes())
        return found
    except (RunError, OSError):
        return Session(made.model(kind), made.provider, threads, kernels=made.kernels)


def _prune(folder: Path) -> None:
    """Removes the graphs that were not used for longest, so that one more makes MOST_FILES."""
    used = sorted(folder.glob("*.onnx"), key=lambda p: p.stat().st_mtime_ns, reverse=True)
    for path in used[MOST_FILES - 1 :]:
        path.unlink(missing_ok=True)


def _sources() -> list[Path]:
    """The source files that have a say in a model: netc's modules, and those of everything that is registered."""
    own = Path(__file__).parent.rglob("*.py")
    tables = (registry.layer, registry.training_op, registry.body, registry.gradient, registry.optimizer)
    others = {inspect.unwrap(f).__code__.co_filename for table in tables for f in table.values()}
    return sorted({*own, *(path for path in map(Path, others) if path.is_file())})


def _processor() -> str:
    """What onnxruntime's choice of kernels may depend on."""
    with suppress(OSError):
        return next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {platform.processor()}"

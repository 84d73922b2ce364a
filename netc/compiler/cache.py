"""A cache of optimized graphs: onnxruntime optimizes each model of a program once, and later runs load the result.

The name of a cache file is a hash of the graph as the layers made it, and of everything that affects the compiled model: the backend,
versions, the processor, and the source files of netc and of plug-ins. A file starts with a digest of this hash and of the model. If the
digest does not match, netc builds the file again. NETC_CACHE=0 turns the cache off.
"""

import hashlib
import inspect
import logging
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from netc import registry
from netc.compiler.program import Program
from netc.errors import RunError
from netc.files import cache_folder, replace_file, scratch
from netc.graph.ir import Graph, Node, Value
from netc.graph.subgraph import Subgraph
from netc.runtime.chain import Chain, calls
from netc.runtime.session import Session, tried
from netc.version import VERSION

MOST_FILES = 100
SUFFIX = ".graph"
STALE = 24 * 60 * 60  # seconds until the unfinished files of a process are removed
_log = logging.getLogger(__name__)


def session(made: Program, kind: str, threads: int) -> Session | Chain:
    """Return the session of model `kind` ("train", "gradient", "update", "test" or "watch"), from the cache if possible."""
    if calls(made.plain_graph(kind)):
        return Chain(made.graph(kind), made.backend, threads)
    if os.environ.get("NETC_CACHE") == "0" or not made.backend.keeps_graphs:
        return _session(made, kind, threads)
    path = cache_folder() / "graphs" / f"{key(made, kind)}{SUFFIX}"
    return _found(made, threads, path) or _kept(made, kind, threads, path)


def _session(made: Program, kind: str, threads: int, keep: Path | None = None) -> Session:
    model = made.model(kind, kernels=made.backend.native_ops)
    if made.backend.captures and made.graph(kind).static:
        try:
            return tried(Session(model, made.backend, threads, capture=True))
        except RunError as e:
            _log.debug("model %s runs op by op: %s", kind, e)
    return Session(model, made.backend, threads, keep=keep)


def key(made: Program, kind: str) -> str:
    """The name of model `kind` in the cache of this machine."""
    digest = hashlib.sha256(fingerprint(made.plain_graph(kind)).encode())
    backend, library = made.backend, made.backend.library()
    files = [*_sources(), *([library] if library else [])]
    stamps = [(str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files]
    runs_on = backend.provider, backend.target, backend.providers, backend.bodies, backend.memory
    versions = VERSION, ort.__version__, ort.get_build_info(), onnx.__version__
    digest.update(repr((kind, runs_on, versions, _processor(), stamps)).encode())
    return digest.hexdigest()


def fingerprint(graph: Graph) -> str:
    """A hash of ops, attributes, types, constants and names. Layers, places and start values do not count."""
    nodes = graph.nodes
    numbers = {node: k for k, node in enumerate(nodes)}
    digest = hashlib.sha256()

    def reference(value: Value | None) -> tuple[int, int] | None:
        return None if value is None else (numbers[value.node], value.index)

    for node in nodes:
        types = [(t.dtype.str, t.shape) for t in node.types]
        digest.update(repr((node.key, node.name, [reference(v) for v in node.inputs], types, list(_attributes(node)))).encode())
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


def _found(made: Program, threads: int, path: Path) -> Session | None:
    """Load the session of the graph at `path`. None if the file is missing or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, model = data[: hashlib.sha256().digest_size], data[hashlib.sha256().digest_size :]
    if digest != _digest(path, model):
        _log.debug("%s is damaged and is made again", path)
        return None
    try:
        found = Session(model, made.backend, threads, optimized=True)
    except RunError as e:
        _log.debug("%s does not load (%s) and is made again", path, e)
        return None
    with suppress(OSError):
        os.utime(path)  # the least recently used files are removed first
    return found


def _digest(path: Path, model: bytes) -> bytes:
    return hashlib.sha256(path.stem.encode() + model).digest()


def _kept(made: Program, kind: str, threads: int, path: Path) -> Session:
    """Create a new session, and store its optimized graph at `path` if that can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _prune(path.parent)
        with scratch(path.parent) as folder:
            found = _session(made, kind, threads, folder / "model.onnx")
            with suppress(OSError):
                model = (folder / "model.onnx").read_bytes()
                replace_file(path, _digest(path, model) + model)
        return found
    except (RunError, OSError):
        return _session(made, kind, threads)


def _prune(folder: Path) -> None:
    """Remove the least recently used graphs until there is room for one more, and the files of killed processes."""
    used = sorted(((_touched(p), p) for p in folder.glob(f"*{SUFFIX}")), reverse=True)
    left = [p for p in folder.glob(".*") if _touched(p) < time.time() - STALE]
    for path in (*(p for _, p in used[MOST_FILES - 1 :]), *left):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _touched(path: Path) -> float:
    """The time at which a file was last used; 0 if another process has removed it."""
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _sources() -> list[Path]:
    """The source files that a model depends on: netc's modules, and those of all registered functions."""
    own = Path(__file__).parents[1].rglob("*.py")
    tables = (registry.layer, registry.training_op, registry.body, registry.gradient, registry.optimizer)
    others = {inspect.unwrap(f).__code__.co_filename for table in tables for f in table.values()}
    return sorted({*own, *(path for path in map(Path, others) if path.is_file())})


def _processor() -> str:
    """The features of the processor. onnxruntime's choice of kernels may depend on them."""
    with suppress(OSError):
        return next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {platform.processor()}"

"""Makes small ONNX files, imports them, and compares the result with onnxruntime on the file itself."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, leaf
from netc.graph.leaves import StateInfo
from netc.onnx_import import OnnxFile, Weight, load, values

Arrays = Mapping[str, np.ndarray]


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
    weights: Arrays | None = None,
    opset: int = 21,
    dtypes: Mapping[str, int] | None = None,
    **graph: Any,
) -> onnx.ModelProto:
    """A model of `nodes`. Inputs are float32 unless `dtypes` says otherwise."""
    given = [helper.make_tensor_value_info(n, (dtypes or {}).get(n, onnx.TensorProto.FLOAT), s) for n, s in inputs.items()]
    ends = [onnx.ValueInfoProto(name=o) for o in outputs]
    initial = [numpy_helper.from_array(np.asarray(a), n) for n, a in (weights or {}).items()]
    body = helper.make_graph(list(nodes), "g", given, ends, initial, **graph)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in sorted({n.domain for n in nodes if n.domain}))]
    return helper.make_model(body, opset_imports=imports, ir_version=8)


def saved(made: onnx.ModelProto, folder: Path, name: str = "m.onnx") -> Path:
    """The path of the model in a file."""
    (folder / name).write_bytes(made.SerializeToString())
    return folder / name


def states(into: dict[str, Weight]) -> Callable[[Weight], Value]:
    """A `leaf` under which every weight is a state. It adds the weights to `into`."""

    def state(weight: Weight) -> Value:
        assert weight.name not in into
        into[weight.name] = weight
        info = StateInfo(weight.name, weight.kind, lambda: weight.array)
        return leaf("State", np.float32, weight.array.shape, info=info)

    return state


def graph(file: OnnxFile, feeds: Arrays, learned: dict[str, Weight], batch: str | None = None, **settings: Any) -> Graph:
    """The file as a graph. With `batch`, the first axis of every input has this name."""
    inputs = {n: leaf("Input", a.dtype, (batch, *a.shape[1:]) if batch else a.shape, name=n) for n, a in feeds.items()}
    outputs = [o.name for o in file.outputs]
    return Graph("g", dict(zip([f"out/{o}" for o in outputs], values(file, inputs, outputs, states(learned), **settings), strict=True)))


def run(made: Graph, feeds: Arrays, learned: Mapping[str, Weight]) -> dict[str, np.ndarray]:
    """The outputs of a graph, by the names of the file."""
    session = ort.InferenceSession(emit(made).SerializeToString(), providers=["CPUExecutionProvider"])
    every = {**feeds, **{f"state/{w.name}": w.array for w in learned.values()}}
    found = session.run(None, {i.name: every[i.name] for i in session.get_inputs()})
    return {o.name.removeprefix("out/"): y for o, y in zip(session.get_outputs(), found, strict=True)}


def original(path: Path, feeds: Arrays) -> dict[str, np.ndarray]:
    """The outputs of the file itself, op by op: kernels of integers that onnxruntime would fuse may saturate."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, dict(feeds)), strict=True))


def same(path: Path, feeds: Arrays, tolerance: float = 1e-5, symbolic: bool = True) -> dict[str, Weight]:
    """Assert that the import computes what the file computes, also with a symbolic batch. Returns the weights."""
    file, wanted = load(path), original(path, feeds)
    learned: dict[str, Weight] = {}
    for batch in (None, "N") if symbolic else (None,):
        learned = {}
        found = run(graph(file, feeds, learned, batch), feeds, learned)
        for name, y in wanted.items():
            assert found[name].shape == y.shape, (name, batch)
            least = tolerance * max(1e-9, np.abs(y).max(initial=0))
            np.testing.assert_allclose(found[name], y, rtol=tolerance, atol=least, err_msg=f"{name} {batch}")
    return learned


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)

"""From a finished run to the zoo: the files of a published model, each checked before it is published."""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc import data, snapshot, zoo
from netc import netc_pb2 as pb
from netc.contract import Program
from netc.emit import NEXT, STATE, emit
from netc.errors import RunError, ZooError
from netc.session import Session
from netc.spec import to_yaml
from netc.tensor_type import OPSET
from netc.version import VERSION

VECTORS = 8  # rows in test_vectors.npz
TOLERANCE = 1e-4


def check_target(target: str) -> None:
    """ZooError if nothing can be published into `target`: asked before a run, so that none ends in vain."""
    if "://" in target:
        raise ZooError(f"{target}: a zoo to publish into is a folder; give --zoo DIR, or --no-publish")
    path = Path(target).absolute()
    there = next(p for p in (path, *path.parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ZooError(f"{target}: cannot be published into: {there} is {'not writable' if there.is_dir() else 'no folder'}")


def publish_run(
    program: Program,
    states: Mapping[str, np.ndarray],
    scores: Mapping[str, float],
    target: Path,
    command: str,
    version: str | None = None,
    curves: bytes | None = None,
) -> zoo.Published:
    """Publish `states` of a program as the next version of its net. RunError if the deployed model fails its test vectors."""
    model = program.deploy_model(states)
    kept = {n: states[n] for n, node in program.states.items() if node.attrs["kind"] in ("parameter", "statistic")}
    files: dict[str, bytes] = {
        "model.onnx": model.SerializeToString(deterministic=True),
        "train.onnx": program.portable.model("train").SerializeToString(deterministic=True),
        "start.safetensors": snapshot.weights_bytes(kept),
        "net.yaml": to_yaml(program.job.resolved()).encode(),
        "metrics.json": (json.dumps({k: float(v) for k, v in scores.items()}, indent=2, sort_keys=True) + "\n").encode(),
    }
    inputs = raw_inputs(program)
    if inputs:
        files["test_vectors.npz"] = _vectors(program, files["model.onnx"], states, inputs)
    for name, words in (("labels.txt", program.classes), ("vocabulary.txt", program.vocabulary)):
        if words and all(word.splitlines() == [word] for word in words):  # the tokens of a text may be line ends
            files[name] = "".join(f"{word}\n" for word in words).encode()
    if curves is not None:
        files["curves.png"] = curves
    return zoo.publish(target, zoo.model_name(program.job.name), files, _manifest(program, model, scores, command), version)


def raw_inputs(program: Program, rows: int = VECTORS) -> dict[str, np.ndarray]:
    """The first test rows as a deployed model takes them: cropped, but with mean and scale not yet applied. Carries are zero."""
    inputs: dict[str, np.ndarray] = {}
    for layer in program.test_net.sources:
        param = pb.LayerParameter()
        param.CopyFrom(layer.param)
        for field in ("scale", "mean_file", "mean_value", "std_value"):
            param.transform_param.ClearField(field)
        param.data_param.test_batch_size = rows
        source = data.open(param, "TEST", program.seed, program.job.base)
        batch = source.batch(0)
        for k in source.description.inputs:
            array, axis = batch[k], source.description.tops[k].batch_axis
            inputs[layer.tops[k]] = np.ascontiguousarray(array if axis is None else array.take(range(min(rows, array.shape[axis])), axis))
    return inputs


def _vectors(program: Program, model: bytes, states: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]) -> bytes:
    """Inputs and outputs of the model, which must agree with the net that has its weights as inputs still."""
    session = Session(model)
    _, batch = program.deploy
    axes = {name: top.batch_axis or 0 for name, top in program.test_net.described.items()}
    if batch != "N":
        inputs = {n: a.take(np.arange(int(batch)) % a.shape[axes[n]], axes[n]) for n, a in inputs.items()}
    rows = min(a.shape[axes[n]] for n, a in inputs.items())
    given = {n: a for n, a in inputs.items() if n in session.inputs}
    given |= {n: np.zeros((rows, *i.shape[1:]), np.float32) for n, i in session.inputs.items() if n.startswith(STATE)}
    outputs = session.run(given)
    open_model = Session(emit(program.deploy[0].graph))
    feeds = {n if n.startswith(STATE) else f"batch/{n}": a for n, a in given.items()} | {f"state/{n}": a for n, a in states.items()}
    expected = open_model.run({n: a for n, a in feeds.items() if n in open_model.inputs})
    for name, value in outputs.items():
        wanted = expected[name if name.startswith(NEXT) else f"out/{name}"]
        if not np.allclose(value, wanted, rtol=TOLERANCE, atol=TOLERANCE):
            raise RunError(f"model.onnx: output {name!r} differs from the net's by {np.abs(value - wanted).max():.3g}; it is not published")
    buffer = io.BytesIO()
    vectors: dict[str, Any] = {f"input.{n}": a for n, a in given.items()} | {f"output.{n}": a for n, a in outputs.items()}
    np.savez(buffer, **vectors)
    return buffer.getvalue()


def _manifest(program: Program, model: Any, scores: Mapping[str, float], command: str) -> dict[str, Any]:
    layer = next(iter(program.test_net.sources), None)
    source = layer.source if layer else None
    ports = {"inputs": model.graph.input, "outputs": model.graph.output}
    return {
        "description": f"{program.job.name}, trained by netc" + (f" on {source.name}" if source else ""),
        "net_sha256": program.job.sha256,
        "dataset": {"name": source.name, "sha256": source.sha256 or "unknown", "licence": source.licence or "unknown"} if source else None,
        "seed": program.seed,
        "metrics": {k: float(v) for k, v in scores.items()},
        "opset": OPSET,
        "licence": "unknown",
        "command": command,
        "netc": VERSION,
        **{kind: [_port(v) for v in values] for kind, values in ports.items()},
    }


def _port(value: Any) -> dict[str, Any]:
    import onnx

    tensor = value.type.tensor_type
    return {
        "name": value.name,
        "dtype": onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name,
        "shape": [d.dim_param or d.dim_value for d in tensor.shape.dim],
    }

"""Test vectors: what a model gave when it was published, for any runtime to be held to.

`test_vectors.npz` has `input.<name>` and `output.<name>` of model.onnx. `training_vectors.npz` is of three steps of train.onnx:
it starts from start.safetensors, with zeros for every state that is not in there, and each step is fed the same `input.<name>`
and the states that the step before gave. `loss` has the loss of each step; `next.<state>` has up to 64 values of the state after
the last one, evenly taken: number k is at position k * size // count of the flat array.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netc import snapshot
from netc.errors import NetcError, ZooError
from netc.zoo.arrays import MOST_BYTES, read_arrays
from netc.zoo.limited import open_model
from netc.zoo.manifest import parse_json

STEPS = 3
SAMPLES = 64
INPUT, OUTPUT, AFTER = "input.", "output.", "next."
OUTPUTS, TRAINING = "test_vectors.npz", "training_vectors.npz"
MOST_FEEDS = 1 << 25  # bytes of a training batch beyond which no training vectors are published
Arrays = Mapping[str, np.ndarray]


def training_steps(model: bytes | Path, start: Arrays, feeds: Arrays, most: int | None = None) -> dict[str, np.ndarray]:
    """`loss` of STEPS steps on the same `feeds`, and samples of each state after them. `start` lacks states that are zero.

    ZooError if the states are more than `most` bytes.
    """
    session = open_model(model)
    metadata = session.ort.get_modelmeta().custom_metadata_map.get("netc", "{}")
    states = parse_json(metadata.encode(), "train.onnx: metadata").get("states", [])
    if most is not None and sum(4 * prod(s["shape"]) for s in states) > most:
        raise ZooError(f"its states are larger than {most} bytes")
    values = {s["name"]: start[s["name"]] if s["name"] in start else np.zeros(s["shape"], np.float32) for s in states}
    losses = []
    for _ in range(STEPS):
        results = session.run({n: a for n, a in feeds.items() if n in session.inputs} | {s["input"]: values[s["name"]] for s in states})
        values |= {s["name"]: results[s["output"]] for s in states if s["output"]}
        losses.append(results["loss"])
    return {"loss": np.array(losses, np.float32).reshape(-1)} | {
        AFTER + s["name"]: samples(values[s["name"]]) for s in states if s["output"]
    }


def samples(array: np.ndarray) -> np.ndarray:
    """Up to SAMPLES values of an array, evenly taken."""
    count = min(SAMPLES, array.size)
    return array.reshape(-1)[np.arange(count) * array.size // max(count, 1)]


def run_vectors(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """What is wrong with the vectors of the model in `folder`, whose files are verified; empty if it does what it did."""
    tolerances, names = manifest.get("tolerance", {}), {file["name"] for file in manifest["files"]}
    found = []
    for name, model, check in ((OUTPUTS, "model.onnx", _run_outputs), (TRAINING, "train.onnx", _run_training)):
        if not {name, model} <= names:
            continue
        try:
            found += check(folder, tolerances.get(name, {"relative": 1e-4, "absolute": 1e-4}))
        except (NetcError, KeyError, TypeError, ValueError, AttributeError, MemoryError, OverflowError) as error:
            found.append(f"{folder / model}: does not run on {name}: {error if isinstance(error, NetcError) else repr(error)[:200]}")
    return found


def _run_outputs(folder: Path, tolerance: Mapping[str, float]) -> list[str]:
    arrays = read_arrays(folder / OUTPUTS)
    results = open_model(folder / "model.onnx").run(_part(arrays, INPUT))
    wanted = _part(arrays, OUTPUT)
    if not wanted:
        return [f"{folder / OUTPUTS}: holds no outputs"]
    return [text for n, a in wanted.items() if (text := _differs(folder / "model.onnx", f"output {n!r}", results.get(n), a, tolerance))]


def _run_training(folder: Path, tolerance: Mapping[str, float]) -> list[str]:
    arrays = read_arrays(folder / TRAINING)
    start = snapshot.read_weights(folder / "start.safetensors") if (folder / "start.safetensors").exists() else {}
    results = training_steps(folder / "train.onnx", start, _part(arrays, INPUT), MOST_BYTES)
    wanted = {n: a for n, a in arrays.items() if not n.startswith(INPUT)}
    if "loss" not in wanted:
        return [f"{folder / TRAINING}: holds no losses"]
    path = folder / "train.onnx"
    return [text for n, a in wanted.items() if (text := _differs(path, f"after {STEPS} steps {n!r}", results.get(n), a, tolerance, True))]


def _part(arrays: Arrays, prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _differs(
    path: Path, what: str, found: np.ndarray | None, wanted: np.ndarray, tolerance: Mapping[str, float], whole: bool = False
) -> str | None:
    """A sentence if `found` is not `wanted`: each value, or with `whole` the array by its root mean square.

    An optimizer such as Adam moves a weight whose gradient is next to nothing by a whole step, this way or that; so states are
    held as a whole.
    """
    if found is None or found.shape != wanted.shape:
        return f"{path}: {what} is {'missing' if found is None else found.shape}; its vectors have {wanted.shape}"
    difference, size = np.abs(found.astype(np.float64) - wanted), np.abs(wanted.astype(np.float64))
    if whole and wanted.size:
        difference, size = (np.sqrt(np.mean(np.square(a))) for a in (difference, size))
    if np.all(difference <= tolerance["absolute"] + tolerance["relative"] * size):
        return None
    return f"{path}: {what} differs from its vectors by {np.max(difference):.3g}"

"""Test vectors: what a model gave when it was published, for any runtime to be held to.

`test_vectors.npz` has `input.<name>` and `output.<name>` of model.onnx, and of open.onnx with the states of start.safetensors.
`training_vectors.npz` is of three steps of the loop that train.json describes, on one batch, `input.<name>`. They begin from
start.safetensors, other states at the value that train.json states, and each is fed the random numbers of its iteration and its rate,
which `input.lr` has too; random numbers that are among the inputs go before those. `loss` has the loss of each step; `next.<state>` has
up to 64 values of the state after the last one, evenly taken: number k is at position k * size // count of the flat array.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netc import random
from netc.errors import NetcError, ZooError
from netc.graph.contract import GRAD, LOSS, LR, NEXT, STATE
from netc.runtime import snapshot
from netc.zoo.arrays import MOST_BYTES, read_arrays
from netc.zoo.limited import open_model
from netc.zoo.manifest import parse_json

STEPS = 3
SAMPLES = 64
INPUT, OUTPUT, AFTER = "input.", "output.", "next."
OUTPUTS, TRAINING = "test_vectors.npz", "training_vectors.npz"
STEP_MODELS = ("train.onnx", "gradient.onnx", "update.onnx")
MOST_FEEDS = 1 << 25  # bytes of a training batch beyond which no training vectors are published
MOST_SUB_BATCHES = 1000
Arrays = Mapping[str, np.ndarray]
Models = Mapping[str, bytes | Path]


def training_steps(models: Models, start: Arrays, feeds: Arrays, most: int | None = None) -> dict[str, np.ndarray]:
    """`loss` of STEPS steps on the same `feeds`, and samples of each state after them. `start` lacks states that are zero.

    `models` are train.onnx, or gradient.onnx and update.onnx too where an update takes several batches; `lr` of the feeds has a rate a
    step. ZooError if the states, or the random numbers of a step, are more than `most` bytes.
    """
    sessions = {name: open_model(model) for name, model in models.items()}
    text = sessions["train.onnx"].ort.get_modelmeta().custom_metadata_map.get("netc", "{}")
    said = parse_json(text.encode(), "train.onnx: metadata")
    states, noise, count = said.get("states", []), said.get("noise", []), said.get("iter_size", 1)
    if count > MOST_SUB_BATCHES:
        raise ZooError(f"an update takes {count} batches; at most {MOST_SUB_BATCHES} are tried")
    if most is not None and max(sum(4 * prod(s["shape"]) for s in part) for part in (states, noise * count)) > most:
        raise ZooError(f"its states, or its random numbers, are larger than {most} bytes")
    values = {s["name"]: start[s["name"]].astype(np.float32) if s["name"] in start else np.zeros(s["shape"], np.float32) for s in states}
    losses = []

    def run(name: str, fed: Arrays) -> dict[str, np.ndarray]:
        there = {**fed, **{s["input"]: values[s["name"]] for s in states}}
        results = sessions[name].run({n: a for n, a in there.items() if n in sessions[name].inputs})
        values.update({s["name"]: results[s["output"]] for s in states if s["output"] in results})
        return results

    for k in range(STEPS):
        rate = {LR: np.asarray(feeds[LR].reshape(-1)[k % feeds[LR].size])} if LR in feeds else {}
        drawn = [{s["name"]: _drawn(s, k, part) for s in noise} for part in range(count)]
        if count == 1:
            losses.append(run("train.onnx", {**drawn[0], **feeds, **rate})[LOSS])
            continue
        sums = {n: np.zeros(tuple(i.shape), np.float32) for n, i in sessions["update.onnx"].inputs.items() if n in GRAD}
        for part in drawn:
            results = run("gradient.onnx", {**part, **feeds, **sums})
            sums = {n: results[NEXT(n)] for n in sums}
            losses.append(results[LOSS])
        losses[-count:] = [np.mean(losses[-count:])]
        run("update.onnx", {**rate, **sums})
    return {LOSS: np.array(losses, np.float32).reshape(-1)} | {AFTER + s["name"]: samples(values[s["name"]]) for s in states if s["output"]}


def _drawn(said: Mapping[str, Any], iteration: int, sub_batch: int) -> np.ndarray:
    """The random numbers that an input takes in one step."""
    key = tuple(int(word) for word in said["key"])
    return random.draw(said["distribution"], (key[0], key[1]), tuple(said["shape"]), iteration, sub_batch)


def samples(array: np.ndarray) -> np.ndarray:
    """Up to SAMPLES values of an array, evenly taken."""
    count = min(SAMPLES, array.size)
    return array.reshape(-1)[np.arange(count) * array.size // max(count, 1)]


def run_vectors(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """What is wrong with the vectors of the model in `folder`, whose files are verified; empty if it does what it did."""
    tolerances, names = manifest.get("tolerance", {}), {file["name"] for file in manifest["files"]}
    found = []
    checks = (OUTPUTS, "model.onnx", _run_outputs), (OUTPUTS, "open.onnx", _run_outputs), (TRAINING, "train.onnx", _run_training)
    for name, model, check in checks:
        if not {name, model} <= names:
            continue
        try:
            found += check(folder / model, tolerances.get(name, {"relative": 1e-4, "absolute": 1e-4}))
        except (NetcError, KeyError, TypeError, ValueError, AttributeError, MemoryError, OverflowError) as error:
            found.append(f"{folder / model}: does not run on {name}: {error if isinstance(error, NetcError) else repr(error)[:200]}")
    return found


def _run_outputs(model: Path, tolerance: Mapping[str, float]) -> list[str]:
    arrays, session = read_arrays(model.parent / OUTPUTS), open_model(model)
    fed = {n: a.astype(np.float32) for n, a in STATE.named(_start(model.parent)).items() if n in session.inputs}
    results = session.run(fed | _part(arrays, INPUT))
    wanted = _part(arrays, OUTPUT)
    if not wanted:
        return [f"{model.parent / OUTPUTS}: holds no outputs"]
    return [text for n, a in wanted.items() if (text := _differs(model, f"output {n!r}", results.get(n), a, tolerance))]


def _run_training(model: Path, tolerance: Mapping[str, float]) -> list[str]:
    arrays = read_arrays(model.parent / TRAINING)
    models = {name: model.parent / name for name in STEP_MODELS if (model.parent / name).exists()}
    results = training_steps(models, _start(model.parent), _part(arrays, INPUT), MOST_BYTES)
    wanted = {n: a for n, a in arrays.items() if not n.startswith(INPUT)}
    if LOSS not in wanted:
        return [f"{model.parent / TRAINING}: holds no losses"]
    return [text for n, a in wanted.items() if (text := _differs(model, f"after {STEPS} steps {n!r}", results.get(n), a, tolerance, True))]


def _start(folder: Path) -> dict[str, np.ndarray]:
    path = folder / "start.safetensors"
    return snapshot.read_weights(path) if path.exists() else {}


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

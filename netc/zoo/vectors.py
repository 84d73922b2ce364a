"""Test vectors: the outputs of a model at publication, to verify any runtime.

`test_vectors.npz` has `input.<name>` and `output.<name>` of model.onnx, and of open.onnx with the states of start.safetensors.
`training_vectors.npz` has three steps of the loop in train.json on one batch, `input.<name>`. They start from start.safetensors,
and other states from the values in train.json. Each step uses the random numbers of its iteration and its learning rate, which
`input.lr` has too. If random numbers are among the inputs, those take precedence. `loss` has the loss of each step. `next.<state>`
has up to 64 values of the state after the last step: value k is at position k * size // count of the flat array.
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
MOST_FEEDS = 1 << 25  # bytes; training vectors of larger batches are not published
MOST_SUB_BATCHES = 1000
Arrays = Mapping[str, np.ndarray]
Models = Mapping[str, bytes | Path]


def training_steps(models: Models, start: Arrays, feeds: Arrays, most: int | None = None) -> dict[str, np.ndarray]:
    """Run STEPS training steps on the same `feeds`. Returns `loss` per step, and samples of each state at the end.

    `start` omits states that are zero. `models` has train.onnx; if an update takes several batches, also gradient.onnx and update.onnx.
    `lr` in the feeds has one learning rate per step. ZooError if the states, or the random numbers of a step, exceed `most` bytes.
    """
    sessions = {name: open_model(model) for name, model in models.items()}
    text = sessions["train.onnx"].ort.get_modelmeta().custom_metadata_map.get("netc", "{}")
    metadata = parse_json(text.encode(), "train.onnx: metadata")
    states, noise, count = metadata.get("states", []), metadata.get("noise", []), metadata.get("iter_size", 1)
    if count > MOST_SUB_BATCHES:
        raise ZooError(f"an update takes {count} batches; the limit is {MOST_SUB_BATCHES}")
    if most is not None and max(sum(4 * prod(s["shape"]) for s in part) for part in (states, noise * count)) > most:
        raise ZooError(f"its states or its random numbers exceed {most} bytes")
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


def _drawn(metadata: Mapping[str, Any], iteration: int, sub_batch: int) -> np.ndarray:
    """The random numbers for an input in one step."""
    key = tuple(int(word) for word in metadata["key"])
    return random.draw(metadata["distribution"], (key[0], key[1]), tuple(metadata["shape"]), iteration, sub_batch)


def samples(array: np.ndarray) -> np.ndarray:
    """Up to SAMPLES values of an array at even steps."""
    count = min(SAMPLES, array.size)
    return array.reshape(-1)[np.arange(count) * array.size // max(count, 1)]


def run_vectors(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Run the vectors of the model in the verified `folder`. Returns the differences; [] if there are none."""
    tolerances, names = manifest.get("tolerance", {}), {file["name"] for file in manifest["files"]}
    problems = []
    checks = (OUTPUTS, "model.onnx", _run_outputs), (OUTPUTS, "open.onnx", _run_outputs), (TRAINING, "train.onnx", _run_training)
    for name, model, check in checks:
        if not {name, model} <= names:
            continue
        try:
            problems += check(folder / model, tolerances.get(name, {"relative": 1e-4, "absolute": 1e-4}))
        except (NetcError, KeyError, TypeError, ValueError, AttributeError, MemoryError, OverflowError) as error:
            problems.append(f"{folder / model}: does not run on {name}: {error if isinstance(error, NetcError) else repr(error)[:200]}")
    return problems


def _run_outputs(model: Path, tolerance: Mapping[str, float]) -> list[str]:
    arrays, session = read_arrays(model.parent / OUTPUTS), open_model(model)
    fed = {n: a.astype(np.float32) for n, a in STATE.named(_start(model.parent)).items() if n in session.inputs}
    results = session.run(fed | _part(arrays, INPUT))
    wanted = _part(arrays, OUTPUT)
    if not wanted:
        return [f"{model.parent / OUTPUTS}: contains no outputs"]
    return [text for n, a in wanted.items() if (text := _differs(model, f"output {n!r}", results.get(n), a, tolerance))]


def _run_training(model: Path, tolerance: Mapping[str, float]) -> list[str]:
    arrays = read_arrays(model.parent / TRAINING)
    models = {name: model.parent / name for name in STEP_MODELS if (model.parent / name).exists()}
    results = training_steps(models, _start(model.parent), _part(arrays, INPUT), MOST_BYTES)
    wanted = {n: a for n, a in arrays.items() if not n.startswith(INPUT)}
    if LOSS not in wanted:
        return [f"{model.parent / TRAINING}: contains no losses"]
    return [text for n, a in wanted.items() if (text := _differs(model, f"after {STEPS} steps {n!r}", results.get(n), a, tolerance, True))]


def _start(folder: Path) -> dict[str, np.ndarray]:
    path = folder / "start.safetensors"
    return snapshot.read_weights(path) if path.exists() else {}


def _part(arrays: Arrays, prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _differs(
    path: Path, what: str, result: np.ndarray | None, expected: np.ndarray, tolerance: Mapping[str, float], whole: bool = False
) -> str | None:
    """A message if `result` differs from `expected`: by value or, with `whole`, by the root mean square of the array.

    Adam moves a weight with a tiny gradient by a full step in either direction. States are therefore compared as whole arrays.
    """
    if result is None or result.shape != expected.shape:
        return f"{path}: {what} is {'missing' if result is None else result.shape}; the vectors have {expected.shape}"
    by = differs(result, expected, tolerance, whole)
    return f"{path}: {what} differs from the vectors{by}" if by else None


def differs(result: np.ndarray, expected: np.ndarray, tolerance: Mapping[str, float], whole: bool = False) -> str:
    """By how much `result` differs from `expected`, an array of the same shape; "" if it does not. Texts must be equal."""
    if expected.dtype.kind in "OU":
        rows = int(np.sum(result.astype(str) != expected.astype(str)))
        return f" in {rows} of {expected.size} texts" if rows else ""
    difference, size = np.abs(result.astype(np.float64) - expected), np.abs(expected.astype(np.float64))
    if whole and expected.size:
        difference, size = (np.sqrt(np.mean(np.square(a))) for a in (difference, size))
    small = np.all(difference <= tolerance["absolute"] + tolerance["relative"] * size)
    return "" if small else f" by {np.max(difference):.3g}"

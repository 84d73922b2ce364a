"""Imports ONNX files and compares each with onnxruntime and torch.

    python -m tests.benchmarks.onnx_models FOLDER [--write]

It prints a table of file and result. `--write` also puts it into `results/onnx_models.md`. Beside a file NAME.onnx there may be NAME.npz,
made by `onnx_models_torch.py`, with torch's outputs and gradients, or NAME.json with the shapes and numbers of its inputs and the tensors
to cut at: {"inputs": {"x": [2, 3, 64, 64], "sr": 16000}, "outputs": ["y"]}.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from netc import registry
from netc.errors import NetcError
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, constant, leaf, op
from netc.graph.leaves import StateInfo
from netc.onnx_import import OnnxFile, Weight, load, values

RESULTS = Path(__file__).parent / "results" / "onnx_models.md"
STEPS = 10
RATES = (0.05, 0.005, 0.0005)  # the part of the loss that a first step would take off a linear one; the first that lowers the loss
BATCH = 2
FORWARD = 1e-5  # the largest relative error that counts as equal
CPU = ["CPUExecutionProvider"]
Arrays = dict[str, np.ndarray]


@dataclass
class Row:
    """The results of one file."""

    file: str
    opset: str = ""
    nodes: str = ""
    parameters: str = ""
    forward: str = ""
    gradients: str = ""
    symbolic: str = ""
    ten_steps: str = ""
    seconds: str = ""
    note: str = ""


@dataclass(eq=False)
class Imported:
    """A file as values: its outputs, its weights, and the leaves of its inputs."""

    outputs: dict[str, Value]
    inputs: dict[str, Value]
    states: dict[str, Value] = field(default_factory=dict)
    weights: dict[str, Weight] = field(default_factory=dict)


def imported(file: OnnxFile, feeds: Arrays, outputs: Sequence[str], batch: str | None = None) -> Imported:
    """Import the file for `feeds`. Numbers are constants. With `batch`, the axes of the batch have this name."""
    inputs = {}
    for name, array in feeds.items():
        shape = [batch if batch and axis in _batch_axes(file, name) else d for axis, d in enumerate(array.shape)]
        inputs[name] = leaf("Input", array.dtype, shape, name=name) if array.ndim else constant(array)
    result = Imported({}, inputs)

    def state(weight: Weight) -> Value:
        value = leaf("State", np.float32, weight.array.shape, info=StateInfo(weight.name, weight.kind, lambda: weight.array))
        result.states[weight.name], result.weights[weight.name] = value, weight
        return value

    result.outputs = dict(zip(outputs, values(file, inputs, outputs, state), strict=True))
    return result


def _batch_axes(file: OnnxFile, name: str) -> list[int]:
    """The axes of an input that are the batch: those with the name of the first axis of all, or axis 0 if all inputs have 1 there."""
    first = (file.inputs[0].shape or (None,))[0]
    shape = file.known[name].shape or ()
    if isinstance(first, str):
        return [k for k, d in enumerate(shape) if d == first]
    return [0] if all((i.shape or (1,))[0] in (1, None) for i in file.inputs) else []


def run(outputs: Mapping[str, Value], feeds: Arrays, made: Imported) -> Arrays:
    """Run values on onnxruntime."""
    session = ort.InferenceSession(emit(Graph("g", dict(outputs))).SerializeToString(), providers=CPU)
    given = {**feeds, **{f"state/{n}": w.array for n, w in made.weights.items()}}
    found = session.run(None, {i.name: given[i.name] for i in session.get_inputs()})
    return {o.name: y for o, y in zip(session.get_outputs(), found, strict=True)}


def original(path: Path, feeds: Arrays, outputs: Sequence[str], optimized: bool = True) -> Arrays:
    """Run the file itself on onnxruntime, with its optimizations or without."""
    settings = ort.SessionOptions()
    levels = ort.GraphOptimizationLevel
    settings.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), settings, providers=CPU)
    types = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
    given = {i.name: feeds[i.name].astype(types.get(i.type, feeds[i.name].dtype)) for i in session.get_inputs()}
    found = session.run(None, given)
    return {o.name: np.asarray(y) for o, y in zip(session.get_outputs(), found, strict=True) if o.name in outputs}


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, relative to the largest value."""
    if wanted.dtype.kind not in "fiub" or not wanted.size:
        return 0.0
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    return float(np.nanmax(np.abs(a - b)) / max(np.nanmax(np.abs(b)), 1e-30))


def drawn(file: OnnxFile, settings: Mapping[str, Any]) -> Arrays:
    """Random inputs of the shapes that the file declares, with two rows, or of `settings`."""
    rng, feeds = np.random.default_rng(0), {}
    for info in file.inputs:
        given = settings.get(info.name)
        if isinstance(given, int | float):
            feeds[info.name] = np.array(given, info.dtype)
            continue
        shape = given or [
            BATCH if k == 0 and not isinstance(d, int) else d if isinstance(d, int) else 64 for k, d in enumerate(info.shape or ())
        ]
        numbers = rng.normal(size=shape) if info.dtype == np.float32 else rng.integers(0, 2, shape)
        feeds[info.name] = numbers.astype(info.dtype)
    return feeds


def against_torch(made: Imported, feeds: Arrays, recorded: Mapping[str, np.ndarray]) -> tuple[float, int]:
    """The largest relative error of the gradients of inputs and of torch's parameters that the file has by their values, and their number.

    A parameter that an exporter wrote twice, such as tied embeddings, has the sum of both gradients.
    """
    factors = [recorded[f"factor/{k}"] for k in range(len(made.outputs))]
    ends = {y: constant(c) for y, c in zip(made.outputs.values(), factors, strict=True)}
    parts = {n: [(made.inputs[n.removeprefix("input_grad/")], False)] for n in recorded if n.startswith("input_grad/")}
    for name, array in recorded.items():
        if name.startswith("parameter/"):
            turns = {n: turned(w.array, array) for n, w in made.weights.items() if w.array.size == array.size}
            same = [(made.states[n], t) for n, t in turns.items() if t is not None]
            parts |= {name.replace("parameter/", "grad/"): same} if same else {}
    wrt = list({v: None for part in parts.values() for v, _ in part})
    gradients = {v: g for v, g in zip(wrt, grad(ends, wrt), strict=True) if g is not None}
    found = run({f"d/{k}": g for k, g in enumerate(gradients.values())}, feeds, made)
    arrays = dict(zip(gradients, found.values(), strict=True))
    # The floor: a gradient that is zero but for rounding, such as that of a key's bias, has no relative error.
    floor = 1e-3 * max(float(np.abs(recorded[n]).max()) for n in parts)
    errors = []
    for name, part in parts.items():
        wanted = recorded[name]
        total = sum(_as(arrays[v], wanted.shape, t) for v, t in part if v in arrays)
        errors.append(float(np.abs(total - wanted).max() / max(float(np.abs(wanted).max()), floor)))
    return max(errors), len(errors)


def _as(gradient: np.ndarray, shape: tuple[int, ...], transposed: bool) -> np.ndarray:
    return gradient.reshape(shape[::-1]).T if transposed else gradient.reshape(shape)


def turned(weight: np.ndarray, parameter: np.ndarray) -> bool | None:
    """Whether a weight of the file is a torch parameter transposed; None if it is another tensor."""
    for array, transposed in ((parameter, False), (parameter.T, True)):
        if np.array_equal(weight.reshape(-1), array.reshape(-1)):
            return transposed
    return None


def descent(made: Imported, feeds: Arrays) -> tuple[float, float]:
    """The losses before and after ten steps of SGD towards the outputs of the file with other weights."""
    floats = [y for y in made.outputs.values() if y.dtype == np.float32]
    rng = np.random.default_rng(1)
    others = {n: replace(w, array=_moved(w.array, rng) if w.kind == "parameter" else w.array) for n, w in made.weights.items()}
    targets = run({f"o{k}": y for k, y in enumerate(floats)}, feeds, replace(made, weights=others))
    loss: Any = 0.0
    for k, y in enumerate(floats):
        error = (y - constant(targets[f"o{k}"])) * np.float32(1 / max(1e-6, float(np.abs(targets[f"o{k}"]).max())))
        loss = loss + op.ReduceMean(error * error, keepdims=0)
    states = {n: s for n, s in made.states.items() if made.weights[n].kind == "parameter"}
    gradients = {n: g for n, g in zip(states, grad({loss: 1.0}, list(states.values())), strict=True) if g is not None}
    session = ort.InferenceSession(
        emit(Graph("g", {"loss": loss, **{f"d/{n}": g for n, g in gradients.items()}})).SerializeToString(), providers=CPU
    )
    names, arrays = [o.name for o in session.get_outputs()], {n: w.array for n, w in made.weights.items()}

    def step(now: Arrays) -> Arrays:
        given = {**feeds, **{f"state/{n}": a for n, a in now.items()}}
        return dict(zip(names, session.run(None, {i.name: given[i.name] for i in session.get_inputs()}), strict=True))

    first = step(arrays)
    slope = sum(float((first[f"d/{n}"].astype(np.float64) ** 2).sum()) for n in gradients)
    for part in RATES:
        now, found = arrays, first
        for k in range(STEPS):
            rate = np.float32(part * float(first["loss"]) / max(slope, 1e-30))
            now = now | {n: now[n] - rate * found[f"d/{n}"] for n in gradients}
            found = step(now)
            if not k and found["loss"] > first["loss"]:
                break
        if found["loss"] < first["loss"]:
            break
    return float(first["loss"]), float(found["loss"])


def _moved(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (array * (1 + 0.1 * rng.normal(size=array.shape))).astype(np.float32)


def measured(path: Path) -> Row:
    """All results of one file. What fails is in the note."""
    row = Row(path.stem)
    start = time.perf_counter()
    try:
        _measure(path, row)
    except NetcError as e:
        first = str(e).splitlines()[0]
        row.note = f"{row.note} {first}".strip()
    except Exception as e:
        row.note = f"{row.note} {type(e).__name__}: {str(e)[:120]}".strip().replace("\n", " ")
    row.seconds = f"{time.perf_counter() - start:.0f}"
    return row


def _measure(path: Path, row: Row) -> None:
    file = load(path)
    settings = json.loads(path.with_suffix(".json").read_text()) if path.with_suffix(".json").exists() else {}
    recorded = dict(np.load(path.with_suffix(".npz"))) if path.with_suffix(".npz").exists() else None
    feeds = drawn(file, settings.get("inputs", {}))
    if recorded is not None:
        feeds = {n.removeprefix("input/"): x for n, x in recorded.items() if n.startswith("input/")}
    outputs = settings.get("outputs") or [o.name for o in file.outputs]
    row.opset, row.nodes, row.note = str(file.opset), f"{len(file.nodes):,}", settings.get("note", "")
    made = imported(file, feeds, outputs)
    row.parameters = f"{sum(w.array.size for w in made.weights.values() if w.kind == 'parameter'):,}"
    row.symbolic = _symbolic(file, feeds, outputs)
    wanted, found = original(path, feeds, outputs), run(made.outputs, feeds, made)
    forward = max(difference(found[n], wanted[n]) for n in wanted)
    row.forward = f"{forward:.1e}"
    if forward > FORWARD:
        other = original(path, feeds, outputs, optimized=False)
        itself = max(difference(other[n], wanted[n]) for n in wanted)
        row.note = f"{row.note} onnxruntime without its optimizations differs from itself by {itself:.1e}".strip()
    if recorded is not None:
        error, count = against_torch(made, feeds, recorded)
        row.gradients = f"{error:.1e} of {count}"
    before, after = descent(made, feeds)
    row.ten_steps = f"{before:.4g} to {after:.4g}"


def _symbolic(file: OnnxFile, feeds: Arrays, outputs: Sequence[str]) -> str:
    try:
        imported(file, feeds, outputs, "N")
    except NetcError as e:
        return f"no: {str(e).splitlines()[0]}"
    return "yes"


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    names = [f.name for f in fields(Row)]
    lines = [f"| {' | '.join(n.replace('_', ' ') for n in names)} |", f"|{'---|' * len(names)}"]
    return "\n".join([*lines, *(f"| {' | '.join(getattr(r, n).replace('|', '/') for n in names)} |" for r in rows)])


def main(folder: str, *options: str) -> None:
    """Measure every file of a folder, the smallest first."""
    registry.load()
    ort.set_default_logger_severity(4)
    rows = []
    for path in sorted(Path(folder).glob("*.onnx"), key=lambda p: p.stat().st_size):
        rows.append(measured(path))
        print(table(rows[-1:]).splitlines()[-1], flush=True)
    if "--write" in options:
        versions = f"onnx {onnx.__version__}, onnxruntime {ort.__version__}, NumPy {np.__version__}, Python {sys.version.split()[0]}"
        RESULTS.write_text(f"{HEAD.format(versions=versions, files=len(rows))}\n{table(sorted(rows, key=lambda r: r.file))}\n")


HEAD = """# ONNX files

{files} files, imported by `python -m tests.benchmarks.onnx_models`. {versions}.

- *forward*: the largest difference from onnxruntime on the file itself, relative to the largest value.
- *gradients*: the largest relative error against torch's in doubles, of the inputs and of the parameters that the file has.
- *symbolic*: whether one graph serves every batch.
- *ten steps*: the mean square distance from the outputs of the file with weights that are off by a tenth, before and
  after ten steps of SGD. Where it is empty, it was not measured.
- *seconds*: for all of these, on two cores that other work shares.
"""

if __name__ == "__main__":
    main(*sys.argv[1:])

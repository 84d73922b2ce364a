"""Read and write snapshots in Caffe's formats: `.caffemodel` and `.solverstate`, binary or HDF5.

The files match Caffe's Net::ToProto and Solver::Snapshot field by field, so that a run can move to Caffe and back.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc import registry
from netc.compiler.lower import Lowered
from netc.compiler.program import Program
from netc.compiler.twins import state_of, twins
from netc.errors import RunError, SnapshotError
from netc.formats import caffe_hdf5
from netc.formats.caffe_weights import SolverState, read_state, write_state, write_weights
from netc.graph.ir import Node
from netc.net.model import TRAIN, ResolvedNet
from netc.runtime.averages import averaged
from netc.runtime.blob import numbers
from netc.schedules import current_step, follows_tests
from netc.spec import paths
from netc.training.weights import load_weights

Arrays = Mapping[str, np.ndarray]
STATISTICS = {"BatchNorm": 3}  # blobs that Caffe itself marks as not trained
BINARYPROTO, HDF5 = pb.SolverParameter.BINARYPROTO, pb.SolverParameter.HDF5


@dataclass(frozen=True)
class CaffeSnapshot:
    """The contents of a solver state: states by name, completed iterations, and the step of the learning rate policy."""

    states: dict[str, np.ndarray]
    iteration: int
    current_step: int


def caffe_net(net: ResolvedNet) -> pb.NetParameter:
    """The net as Caffe writes it into weight files: only the layers of its phase, with Split layers inserted."""
    written = pb.NetParameter(layer=[layer.param for layer in net.layers])
    for own, message in zip(net.layers, written.layer, strict=True):
        message.name = own.name
    if net.param.HasField("name"):
        written.name = net.param.name
    written = _with_splits(written)
    for layer in written.layer:
        _set_up(layer, net.phase)
    return written


def _set_up(layer: pb.LayerParameter, phase: str) -> None:
    """Set the fields that Caffe's layers set in their own message during set-up."""
    layer.ClearField("blobs")
    layer.phase = pb.TRAIN if phase == TRAIN else pb.TEST
    if registry.layer_type(layer.type).loss and not layer.loss_weight:
        layer.loss_weight.append(1)
    while len(layer.param) < STATISTICS.get(layer.type, 0):
        layer.param.add(lr_mult=0)


def _with_splits(net: pb.NetParameter) -> pb.NetParameter:
    """Insert a Split after each top with several readers, like Caffe's insert_splits.cpp. A loss weight in the file counts as a reader."""
    made: dict[str, tuple[int, int]] = {}
    readers: dict[tuple[int, int], int] = {}
    sources: dict[tuple[int, int], tuple[int, int]] = {}
    for i, layer in enumerate(net.layer):
        for j, bottom in enumerate(layer.bottom):
            sources[i, j] = made[bottom]
            readers[made[bottom]] = readers.get(made[bottom], 0) + 1
        made |= {top: (i, j) for j, top in enumerate(layer.top)}
        for j, weight in enumerate(layer.loss_weight[: len(layer.top)]):
            readers[i, j] = readers.get((i, j), 0) + bool(weight)
    split = pb.NetParameter(name=net.name) if net.HasField("name") else pb.NetParameter()
    taken: dict[tuple[int, int], int] = {}
    for i, old in enumerate(net.layer):
        layer = split.layer.add()
        layer.CopyFrom(old)
        for j, bottom in enumerate(old.bottom):
            source = sources[i, j]
            if readers[source] > 1:
                number = taken.get(source, 0)
                layer.bottom[j] = f"{_split_name(net, source, bottom)}_{number}"
                taken[source] = number + 1
        for j, top in enumerate(old.top):
            if readers.get((i, j), 0) > 1:
                weight = old.loss_weight[j] if j < len(old.loss_weight) else 0.0
                _add_split(split, _split_name(net, (i, j), top), top, readers[i, j], weight)
                if weight:
                    layer.ClearField("loss_weight")
                    taken[i, j] = 1
    return split


def _split_name(net: pb.NetParameter, source: tuple[int, int], blob: str) -> str:
    return f"{blob}_{net.layer[source[0]].name}_{source[1]}_split"


def _add_split(net: pb.NetParameter, name: str, bottom: str, count: int, weight: float) -> None:
    layer = net.layer.add(name=name, type="Split", bottom=[bottom])
    layer.top.extend(f"{name}_{k}" for k in range(count))
    if weight:
        layer.loss_weight.extend([weight] + [0.0] * (count - 1))


def owners(lowered: Lowered) -> list[Node]:
    """The states of all parameters and statistics in Caffe's order, shared ones once."""
    return list(dict.fromkeys(state_of(b) for blobs in lowered.layer_blobs.values() for b in blobs))


def write_model(path: str | Path, lowered: Lowered, states: Arrays, form: int = BINARYPROTO, diffs: Arrays | None = None) -> None:
    """Write the weights of a net as `.caffemodel`, or as `.caffemodel.h5` for HDF5. `diffs`, by state, are written too if given."""
    if found := twins(lowered.layer_blobs):
        raise SnapshotError(*found.values())
    net = caffe_net(lowered.net)
    if form == HDF5:
        first = {node: layer for layer, blobs in reversed(list(lowered.layer_blobs.items())) for node in map(state_of, blobs)}

        def own(arrays: Arrays) -> dict[str, list[np.ndarray | None]]:
            """The arrays of each layer; None for a blob that another layer owns."""
            owned = {}
            for layer, blobs in lowered.layer_blobs.items():
                given = _of_layer(lowered, layer, arrays)
                owned[layer] = [a if first[state_of(b)] == layer else None for b, a in zip(blobs, given, strict=True)]
            return owned

        caffe_hdf5.write_model(path, [layer.name for layer in net.layer], own(states), own(diffs) if diffs else None)
        return
    arrays = {layer: _of_layer(lowered, layer, states) for layer in lowered.layer_blobs}
    write_weights(path, net, arrays, {layer: _of_layer(lowered, layer, diffs) for layer in lowered.layer_blobs} if diffs else None)


def _of_layer(lowered: Lowered, layer: str, states: Arrays) -> list[np.ndarray]:
    blobs = lowered.layer_blobs[layer]
    return [states[state_of(b).name].reshape(tuple(map(int, b.shape))) for b in blobs]


def write_snapshot(
    prefix: str, program: Program, states: Arrays, iteration: int, diffs: Arrays | None = None, reductions: int = 0
) -> tuple[Path, Path]:
    """Write `<prefix>_iter_<N>.caffemodel` and `.solverstate`, with `.h5` for snapshot_format HDF5. Returns their paths.

    The weights are those of the iteration, not their averages. `reductions` of the learning rate by the tests are the step of the policy.
    RunError if writing fails.
    """
    solver = program.job.solver
    form = solver.snapshot_format
    suffix = ".h5" if form == HDF5 else ""
    model, state = (Path(f"{prefix}_iter_{iteration}.{kind}{suffix}") for kind in ("caffemodel", "solverstate"))
    blobs = owners(program.train)
    history = [_slot(states, node, slot) for slot in _slots(solver) for node in blobs]
    step = _step(solver, iteration, reductions)
    try:
        model.parent.mkdir(parents=True, exist_ok=True)
        write_model(model, program.train, states, form, diffs if solver.snapshot_diff else None)
        if form == HDF5:
            caffe_hdf5.write_state(state, iteration, str(model), step, history)
        else:
            write_state(state, SolverState(iteration, str(model), step, tuple(history)))
    except OSError as e:
        raise RunError(f"Cannot write {model}: {e.strerror or e}") from e
    return model, state


def write_of_run(program: Program, folder: Path, states: Arrays, before: Arrays, iteration: int, reductions: int) -> tuple[Path, ...]:
    """Write a snapshot to snapshot_prefix or into `folder`. `before` has the states before the last step.

    With averages of the weights, `<prefix>_iter_<N>_average.caffemodel` holds them, as the snapshot itself has no place for them.
    """
    prefix, name = program.job.solver.snapshot_prefix, program.job.name
    if not prefix:
        prefix = str(folder / name)
    elif program.job.published and prefix not in program.job.named:
        prefix = str(folder / (Path(prefix).name or name))
    elif prefix.endswith("/") or Path(prefix).is_dir():
        prefix = str(Path(prefix) / name)
    learned = {n for n, node in program.states.items() if node.state.kind == "parameter"}
    updates = {n: before[n] - a if n in before and n in learned else np.zeros_like(a) for n, a in states.items()}
    model, state = write_snapshot(prefix, program, states, iteration, updates, reductions)
    if not program.job.settings.ema:
        return model, state
    stem, _, suffix = model.name.partition(".caffemodel")
    average = model.with_name(f"{stem}_average.caffemodel{suffix}")
    try:
        write_model(average, program.train, averaged(states), program.job.solver.snapshot_format)
    except OSError as e:
        raise RunError(f"Cannot write {average}: {e.strerror or e}") from e
    return model, state, average


def read_snapshot(path: str, program: Program) -> CaffeSnapshot:
    """Read a `.solverstate` and its weights for a program. States that the files lack have their initial values.

    SnapshotError if the net, or the history of the solver, differs.
    """
    state = read_state(path)
    solver, blobs = program.job.solver, owners(program.train)
    slots = _slots(solver)
    if len(state.history) != len(slots) * len(blobs):
        text = f"has {len(state.history)} history blobs; this net with solver {solver.type} needs {len(slots) * len(blobs)}"
        raise SnapshotError(f"{path}: {text}")
    states = program.start() | load_weights(_learned(path, state.learned_net), program.states, program.layer_blobs)
    names = [f"{node.name}.{slot}" for slot in slots for node in blobs]
    for name, array in zip(names, state.history, strict=True):
        if name in states:
            if array.size != states[name].size:
                raise SnapshotError(f"{path}: the history of {name} has {array.size} values; the net needs {states[name].size}")
            if array.dtype.kind != "f":
                raise SnapshotError(f"{path}: the history of {name} has type {array.dtype}; expected floating-point numbers")
            states[name] = numbers(array, states[name].dtype, f"{path}: the history of {name}").reshape(states[name].shape)
    if "solver.step" in states:
        states["solver.step"] = np.asarray(state.iteration, np.float32)
    return CaffeSnapshot(states, state.iteration, state.current_step)


def step_note(snapshot: CaffeSnapshot, program: Program) -> str | None:
    """A warning if the steps of the learning rate policy differ between the file and this solver; None if they agree."""
    now = _step(program.job.solver, snapshot.iteration, snapshot.current_step)
    if snapshot.current_step == now:
        return None
    return f"the snapshot was at step {snapshot.current_step} of lr_policy, but this solver is at {now}: stepvalue or stepsize differ"


def _learned(path: str, name: str) -> str:
    """The path of the weight file: relative to the current folder, else in the folder of the solver state."""
    places = [Path(name), Path(path).parent / name, Path(path).parent / os.path.basename(name)]
    if paths.published(path):  # a downloaded file may only refer to its own folder
        places = places[-1:]
    for place in places:
        if name and place.is_file():
            return str(place)
    raise SnapshotError(f"{path}: its weight file {name!r} is neither in the current folder nor in the folder of the solver state")


def _slots(solver: pb.SolverParameter) -> list[str]:
    """The slots of the optimizer for each parameter, without the step, which Caffe stores separately."""
    others = registry.optimizer.records.get(solver.type, {}).get("others", ())[:1]
    found: list[str] = []
    for kind in (solver.type, *others):
        arguments = signature(registry.optimizer.find(kind)).parameters.values()
        found += [a.name for a in arguments if a.kind is not Parameter.KEYWORD_ONLY and a.name != "step"][3:]
    return list(dict.fromkeys(found))


def _slot(states: Arrays, node: Node, slot: str) -> np.ndarray:
    """A slot of the optimizer; zeros for states that are not trained."""
    shape = tuple(map(int, node.types[0].shape))
    return states.get(f"{node.name}.{slot}", np.zeros(shape, np.float32))


def _step(solver: pb.SolverParameter, iteration: int, reductions: int) -> int:
    """The step of Caffe's step policies at the last update, or the reductions of a policy that follows the tests."""
    if follows_tests(solver.lr_policy):
        return reductions
    last = max(0, iteration - 1)
    if solver.lr_policy == "multistep":
        return current_step(solver, last)
    return last // solver.stepsize if solver.lr_policy == "step" and solver.stepsize > 0 else 0

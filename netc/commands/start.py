"""Where a training starts: anew, from weights, from a snapshot, or where the newest run of the net stopped."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from netc import registry
from netc.commands.options import TrainOptions
from netc.commands.program import loaded_weights, weights_files
from netc.compiler.program import Program
from netc.data import stated
from netc.errors import SnapshotError, SpecError
from netc.report.screen import Screen
from netc.runtime import snapshot
from netc.runtime.snapshot import Snapshot
from netc.spec import load, parse_yaml, to_yaml
from netc.spec.changes import changes
from netc.spec.job import Job
from netc.training import caffe_snapshots
from netc.training.folder import RunFolder
from netc.training.input_files import changed, fingerprints, remember, remembered, seen_from, without_folders
from netc.training.snapshot_metadata import read_metadata
from netc.training.trainer import Trainer
from netc.zoo.model_info import DESCRIPTIVE, remember_parent

# Fields of the solver that say how long a run is and when it stops to tell of itself, but not what it learns until then.
LENGTHS = {
    *("max_iter", "max_epoch", "patience", "test_interval", "test_initialization", "display", "watch_interval", "threads"),
    *("snapshot", "snapshot_keep", "snapshot_format", "snapshot_prefix", "snapshot_diff", "snapshot_after_train"),
    *("solver_mode", "device_id"),
}
BY_LENGTH = ("poly", "cosine")  # policies whose rate is a function of the run's length


@dataclass(frozen=True)
class Begun:
    """A run that goes on: its folder, its newest snapshot that is whole, and damaged ones above that with what is wrong with them."""

    folder: RunFolder
    found: Snapshot
    skipped: Mapping[Path, str]


def begun_run(job: Job, options: TrainOptions, stack: ExitStack) -> Begun:
    """The run that is to go on, which no other process goes on with until `stack` is closed."""
    folder = RunFolder.chosen(Path(options.runs), job.name, options.resume or "")
    stack.enter_context(folder.held())
    found, skipped = snapshot.newest(folder.snapshots, read_metadata)
    if found is None:
        raise SnapshotError("\n".join([f"{folder.snapshots}: there is no snapshot to resume from", *skipped.values()]))
    return Begun(folder, found, skipped)


def resumed_trainer(program: Program, threads: int, begun: Begun, allow_changed: bool, shown: Screen) -> Trainer:
    """The trainer of a run that was begun, in the stage of its snapshot. SpecError if what it learns by is no longer the same."""
    files = fingerprints(program, registry.plugins())
    before = remembered(begun.folder.path)
    other = changed(before, files)
    if other and not allow_changed:
        advice = "put them back, begin a new run, or give --allow-changed to go on with them as they are"
        raise SpecError(f"{begun.folder.path}: files that this net reads are not what they were when the run began; {advice}", *other)
    lengths = _changed_lengths(program, begun.folder, {name for name in files if name in before})
    for path, reason in begun.skipped.items():
        shown.note(f"skipped a snapshot: {reason}; it is {snapshot.set_aside(path).name} now")
    if other:
        remember(begun.folder.path, files)
    for text in other:
        shown.note(f"changed since the run began: {text}")
    trainer = _of_stage(program, threads, begun.folder, begun.found)
    _resume(trainer, program, threads, begun.found, shown)
    if lengths:
        begun.folder.write_net(_net_text(program, begun.folder.path))
        shown.note(f"changed since the run began: {', '.join(lengths)}")
        if program.job.solver.lr_policy in BY_LENGTH:
            shown.note(f"the rate of {program.job.solver.lr_policy} hangs on the length: from here on it is that of the new length")
    if trainer.is_over and trainer.stage == len(program.stages) - 1:
        text = f"this run is finished: it made all its {trainer.iteration} iterations; a larger solver.max_iter makes it longer"
        shown.note(text)
    return trainer


def _changed_lengths(program: Program, folder: RunFolder, known: Collection[str]) -> list[str]:
    """The solver's lengths, and what the net says of itself, where they are others than when the run began.

    SpecError lists all other changes: they would make another run. Files that are `known` by their content may have moved.
    """
    then, now = load(folder.net_path).message, parse_yaml(_net_text(program, folder.path)).message
    found = list(changes(without_folders(then, known), without_folders(now, known)))
    lengths = [path in DESCRIPTIVE or (path.partition(".")[0] == "solver" and path.partition(".")[2] in LENGTHS) for path, _ in found]
    if not all(lengths):
        errors = [f"{path}: {text}" for (path, text), allowed in zip(found, lengths, strict=True) if not allowed]
        advice = "give the net and --set of then; or begin a new run with what this one has learned: --snapshot FILE or --weights FILE"
        raise SpecError(f"{folder.path}: the net is not what it was when this run began; {advice}", *errors)
    return [f"{path}: {text}" for path, text in found]


def _net_text(program: Program, folder: Path) -> str:
    """The net of a run as a file in its folder, with which the run can be made again."""
    job = program.job
    net = stated(seen_from(folder, job.resolved(), job.base), program.train_net.learned)
    net.name = net.name or job.name
    return to_yaml(net, short=False)


def new_trainer(program: Program, threads: int, options: TrainOptions, shown: Screen, stack: ExitStack) -> Trainer:
    """A new run, from the start, from weights or from a snapshot (the solver's own `weights` are then left alone, as in Caffe)."""
    files = [] if options.snapshot_file else weights_files([*program.job.solver.weights, *options.weights])
    start: Mapping[str, np.ndarray] = loaded_weights(program, files, shown.say)
    read = fingerprints(program, registry.plugins())
    folder = RunFolder.new(Path(options.runs), program.job.name)
    try:
        stack.enter_context(folder.held())
        folder.write_net(_net_text(program, folder.path))
        remember_parent(folder.path, files)
        remember(folder.path, read)
        if not options.snapshot_file:
            return Trainer(program, folder, threads, start)
        return _gone_on_from(options.snapshot_file, program, folder, threads, shown)
    except BaseException:
        folder.discard()  # a run that cannot start, for want of its data for instance, leaves nothing behind
        raise


def _of_stage(program: Program, threads: int, folder: RunFolder, found: Snapshot) -> Trainer:
    """The trainer of the stage that a snapshot was taken in."""
    said, last = read_metadata(found), len(program.stages) - 1
    if said.stage > last:
        raise SnapshotError(f"{found.path}: is of stage {said.stage + 1}, the net has {last + 1}; solver.pretrain is not what it was")
    return Trainer(program, folder, threads, None, said.stage, said.before)


def _resume(trainer: Trainer, program: Program, threads: int, found: Snapshot, shown: Screen) -> None:
    """Go on from a snapshot of netc, and say what is other now than it was then."""
    lost = trainer.resume(found)
    shown.say(f"resumed from {found.path}")
    if damage := trainer.folder.read_log().damage:
        shown.note(f"{trainer.folder.log_path}: {damage}; all others are kept")
    if lost > 0 and found.path.parent == trainer.folder.snapshots:
        shown.note(f"{trainer.folder.log_path}: {lost} lines that the snapshot remembers are not there")
    made = {"provider": program.backend.provider, "target": program.backend.target, "threads": threads}
    said = asdict(read_metadata(found))
    for what, now in made.items():
        if said[what] != now:
            text = f"that snapshot was made with {what} {said[what]}, now it is {now}: last bits can differ from one run on"
            shown.note(text)


def _gone_on_from(path: str, program: Program, folder: RunFolder, threads: int, shown: Screen) -> Trainer:
    """A run of Caffe, or one of netc, continued in a new folder."""
    if Path(path).suffix == ".safetensors":
        taken = snapshot.read(path)
        trainer = _of_stage(program, threads, folder, taken)
        _resume(trainer, program, threads, taken, shown)
        if read_metadata(taken).net_sha256 != program.job.sha256:
            shown.note("the net or its solver is another than that snapshot's")
        return trainer
    found = caffe_snapshots.read_snapshot(path, program)
    trainer = Trainer(program, folder, threads)
    trainer.go_on(found.states, found.iteration)
    shown.say(f"goes on from {path}, iteration {found.iteration}")
    if note := caffe_snapshots.step_note(found, program):
        shown.note(note)
    return trainer

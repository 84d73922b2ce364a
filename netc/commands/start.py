"""Where a training starts: anew, from weights, from a snapshot, or where the newest run of the net stopped."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

from netc import snapshot
from netc.commands.options import TrainOptions
from netc.commands.program import loaded_weights
from netc.contract import Program
from netc.errors import SnapshotError
from netc.run import caffe_files
from netc.run.folder import RunFolder
from netc.snapshot import Snapshot
from netc.solver import Trainer
from netc.spec import to_yaml
from netc.spec.job import Job


def begun_run(job: Job, runs: str, console: Console) -> tuple[RunFolder, Snapshot]:
    """The newest run of the job's net, and its newest snapshot that is whole."""
    folder = RunFolder.latest(Path(runs), job.name)
    found, skipped = snapshot.newest(folder.snapshots)
    for reason in skipped:
        console.print(f"skipped a snapshot: {reason}", highlight=False)
    if found is None:
        raise SnapshotError(f"{folder.snapshots}: there is no snapshot to resume from")
    return folder, found


def resumed_trainer(program: Program, threads: int, folder: RunFolder, found: Snapshot, console: Console) -> Trainer:
    """The trainer of a run that was begun, in the stage of its snapshot."""
    trainer = _of_stage(program, threads, folder, found)
    _resume(trainer, program, threads, found, console)
    return trainer


def new_trainer(program: Program, threads: int, options: TrainOptions, console: Console) -> Trainer:
    """A new run, from the start, from weights or from a snapshot (the solver's own `weights` are then left alone, as in Caffe)."""
    files = [] if options.snapshot_file else [*program.job.solver.weights, *options.weights]
    start: Mapping[str, np.ndarray] = loaded_weights(program, files)
    folder = RunFolder.new(Path(options.runs), program.job.name, to_yaml(program.job.resolved(), short=False))
    try:
        if not options.snapshot_file:
            return Trainer(program, folder, threads, start)
        return _gone_on_from(options.snapshot_file, program, folder, threads, console)
    except BaseException:
        folder.discard()  # a run that cannot start, for want of its data for instance, leaves nothing behind
        raise


def _of_stage(program: Program, threads: int, folder: RunFolder, found: Snapshot) -> Trainer:
    """The trainer of the stage that a snapshot was taken in."""
    said, last = found.metadata, len(program.stages) - 1
    if not 0 <= said.get("stage", last) <= last:
        raise SnapshotError(f"{found.path}: is of stage {said['stage'] + 1}, the net has {last + 1}; solver.pretrain is not what it was")
    return Trainer(program, folder, threads, None, said.get("stage", last), said.get("before", 0))


def _resume(trainer: Trainer, program: Program, threads: int, found: Snapshot, console: Console) -> None:
    """Go on from a snapshot of netc, and say what is other now than it was then."""
    trainer.resume(found)
    console.print(f"resumed from {found.path}", highlight=False)
    if found.metadata["net_sha256"] != program.job.sha256:
        console.print("the net or its solver changed since that snapshot: the run goes on, but is not the one it would have been")
    made = {"provider": program.provider, "target": program.target, "threads": threads}
    for what, now in made.items():
        if found.metadata[what] != now:
            text = f"that snapshot was made with {what} {found.metadata[what]}, now it is {now}: last bits can differ from one run on"
            console.print(text, highlight=False)


def _gone_on_from(path: str, program: Program, folder: RunFolder, threads: int, console: Console) -> Trainer:
    """A run of Caffe, or one of netc, continued in a new folder."""
    if Path(path).suffix == ".safetensors":
        taken = snapshot.read(path)
        trainer = _of_stage(program, threads, folder, taken)
        _resume(trainer, program, threads, taken, console)
        return trainer
    found = caffe_files.read_snapshot(path, program)
    trainer = Trainer(program, folder, threads)
    trainer.go_on(found.states, found.iteration)
    console.print(f"goes on from {path}, iteration {found.iteration}", highlight=False)
    if note := caffe_files.step_note(found, program):
        console.print(note, highlight=False)
    return trainer

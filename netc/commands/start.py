"""Start a training run: from initial values, from weights, from a snapshot, or by resuming a run."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from netc import registry, schedules
from netc.commands.options import TrainOptions
from netc.commands.program import loaded_weights, weights_files
from netc.compiler.program import Program
from netc.compiler.step_files import tokenizer_file
from netc.data import stated
from netc.errors import SnapshotError, SpecError
from netc.layers.model import files_of, pinned
from netc.report.screen import Screen
from netc.runtime import snapshot
from netc.runtime.snapshot import Snapshot
from netc.spec import load, parse_yaml, to_yaml
from netc.spec.changes import changes
from netc.spec.job import Job
from netc.training import caffe_snapshots
from netc.training.folder import RunFolder
from netc.training.input_files import changed, fingerprints, moved_to, remember, remembered, without_folders
from netc.training.snapshot_metadata import read_metadata
from netc.training.trainer import Trainer
from netc.zoo.model_info import DESCRIPTIVE, remember_parent

# Solver fields for the length of a run and the frequency of reports, which do not change what a given iteration computes.
LENGTHS = {
    *("max_iter", "max_epoch", "patience", "test_interval", "test_initialization", "display", "watch_interval", "threads"),
    *("snapshot", "snapshot_keep", "snapshot_format", "snapshot_prefix", "snapshot_diff", "snapshot_after_train"),
    *("solver_mode", "device_id"),
}
TESTS = "test_interval"


@dataclass(frozen=True)
class Resumable:
    """A run to resume: its folder, its newest intact snapshot, and newer damaged snapshots with the reasons."""

    folder: RunFolder
    snapshot: Snapshot
    skipped: Mapping[Path, str]


def open_run(job: Job, options: TrainOptions, stack: ExitStack) -> Resumable:
    """Open the run to resume, locked against other processes until `stack` is closed."""
    folder = RunFolder.chosen(Path(options.runs), job.name, options.resume or "")
    stack.enter_context(folder.held())
    newest, skipped = snapshot.newest(folder.snapshots, read_metadata)
    if newest is None:
        raise SnapshotError("\n".join([f"{folder.snapshots}: no snapshot to resume from", *skipped.values()]))
    return Resumable(folder, newest, skipped)


def resumed_trainer(program: Program, threads: int, resumable: Resumable, allow_changed: bool, shown: Screen) -> Trainer:
    """The trainer of a resumed run, in the stage of its snapshot. SpecError if the net, the solver or an input file has changed."""
    files = fingerprints(program, registry.plugins())
    before = remembered(resumable.folder.path)
    other = changed(before, files)
    if other and not allow_changed:
        advice = "restore them, start a new run, or use --allow-changed to continue with the changed files"
        raise SpecError(f"{resumable.folder.path}: input files of this net have changed since the run started; {advice}", *other)
    lengths = _changed_lengths(program, resumable.folder, {name for name in files if name in before})
    for path, reason in resumable.skipped.items():
        shown.note(f"skipped a snapshot: {reason} Renamed to {snapshot.set_aside(path).name}.")
    if other:
        remember(resumable.folder.path, files)
    for text in other:
        shown.note(f"changed since the run started: {text}")
    trainer = _of_stage(program, threads, resumable.folder, resumable.snapshot)
    _resume(trainer, program, threads, resumable.snapshot, shown)
    if lengths or other:
        resumable.folder.write_net(_net_text(program, resumable.folder.path))
    if lengths:
        shown.note(f"changed since the run started: {', '.join(lengths)}")
        if schedules.by_length(program.job.settings):
            shown.note(
                f"lr_policy {program.job.solver.lr_policy} depends on the length: from here on, the learning rate follows the new length"
            )
        if schedules.follows_tests(program.job.settings.lr_policy) and any(TESTS in text for text in lengths):
            shown.note(f"lr_policy {program.job.solver.lr_policy} counts the tests: from here on, it counts those of the new {TESTS}")
    if trainer.is_over and trainer.stage == len(program.stages) - 1:
        text = f"this run is complete after {trainer.iteration} iterations; to train longer, increase solver.max_iter"
        shown.note(text)
    return trainer


def _changed_lengths(program: Program, folder: RunFolder, known: Collection[str]) -> list[str]:
    """List changes of the length and of descriptive fields since the run started.

    SpecError lists all other changes, which would make it a different run. Files that are `known` by fingerprint may have moved.
    """
    then, now = load(folder.net_path).message, parse_yaml(_net_text(program, folder.path)).message
    differences = list(changes(without_folders(then, known), without_folders(now, known)))
    lengths = [path in DESCRIPTIVE or (path.partition(".")[0] == "solver" and path.partition(".")[2] in LENGTHS) for path, _ in differences]
    if not all(lengths):
        errors = [f"{path}: {text}" for (path, text), allowed in zip(differences, lengths, strict=True) if not allowed]
        advice = "use the original net and --set options, or start a new run from the current state: --snapshot FILE or --weights FILE"
        raise SpecError(f"{folder.path}: the net has changed since this run started; {advice}", *errors)
    return [f"{path}: {text}" for path, text in differences]


def _net_text(program: Program, folder: Path) -> str:
    """The net of a run as a file in its folder, from which the run can be repeated."""
    job = program.job
    net = stated(moved_to(folder, job.resolved(), job.places), program.train_net.learned)
    net = pinned(net, files_of(program.train_net.layers))
    net.name = net.name or job.name
    return to_yaml(net, short=False)


def new_trainer(program: Program, threads: int, options: TrainOptions, shown: Screen, stack: ExitStack) -> Trainer:
    """A new run from initial values, weights or a snapshot. With a snapshot, `weights` of the solver are ignored, as in Caffe."""
    files = [] if options.snapshot_file else weights_files([*program.job.weights, *options.weights])
    bases = [str(file.path) for file in files_of(program.train_net.layers).values()]
    start: Mapping[str, np.ndarray] = loaded_weights(program, files, shown.say)
    read = fingerprints(program, registry.plugins())
    folder = RunFolder.new(Path(options.runs), program.job.name)
    try:
        stack.enter_context(folder.held())
        folder.write_net(_net_text(program, folder.path))
        for name, content in tokenizer_file(program).items():
            folder.write_file(name, content)
        remember_parent(folder.path, [*files, *bases])
        remember(folder.path, read)
        if not options.snapshot_file:
            return Trainer(program, folder, threads, start)
        return _continued(options.snapshot_file, program, folder, threads, shown)
    except BaseException:
        folder.discard()  # a run that cannot start, for example without its data, leaves no folder
        raise


def _of_stage(program: Program, threads: int, folder: RunFolder, taken: Snapshot) -> Trainer:
    """The trainer of the stage of a snapshot."""
    metadata, last = read_metadata(taken), len(program.stages) - 1
    if metadata.stage > last:
        raise SnapshotError(f"{taken.path}: belongs to stage {metadata.stage + 1}, but the net has {last + 1}; solver.pretrain has changed")
    return Trainer(program, folder, threads, None, metadata.stage, metadata.before)


def _resume(trainer: Trainer, program: Program, threads: int, taken: Snapshot, shown: Screen) -> None:
    """Continue from a snapshot of netc, and report what has changed since then."""
    lost = trainer.resume(taken)
    shown.say(f"resumed from {taken.path}")
    if damage := trainer.folder.read_log().damage:
        shown.note(f"{trainer.folder.log_path}: {damage}; all other lines are kept")
    if lost > 0 and taken.path.parent == trainer.folder.snapshots:
        shown.note(f"{trainer.folder.log_path}: {lost} lines that were there at the snapshot are missing")
    made = {"provider": program.backend.provider, "target": program.backend.target, "threads": threads}
    metadata = asdict(read_metadata(taken))
    for what, now in made.items():
        if metadata[what] != now:
            text = f"the snapshot was made with {what} {metadata[what]}, but this run uses {now}: results can differ in the last bits"
            shown.note(text)


def _continued(path: str, program: Program, folder: RunFolder, threads: int, shown: Screen) -> Trainer:
    """Continue a run of Caffe or netc in a new folder."""
    if Path(path).suffix == ".safetensors":
        taken = snapshot.read(path)
        trainer = _of_stage(program, threads, folder, taken)
        _resume(trainer, program, threads, taken, shown)
        if read_metadata(taken).net_sha256 != program.job.sha256:
            shown.note("the net or its solver differs from that of the snapshot")
        return trainer
    state = caffe_snapshots.read_snapshot(path, program)
    trainer = Trainer(program, folder, threads)
    trainer.go_on(state.states, state.iteration)
    if schedules.follows_tests(program.job.settings.lr_policy):
        trainer.plateau = schedules.Plateau(state.current_step)
    shown.say(f"continuing from {path}, iteration {state.iteration}")
    if note := caffe_snapshots.step_note(state, program):
        shown.note(note)
    return trainer

"""What the commands train, test and time do, from a job to its end."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from netc import contract, data, native, snapshot
from netc.commands.publish import check_target, publish_run
from netc.commands.time import Times, time_layers
from netc.compiled import session
from netc.contract import Program
from netc.cost import size
from netc.errors import ProviderError, SnapshotError, SpecError
from netc.report.caffe_log import CaffeLog
from netc.report.curves import curves_png
from netc.report.progress import follow, scores_text
from netc.run import caffe_files
from netc.run.evaluate import Scores, evaluate, layer_scores
from netc.run.events import Finished
from netc.run.feed import Feeder
from netc.run.folder import RunFolder
from netc.run.weights import load_weights
from netc.session import States, Stepper, choose_provider, threads_for
from netc.snapshot import Snapshot
from netc.solver import DISPLAY, Trainer
from netc.spec import to_yaml
from netc.spec.job import Job
from netc.training import replaced


def train_command(
    job: Job,
    provider: str,
    target: str | None,
    threads: int | None,
    runs: str,
    resume: bool,
    weights: Sequence[str],
    zoo: str | None,
    console: Console | None = None,
    watch: bool = False,
    snapshot_file: str | None = None,
    caffe_log: bool = False,
) -> str:
    """Train to the end and publish into `zoo` unless it is None. `watch` sets solver.watch_interval where it is not set.

    `snapshot_file`, a solver state of Caffe or a snapshot of netc, is what a new run goes on from. `caffe_log` writes
    Caffe's lines to stderr too. Returns why the run ended: see `solver.Finished`.
    """
    console = console or Console(highlight=False, soft_wrap=True)
    if zoo is not None:
        check_target(zoo)
    if sum(map(bool, (resume, weights, snapshot_file))) > 1:
        raise SpecError("--resume goes on with the newest run, --snapshot with a file, --weights starts a new run: give one of them")
    if (watch or job.solver.debug_info or job.train.message.debug_info) and not job.solver.watch_interval:
        job = replace(job, solver=replaced(job.solver, watch_interval=job.solver.display or DISPLAY))
    begun = _begun(job, runs, console) if resume else None
    if begun and job.draws_seed:
        job = job.with_seed(begun[1].metadata["seed"])
    program, threads, why = compiled_program(job, provider, target, threads)
    trainer = _resumed(program, threads, *begun, console) if begun else _started(program, threads, runs, weights, snapshot_file, console)
    _greet(program, trainer, why, console)
    finished = _followed(trainer, console, caffe_log)
    while finished.reason == "max_iter" and (after := trainer.successor()):
        trainer = after
        finished = _followed(trainer, console, caffe_log)
    _farewell(program, trainer, finished, zoo, console)
    return finished.reason


def _followed(trainer: Trainer, console: Console, caffe_log: bool) -> Finished:
    """One stage of a run to its end."""
    if len(trainer.whole.stages) > 1:
        layer = trainer.program.layer
        what = "the whole net learns" if layer is None else f"layer {layer!r} learns by its own loss"
        console.print(f"stage {trainer.stage + 1} of {len(trainer.whole.stages)}: {what}", highlight=False)
    rows = trainer.feeder.batch_size * trainer.iter_size
    events = CaffeLog(trainer.program, sys.stderr).told(trainer.events()) if caffe_log else trainer.events()
    return follow(events, console, trainer.iteration, trainer.max_iter, rows, trainer.solver.display)


def test_command(job: Job, provider: str, threads: int | None, weights: Sequence[str], iterations: int | None) -> Scores:
    """The scores of the test net on weights from files."""
    program, threads, _ = compiled_program(job, provider, None, threads, needs_solver=False)
    states = program.start() | loaded_weights(program, weights)
    lowered, batch = program.test
    stepper = Stepper(session(program, "test", threads), States({f"state/{n}": a for n, a in states.items()}, program.provider))
    feeder = Feeder(program.test_net, lowered.graph, program.seed, job.base)
    batches = iterations or (job.solver.test_iter[0] if job.solver.test_iter else None)
    scores = evaluate(stepper, feeder, batches, static=batch != "N")
    return scores | layer_scores(program.test_net, states, feeder, batches, program.seed)


def time_command(job: Job, provider: str, threads: int | None, iterations: int) -> Times:
    """Milliseconds of each layer on one batch of the training data."""
    program, threads, _ = compiled_program(job, provider, None, threads, needs_solver=False)
    return time_layers(program, iterations, threads)


def compiled_program(
    job: Job, provider: str, target: str | None, threads: int | None, needs_solver: bool = True
) -> tuple[Program, int, str]:
    """The checked program, its threads, and why it runs where it does."""
    asks_for_cpu = job.solver.HasField("solver_mode") and job.solver.solver_mode == job.solver.CPU
    chosen, target, why = choose_target("cpu" if asks_for_cpu and provider == "auto" and target != "cuda" else provider, target)
    program = contract.program(job, chosen, needs_solver, target)
    return program, threads or job.solver.threads or threads_for(program.multiply_adds()), why


def choose_target(provider: str, target: str | None) -> tuple[str, str, str]:
    """(provider, target, why). Without a target: cuda with its provider, else native where its kernels load, else portable.

    SpecError or ProviderError if what is asked for does not go together, or is not there.
    """
    if target == "cuda" and provider == "cpu":
        raise SpecError("target cuda needs the provider cuda, --provider cpu was given")
    if target == "native" and provider == "cuda":
        raise SpecError("target native needs the provider cpu, --provider cuda was given")
    chosen, why = choose_provider({"cuda": "cuda", "native": "cpu"}.get(target or "", provider))
    missing = native.missing() if chosen == "cpu" and target in (None, "native") else ""
    if target == "native" and missing:
        raise ProviderError(f"target native was asked for, but {missing}")
    if target is None:
        target = "cuda" if chosen == "cuda" else "portable" if missing else "native"
    return chosen, target, why


def loaded_weights(program: Program, files: Sequence[str]) -> dict[str, np.ndarray]:
    """Start values of a program from files, each `FILE` or `FILE,FILE`; later ones win."""
    found: dict[str, np.ndarray] = {}
    for name in (n for text in files for n in text.split(",")):
        found |= load_weights(name, program.states, program.layer_blobs)
    return found


def _begun(job: Job, runs: str, console: Console) -> tuple[RunFolder, Snapshot]:
    """The newest run of the job's net, and its newest snapshot that is whole."""
    folder = RunFolder.latest(Path(runs), job.name)
    found, skipped = snapshot.newest(folder.snapshots)
    for reason in skipped:
        console.print(f"skipped a snapshot: {reason}", highlight=False)
    if found is None:
        raise SnapshotError(f"{folder.snapshots}: there is no snapshot to resume from")
    return folder, found


def _resumed(program: Program, threads: int, folder: RunFolder, found: Snapshot, console: Console) -> Trainer:
    trainer = _of_stage(program, threads, folder, found)
    _resume(trainer, program, threads, found, console)
    return trainer


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


def _started(program: Program, threads: int, runs: str, weights: Sequence[str], snapshot_file: str | None, console: Console) -> Trainer:
    """A new run, from the start, from weights or from a snapshot (the solver's own `weights` are then left alone, as in Caffe)."""
    files = [] if snapshot_file else [*program.job.solver.weights, *weights]
    start: Mapping[str, np.ndarray] = loaded_weights(program, files)
    folder = RunFolder.new(Path(runs), program.job.name, to_yaml(program.job.resolved(), short=False))
    try:
        if not snapshot_file:
            return Trainer(program, folder, threads, start)
        return _gone_on_from(snapshot_file, program, folder, threads, console)
    except BaseException:
        folder.discard()  # a run that cannot start, for want of its data for instance, leaves nothing behind
        raise


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


def _greet(program: Program, trainer: Trainer, why: str, console: Console) -> None:
    parameters = sum(size(p.shape) for p in program.train.parameters)
    console.print(
        f"{program.job.name}: {len(program.train_net.layers)} layers, {parameters:,} parameters; run {trainer.folder.path}", highlight=False
    )
    threads = f"{trainer.threads} thread{'s' if trainer.threads > 1 else ''}"
    console.print(f"provider {program.provider} ({why}), target {program.target}, {threads}", highlight=False)
    for name in _hosted(program):
        text = f"note: layer {name!r} runs Python between parts of the graph: every step copies its blobs and waits for it"
        console.print(text, highlight=False)
    for source in _seen_in_training(program):
        console.print(f"note: tests read {source!r}, the rows that the net learns from; test_fraction or test_source sets others apart")


def _hosted(program: Program) -> list[str]:
    """The Python layers of the training net."""
    return [layer.name for layer in program.train_net.layers if layer.type == "Python"]


def _seen_in_training(program: Program) -> list[str]:
    """Sources whose test rows are the rows that the net learns from."""
    learned = {data.setting(layer.param, "source") for layer in program.train_net.sources}
    tested = [layer for layer in program.test_net.sources if layer.source and not layer.source.set_apart]
    read = [data.setting(layer.param, "source") for layer in tested]
    return [source for source in read if source and source in learned]


def _farewell(program: Program, trainer: Trainer, finished: Finished, zoo: str | None, console: Console) -> None:
    if finished.best is not None:
        what = "validation" if trainer.validates else "test"
        ended = f"no better {what} for {trainer.stale} {what}s; " if finished.reason == "patience" else ""
        console.print(f"{ended}the best was at iteration {finished.best}")
    if finished.scores:
        iterations = finished.iteration if finished.best is None else finished.best
        console.print(f"after {iterations} iterations: {scores_text(finished.scores)}", highlight=False)
    if finished.reason.startswith("SIG"):
        console.print(f"{finished.reason}: stopped after iteration {finished.iteration}; go on with --resume")
        return
    states = trainer.arrays() if finished.best is None else snapshot.read(trainer.best_path).states
    if zoo is not None and _hosted(program):
        console.print("not published: a net with Python layers is no model that runs elsewhere")
        return
    if zoo is None:
        console.print("not published (give --publish to publish this run)")
        return
    command = shlex.join(["netc", *without_folders(sys.argv[1:])])
    published = publish_run(program, states, finished.scores, Path(zoo), command, curves=curves_png(trainer.folder.lines()))
    note = "" if published.new else " (it was there already, identical)"
    console.print(f"published {published.path}{note}", highlight=False)
    for warning in published.warnings:
        console.print(warning, highlight=False)


def without_folders(arguments: Sequence[str]) -> list[str]:
    """A command's arguments less those that say where this machine keeps things, which are nothing to publish."""
    own = ("--runs", "--zoo")
    pairs = zip(("", *arguments), arguments, strict=False)
    return [a for before, a in pairs if before not in own and a not in own and not a.startswith(tuple(f"{o}=" for o in own))]

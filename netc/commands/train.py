"""`netc train`: train a net, show its progress, and publish the model."""

import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from netc import data
from netc.commands.end import end_run, hosted
from netc.commands.options import TrainOptions
from netc.commands.program import as_learned, compiled_program, known_rows, reads_anew
from netc.commands.report import recorder
from netc.commands.start import Resumable, new_trainer, open_run, resumed_trainer
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program
from netc.errors import RunError, SpecError
from netc.graph.multiply_adds import size
from netc.report.caffe_log import CaffeLog
from netc.report.progress import progress
from netc.report.recorder import Recorder
from netc.report.screen import Screen, screen, steady
from netc.training.events import Event, Finished
from netc.training.failure import with_next_step
from netc.training.saturation import SaturatedLoss
from netc.training.snapshot_metadata import read_metadata
from netc.training.stages import plan
from netc.training.trainer import Trainer
from netc.zoo.release import check_target

Follower = Callable[[Event], None]


def train_command(compilation: Compilation, options: TrainOptions, shown: Screen | None = None, extra: Sequence[Follower] = ()) -> str:
    """Train to the end and publish. Returns the reason for the end, see `events.Finished`. `extra` are additional followers."""
    options.check()
    shown = shown or screen(options.quiet, options.as_json)
    if options.zoo is not None:
        check_target(options.zoo, compilation, options.key)
    job = compilation.job
    asked = options.watch or job.solver.debug_info or job.train.message.debug_info
    if asked and not job.solver.watch_interval:
        compilation = compilation.with_solver(watch_interval=job.settings.display)
    with ExitStack() as stack:
        resumable = open_run(job, options, stack) if options.resume is not None else None
        if resumable and job.draws_seed:
            compilation = Compilation.of(compilation.job.with_seed(read_metadata(resumable.snapshot).seed))
        program, threads, why = _compiled(compilation, options, resumable)
        if resumable:
            trainer = resumed_trainer(program, threads, resumable, options.allow_changed, shown)
        else:
            trainer = new_trainer(program, threads, options, shown, stack)
        _greet(program, trainer, why, shown)
        reported = _report_dropped(trainer, shown)
        with recorder(program, trainer, why, shown.say) as recording:
            trainer, finished = _run(trainer, recording, [*followers(trainer, options, shown, stack), *extra])
        _report_dropped(trainer, shown, reported)
        end_run(program, trainer, finished, options, shown)
    return finished.reason


def _compiled(compilation: Compilation, options: TrainOptions, resumable: Resumable | None) -> tuple[Program, int, str]:
    """Compile the program. It reads data in the same way as the training data of its weights."""
    where = options.provider, options.target, options.threads
    if resumable:
        return compiled_program(
            compilation.with_learned(as_learned(read_metadata(resumable.snapshot).rows, resumable.snapshot.path)), *where
        )
    if options.snapshot_file:
        own = [options.snapshot_file] if Path(options.snapshot_file).suffix == ".safetensors" else []
        return compiled_program(compilation.with_learned(known_rows(own)), *where)
    files = [*compilation.job.weights, *options.weights]
    learned = {top: known.for_training() for top, known in known_rows(files).items()}
    try:
        return compiled_program(compilation.with_learned(learned), *where)
    except SpecError:
        with suppress(SpecError):
            compiled = compiled_program(compilation, *where) if learned else None
            if compiled and reads_anew(compiled[0], files):
                return compiled
        raise


def followers(trainer: Trainer, options: TrainOptions, shown: Screen, stack: ExitStack) -> list[Follower]:
    """The followers of a run's events, in order. `stack` closes them after the run, also after an error."""
    shows = stack.enter_context(progress(shown, plan(trainer.whole), trainer.settings.display))
    following: list[Follower] = [shows, SaturatedLoss(trainer.whole, shown.note)]
    if options.caffe_log:
        following.append(CaffeLog(trainer.whole, steady(sys.stderr)))
    return following


def _run(trainer: Trainer, recording: Recorder, others: Sequence[Follower]) -> tuple[Trainer, Finished]:
    """Run all stages. Returns the trainer of the last one and its final event."""
    followed: list[Follower] = [recording, *others]
    while True:
        recording.begin(trainer)
        for event in trainer.events():
            try:
                for follower in followed:
                    follower(event)
            except OSError as e:
                problem = RunError(f"Cannot write {e.filename or 'the files of the run'}: {e.strerror or e}")
                raise with_next_step(problem, trainer.checkpointer.newest) from e
        assert isinstance(event, Finished)
        after = trainer.successor() if event.reason == "max_iter" else None
        if after is None:
            return trainer, event
        trainer = after


def _greet(program: Program, trainer: Trainer, why: str, shown: Screen) -> None:
    parameters = sum(size(p.shape) for p in program.train.parameters)
    shown.say(f"{program.job.name}: {len(program.train_net.layers)} layers, {parameters:,} parameters; run {trainer.folder.path}")
    threads = f"{trainer.threads} thread{'s' if trainer.threads > 1 else ''}"
    shown.say(f"provider {program.backend.name} ({why}), target {program.backend.target}, {threads}")
    if program.job.settings.ema:
        shown.say(f"tests and the published model use an average of the weights (ema {program.job.settings.ema:g})")
    if not program.tested:
        shown.note(f"note: the net is not tested. {program.compilation.nets.lacks_test or 'The solver names no net for tests.'}")
    for name in hosted(program):
        text = f"note: layer {name!r} runs Python between parts of the graph: every step copies its blobs and waits for it"
        shown.note(text)
    for source in _seen_in_training(program):
        shown.note(f"note: tests use {source!r}, the same rows as training; `netc check` says how to hold out others")


def _report_dropped(trainer: Trainer, shown: Screen, reported: Collection[str] = ()) -> list[str]:
    """Print notes on dropped parts of the data: before the run for data in memory, else after it. Returns the notes."""
    notes = list(dict.fromkeys([*trainer.step.notes(), *trainer.tests.notes()]))
    for text in notes:
        if text not in reported:
            shown.note(f"note: {text}")
    return notes


def _seen_in_training(program: Program) -> list[str]:
    """Sources whose test rows are the same as the training rows."""
    learned = {data.setting(layer.param, "source") for layer in program.train_net.sources}
    tested = [layer for layer in program.test_net.sources if layer.source and not layer.source.set_apart]
    read = [data.setting(layer.param, "source") for layer in tested]
    return [source for source in read if source and source in learned]

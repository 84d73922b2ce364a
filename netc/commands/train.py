"""`netc train`: a job trained to its end, told as it goes, and published."""

import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from netc import data
from netc.commands.end import end_run, hosted
from netc.commands.options import TrainOptions
from netc.commands.program import as_learned, compiled_program, known_rows, reads_anew
from netc.commands.report import recorder
from netc.commands.start import Begun, begun_run, new_trainer, resumed_trainer
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program
from netc.errors import RunError, SpecError
from netc.graph.multiply_adds import size
from netc.report.caffe_log import CaffeLog
from netc.report.progress import progress
from netc.report.recorder import Recorder
from netc.report.screen import Screen, screen, steady
from netc.training.events import Event, Finished
from netc.training.failure import with_way_on
from netc.training.saturation import SaturatedLoss
from netc.training.snapshot_metadata import read_metadata
from netc.training.stages import plan
from netc.training.trainer import Trainer
from netc.zoo.release import check_target

Follower = Callable[[Event], None]


def train_command(made: Compilation, options: TrainOptions, shown: Screen | None = None, told: Sequence[Follower] = ()) -> str:
    """Train to the end and publish. Returns why the run ended: see `events.Finished`. `told` are followers beside its own."""
    options.check()
    shown = shown or screen(options.quiet, options.as_json)
    if options.zoo is not None:
        check_target(options.zoo, made, options.key)
    job = made.job
    asked = options.watch or job.solver.debug_info or job.train.message.debug_info
    if asked and not job.solver.watch_interval:
        made = made.with_solver(watch_interval=job.settings.display)
    with ExitStack() as stack:
        begun = begun_run(job, options, stack) if options.resume is not None else None
        if begun and job.draws_seed:
            made = Compilation.of(made.job.with_seed(read_metadata(begun.found).seed))
        program, threads, why = _compiled(made, options, begun)
        if begun:
            trainer = resumed_trainer(program, threads, begun, options.allow_changed, shown)
        else:
            trainer = new_trainer(program, threads, options, shown, stack)
        _greet(program, trainer, why, shown)
        told_at_first = _tell_left_out(trainer, shown)
        with recorder(program, trainer, why, shown.say) as recording:
            trainer, finished = _run(trainer, recording, [*followers(trainer, options, shown, stack), *told])
        _tell_left_out(trainer, shown, told_at_first)
        end_run(program, trainer, finished, options, shown)
    return finished.reason


def _compiled(made: Compilation, options: TrainOptions, begun: Begun | None) -> tuple[Program, int, str]:
    """The program, which reads its rows as those were read that its start was learned from."""
    where = options.provider, options.target, options.threads
    if begun:
        return compiled_program(made.with_learned(as_learned(read_metadata(begun.found).rows, begun.found.path)), *where)
    if options.snapshot_file:
        own = [options.snapshot_file] if Path(options.snapshot_file).suffix == ".safetensors" else []
        return compiled_program(made.with_learned(known_rows(own)), *where)
    files = [*made.job.solver.weights, *options.weights]
    learned = {top: known.for_training() for top, known in known_rows(files).items()}
    try:
        return compiled_program(made.with_learned(learned), *where)
    except SpecError:
        with suppress(SpecError):
            found = compiled_program(made, *where) if learned else None
            if found and reads_anew(found[0], files):
                return found
        raise


def followers(trainer: Trainer, options: TrainOptions, shown: Screen, stack: ExitStack) -> list[Follower]:
    """Who is told of the events of a run, in this order. What has to be closed after the run, however it ends, goes onto `stack`."""
    shows = stack.enter_context(progress(shown, plan(trainer.whole), trainer.settings.display))
    found: list[Follower] = [shows, SaturatedLoss(trainer.whole, shown.note)]
    if options.caffe_log:
        found.append(CaffeLog(trainer.whole, steady(sys.stderr)))
    return found


def _run(trainer: Trainer, recording: Recorder, told: Sequence[Follower]) -> tuple[Trainer, Finished]:
    """All stages to their end; the trainer of the last one, and how it ended."""
    followed: list[Follower] = [recording, *told]
    while True:
        recording.begin(trainer)
        for event in trainer.events():
            try:
                for follower in followed:
                    follower(event)
            except OSError as e:
                problem = RunError(f"{e.filename or 'what tells of the run'}: cannot be written: {e.strerror or e}")
                raise with_way_on(problem, trainer.checkpointer.newest) from e
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
    for name in hosted(program):
        text = f"note: layer {name!r} runs Python between parts of the graph: every step copies its blobs and waits for it"
        shown.note(text)
    for source in _seen_in_training(program):
        shown.note(f"note: tests read {source!r}, the rows that the net learns from; test_fraction or test_source sets others apart")


def _tell_left_out(trainer: Trainer, shown: Screen, told: Collection[str] = ()) -> list[str]:
    """Say what is left out of the data: of a set in memory before the run, of a larger one after it. Returns what was said."""
    found = list(dict.fromkeys([*trainer.step.notes(), *trainer.tests.notes()]))
    for text in found:
        if text not in told:
            shown.note(f"note: {text}")
    return found


def _seen_in_training(program: Program) -> list[str]:
    """Sources whose test rows are the rows that the net learns from."""
    learned = {data.setting(layer.param, "source") for layer in program.train_net.sources}
    tested = [layer for layer in program.test_net.sources if layer.source and not layer.source.set_apart]
    read = [data.setting(layer.param, "source") for layer in tested]
    return [source for source in read if source and source in learned]

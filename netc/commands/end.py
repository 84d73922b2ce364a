"""The end of a run: print its result and publish its model."""

import shlex
import sys
from pathlib import Path

from netc.commands.options import TrainOptions
from netc.compiler.program import Program
from netc.errors import ZooError
from netc.report.curves import curves_png
from netc.report.progress import scores_text
from netc.report.screen import Screen
from netc.runtime.averages import averaged
from netc.spec.private_paths import plain_command
from netc.training.events import Finished
from netc.training.trainer import Trainer
from netc.zoo.model_info import remembered_parent
from netc.zoo.release import publish_run


def end_run(program: Program, trainer: Trainer, finished: Finished, options: TrainOptions, shown: Screen) -> None:
    """Print how a run ended, and publish its model if the options ask for it."""
    zoo = options.zoo
    if finished.best is not None:
        what = "validation" if trainer.tests.validates else "test"
        ended = f"no improvement in the last {trainer.selection.stale} {what}s; " if finished.reason == "patience" else ""
        shown.say(f"{ended}the best model is from iteration {finished.best}")
    if finished.scores:
        iterations = finished.iteration if finished.best is None else finished.best
        shown.result(f"after {iterations} iterations: {scores_text(finished.scores)}")
    if finished.reason.startswith("SIG"):
        shown.note(f"{finished.reason}: stopped after iteration {finished.iteration}; continue with --resume")
        return
    states = averaged(trainer.step.arrays() if finished.best is None else trainer.checkpointer.read_best().states)
    if zoo is not None and hosted(program):
        shown.note("not published: a net with Python layers cannot run without netc")
        return
    if zoo is None:
        shown.say("not published (use --publish to publish this run)")
        return
    command = shlex.join(["netc", *plain_command(sys.argv[1:])])
    try:
        curves, parent = curves_png(trainer.folder.lines()), remembered_parent(trainer.folder.path)
        published = publish_run(program, states, finished.scores, Path(zoo), command, curves=curves, parent=parent, key=options.key)
    except ZooError as e:
        raise ZooError(f"{e}\nthe run in {trainer.folder.path} is complete; --resume --publish publishes it without training again") from e
    for diagnostic in program.pinned:
        shown.note(f"model.onnx {diagnostic.text}")
    note = "" if published.new else " (it was there already, identical)"
    shown.result(f"published {published.path}{note}")
    for warning in published.warnings:
        shown.note(warning)


def hosted(program: Program) -> list[str]:
    """The names of the Python layers of the training net."""
    return [layer.name for layer in program.train_net.layers if layer.type == "Python"]

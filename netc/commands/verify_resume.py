"""`netc verify-resume`: verify that a run that is stopped or killed and then resumed equals an uninterrupted run, bit for bit.

The runs are short runs of `netc train`, each in its own process.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict

from netc import registry, schedules
from netc.commands.options import TrainOptions
from netc.commands.program import compiled_program
from netc.commands.train import Follower, train_command
from netc.compiler.compilation import Compilation
from netc.errors import NetcError, RunError, SpecError
from netc.runtime import snapshot
from netc.runtime.backends import AUTO, recalled
from netc.spec.document import NOTHING, Dropped
from netc.spec.job import Job, load_job
from netc.training.events import Event, Stepped
from netc.training.folder import RunFolder

CHILD = "import sys; from netc.commands.verify_resume import child; sys.exit(child(sys.argv[1]))"
LEAST = 4  # minimum number of iterations, so that there is a snapshot in between


@dataclass(frozen=True)
class Recipe:
    """How a process loads the net: the arguments of `load_job`, and the options of training."""

    net: str
    overrides: tuple[str, ...]
    plugins: tuple[str, ...] = ()
    dropped: Dropped = NOTHING
    allow_python: bool = False
    provider: str = AUTO
    target: str | None = None
    threads: int | None = None

    def job(self) -> Job:
        """Load plug-ins and the job."""
        registry.load(*self.plugins)
        return load_job(self.net, self.overrides, self.dropped, self.allow_python)


@dataclass(frozen=True)
class Outcome:
    """The result of a run: the lines of its log, and its last snapshot."""

    lines: list[str]
    last: snapshot.Snapshot


def verify_resume(recipe: Recipe, iterations: int, seed: int) -> Iterator[str | bool]:
    """Yield messages on each run, and at last whether all runs were equal. RunError if a run fails."""
    if iterations < LEAST:
        raise SpecError(f"{iterations} iterations are too few to stop in between; use at least {LEAST}")
    job = recipe.job()
    compiled_program(Compilation.of(job), recipe.provider, recipe.target, recipe.threads)  # reports errors before a process is started
    recipe = replace(recipe, overrides=(*recipe.overrides, *_short(job, iterations)))
    luck, total = random.Random(seed), iterations * (1 + len(job.solver.pretrain))
    with tempfile.TemporaryDirectory() as folder:
        straight = _run(recipe, Path(folder) / "straight")
        metadata = straight.last.metadata
        where = ", ".join(f"{key} {metadata[key]}" for key in ("provider", "target", "threads"))
        yield f"uninterrupted: {total} iterations, {where}"
        equal = True
        for name, number in (("stopped", signal.SIGINT), ("killed", signal.SIGKILL)):
            at = luck.randrange(total // 4 + 1, total - 1)
            runs = Path(folder) / name
            _run(recipe, runs, at, number)
            resumed = _run(recipe, runs, resume=True)
            different = _difference(straight, resumed)
            yield f"{name} ({number.name}) after iteration {at}, resumed in a new process: " + (different or _praise(straight))
            equal = equal and not different
        if not equal:
            yield _reason(recipe, job, straight, _run(recipe, Path(folder) / "again"))
    yield equal


def child(text: str) -> int:
    """Run in a child process. The JSON has the recipe, the folder, and when to stop with which signal."""
    arguments = json.loads(text)
    recipe = _recipe(arguments["recipe"])
    options = TrainOptions(
        provider=recipe.provider, target=recipe.target, threads=recipe.threads, runs=arguments["runs"],
        resume="" if arguments["resume"] else None, quiet=True,
    )  # fmt: skip
    steps = 0

    def stop(event: Event) -> None:
        nonlocal steps
        steps += isinstance(event, Stepped)
        if steps == arguments["at"] and isinstance(event, Stepped):
            os.kill(os.getpid(), arguments["signal"])

    extra: list[Follower] = [stop] if arguments["at"] else []
    try:
        train_command(Compilation.of(recipe.job()), options, extra=extra)
    except NetcError as e:
        print(e, file=sys.stderr)
        return e.exit_code
    return 0


def _recipe(fields: dict[str, Any]) -> Recipe:
    """A recipe from JSON."""
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return Recipe(**given | {"dropped": Dropped(fields["dropped"]["outside"], tuple(fields["dropped"]["fields"]))})


def _run(recipe: Recipe, runs: Path, at: int = 0, number: int = 0, resume: bool = False) -> Outcome:
    """Run in a child process. With `at`, signal `number` stops it at that iteration."""
    arguments = {"recipe": asdict(recipe), "runs": str(runs), "at": at, "signal": number, "resume": resume}
    done = subprocess.run([sys.executable, "-c", CHILD, json.dumps(arguments)], capture_output=True, text=True)
    if done.returncode not in (0, -number):
        raise RunError(f"a run of {recipe.net} failed, {'resumed' if resume else 'from its start'}:\n{done.stderr.strip()}")
    folder = RunFolder.chosen(runs, recipe.job().name)
    newest, _ = snapshot.newest(folder.snapshots)
    assert newest is not None
    return Outcome(folder.log_path.read_text().splitlines(), newest)


def _short(job: Job, iterations: int) -> list[str]:
    """Overrides that make a run short, log every iteration and save snapshots."""
    solver = job.solver
    overrides = [f"solver.max_iter={iterations}", "solver.display=1", f"solver.snapshot={max(1, iterations // 4)}", "solver.patience=0"]
    tests = 8 if schedules.follows_tests(job.settings.lr_policy) else 2
    overrides += [f"solver.test_interval={max(1, iterations // tests)}"] if solver.test_interval else []
    overrides += [f"solver.random_seed={job.seed}"] if job.draws_seed else []
    if solver.pretrain:
        stages = [MessageToDict(stage, preserving_proto_field_name=True) for stage in solver.pretrain]
        stages = [{k: v for k, v in stage.items() if k != "max_epoch"} | {"max_iter": iterations} for stage in stages]
        overrides.append(f"solver.pretrain={json.dumps(stages)}")
    return overrides


def _praise(straight: Outcome) -> str:
    return f"equal bit for bit ({len(straight.lines)} log lines, {len(straight.last.states)} states)"


def _difference(straight: Outcome, other: Outcome) -> str | None:
    """The first log line and the first state that differ; None if all are equal."""
    differences = []
    for number, (one, two) in enumerate(zip(straight.lines, other.lines, strict=False), 1):
        if one != two:
            differences.append(f"log line {number} is {two}; in the uninterrupted run it is {one}")
            break
    if not differences and len(straight.lines) != len(other.lines):
        differences.append(f"the log has {len(other.lines)} lines; that of the uninterrupted run has {len(straight.lines)}")
    for name, wanted in straight.last.states.items():
        got = other.last.states.get(name)
        if got is None or got.tobytes() != wanted.tobytes():
            by = "" if got is None else f" by up to {np.abs(got.astype(np.float64) - wanted).max():.3g}"
            differences.append(f"the first state that differs is {name}{by}")
            break
    return "NOT equal: " + "; ".join(differences) if differences else None


def _reason(recipe: Recipe, job: Job, straight: Outcome, again: Outcome) -> str:
    """Explain a difference. A second uninterrupted run shows whether the net is reproducible at all."""
    metadata = straight.last.metadata
    likely = []
    if varies := recalled(metadata["provider"], metadata["target"]).varies:
        likely.append(varies)
    if metadata["threads"] > 1:
        likely.append(f"{metadata['threads']} threads may divide the work differently (--threads 1 does not)")
    likely += [f"layer {n!r} runs Python code, which may keep its own state" for n in _python_layers(job)]
    likely += [f"the plug-in {plugin} may keep its own state" for plugin in recipe.plugins]
    end = f": {'; '.join(likely)}" if likely else "; the cause is unknown"
    if _difference(straight, again):
        return f"two uninterrupted runs also differ, so resuming is not the cause{end}"
    return f"two uninterrupted runs are equal, so some state is missing from the snapshots{end}"


def _python_layers(job: Job) -> Sequence[str]:
    return [layer.name for layer in job.train.message.layer if layer.type == "Python"]

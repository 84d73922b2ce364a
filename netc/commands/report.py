"""`netc report`, and opening a run for its report."""

import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from netc import registry
from netc.commands.time import time_layers
from netc.compiler import program as contract
from netc.compiler.program import Program
from netc.errors import NetcError, SpecError, near
from netc.formats.by_suffix import form
from netc.predict import generate
from netc.predict.model import Model
from netc.report import compare, page
from netc.report.html import seconds
from netc.report.picture import picture
from netc.report.progress import scores_text
from netc.report.recorder import Recorder, part_of
from netc.report.run import Run
from netc.runtime.backends import recalled
from netc.runtime.chain import calls
from netc.runtime.session import Session
from netc.spec.job import Job, load_job
from netc.training import record
from netc.training.folder import RunFolder
from netc.training.trainer import Trainer

LEAST, SHARE = 5.0, 0.02  # limits for a pass over the test rows: seconds, and a fraction of the time of the run


class _Made(Model):
    """The model of a program, without a file."""

    def __init__(self, run: Run):
        self.path = run.path
        self.session = Session(run.made.deploy_model(run.states), threads=run.threads)


def run_of(folder: RunFolder, program: Program, threads: int, limit: float = math.inf) -> Run:
    """A run with its net open, for all sections of a report. A pass over the test rows takes at most `limit` seconds."""

    def write(prompt: str, length: int, temperature: float) -> str:
        return generate.write(_Made(run), prompt, length, temperature)

    def time(steps: int) -> dict[tuple[str, str], float]:
        return time_layers(program, steps, threads).layers

    run = Run(folder, program, threads, limit, write, None if calls(program.train.graph) else time)
    return run


def recorder(program: Program, trainer: Trainer, why: str, say: Callable[[str], None]) -> Recorder:
    """A recorder for a run that starts or resumes. `why` is the reason for its backend; `say` receives messages for the user."""
    part = part_of(shlex.join(["netc", *sys.argv[1:]]), record.environment(program, trainer.threads, why))

    def opened(trainer: Trainer) -> Run:
        known = record.read(trainer.folder.path)
        return run_of(trainer.folder, program, trainer.threads, max(LEAST, SHARE * known.seconds if known else 0.0))

    return Recorder(program, trainer, part, registry.plugins(), opened, say)


def folders(path: str) -> list[Path]:
    """The runs at a path: a run, the newest run of a net, or all runs below a folder. SpecError if there are none."""
    root = Path(path)
    if (root / "net.yaml").is_file():
        return [root]
    runs = _numbered(root)
    if runs:
        return runs[-1:]
    runs = [run for net in sorted(p for p in root.glob("*") if p.is_dir()) for run in _numbered(net)]
    if runs:
        return runs
    if root.is_dir():
        raise SpecError(f"{path}: the folder contains no runs; a run is a folder runs/<net>/<number>")
    others = [p.name for p in root.parent.glob("*") if p.is_dir()]
    raise SpecError(f"{path}: no such folder. {near(root.name, others)}")


def _numbered(root: Path) -> list[Path]:
    """The runs of a net in the order of their numbers."""
    return sorted((p for p in root.glob("*") if p.name.isdigit() and (p / "net.yaml").is_file()), key=lambda p: int(p.name))


def opened(path: Path, plugins: tuple[str, ...] = (), allow_python: bool = False) -> tuple[Run, str]:
    """A run on disk with its net open, and the reason if it cannot be opened."""
    folder, known = RunFolder(path), record.read(path)
    try:
        registry.load(*plugins, *(known.plugins if known else ()))
        environment = known.parts[-1].environment if known and known.parts else {}
        backend = recalled(environment.get("provider", "").partition(" ")[0], environment.get("target", ""))
        program = contract.program(_job(path, known, allow_python), backend, needs_solver=False)
        threads = environment.get("threads", "")
        run = run_of(folder, program, int(threads) if threads.isdecimal() else 1)
        assert run.states
        return run, ""
    except NetcError as e:
        return Run(folder), str(e)


def _job(path: Path, known: record.Record | None, allow_python: bool) -> Job:
    """The job of a run. Modules of its Python layers are also searched in the folder of the original net file."""
    job = load_job(str(path / "net.yaml"), allow_python=allow_python)
    if known is None:
        return job
    if any(layer.type == "Python" for layer in job.train.message.layer):
        sys.path.append(str(Path(known.net).parent))
    return replace(job, name=known.name)


def damages(run: Run) -> list[str]:
    """The problems with the files of a run, one line each."""
    log = run.folder.read_log()
    return [*([run.damage] if run.damage else []), *([f"{run.folder.log_path}: {log.damage}"] if log.damage else [])]


def report_command(paths: Sequence[str], output: str | None, plugins: tuple[str, ...], allow_python: bool = False) -> list[str]:
    """Write the report of a run, or the comparison of several. Returns the lines to print."""
    if output:
        form(output, (".html", ".htm"), "a report")
    runs = [run for path in paths for run in folders(path)]
    if len(runs) == 1:
        run, closed = opened(runs[0], plugins, allow_python)
        lines = [f"report {page.write(run, Path(output) if output else None)}"]
        lines += [f"note: the report has no sections that need the net, its states or its data: {closed}"] if closed else []
        return lines + damages(run) + summary(run)
    known = [opened(path, plugins, allow_python)[0] for path in runs]
    where = Path(output) if output else Path(os.path.commonpath([path.parent for path in runs])) / "comparison.html"
    wrong = [text for run in known for text in damages(run)]
    return [*compare.lines(compare.comparison(known)), *wrong, f"comparison {page.write_page(compare.page(known), where)}"]


def json_command(paths: Sequence[str]) -> str:
    """The final scores of one run, or a list for several runs."""
    figures = [compare.figures(Run(RunFolder(run))) for path in paths for run in folders(path)]
    return json.dumps(figures[0] if len(figures) == 1 else figures, indent=2)


def picture_command(paths: Sequence[str], name: str, output: str | None, plugins: tuple[str, ...], allow_python: bool = False) -> str:
    """Write one chart of a report, or of a comparison, as an SVG file. SpecError if there is no such chart."""
    if output:
        form(output, (".svg",), "a chart")
    runs = [run for path in paths for run in folders(path)]
    known = [opened(path, plugins, allow_python)[0] for path in runs]
    text = page.page(known[0]) if len(runs) == 1 else compare.page(known)
    made = picture(text, name, f'netc report {" ".join(run.name for run in known)} --picture "{name}"')
    return f"picture {page.write_page(made, Path(output or name.replace(' ', '_') + '.svg'))}"


def summary(run: Run) -> list[str]:
    """A summary of a run in a few lines."""
    lines = [scores_text(run.scores)] if run.scores else []
    if run.best:
        lines.append(f"best {run.monitored[0]} {run.best[run.monitored[0]]:.4f} at iteration {run.best['iteration']:,}")
    if run.record:
        lines.append(f"{run.record.iteration:,} iterations in {seconds(run.record.seconds)}, {run.record.speed:,.0f} rows per second")
    return lines

"""`netc cv`: train a net on all folds of a table but one, in turn, and test it on the fold that is left.

A study is a folder runs/<net>-cv/<number>/. It has a folder for each fold, which contains an ordinary run of `netc train`, in a process
of its own. A study that was stopped goes on: complete folds are kept, and a broken run is resumed.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from netc import netc_pb2 as pb
from netc import registry
from netc.commands.fold_process import FoldProcess, bounded
from netc.commands.out_of_fold import Predictions, classified, predictions, write_csv
from netc.commands.program import compiled_program
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program
from netc.errors import RunError, SpecError
from netc.files import locked, read_file, replace_file
from netc.report import cv as report
from netc.report.page import write_page
from netc.report.run import Run
from netc.runtime.backends import AUTO
from netc.spec import to_yaml
from netc.spec.document import NOTHING, Dropped
from netc.spec.job import load_job
from netc.training import record
from netc.training.folder import LOCK, RunFolder
from netc.training.input_files import fingerprints, moved_to

STUDY, PREDICTIONS = "study.json", "out_of_fold.csv"
COMPLETE = ("max_iter", "patience")  # reasons for the end of a complete run
Say = Callable[[str], None]


@dataclass(frozen=True)
class CvOptions:
    """The options of `netc cv`, with the same names. `jobs` folds are trained at a time."""

    net: str
    folds: int = 5
    jobs: int = 1
    overrides: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    dropped: Dropped = NOTHING
    allow_python: bool = False
    provider: str = AUTO
    target: str | None = None
    threads: int | None = None
    runs: str = "runs"


@dataclass(frozen=True)
class Study:
    """What a study is of: the net with all its settings, and its files. Two studies of the same are one."""

    net: str
    folds: int
    files: dict[str, str]


@dataclass(frozen=True)
class Folds:
    """The folds of a net: what `netc train` is told for each, and the program of the first one."""

    options: CvOptions
    layer: str
    clears: tuple[str, ...]

    def overrides(self, fold: int) -> tuple[str, ...]:
        """The `--set` of a fold."""
        split = f"layers.{self.layer}.split"
        return (*self.options.overrides, *self.clears, f"{split}.folds={self.options.folds}", f"{split}.fold={fold}")

    def program(self, fold: int) -> Program:
        """The program of a fold. It reads the table."""
        o = self.options
        job = load_job(o.net, self.overrides(fold), o.dropped, o.allow_python)
        return compiled_program(Compilation.of(job), o.provider, o.target, o.threads)[0]


def cv(options: CvOptions, say: Say) -> Path:
    """Train all folds and write the predictions and the report. Returns the folder of the study. `say` receives lines of progress."""
    if options.folds < 2:
        raise SpecError(f"`--folds` is {options.folds}. Expected 2 or more.")
    registry.load(*options.plugins)
    folds = _folds(options)
    program = folds.program(0)  # reports errors before the first fold
    threads, bound = bounded(program, options.threads, options.jobs)
    study = Study(_net_text(program, Path(options.runs)), options.folds, fingerprints(program, registry.plugins()))
    with _study_folder(Path(options.runs) / f"{program.job.name}-cv", study) as (folder, old):
        say(f"{program.job.name}: {options.folds} folds, {'continued in' if old else 'in'} {folder}")
        for text in [*notes(program), *bound]:
            say(f"note: {text}")
        runs = _trained(folds, program.job.name, folder, threads, say)
        found = [predictions(run, folds.program(k), k) for k, run in enumerate(runs)]
        write_csv(folder / PREDICTIONS, found)
        _report(folder, program, runs, found, say)
    return folder


def _net_text(program: Program, folder: Path) -> str:
    """The net of the first fold, without a seed that was drawn."""
    net = moved_to(folder, program.job.resolved(), program.job.places)
    if program.job.draws_seed:
        net.solver.random_seed = -1
    return to_yaml(net, short=False)


def _report(folder: Path, program: Program, runs: Sequence[Run], found: Sequence[Predictions], say: Say) -> None:
    for line in report.lines(runs):
        say(line)
    labels, predicted = classified(found) or (None, None)
    text = report.page(f"{program.job.name}: {len(runs)} folds", runs, labels, predicted, found[0].classes)
    page = write_page(text, folder / "report.html")
    say(f"predictions {folder / PREDICTIONS}")
    say(f"report {page}")
    finished = json.loads(read_file(folder / STUDY)) | {"complete": True}
    replace_file(folder / STUDY, (json.dumps(finished, indent=1) + "\n").encode())


def notes(program: Program) -> list[str]:
    """Notes on settings that make the scores of folds too good."""
    validated = any(layer.source and layer.source.has_validation for layer in program.test_nets[0].sources)
    if validated or not program.job.settings.test_interval:
        return []
    return ["the net has no validation rows, so the test rows of a fold also choose its best iteration; set `split.validation`"]


def _folds(options: CvOptions) -> Folds:
    """Find the table of a net. SpecError if there is not one, or if its rows cannot be dealt out to folds."""
    job = load_job(options.net, options.overrides, options.dropped, options.allow_python)
    tables = [layer for layer in job.train.message.layer if layer.type == "Table"]
    if len(tables) != 1:
        raise SpecError(f"{options.net}: `netc cv` needs a net with one Table layer, got {len(tables)}.")
    (layer,), errors = tables, list[str]()
    param: pb.TableParameter = layer.table_param
    if param.HasField("series"):
        errors.append("a series has one order in time, which folds would break")
    for field in ("time", "column"):
        if getattr(param.split, field):
            errors.append(f"`split.{field}` decides which rows are for testing")
    if errors:
        raise SpecError(*(f"Layer {layer.name!r}: It cannot be split into folds: {text}." for text in errors))
    clears = (f"layers.{layer.name}.test_source=''",) if param.test_source else ()
    return Folds(options, layer.name, clears)


@contextmanager
def _study_folder(root: Path, study: Study) -> Iterator[tuple[Path, bool]]:
    """Yield the folder of the newest study that is the same and incomplete, locked, or of a new one; and whether it is old."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        numbers = sorted((int(p.name) for p in root.iterdir() if p.name.isdecimal()), reverse=True)
        for number in numbers:
            folder = root / str(number)
            if _is_incomplete(folder, study):
                with locked(folder / LOCK, wait=False):
                    yield folder, True
                return
        folder = root / str(max(numbers, default=0) + 1)
        folder.mkdir()
        with locked(folder / LOCK, wait=False):
            replace_file(folder / STUDY, (json.dumps(asdict(study) | {"complete": False}, indent=1) + "\n").encode())
            yield folder, False
    except BlockingIOError:
        raise RunError(f"{folder}: another process is writing this study; wait for it or stop it first") from None
    except OSError as e:
        raise RunError(f"Cannot write {e.filename or root}: {e.strerror or e}") from e


def _is_incomplete(folder: Path, study: Study) -> bool:
    """Whether a folder has this study, without its end."""
    try:
        return bool(json.loads(read_file(folder / STUDY)) == asdict(study) | {"complete": False})
    except (OSError, ValueError):
        return False


def _trained(folds: Folds, name: str, folder: Path, threads: int | None, say: Say) -> list[Run]:
    """Train the folds that are not complete, at most `jobs` at a time. Returns the runs of all folds. RunError if one fails."""
    waiting, active = list(range(folds.options.folds)), list[FoldProcess]()
    try:
        while waiting or active:
            while waiting and len(active) < folds.options.jobs:
                fold = waiting.pop(0)
                done, newest = _state(folder / f"fold{fold}" / name)
                if done:
                    say(f"fold {fold}: complete")
                    continue
                say(f"fold {fold}: {f'resumed from {newest}' if newest else 'started'}")
                options = replace(folds.options, threads=threads, overrides=folds.overrides(fold))
                active.append(FoldProcess.start(fold, _arguments(options, folder / f"fold{fold}", newest), folder, threads))
            for process in [p for p in active if p.ended(wait=not waiting or len(active) == folds.options.jobs)]:
                active.remove(process)
                process.check()
                say(f"fold {process.fold}: {report.scores_of(_newest(folder / f'fold{process.fold}' / name))}")
    finally:
        for process in active:
            process.stop()
    return [_newest(folder / f"fold{k}" / name) for k in range(folds.options.folds)]


def _arguments(options: CvOptions, runs: Path, resume: Path | None) -> list[str]:
    """The command line of `netc train` for a fold."""
    pairs = [("--set", text) for text in options.overrides] + [("--plugin", name) for name in options.plugins]
    pairs += [("--ignore", field) for field in options.dropped.fields]
    pairs += [("--provider", options.provider), ("--runs", str(runs))]
    pairs += [(name, str(value)) for name, value in (("--target", options.target), ("--threads", options.threads)) if value]
    flags = ["--allow-unknown"] * options.dropped.outside + ["--allow-python"] * options.allow_python + ["--no-publish", "--quiet"]
    return ["train", options.net, *(part for pair in pairs for part in pair), *flags, *(["--resume", str(resume)] if resume else [])]


def _state(runs: Path) -> tuple[bool, Path | None]:
    """Whether the newest run of a fold is complete, and else its folder if it can be resumed. Removes runs that cannot."""
    for path in _runs(runs)[::-1]:
        known = record.read(path)
        if known and known.reason in COMPLETE and known.scores:
            return True, None
        if any((path / "snapshots").glob("iter_*")):
            return False, path
        shutil.rmtree(path, ignore_errors=True)
    return False, None


def _newest(runs: Path) -> Run:
    return Run(RunFolder(_runs(runs)[-1]))


def _runs(runs: Path) -> list[Path]:
    """The runs in a folder, by number."""
    return sorted((p for p in runs.glob("*") if p.name.isdecimal()), key=lambda p: int(p.name))

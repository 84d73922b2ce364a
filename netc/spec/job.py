"""A job: a net with its solver, as a command reads them from one file or from Caffe's two files."""

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, SpecError, folded, near
from netc.spec import paths
from netc.spec.document import NOTHING, Document, Dropped
from netc.spec.join import joined
from netc.spec.loader import PROTOTXT, read
from netc.spec.measured import measured
from netc.spec.model_files import digest, model_files
from netc.spec.overrides import NET_FIELDS, SOLVER_FIELDS, copy_of, overridden
from netc.spec.solver_settings import SolverSettings

MOST_TESTS = 100


@dataclass(frozen=True)
class Job:
    """A training job: the net, the test nets and the solver. `solver_at` is the solver's document, and its path in it.

    `tests` has at least one net; usually the first is `train` itself. `learned` describes the training rows of the initial weights: a
    `data.Learned` by the first top of a source.
    """

    name: str
    train: Document
    tests: tuple[Document, ...]
    solver: pb.SolverParameter
    solver_at: tuple[Document, tuple[str | int, ...]]
    overrides: tuple[str, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    learned: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @cached_property
    def settings(self) -> SolverSettings:
        """The solver with defaults for all fields that it leaves out."""
        return SolverSettings.of(self.solver)

    @property
    def test(self) -> Document:
        """The first test net."""
        return self.tests[0]

    def net(self, phase: str, test: int = 0) -> Document:
        """The NetParameter for a phase; for TEST, of the test net with this number."""
        return self.train if phase == "TRAIN" else self.tests[test]

    def state(self, phase: str, test: int = 0) -> tuple[tuple[str, ...], int | None]:
        """The stages and the level that the solver requests in a phase."""
        solver = self.solver
        state = solver.train_state if phase == "TRAIN" else solver.test_state[test] if solver.test_state else pb.NetState()
        return tuple(state.stage), state.level if state.HasField("level") else None

    @property
    def warnings(self) -> list[str]:
        """The fields that were dropped from the files, each with its place."""
        nets = (self.train, *self.tests)
        found = [w for d in (self.solver_at[0], *nets) for w in d.warnings] + paths.notes(nets, self.solver, self.solver_at)
        return [str(w) for w in folded(dict.fromkeys(found))]

    @property
    def published(self) -> bool:
        """Whether the job is in the folder of a published model, and so is not trusted."""
        return any(paths.published(d.path) for d in (self.solver_at[0], self.train, *self.tests))

    @property
    def named(self) -> tuple[str, ...]:
        """The values that the command line sets."""
        return _values(self.overrides)

    def solver_place(self, *path: str | int) -> Place:
        """The place of a field of the solver."""
        document, start = self.solver_at
        return document.place(*start, *path)

    @property
    def draws_seed(self) -> bool:
        """Whether each start of the job draws a new seed."""
        return bool(self.solver.HasField("random_seed") and self.solver.random_seed == -1)

    @cached_property
    def seed(self) -> int:
        """random_seed. It is 0 if unset, so that runs repeat, and random for -1."""
        if self.draws_seed:
            return secrets.randbits(31)
        return int(self.solver.random_seed) if self.solver.HasField("random_seed") else 0

    def with_learned(self, learned: Mapping[str, Any]) -> "Job":
        """The same job with a description of the rows that its weights were trained on."""
        return replace(self, learned=learned)

    def with_seed(self, seed: int) -> "Job":
        """The same job with the seed that a run drew."""
        return replace(self, solver=_seeded(self.solver, seed))

    def pretraining(self, stage: int) -> "Job":
        """The job of a stage of solver.pretrain: the stage's fields replace the solver's, and there are no tests."""
        document, at = self.solver_at
        return replace(self, solver=_stage_solver(self.solver, stage, self.seed), solver_at=(document, (*at, "pretrain", stage)))

    @property
    def base(self) -> str:
        """The folder that data paths are relative to: the folder of the net file."""
        return str(Path(self.train.path).parent)

    @property
    def sha256(self) -> str:
        """The hash of the texts of the job, of the changes from the command line, and of the ONNX files of Model layers."""
        nets = (self.train, *self.tests)
        texts = [self.train.full_text, *(d.full_text for d in self.tests), self.solver_at[0].full_text, *self.overrides]
        texts += [digest(path) for net in nets for path in model_files(net)]
        return sha256("\0".join(texts).encode()).hexdigest()

    def resolved(self) -> pb.NetParameter:
        """The job as one NetParameter that contains the solver, all overrides, and the seed that was drawn for -1."""
        solver = _seeded(self.solver, self.seed) if self.draws_seed else self.solver
        whole = joined(self.train.message, [test.message for test in self.tests], solver)
        for field in ("net", "train_net", "test_net", "net_param", "train_net_param", "test_net_param"):
            whole.solver.ClearField(field)
        return whole


def load_job(path: str, overrides: Sequence[str] = (), dropped: Dropped = NOTHING, allow_python: bool = False) -> Job:
    """The job of a net file with a solver, or of a solver file that names its nets. `overrides` are `path=value`.

    `dropped` are unknown fields to leave out, see `Job.warnings`. `allow_python` lets the nets' Python layers run. SpecError lists all
    errors in the files and the overrides.
    """
    job = read_job(path, overrides, dropped, allow_python)
    if job.errors:
        raise SpecError(*job.errors)
    return job


def read_job(path: str, overrides: Sequence[str] = (), dropped: Dropped = NOTHING, allow_python: bool = False) -> Job:
    """Like `load_job`, but returns a job with errors in its texts if the rest can be read. SpecError if it cannot."""
    at: tuple[str, ...]
    document = read(path, pb.SolverParameter if is_solver(path) else pb.NetParameter, dropped)
    if isinstance(document.message, pb.NetParameter):
        solver, at = document.message.solver, ("solver",)
        nets = [document] * (1 + _count_of_tests(document, solver, 0))
    else:
        solver, at = document.message, ()
        nets = _with_errors(document, dropped)
    states = len(solver.test_state)
    if states not in (0, len(nets) - 1):
        text = f"There are {states} `test_state` for {len(nets) - 1} test nets. Add one for each, or none."
        raise SpecError(*document.errors, Diagnostic(document.place(*at, "test_state"), text))
    made = overridden(nets, solver, overrides)
    nets, solver = measured(_with_python(made.nets) if allow_python else made.nets, made.solver), made.solver
    document = replace(document, overrides={(*at, *path): where for path, where in made.places.items()})
    outside = paths.errors(nets, solver, (document, at), _values(overrides))
    errors = tuple(dict.fromkeys((*document.errors, *(f for net in nets for f in net.errors), *made.errors, *outside)))
    name = nets[0].message.name or Path(path).stem
    return Job(_plain(name), nets[0], tuple(nets[1:]), solver, (document, at), tuple(overrides), errors)


def _with_python(nets: Sequence[Document]) -> list[Document]:
    """The nets with their Python layers allowed. Nets that are one document stay one document."""
    made: dict[int, Document] = {}
    return [made.setdefault(id(net), replace(net, allow_python=True)) for net in nets]


def _values(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(override.partition("=")[2].strip().strip("'\"") for override in overrides)


def _with_errors(document: Document, dropped: Dropped) -> list[Document]:
    """Like `_nets`; if there are no nets, also raises the errors in the solver's text."""
    try:
        return _nets(document, dropped)
    except SpecError as e:
        raise SpecError(*document.errors, *e.diagnostics) from e


def _nets(document: Document, dropped: Dropped) -> list[Document]:
    """The nets that a solver names or contains: the training net, then the test nets in the order of its test_iter.

    The test nets are test_net_param, then test_net. The net itself (net or net_param) fills the remaining numbers of test_iter.
    """
    solver = document.message
    loaded: dict[str, Document] = {}

    def found(field: str, k: int | None = None) -> Document:
        path = (field,) if k is None else (field, k)
        value = getattr(solver, field) if k is None else getattr(solver, field)[k]
        if isinstance(value, str):
            if value not in loaded:
                loaded[value] = _named(document, field, value, dropped)
            return loaded[value]
        positions = {p[len(path) :]: at for p, at in document.positions.items() if p[: len(path)] == path}
        return replace(document, message=value, positions=positions)

    _check_count(document, len(solver.test_net_param) + len(solver.test_net))
    generic = next((f for f in ("net_param", "net") if solver.HasField(f)), None)
    field = next((f for f in ("train_net_param", "train_net") if solver.HasField(f)), generic)
    if field is None:
        text = 'The solver names no net to train. Add `net: "FILE"`, a path relative to the current folder or to this file.'
        raise SpecError(Diagnostic(document.place(), text))
    train = found(field)
    tests = [found(f, k) for f in ("test_net_param", "test_net") for k in range(len(getattr(solver, f)))]
    if generic is None and not tests:
        raise SpecError(Diagnostic(document.place(), 'The solver names no net for testing. Add `test_net: "FILE"`.'))
    if generic is not None:
        tests += [train if generic == field else found(generic)] * _count_of_tests(document, solver, len(tests))
    if len(solver.test_iter) not in (0, len(tests)):
        text = f"There are {len(solver.test_iter)} `test_iter` for {len(tests)} test nets. Add one for each, or none."
        raise SpecError(Diagnostic(document.place("test_iter"), text))
    return [train, *tests]


def _count_of_tests(document: Document, solver: pb.SolverParameter, specific: int) -> int:
    """How often the net itself is tested, in addition to `specific` test nets."""
    wanted = len(solver.test_iter) or (0 if specific else max(1, len(solver.test_state)))
    _check_count(document, wanted)
    return max(0, wanted - specific)


def _check_count(document: Document, tests: int) -> None:
    if tests > MOST_TESTS:
        raise SpecError(Diagnostic(document.place(), f"There are {tests} test nets. The limit is {MOST_TESTS}."))


def _named(document: Document, field: str, name: str, dropped: Dropped) -> Document:
    """The net file that a solver names, relative to the current folder as in Caffe, or else to the solver's folder."""
    own = paths.published(document.path)
    if own and not paths.inside(Path(document.path).parent, name):
        raise SpecError(Diagnostic(document.place(field), f"{name!r} is outside of the folder of the solver, which comes from a zoo."))
    folder = Path(document.path).parent
    folders = (folder,) if own else (Path("."), folder)
    for path in (f / name for f in folders):
        if path.is_file():
            return read(str(path), dropped=dropped)
    beside = {p.name for f in folders for p in f.glob("*.prototxt")} - {Path(document.path).name}
    here = " in the folder of the solver, which comes from a zoo" if own else ", neither in the current folder nor in that of the solver"
    text = f"There is no file {name!r}{here}."
    raise SpecError(Diagnostic(document.place(field), text, near(name, beside) if beside else None))


def _seeded(solver: pb.SolverParameter, seed: int) -> pb.SolverParameter:
    copy: pb.SolverParameter = copy_of(solver)
    copy.random_seed = seed
    return copy


# Fields of a solver that mean nothing in a stage of pretraining, which has no tests and publishes nothing.
OF_THE_LAST_STAGE = (
    "pretrain", "test_interval", "patience", "monitor", "ema",
    "plateau_patience", "plateau_threshold", "plateau_threshold_mode", "cooldown",
)  # fmt: skip


def _stage_solver(solver: pb.SolverParameter, stage: int, seed: int) -> pb.SolverParameter:
    copy, own = _seeded(solver, seed), solver.pretrain[stage]
    for name in {*own.DESCRIPTOR.fields_by_name, *OF_THE_LAST_STAGE} - {"layer"}:
        copy.ClearField(name)
    for field, value in own.ListFields():
        if field.is_repeated:
            getattr(copy, field.name).extend(value)
        elif field.name != "layer":
            setattr(copy, field.name, value)
    return copy


def is_solver(path: str) -> bool:
    """Whether a protobuf text is a solver.

    The first field that only nets or only solvers have decides. YAML files are nets.
    """
    if Path(path).suffix not in PROTOTXT or not Path(path).is_file():
        return False
    for line in Path(path).read_text(errors="replace").splitlines():
        words = line.split("#")[0].replace(":", " ").replace("{", " ").split()
        if words and words[0] in SOLVER_FIELDS ^ NET_FIELDS:
            return words[0] in SOLVER_FIELDS
    return False


def _plain(name: str) -> str:
    """A net's name for folders and zoos: lower case, with `-` for anything except letters and digits."""
    text = "".join(c if c.isalnum() and c.isascii() else "-" if c in " -./" else "_" if c == "_" else "" for c in name.lower())
    return text.strip("-._") or "net"

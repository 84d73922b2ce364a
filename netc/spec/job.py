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
from netc.errors import Diagnostic, Place, SpecError, folded
from netc.spec import paths
from netc.spec.document import NOTHING, Document, Dropped
from netc.spec.join import joined, only_trained
from netc.spec.loader import read
from netc.spec.measured import measured
from netc.spec.model_files import digest, model_files
from netc.spec.overrides import copy_of, overridden
from netc.spec.places import Places, there
from netc.spec.solver_nets import count_of_tests, is_solver, nets_of
from netc.spec.solver_settings import SolverSettings

ANY_STATE = pb.NetState()


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
    def asks_for_tests(self) -> bool:
        """Whether the solver itself asks for tests: how long they are, in which state, or of which net."""
        solver = self.solver
        return bool(len(solver.test_iter) or len(solver.test_net) or len(solver.test_net_param) or len(solver.test_state))

    @property
    def tested(self) -> bool:
        """Whether training tests a net: not if the solver names only a net for training."""
        alone = self.solver.HasField("train_net") or self.solver.HasField("train_net_param")
        return self.asks_for_tests or not alone or self.solver.HasField("net") or self.solver.HasField("net_param")

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
        found += [note for net in nets for note in self.places.ambiguous(net)]
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
    def weights(self) -> list[str]:
        """The weight files that the solver names, with the folder of the solver if they are there and not in the current folder."""
        document = self.solver_at[0]
        places = Places(Path(document.path).parent, not paths.published(document.path))
        named = [name for text in self.solver.weights for name in text.split(",")]
        return [str(path) if there(path := places.find(name)) else name for name in named]

    @property
    def places(self) -> Places:
        """Where data paths start."""
        return Places.of(self.train)

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
        if not self.tested:
            only_trained(whole)
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


def read_job(
    path: str, overrides: Sequence[str] = (), dropped: Dropped = NOTHING, allow_python: bool = False, state: pb.NetState = ANY_STATE
) -> Job:
    """Like `load_job`, but returns a job with errors in its texts if the rest can be read. SpecError if it cannot.

    The stages of `state` are added to those of the nets; its level replaces theirs if it is set.
    """
    at: tuple[str, ...]
    document = read(path, pb.SolverParameter if is_solver(path) else pb.NetParameter, dropped)
    if isinstance(document.message, pb.NetParameter):
        solver, at = document.message.solver, ("solver",)
        nets = [document] * (1 + count_of_tests(document, solver, 0))
    else:
        solver, at = document.message, ()
        nets = nets_of(document, dropped)
    states = len(solver.test_state)
    if states not in (0, len(nets) - 1):
        text = f"There are {states} `test_state` for {len(nets) - 1} test nets. Add one for each, or none."
        raise SpecError(*document.errors, Diagnostic(document.place(*at, "test_state"), text))
    made = overridden(nets, solver, overrides)
    nets, solver = measured(_with_python(made.nets) if allow_python else made.nets, made.solver), made.solver
    for net in {id(net): net for net in nets}.values() if state.ListFields() else ():  # `overridden` has copied them
        net.message.state.MergeFrom(state)
    overrides = (*overrides, *(f"--{field.name}={value}" for field, value in state.ListFields()))
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


def _plain(name: str) -> str:
    """A net's name for folders and zoos: lower case, with `-` for anything except letters and digits."""
    text = "".join(c if c.isalnum() and c.isascii() else "-" if c in " -./" else "_" if c == "_" else "" for c in name.lower())
    return text.strip("-._") or "net"

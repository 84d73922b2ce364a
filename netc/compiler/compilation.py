"""A compiled job: its nets, its training step, its start values, and its errors.

A command makes it once and passes it on. Each part is computed when it is first used, and cached. `netc.compiler.program` makes models of
it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import registry, schedules
from netc.compiler.lower import Lowered, lower
from netc.compiler.matrices import idle
from netc.compiler.nets import JobNets
from netc.compiler.solver import replaced, solver_errors
from netc.compiler.step import StepGraphs, step_graphs
from netc.compiler.twins import twins
from netc.errors import Diagnostic, SpecError
from netc.graph import cost
from netc.graph.ir import Node, Value
from netc.graph.tensor_type import Dim
from netc.net.model import Epoch, ResolvedNet
from netc.net.variants import pretraining
from netc.spec.document import NOTHING, Dropped
from netc.spec.job import ANY_STATE, Job, read_job
from netc.spec.solver_settings import SAFETENSORS


@dataclass(frozen=True)
class Compilation:
    """The nets of a job with a solver. In a stage of pretraining, `layer` is the layer that learns and `job` has the stage's solver."""

    nets: JobNets
    job: Job
    layer: str | None = None

    @classmethod
    def of(cls, job: Job) -> "Compilation":
        """Return the compilation of a job. Nothing is computed yet."""
        return cls(JobNets(job), job)

    def with_learned(self, learned: Mapping[str, Any]) -> "Compilation":
        """Return the compilation of the job with the facts about rows that come with its weights; `self` if they add nothing."""
        return self if learned == self.job.learned else Compilation.of(self.job.with_learned(learned))

    def with_solver(self, **fields: Any) -> "Compilation":
        """Return a compilation with the same nets and changed solver fields. The fields must not be ones that choose a net."""
        job = self.job.with_seed(self.seed) if self.job.draws_seed else self.job
        return replace(self, job=replace(job, solver=replaced(job.solver, **fields)))

    @property
    def seed(self) -> int:
        """The seed of all random numbers."""
        return self.nets.job.seed

    @cached_property
    def train_net(self) -> ResolvedNet:
        """The net for training. In a stage of pretraining, only the part that the stage trains."""
        net = self.nets.train_net
        return net if self.layer is None else pretraining(net, self.layer, self.job.solver_place("layer"))

    @property
    def test_nets(self) -> tuple[ResolvedNet, ...]:
        """The nets for testing. The first one is published."""
        return self.nets.test_nets

    @cached_property
    def train(self) -> Lowered:
        """The net in phase TRAIN, with static shapes."""
        return self.nets.train if self.layer is None else lower(self.train_net, seed=self.seed)

    @property
    def tests(self) -> tuple[tuple[Lowered, Dim], ...]:
        """The nets in phase TEST, each with its batch size: "N", or a number if the net fixes it."""
        return self.nets.tests

    @cached_property
    def steps(self) -> StepGraphs:
        """The training graphs."""
        return step_graphs(self.train, self.job.settings)

    @cached_property
    def stages(self) -> tuple["Compilation", ...]:
        """The compilations to train one after the other: the stages of solver.pretrain, then this one."""
        pretrain = enumerate(self.job.solver.pretrain)
        return (*(replace(self, job=self.job.pretraining(k), layer=stage.layer) for k, stage in pretrain), self)

    @property
    def trains(self) -> bool:
        """Whether the job has a solver."""
        return bool(self.job.solver.ListFields())

    @cached_property
    def states(self) -> dict[str, Node]:
        """Every state of training and testing by name: parameters and statistics in the net's order, then slots.

        A stage of pretraining also has the parameters of the full net.
        """
        graphs = [self.steps.train if self.trains else self.train.graph, *(lowered.graph for lowered, _ in self.tests)]
        graphs += [] if self.layer is None else [self.nets.train.graph]
        return {n.name: n for graph in graphs for n in graph.leaves("State")}

    @cached_property
    def layer_blobs(self) -> dict[str, tuple[Value, ...]]:
        """The learned blobs of each layer of all its nets, numbered as in Caffe's files."""
        return {k: v for lowered in (*(t for t, _ in self.tests), self.train) for k, v in lowered.layer_blobs.items()}

    def start(self) -> dict[str, np.ndarray]:
        """Return the start value of every state: fillers for parameters, zeros for the rest."""
        return {name: np.asarray(node.state.start(), np.float32) for name, node in self.states.items()}

    @cached_property
    def max_iter(self) -> int | None:
        """The number of training iterations; None if the solver has no length, or if max_epoch is set and no source ends."""
        epoch = self.train_net.epoch or Epoch(None, 1)
        settings = self.job.settings
        known = settings.max_iter is not None or (epoch.rows is not None and settings.max_epoch is not None)
        return schedules.max_iterations(self.job, epoch.rows, epoch.batch) if known else None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, if the data set has them and the net tells them apart. Clusters, for example, are no classes."""
        net = self.test_nets[0]
        named = next((layer for layer in net.sources if layer.source and layer.source.classes), None)
        readers = [layer.kind for layer in net.layers if named and {*named.tops[1:]}.intersection(layer.bottoms)]
        told = any(not kind.metric or kind.reads for kind in readers)
        return named.source.classes if told and named and named.source else ()

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The words that a source encodes as numbers, from its training rows."""
        found = (layer.reader.vocabulary() for layer in self.test_nets[0].sources if layer.reader)
        return next((v.words for v in found if v is not None), ())

    def multiply_adds(self) -> int:
        """The multiply-adds of one training step; without a solver, of a forward pass of the training batch."""
        return cost.total(self.steps.train if self.trains else self.train.graph)

    def check(self, needs_solver: bool = True, needs_length: bool | None = None) -> None:
        """Raise a SpecError that lists all errors of the nets and the solver. A job without a solver can be valid.

        `needs_length`: whether the solver must state its length, by default if the solver is needed.
        """
        needs_length = needs_solver if needs_length is None else needs_length
        registry.load()
        if self.job.errors:
            raise SpecError(*self.all_errors())
        errors = list(self.nets.errors)
        if self.trains or needs_solver:
            for stage in self.stages:
                errors += [*solver_errors(stage.job, stage.layer, needs_length), *stage.missing(lambda made: made.train_net)]
            for stage in self.stages if not errors else ():
                errors += stage.missing(lambda made: made.steps)
            errors += [] if errors else self._misfits()
        if errors:
            raise SpecError(*dict.fromkeys(errors))

    def _misfits(self) -> Iterator[Diagnostic]:
        """The errors of a solver that is right on its own, but does not fit the nets."""
        job, policy = self.job, self.job.settings.lr_policy
        if schedules.follows_tests(policy) and not (self.nets.tested and self.test_nets[0].feeds_itself):
            text = f"Solver: `lr_policy` {policy!r} needs tests, but the test net has no data source."
            yield Diagnostic(job.solver_place("lr_policy"), text)
        if job.settings.snapshot_format != SAFETENSORS:
            yield from twins(self.layer_blobs).values()
        for k, pattern, suggestion in idle(job.solver.adamw, self.train.parameters):
            yield Diagnostic(job.solver_place("adamw", k), f"Solver: `adamw`: {pattern!r} fits no parameter.", suggestion)

    def missing(self, make: Callable[["Compilation"], object]) -> tuple[Diagnostic, ...]:
        """Return the errors that `make` raises; none if it succeeds."""
        try:
            make(self)
        except SpecError as e:
            return e.diagnostics
        return ()

    def all_errors(self) -> list[Diagnostic]:
        """All errors in the texts of the job, and in its nets and its solver as far as the texts allow checking them."""
        job, (document, at) = self.job, self.job.solver_at
        read = job.solver.ListFields() and not document.is_broken(*at) and (at or not document.errors)
        found = [*job.errors, *self.nets.all_errors(), *(solver_errors(job, needs_length=False) if read else ())]
        files = list(dict.fromkeys(d.place.file if d.place else "" for d in found))
        return sorted(found, key=lambda d: (files.index(d.place.file if d.place else ""), d.position))


def load(
    path: str, overrides: Sequence[str] = (), dropped: Dropped = NOTHING, allow_python: bool = False, state: pb.NetState = ANY_STATE
) -> Compilation:
    """Return the compilation of a net file, or of a solver file that names its nets. `allow_python` lets their Python layers run.

    `state` has more stages, and a level if it is set.

    If the texts have errors, the SpecError lists them, and the errors of the nets and the solver as far as these can be checked.
    """
    made = Compilation.of(read_job(path, overrides, dropped, allow_python, state))
    if made.job.errors:
        raise SpecError(*made.all_errors())
    return made

"""The nets of a job. Each is resolved and lowered once, when it is first used."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from netc import data
from netc.compiler.diagnose import rate_errors, source_errors, width_errors
from netc.compiler.lower import Lowered, lower_judged, lower_part, lower_symbolic
from netc.compiler.raw_columns import column_errors, table_of
from netc.errors import DataError, Diagnostic, Place, SpecError
from netc.graph.tensor_type import Dim
from netc.net.model import TEST, TRAIN, ResolvedNet
from netc.net.phases import State, has_data, hides_data, no_data, stages_of_data
from netc.net.rates import Rates
from netc.net.resolve import judged
from netc.net.variants import deployed
from netc.spec.document import Document
from netc.spec.job import Job


@dataclass(frozen=True)
class Judged:
    """A net and its errors. The `doubt` of its layers marks where they are."""

    net: ResolvedNet
    errors: tuple[Diagnostic, ...]

    def right(self) -> ResolvedNet:
        """Return the net. SpecError if it has errors."""
        if self.errors:
            raise SpecError(*self.errors)
        return self.net


@dataclass(frozen=True)
class JobNets:
    """The nets of a job in its phases. They depend neither on the numeric fields of the solver nor on the backend."""

    job: Job

    @cached_property
    def tables(self) -> data.Tables:
        """The data that the data layers read; each table is opened once."""
        return data.Tables(self.job.base, self.job.seed, self.job.places.current)

    @cached_property
    def judged_train(self) -> Judged:
        """The net for training. If it has data only in TEST and is not trained, these are the layers of TEST."""
        job, rules = self.job, TEST if self.lacks_train else TRAIN
        return self._judged(judged(job.net(TRAIN), TRAIN, *job.state(rules), self.tables, job.learned, rules))

    @cached_property
    def lacks_train(self) -> str:
        """Why the net cannot be trained: it has data only in TEST. "" if it has data for training, or has a solver."""
        return "" if self.job.solver.ListFields() else self._lacks(self.job.train, TRAIN, TEST)

    @cached_property
    def lacks_test(self) -> str:
        """Why the net cannot be tested: it has data only in TRAIN. "" if it has test data, or the solver asks for tests."""
        return "" if self.job.asks_for_tests else self._lacks(self.job.test, TEST, TRAIN)

    @property
    def tested(self) -> bool:
        """Whether training tests the net."""
        return self.job.tested and not self.lacks_test

    @property
    def stages_of_data(self) -> tuple[str, ...]:
        """Stages with which the net has data, if it has none without; () for another net."""
        document = self.job.train
        states = [State.of(document.message, phase, *self.job.state(phase)) for phase in (TRAIN, TEST)]
        found = (stages_of_data(document, state) for state in states if not has_data(document, state))
        return () if any(has_data(document, state) for state in states) else next(filter(None, found), ())

    def _lacks(self, document: Document, phase: str, other: str) -> str:
        own, others = (State.of(document.message, p, *self.job.state(p)) for p in (phase, other))
        return "" if has_data(document, own) or not (has_data(document, others) or hides_data(document, others)) else no_data(document, own)

    def check_test_data(self) -> None:
        """SpecError if the net has no data in phase TEST."""
        if self.lacks_test:
            raise SpecError(Diagnostic(self.job.test.place(), self.lacks_test))

    def _judged(self, found: tuple[ResolvedNet, list[Diagnostic]]) -> Judged:
        return Judged(replace(found[0], rates=Rates.of(self.job.solver)), tuple(found[1]))

    @cached_property
    def learned(self) -> data.Known:
        """The columns and classes that the rows of the test nets must have, as far as the training rows can be read."""
        return {**self.job.learned, **self.judged_train.net.learned}

    @cached_property
    def judged_tests(self) -> tuple[Judged, ...]:
        """The nets for testing, as many as the solver has. If two have the same text and state, they are one net."""
        job, made = self.job, dict[object, Judged]()

        def test(number: int) -> Judged:
            rules = TRAIN if self.lacks_test else TEST
            document, state = job.net(TEST, number), job.state(rules, number)
            if (which := (id(document), state)) not in made:
                made[which] = self._judged(judged(document, TEST, *state, self.tables, self.learned, rules))
            return made[which]

        return tuple(map(test, range(len(job.tests))))

    @property
    def train_net(self) -> ResolvedNet:
        """The net for training. SpecError lists its errors."""
        return self.judged_train.right()

    @property
    def test_nets(self) -> tuple[ResolvedNet, ...]:
        """The nets for testing. The first one is published. SpecError lists the errors of the first net that has any."""
        return tuple(found.right() for found in self.judged_tests)

    def net(self, phase: str, stages: Iterable[str] | None = None, level: int | None = None) -> ResolvedNet:
        """Return the net in a phase, with the job's own state or in the given stages. SpecError lists its errors."""
        if stages is None and phase == TEST:
            self.check_test_data()
        if stages is None and self.lacks_train and phase == TRAIN:
            raise SpecError(Diagnostic(self.job.train.place(), self.lacks_train))
        if stages is None:
            return self.train_net if phase == TRAIN else self.judged_tests[0].right()
        learned = self.job.learned if phase == TRAIN else self.learned
        return self._judged(judged(self.job.net(phase), phase, stages, level, self.tables, learned)).right()

    @cached_property
    def _train(self) -> tuple[Lowered | None, list[Diagnostic]]:
        return lower_judged(self.judged_train.net, seed=self.job.seed)

    @property
    def train(self) -> Lowered:
        """The net in phase TRAIN, with static shapes. SpecError lists the layers that do not fit."""
        self.judged_train.right()
        lowered, errors = self._train
        if lowered is None:
            raise SpecError(*errors)
        return lowered

    @cached_property
    def part(self) -> Lowered:
        """The layers of the net in phase TRAIN whose sizes are known. The others need something that is not on this machine."""
        return lower_part(self.judged_train.net, seed=self.job.seed)[0]

    @cached_property
    def tests(self) -> tuple[tuple[Lowered, Dim], ...]:
        """The nets in phase TEST, each with its batch size: "N", or a number if the net fixes it."""
        made = {id(net): net for net in self.test_nets}
        lowered = {which: lower_symbolic(net, self.job.seed) for which, net in made.items()}
        return tuple(lowered[id(net)] for net in self.test_nets)

    @property
    def missing_means(self) -> list[DataError]:
        """The errors of mean files that do not exist. The deployed net contains the means, so it cannot be made without them."""
        return [error for layer in self.test_nets[0].sources if layer.reader and (error := layer.reader.missing_mean)]

    @cached_property
    def deployed(self) -> ResolvedNet:
        """The net without labels and losses."""
        return deployed(self.test_nets[0])

    @cached_property
    def deploy(self) -> tuple[Lowered, Dim]:
        """The graph of the net without labels and losses, and its batch size."""
        return lower_symbolic(self.deployed, self.job.seed)

    @cached_property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors of the nets; empty if there are none."""
        try:
            train, tests = self.train, [test for test, _ in self.tests]
        except SpecError as e:
            return tuple(self.all_errors()) or e.diagnostics
        if any(source_errors(lowered.net, bool(self.job.solver.test_iter)) for lowered in (train, *tests)):
            return tuple(self.all_errors())
        wrong = [*rate_errors(train, self.job), *(diagnostic for test in tests for diagnostic in width_errors(train, test))]
        return tuple(wrong or (column_errors(self.deployed) if table_of(self.test_nets[0]) else ()))

    def all_errors(self) -> list[Diagnostic]:
        """Return the errors of names, blobs, sources and shapes, as far as the texts allow checking them.

        A layer that is part of several nets is reported once.
        """
        found: dict[Place | None, list[Diagnostic]] = {}
        train = self._train[0]
        for number, made in enumerate((self.judged_train, *self.judged_tests)):
            wrong = list(made.errors)
            places = {f.place for f in (*self.job.errors, *wrong)}
            wrong += source_errors(made.net, bool(self.job.solver.test_iter))
            lowered, misfits = self._train if number == 0 else lower_judged(made.net)
            wrong += [f for f in misfits if f.place not in places]
            if number == 0 and train is not None:
                wrong += rate_errors(train, self.job)
            if train is not None and lowered is not None:
                wrong += width_errors(train, lowered)
            new: dict[Place | None, list[Diagnostic]] = {}
            for diagnostic in wrong:
                if diagnostic.place not in found:
                    new.setdefault(diagnostic.place, []).append(diagnostic)
            found |= new
        return [f for errors in found.values() for f in errors]

"""The tests of a run: the test nets on the states of training."""

from collections.abc import Callable
from pathlib import Path

from netc.compiler.program import Program
from netc.runtime.session import States
from netc.training.evaluate import Scores, evaluate
from netc.training.feed import Feeder
from netc.training.tester import TestNet


class TestNets:
    """The test nets of a program on the states that training moves. `folder` is the run's."""

    __test__ = False  # no class of pytest's

    def __init__(self, program: Program, threads: int, states: States, folder: Path):
        self.program, self.threads, self.states, self.folder = program, threads, states, folder
        self._nets: dict[int, TestNet] = {}
        self._feeders: dict[tuple[int, bool], Feeder] = {}  # by the test net, and whether they are for validation

    @property
    def validates(self) -> bool:
        """Whether the data has rows for choosing the best model: the tests during training run on them."""
        return any(net.has_validation for net in self.program.test_nets)

    def open(self) -> None:
        """The test rows that training will ask for. DataError if they cannot be read, or hold what the nets cannot take."""
        for number in range(len(self.program.tests)):
            for validation in {self.validates, False}:
                self._feeder(number, validation)

    def scores(self, states: States | None = None, validation: bool = False, stop: Callable[[], bool] = lambda: False) -> Scores:
        """The scores of `states`, or of those of training as they are; those of a second test net are called `accuracy#1` and so on.

        Raises evaluate.Stopped once `stop()` is true.
        """
        scores: Scores = {}
        for number in range(len(self.program.tests)):
            test_iter = self.program.job.settings.test_iter
            net = self._net(number) if states is None else self._net(number).on(states)
            found = evaluate(net, self._feeder(number, validation), test_iter[number] if test_iter else None, stop=stop)
            scores |= {f"{name}#{number}" if number else name: value for name, value in found.items()}
        return scores

    def skipped(self) -> list[str]:
        """What is wrong with each row that could not be decoded and was skipped so far, and which rows no test has."""
        feeders = self._feeders.items()
        left_out = [self._net(number).left_out(feeder) for (number, _), feeder in feeders if not self.program.job.settings.test_iter]
        return [*filter(None, left_out), *(text for _, feeder in feeders for text in feeder.skipped())]

    def notes(self) -> list[str]:
        """What the rows read so far do not show of what they were read from, such as an alpha channel."""
        return [text for feeder in self._feeders.values() for text in feeder.notes()]

    def _net(self, number: int) -> TestNet:
        if number not in self._nets:
            self._nets[number] = TestNet(self.program, number, self.threads, self.states)
        return self._nets[number]

    def _feeder(self, number: int, validation: bool) -> Feeder:
        program = self.program
        if (number, validation) not in self._feeders:
            net, lowered = program.test_nets[number], program.tests[number][0]
            made = Feeder(net, lowered.graph, program.seed, program.job.base, validation=validation, lowered=lowered, folder=self.folder)
            self._feeders[number, validation] = made
        return self._feeders[number, validation]

"""Run the test nets of a program on the states of training."""

from collections.abc import Callable
from pathlib import Path

from netc.compiler.program import Program
from netc.graph.contract import STATE
from netc.runtime.averages import averaged
from netc.runtime.session import States
from netc.training.evaluate import Scores, evaluate
from netc.training.feed import Feeder
from netc.training.tester import TestNet


class TestNets:
    """The test nets of a program, which use the states of training. `folder` is the folder of the run."""

    __test__ = False  # not a pytest class

    def __init__(self, program: Program, threads: int, states: States, folder: Path):
        self.program, self.threads, self.states, self.folder = program, threads, states, folder
        self._nets: dict[int, TestNet] = {}
        self._feeders: dict[tuple[int, bool], Feeder] = {}  # by test net and validation flag

    @property
    def validates(self) -> bool:
        """Whether the data has a validation set, which the tests during training use."""
        return any(net.has_validation for net in self.program.test_nets)

    def open(self) -> None:
        """Open the test data before training. DataError if it cannot be read or contains invalid values."""
        for number in range(len(self.program.tests)):
            for validation in {self.validates, False}:
                self._feeder(number, validation)

    def scores(self, states: States | None = None, validation: bool = False, stop: Callable[[], bool] = lambda: False) -> Scores:
        """Compute the scores of `states`, by default those of training. Scores of a second test net are named `accuracy#1` and so on.

        Raises evaluate.Stopped once `stop()` is true.
        """
        scores: Scores = {}
        tested = self._averaged() if states is None else states
        for number in range(len(self.program.tests)):
            test_iter = self.program.job.settings.test_iter
            net = self._net(number).on(tested)
            results = evaluate(net, self._feeder(number, validation), test_iter[number] if test_iter else None, stop=stop)
            scores |= {f"{name}#{number}" if number else name: value for name, value in results.items()}
        return scores

    def _averaged(self) -> States:
        """The states of training, with the averages of the weights in their place if the solver keeps them."""
        if not self.program.job.settings.ema:
            return self.states
        arrays = averaged(STATE.within(self.states.arrays()))
        read = {node.name for lowered, _ in self.program.tests for node in lowered.graph.leaves("State")}
        return States(STATE.named({name: arrays[name] for name in read}), self.program.backend)

    def skipped(self) -> list[str]:
        """Messages on the rows that were skipped so far, and on rows that do not fit into a batch."""
        feeders = self._feeders.items()
        left_out = [self._net(number).left_out(feeder) for (number, _), feeder in feeders if not self.program.job.settings.test_iter]
        return [*filter(None, left_out), *(text for _, feeder in feeders for text in feeder.skipped())]

    def notes(self) -> list[str]:
        """Notes on information that reading has dropped so far, such as alpha channels."""
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

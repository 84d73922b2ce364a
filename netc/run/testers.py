"""The tests of a run: the test nets on the states of training, opened when they are first needed."""

from collections.abc import Callable
from pathlib import Path

from netc.compiled import session
from netc.contract import Program
from netc.run.evaluate import Scores, evaluate
from netc.run.feed import Feeder
from netc.session import States, Stepper


class Testers:
    """The test nets of a program, on `states`, which training moves on; `folder` is the run's."""

    def __init__(self, program: Program, threads: int, states: States, folder: Path):
        self.program, self.threads, self.states, self.folder = program, threads, states, folder
        self._steppers: dict[int, Stepper] = {}
        self._feeders: dict[tuple[int, bool], Feeder] = {}  # by the test net, and whether they are for validation

    @property
    def validates(self) -> bool:
        """Whether the data has rows for choosing the best model: the tests during training run on them."""
        return any(net.has_validation for net in self.program.test_nets)

    def scores(self, states: States | None = None, validation: bool = False, stop: Callable[[], bool] = lambda: False) -> Scores:
        """The scores of `states`, or of those of training as they are; those of a second test net are called `accuracy#1` and so on.

        Raises evaluate.Stopped once `stop()` is true.
        """
        scores: Scores = {}
        for number, (_, batch) in enumerate(self.program.tests):
            test_iter = self.program.job.solver.test_iter
            stepper, feeder = self._tester(number, validation)
            stepper = stepper if states is None else Stepper(stepper.session, states)
            found = evaluate(stepper, feeder, test_iter[number] if test_iter else None, static=batch != "N", stop=stop)
            scores |= {f"{name}#{number}" if number else name: value for name, value in found.items()}
        return scores

    def skipped(self) -> list[str]:
        """What is wrong with each row that could not be decoded and was skipped so far."""
        return [text for feeder in self._feeders.values() for text in feeder.skipped()]

    def _tester(self, number: int, validation: bool) -> tuple[Stepper, Feeder]:
        """A test net on the states of training, and what feeds it."""
        program = self.program
        if number not in self._steppers:
            self._steppers[number] = Stepper(session(program, f"test{number or ''}", self.threads), self.states)
        if (number, validation) not in self._feeders:
            net, graph = program.test_nets[number], program.tests[number][0].graph
            self._feeders[number, validation] = Feeder(
                net, graph, program.seed, program.job.base, validation=validation, folder=self.folder
            )
        return self._steppers[number], self._feeders[number, validation]

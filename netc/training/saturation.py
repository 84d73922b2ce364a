"""A loss that has run against its ceiling: the logarithm of a probability is cut off there, and nothing is learned any more."""

import math
from collections.abc import Callable

import numpy as np

from netc.compiler.program import Program
from netc.training.events import Event, Stepped
from netc.training.failure import advice

CEILING = -math.log(np.finfo(np.float32).tiny)  # 87.3365
STEPS = 20


class Stuck:
    """Follows a run and says once what to try where a SoftmaxWithLoss gives the largest loss that it can, STEPS iterations in a row."""

    def __init__(self, program: Program, say: Callable[[str], None]):
        layers = [layer for layer in program.train_net.layers if layer.type == "SoftmaxWithLoss"]
        self.counts = {layer.tops[0]: 0 for layer in layers if layer.tops}
        self.settings, self.say, self.said = program.job.settings, say, False

    def __call__(self, event: Event) -> None:
        """Note an event."""
        if not isinstance(event, Stepped) or self.said:
            return
        for name in self.counts:
            loss = event.outputs.get(name)
            at_it = isinstance(loss, float) and abs(loss - CEILING) < 1e-3
            self.counts[name] = self.counts[name] + 1 if at_it else 0
        if max(self.counts.values(), default=0) >= STEPS:
            self.said = True
            what = f"the loss has been {CEILING:.4f} for {STEPS} iterations, the largest that SoftmaxWithLoss can give"
            why = "the probability of the right class is 0 in every row, as when the weights have grown too large in the first steps"
            self.say(f"note: {what}: {why}. Begin anew. {advice(self.settings)}")

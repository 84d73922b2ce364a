"""Detect a saturated loss: the log of a probability is clipped, the loss is at its maximum, and training makes no progress."""

import math
from collections.abc import Callable

import numpy as np

from netc.compiler.program import Program
from netc.training.events import Event, Stepped
from netc.training.failure import advice

CEILING = -math.log(np.finfo(np.float32).tiny)  # 87.3365
STEPS = 20


class SaturatedLoss:
    """Follows a run, and prints advice once if SoftmaxWithLoss is at its maximum for STEPS iterations in a row."""

    def __init__(self, program: Program, say: Callable[[str], None]):
        layers = [layer for layer in program.train_net.layers if layer.type == "SoftmaxWithLoss"]
        self.counts = {layer.tops[0]: 0 for layer in layers if layer.tops}
        self.settings, self.say, self.reported = program.job.settings, say, False

    def __call__(self, event: Event) -> None:
        """Process an event."""
        if not isinstance(event, Stepped) or self.reported:
            return
        for name in self.counts:
            loss = event.outputs.get(name)
            at_it = isinstance(loss, float) and abs(loss - CEILING) < 1e-3
            self.counts[name] = self.counts[name] + 1 if at_it else 0
        if max(self.counts.values(), default=0) >= STEPS:
            self.reported = True
            what = f"the loss has been {CEILING:.4f} for {STEPS} iterations, the maximum of SoftmaxWithLoss"
            why = "the probability of the true class is 0 in all rows, usually because the weights became too large in the first steps"
            self.say(f"note: {what}: {why}. Start a new run. {advice(self.settings)}")

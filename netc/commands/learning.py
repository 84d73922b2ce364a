"""What learns: each parameter and statistic of a net, with its shape and its learning rate."""

from collections.abc import Iterator
from dataclasses import dataclass

from netc import terminal
from netc.compiler.program import Program
from netc.graph.ir import Value
from netc.graph.multiply_adds import size
from netc.layers.context import dims
from netc.net.rates import Rates

LEARNS, FROZEN, IDLE, UPDATED, KEPT = "learns", "frozen", "no loss depends on it", "statistic, updated", "statistic, kept"


@dataclass(frozen=True)
class Learning:
    """A parameter or a statistic. `how` says whether it learns, `lr_mult` is the factor on the learning rate."""

    name: str
    shape: str
    count: int
    how: str
    lr_mult: float

    @property
    def text(self) -> str:
        """How it learns, in words."""
        return f"learns, lr_mult {self.lr_mult:g}" if self.how == LEARNS and self.lr_mult != 1 else self.how


def learning(program: Program) -> list[Learning]:
    """Every parameter and statistic of the training net, in order."""
    gradients = program.steps.gradients if program.trains else {p: p for p in program.train.parameters}
    updates = program.train.graph.updates
    return [_learning(s, s in gradients, s in updates) for s in program.train.states if s.node.state.is_weight]


def _learning(s: Value, has_gradient: bool, is_updated: bool) -> Learning:
    state = s.node.state
    if state.kind == "statistic":
        how = UPDATED if is_updated else FROZEN if state.frozen else KEPT
    else:
        how = FROZEN if state.frozen or not state.lr_mult else LEARNS if has_gradient else IDLE
    return Learning(state.name, dims(s.shape), size(s.shape), how, state.lr_mult)


def chooses(program: Program) -> bool:
    """Whether the net chooses what learns: it has a Model layer, or patterns of `freeze` or `lr_mult`."""
    net = program.train_net
    return net.rates != Rates() or any(x.type == "Model" or Rates.of(x.param) != Rates() for x in net.layers)


def table(found: list[Learning]) -> Iterator[str]:
    """One line per parameter, and the sums."""
    lines = [("parameter", "shape", ""), *((one.name, one.shape, one.text) for one in found)]
    widths = [terminal.column(line[k] for line in lines) for k in range(2)]
    yield from (f"{name.ljust(widths[0])}  {shape.ljust(widths[1])}  {text}".rstrip() for name, shape, text in lines)
    sums: dict[str, tuple[int, int]] = {}
    for one in found:
        kind = "statistics" if one.how in (UPDATED, KEPT) else one.how
        sums[kind] = (sums.get(kind, (0, 0))[0] + 1, sums.get(kind, (0, 0))[1] + one.count)
    yield "; ".join(f"{kind}: {tensors} tensors of {count:,} numbers" for kind, (tensors, count) in sums.items())

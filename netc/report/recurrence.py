"""How far back a recurrent net learns from: the gradient of what it says at the last time by what it read at each time before."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from netc.compiler.lower import Lowered, lower
from netc.compiler.program import Program
from netc.graph.autodiff import grad
from netc.graph.contract import BATCH, STATE
from netc.graph.emit import input_name
from netc.graph.ir import Graph, leaf
from netc.net.model import Layer
from netc.report import charts
from netc.report.charts import Series
from netc.report.run import Run
from netc.report.test_rows import classifier, probabilities
from netc.runtime.chain import open_graph
from netc.runtime.session import Runs

RECURRENT = ("RNN", "LSTM", "GRU")


def recurrent_layer(program: Program) -> Layer | None:
    """The first recurrent layer of the test net; None where it reads a sequence from its end as well."""
    layers = program.test_net.layers
    return None if any(x.type == "Reverse" for x in layers) else next((x for x in layers if x.type in RECURRENT), None)


def reach(run: Run) -> list[float]:
    """Norms of a gradient by the recurrent layer's input at times 0, 1, ... back from the last: means over the rows of a test batch.

    The gradient is of the loss at the last time alone. [] of a net without a recurrent layer, or that tells no classes apart.
    """
    layer, found = recurrent_layer(run.made), classifier(run.made.test_net)
    if layer is None or found is None:
        return []
    lowered = lower(run.made.test_net, None, run.made.seed)
    x, scores = lowered.versions[layer.bottoms[0]][-1], lowered.versions[found[0]][-1]
    (by_x,) = grad({scores: leaf("Input", np.float32, scores.shape, name="seed")}, [x])
    if by_x is None:
        return []
    session = open_graph(Graph("reach", {"scores": scores, "gradient": by_x}), threads=run.threads)
    feeds = _feeds(run, lowered, session)
    given = session.run(feeds | {"seed": np.zeros(tuple(map(int, scores.shape)), np.float32)})["scores"]
    seed = _seed(given, run.feeder.once(0)[BATCH(found[1])], found[2])
    gradient = session.run(feeds | {"seed": seed})["gradient"]
    norms = np.sqrt(np.square(gradient.reshape(*gradient.shape[:2], -1), dtype=np.float64).sum(2)).mean(1)
    return [float(n) for n in norms[::-1]]


def reach_chart(runs: Mapping[str, Sequence[float]]) -> Markup:
    """The norms of some runs by their names."""
    series = [Series(name, list(range(len(norms))), norms) for name, norms in runs.items()]
    return charts.lines("gradient back through time", series, "times back", "gradient norm", log=True)


def _seed(scores: np.ndarray, labels: np.ndarray, axis: int) -> np.ndarray:
    """The gradient of -log p(label) of each row by its scores, at the last time where there are several."""
    flat = np.moveaxis(scores, axis, -1)
    found: np.ndarray = probabilities(flat.reshape(-1, flat.shape[-1])).copy()
    found[np.arange(len(found)), labels.reshape(-1).astype(np.int64)] -= 1
    found = found.reshape(flat.shape)
    if flat.ndim == 3:  # (steps, batch, classes)
        found[:-1] = 0
    return np.ascontiguousarray(np.moveaxis(found, -1, axis), np.float32)


def _feeds(run: Run, lowered: Lowered, session: Runs) -> dict[str, np.ndarray]:
    """The first test batch and the states; what is carried is zero."""
    states = STATE.named(run.states) | run.feeder.once(0)
    carries = [n for n in lowered.graph.leaves("State") if n.state.kind == "carry"]
    states |= {input_name(n.outputs[0]): np.zeros(tuple(map(int, n.types[0].shape)), np.float32) for n in carries}
    return {n: a for n, a in states.items() if n in session.inputs}

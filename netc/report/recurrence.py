"""Measure how far back a recurrent net learns: the gradient of its last output with respect to each earlier input."""

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
    """The first recurrent layer of the test net; None if it is bidirectional."""
    layers = program.test_net.layers
    return None if any(x.type == "Reverse" for x in layers) else next((x for x in layers if x.type in RECURRENT), None)


def reach(run: Run) -> list[float]:
    """Gradient norms at the input of the recurrent layer, 0, 1, ... steps before the last: means over a test batch.

    The gradient is that of the loss at the last time step. [] if the net has no recurrent layer or is no classifier.
    """
    layer, outputs = recurrent_layer(run.made), classifier(run.made.test_net)
    if layer is None or outputs is None:
        return []
    lowered = lower(run.made.test_net, None, run.made.seed)
    x, scores = lowered.versions[layer.bottoms[0]][-1], lowered.versions[outputs[0]][-1]
    (by_x,) = grad({scores: leaf("Input", np.float32, scores.shape, name="seed")}, [x])
    if by_x is None:
        return []
    session = open_graph(Graph("reach", {"scores": scores, "gradient": by_x}), threads=run.threads)
    feeds = _feeds(run, lowered, session)
    given = session.run(feeds | {"seed": np.zeros(tuple(map(int, scores.shape)), np.float32)})["scores"]
    seed = _seed(given, run.feeder.once(0)[BATCH(outputs[1])], outputs[2])
    gradient = session.run(feeds | {"seed": seed})["gradient"]
    norms = np.sqrt(np.square(gradient.reshape(*gradient.shape[:2], -1), dtype=np.float64).sum(2)).mean(1)
    return [float(n) for n in norms[::-1]]


def reach_chart(runs: Mapping[str, Sequence[float]]) -> Markup:
    """A chart of the gradient norms of several runs."""
    series = [Series(name, list(range(len(norms))), norms) for name, norms in runs.items()]
    return charts.lines("gradient back through time", series, "time steps back", "gradient norm", log=True)


def _seed(scores: np.ndarray, labels: np.ndarray, axis: int) -> np.ndarray:
    """The gradient of -log p(label) with respect to the scores of each row, for sequences at the last time step."""
    flat = np.moveaxis(scores, axis, -1)
    gradient: np.ndarray = probabilities(flat.reshape(-1, flat.shape[-1])).copy()
    gradient[np.arange(len(gradient)), labels.reshape(-1).astype(np.int64)] -= 1
    gradient = gradient.reshape(flat.shape)
    if flat.ndim == 3:  # (steps, batch, classes)
        gradient[:-1] = 0
    return np.ascontiguousarray(np.moveaxis(gradient, -1, axis), np.float32)


def _feeds(run: Run, lowered: Lowered, session: Runs) -> dict[str, np.ndarray]:
    """The first test batch and the states, with zeros for the carried state."""
    states = STATE.named(run.states) | run.feeder.once(0)
    carries = [n for n in lowered.graph.leaves("State") if n.state.kind == "carry"]
    states |= {input_name(n.outputs[0]): np.zeros(tuple(map(int, n.types[0].shape)), np.float32) for n in carries}
    return {n: a for n, a in states.items() if n in session.inputs}

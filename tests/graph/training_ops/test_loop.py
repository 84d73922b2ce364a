"""A recurrence as one Scan and as unrolled copies gives the same values, whatever the step reads from outside."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from netc.compiler.cache import fingerprint
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, leaf, op
from netc.graph.training_ops.loop import Values, scan, unrolled
from netc.runtime.session import Session

RNG = np.random.default_rng(0)
FEEDS = {"x": RNG.normal(size=(4, 2)).astype(np.float32), "s": RNG.normal(size=2).astype(np.float32), "w": np.array([2, 3], np.float32)}
X, S, W = (leaf("Input", np.float32, a.shape, name=n) for n, a in FEEDS.items())


def fall(loop: Callable[..., Any], reverse: bool = False, outside: Value = W) -> tuple[Values, Values]:
    """s = outside s + x at each time step. The results are the previous s, and twice that."""
    found: tuple[Values, Values] = loop(
        lambda states, xs: ((states[0] * outside + xs[0],), (states[0], states[0] * 2.0)), [S], [X], reverse=reverse
    )
    return found


def run(**outputs: Any) -> dict[str, np.ndarray]:
    model = emit(Graph("loop", outputs))
    onnx.checker.check_model(model, full_check=True)
    session = Session(model)
    return session.run({n: a for n, a in FEEDS.items() if n in session.inputs})


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("loop", [scan, unrolled])
def test_it_is_the_loop_that_one_would_write(loop: Callable[..., Any], reverse: bool) -> None:
    (last,), (before, twice) = fall(loop, reverse)
    s, expected = FEEDS["s"], []
    for x in FEEDS["x"][::-1] if reverse else FEEDS["x"]:
        expected.append(s)
        s = FEEDS["w"] * s + x
    got = run(last=last, before=before, twice=twice)
    np.testing.assert_allclose(got["last"], s, rtol=1e-6)
    np.testing.assert_allclose(got["before"], expected[::-1] if reverse else expected, rtol=1e-6)
    np.testing.assert_allclose(got["twice"], 2 * got["before"])


def test_a_captured_value_may_be_an_output_of_the_graph_too() -> None:
    """As an output it has another name, which the subgraph must read."""
    outside = W + 1.0
    (last,), _ = fall(scan, outside=outside)
    (same,), _ = fall(unrolled, outside=outside)
    got = run(outside=outside, last=last, same=same)
    np.testing.assert_allclose(got["last"], got["same"], rtol=1e-6)


def test_two_scans_one_in_the_other() -> None:
    def step(states: Values, xs: Values) -> tuple[Values, Values]:
        (inner,), _ = fall(scan, outside=states[0])
        return (inner + xs[0],), (inner,)

    (last,), _ = scan(step, [S], [X])
    (same,), _ = unrolled(lambda states, xs: step(states, xs), [S], [X])
    got = run(last=last, same=same)
    np.testing.assert_allclose(got["last"], got["same"], rtol=1e-5)


def test_what_a_scan_reads_is_among_its_inputs() -> None:
    """Passes and sorting then see them."""
    (last,), _ = fall(scan)
    assert last.node.op == "Scan" and last.node.operands == (S, X, W)


def test_a_fingerprint_sees_the_step() -> None:
    def of(factor: float) -> str:
        (last,), _ = scan(lambda states, xs: ((states[0] + op.Tanh(xs[0]) * factor,), (states[0],)), [S], [X])
        return fingerprint(Graph("g", {"last": last}))

    assert of(2.0) == of(2.0) != of(3.0)

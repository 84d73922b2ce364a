"""Models on onnxruntime: sessions, threads, states whose buffers take turns."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from netc.errors import RunError
from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.runtime import session
from netc.runtime.backends import PORTABLE
from netc.runtime.session import Session, States, Stepper, threads_for, tried

RECORDING = replace(PORTABLE, capture_option="use_arena")  # an option that the CPU's provider ignores
COUNTER = """<ir_version: 10, opset_import: ["": 21]>
counter (float[2] x, float[2] "state/sum", float "state/count", float "state/fixed")
    => (float[2] seen, float[2] "next/sum", float "next/count")
<float one = {1}> { seen = Mul(x, "state/fixed") "next/sum" = Add("state/sum", seen) "next/count" = Add("state/count", one) }"""


def counter(capture: bool = False) -> Stepper:
    model = onnx.parser.parse_model(
        COUNTER.replace('"state/', "S").replace('"next/', "X").replace('sum"', "sum").replace('count"', "count").replace('fixed"', "fixed")
    )
    names = {"Ssum": "state/sum", "Scount": "state/count", "Sfixed": "state/fixed", "Xsum": "next/sum", "Xcount": "next/count"}
    for node in model.graph.node:
        for part in (node.input, node.output):
            part[:] = [names.get(n, n) for n in part]
    for port in (*model.graph.input, *model.graph.output):
        port.name = names.get(port.name, port.name)
    start = {"state/sum": np.zeros(2, np.float32), "state/count": np.zeros((), np.float32), "state/fixed": np.array(2, np.float32)}
    return Stepper(Session(model, RECORDING, capture=capture), States(start))


def test_states_move_with_each_run() -> None:
    stepper = counter()
    for k in range(1, 6):
        seen = stepper.run({"x": np.full(2, k, np.float32)})
        assert seen.keys() == {"seen"} and seen["seen"].tolist() == [2 * k, 2 * k]
    states = stepper.states.arrays()
    assert states["state/sum"].tolist() == [30, 30] and states["state/count"] == 5 and states["state/fixed"] == 2
    assert len(stepper._bindings) == 2


def test_a_step_is_undone() -> None:
    stepper = counter()
    for k in (1, 2):
        stepper.run({"x": np.full(2, k, np.float32)})
    stepper.undo()
    assert stepper.states.arrays()["state/count"] == 1 and stepper.states.arrays()["state/sum"].tolist() == [2, 2]
    stepper.run({"x": np.full(2, 10, np.float32)})
    assert stepper.states.arrays()["state/sum"].tolist() == [22, 22]


def test_results_are_the_callers_own() -> None:
    stepper = counter()
    first = stepper.run({"x": np.ones(2, np.float32)})["seen"]
    taken = stepper.states.arrays()
    stepper.run({"x": np.zeros(2, np.float32)})
    assert first.tolist() == [2, 2] and taken["state/count"] == 1


def test_states_are_set_and_cleared() -> None:
    start = np.ones(2, np.float32)
    states = States({"grad/a": start, "state/b": start})
    start[:] = 5
    states.set({"state/b": np.array([7, 8], np.float32)})
    states.clear("grad/")
    assert states.arrays()["grad/a"].tolist() == [0, 0] and states.arrays()["state/b"].tolist() == [7, 8]


def test_a_session_that_records_its_steps_has_fixed_buffers() -> None:
    plain, recorded = counter(), counter(capture=True)
    assert isinstance(recorded.session, Session) and tried(recorded.session).captured
    for k in range(1, 6):
        feeds = {"x": np.full(2, k, np.float32)}
        assert plain.run(feeds)["seen"].tolist() == recorded.run(feeds)["seen"].tolist()
    assert recorded.states.arrays()["state/sum"].tolist() == plain.states.arrays()["state/sum"].tolist()
    for feeds, wanted in (({}, "The input 'x' is missing"), ({"x": np.zeros(3, np.float32)}, r"Expected .* for 'x', got float32")):
        with pytest.raises(RunError, match=wanted):
            recorded.run(feeds)


def test_two_sessions_share_states() -> None:
    stepper = counter()
    other = Stepper(stepper.session, stepper.states)
    for k, one in enumerate((stepper, other, other, stepper)):
        one.run({"x": np.full(2, k, np.float32)})
    assert stepper.states.arrays()["state/count"] == 4 and stepper.states.arrays()["state/sum"].tolist() == [12, 12]


def test_errors_of_onnxruntime_are_run_errors() -> None:
    with pytest.raises(RunError, match="onnxruntime: "):
        Session(b"no model")
    stepper = counter()
    with pytest.raises(RunError, match="onnxruntime: "):
        stepper.session.run({**stepper.states.arrays(), "x": np.zeros(3, np.float32)})


def test_threads_follow_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "cores", lambda: 4)
    unit = session.MULTIPLY_ADDS_PER_THREAD
    assert [threads_for(n * unit) for n in (0, 1, 2, 3, 100)] == [1, 1, 2, 3, 4]
    assert session.cores() == 4


def test_outputs_of_a_symbolic_batch_follow_its_size() -> None:
    x = leaf("Input", np.float32, ("N", 2), name="x")
    stepper = Stepper(Session(emit(Graph("g", {"y": x + 1.0}))), States({}))
    for rows in (3, 2, 5):
        assert stepper.run({"x": np.zeros((rows, 2), np.float32)})["y"].shape == (rows, 2)

"""If, Loop and Scan: the branch that is taken, and a copy of the body for each step."""

from collections.abc import Sequence

import numpy as np

from netc.errors import ShapeError, SpecError
from netc.graph.ir import Value, constant, op
from netc.graph.training_ops.shape import split
from netc.onnx_import.model import Body
from netc.onnx_import.table import Call, Result, becomes

MOST_STEPS = 4096


def _body(call: Call, name: str) -> Body:
    body = call.attrs.get(name)
    if not isinstance(body, Body):
        raise SpecError(f"The graph `{name}` is missing.")
    return body


@becomes("If")
def if_(call: Call) -> Result:
    """The branch that a constant condition selects."""
    chosen = call.known(0)
    if chosen is None or chosen.dtype == object or chosen.size != 1:
        raise _unknown(call, 0, "Its condition")
    body = _body(call, "then_branch" if bool(chosen.reshape(-1)[0]) else "else_branch")
    return call.run.body(body, ())


def _unknown(call: Call, k: int, what: str) -> SpecError:
    """The error about an input that must be a constant. A size may become one if the batch is fixed."""
    value = call.get(k)
    if value is not None and (value in call.run.contents or call.run.depends_on_sizes(value)):
        return ShapeError(f"{what} depends on a size that is known only in a run.")
    return SpecError(f"{what} depends on values that only a run knows. netc needs a constant.")


@becomes("Loop")
def loop(call: Call) -> Result:
    """Copies of the body, as many as a constant count or constant conditions say."""
    body = _body(call, "body")
    steps = call.numbers(0)
    if call.get(0) is not None and steps is None:
        raise _unknown(call, 0, "Its number of steps")
    limit = steps[0] if steps else None
    states: Sequence[Value] = [call.need(k) for k in range(2, len(call.inputs))]
    going, emitted = call.get(1), list[Sequence[Value]]()
    while limit is None or len(emitted) < limit:
        if not _goes_on(call, going):
            break
        _check_count(len(emitted))
        condition = constant(np.array(True)) if going is None else going
        going, *results = call.run.body(body, (constant(np.array(len(emitted))), condition, *states))
        states, scans = results[: len(states)], results[len(states) :]
        emitted.append(scans)
    count = len(body.outputs) - 1 - len(states)
    if count and not emitted:
        raise SpecError("It takes no step, so its outputs have no shape.")
    return (*states, *(op.Concat(*(op.Unsqueeze(s[k], [0]) for s in emitted), axis=0) for k in range(count)))


def _goes_on(call: Call, condition: Value | None) -> bool:
    content = call.run.known(condition)
    if condition is not None and content is None:
        raise _unknown(call, 1, "Its condition")
    return content is None or bool(content.reshape(-1)[0])


def _check_count(steps: int) -> None:
    if steps >= MOST_STEPS:
        raise SpecError(f"It takes more than {MOST_STEPS:,} steps, the most that netc unrolls.")


@becomes("Scan")
def scan(call: Call) -> Result:
    """A copy of the body for each slice of the inputs."""
    body, count = _body(call, "body"), call.attrs["num_scan_inputs"]
    states: Sequence[Value] = [call.need(k) for k in range(len(call.inputs) - count)]
    inputs = [call.need(k) for k in range(len(call.inputs) - count, len(call.inputs))]
    axes = call.attrs.get("scan_input_axes", [0] * count)
    back = call.attrs.get("scan_input_directions", [0] * count)
    slices = [_slices(x, axis % x.rank)[:: -1 if b else 1] for x, axis, b in zip(inputs, axes, back, strict=True)]
    emitted = list[Sequence[Value]]()
    for xs in zip(*slices, strict=True):
        results = call.run.body(body, (*states, *xs))
        states, scans = results[: len(states)], results[len(states) :]
        emitted.append(scans)
    ends = len(body.outputs) - len(states)
    axes, back = call.attrs.get("scan_output_axes", [0] * ends), call.attrs.get("scan_output_directions", [0] * ends)
    columns = [[s[k] for s in emitted][:: -1 if back[k] else 1] for k in range(ends)]
    return (*states, *(_stacked(column, axis) for column, axis in zip(columns, axes, strict=True)))


def _slices(x: Value, axis: int) -> list[Value]:
    size = x.shape[axis]
    if isinstance(size, str):
        raise ShapeError("Its number of steps is a size that is known only in a run.")
    _check_count(size - 1)
    return [op.Squeeze(part, [axis]) for part in split(x, [1] * size, axis)]


def _stacked(values: Sequence[Value], axis: int) -> Value:
    if not values:
        raise SpecError("It takes no step, so its outputs have no shape.")
    axis = axis % (values[0].rank + 1)
    result: Value = op.Concat(*(op.Unsqueeze(v, [axis]) for v in values), axis=axis)
    return result

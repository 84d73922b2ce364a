"""The starts and ends of sequences. cont (T, N), as float, is 0 at the first time step of each. A T x T matrix compares the times."""

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops.define import training_op


@training_op("Reverse")
def reverse(x: Value, cont: Value | None = None) -> Value:
    """x (T, N, ...) with each sequence reversed in its place. The op is its own inverse, so its gradient applies the same op to dy."""
    steps = int(x.shape[0])
    if cont is None:
        return op.Gather(x, constant(np.arange(steps)[::-1].copy()), axis=0)
    times = np.arange(steps, dtype=np.float32)
    begins = op.Unsqueeze(cast(op.Equal(cont, constant(0.0)), np.float32), [0])  # (1, T', N)
    at = times[None, :, None]
    earlier = (times[:, None] >= times[None, :])[:, :, None].astype(np.float32)  # (T, T', 1)
    first = op.ReduceMax(begins * constant(earlier * at), [1], keepdims=0)  # the start of the sequence that contains each time step
    later = 1 - earlier
    last = op.ReduceMin(constant(np.float32(steps)) - begins * constant(later * (steps - at)), [1], keepdims=0) - 1.0
    source = cast(first + last - constant(times[:, None]), np.int64)
    inner = [*map(int, x.shape[2:])]
    source = op.Unsqueeze(source, list(range(2, x.rank))) + constant(np.zeros([1, 1, *inner], np.int64)) if inner else source
    return op.GatherElements(x, source, axis=0)


def first_sequence(cont: Value) -> Value:
    """(T, N), as float: 1 at the time steps of the first sequence in each column, 0 elsewhere."""
    starts = 1.0 - cont  # after the first time step, each is a further sequence
    begun = op.CumSum(starts, constant(np.int64(0))) - op.Slice(starts, [0], [1], [0], shape=(1, *cont.shape[1:]))
    return cast(begun < 0.5, np.float32)


def last_of_first(cont: Value) -> Value:
    """(T, N), as float: 1 at the last time step of the first sequence in each column, 0 elsewhere."""
    steps, inside = int(cont.shape[0]), first_sequence(cont)
    if steps == 1:
        return inside
    after = op.Concat(op.Slice(inside, [1], [steps], [0]), op.Slice(inside, [0], [1], [0]) * 0.0, axis=0)
    return inside - after

"""Link functions: how scores become predictions, and which score stands for the mean of several predictions.

The loss of a mean is computed from its score, so that it neither overflows nor loses digits.
"""

from collections.abc import Callable
from dataclasses import dataclass

from netc.graph.ir import Value, op, stop
from netc.graph.training_ops.activation import softplus


@dataclass(frozen=True)
class Link:
    """`predict` maps scores (..., outputs) to predictions.

    `pool` maps scores (N, k, outputs) of k members to the scores (N, outputs) whose predictions are the means of the members' predictions.
    """

    predict: Callable[[Value], Value]
    pool: Callable[[Value], Value]


def log_mean(logs: Value) -> Value:
    """The logarithm of the mean over axis 1 of the numbers whose logarithms are `logs`."""
    most = stop(op.ReduceMax(logs, [1]))  # the result does not depend on it
    return op.Squeeze(most, [1]) + op.Log(op.ReduceMean(op.Exp(logs - most), [1], keepdims=0))


def _mean(scores: Value) -> Value:
    return op.ReduceMean(scores, [1], keepdims=0)


def _pooled_logits(x: Value) -> Value:
    return log_mean(-softplus(-x)) - log_mean(-softplus(x))


IDENTITY = Link(lambda x: x, _mean)
LOG = Link(op.Exp, log_mean)
LOGIT = Link(op.Sigmoid, _pooled_logits)
SOFTMAX = Link(lambda x: op.Softmax(x, axis=-1), lambda x: log_mean(op.LogSoftmax(x, axis=-1)))

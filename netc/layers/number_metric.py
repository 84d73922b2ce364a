"""Metrics of predicted numbers: MAE, RMSE, Deviance, PinballLoss. They are computed in float64, batch by batch and over the full test set.

For several columns, the first top is the mean over the columns, and a second top holds the value of each.
"""

from collections.abc import Sequence
from math import inf

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.layers import domain, whole
from netc.layers.context import Context
from netc.layers.loss import alike
from netc.layers.regression_loss import columns, quantile_targets
from netc.net.model import Layer
from netc.registry import layer


def _pair(ctx: Context, prediction: Value, label: Value) -> tuple[Value, Value]:
    """Predictions and labels as float64 (N, columns)."""
    label = alike(ctx, prediction, label)
    return cast(columns(prediction), np.float64), cast(columns(label), np.float64)


@layer("MAE", bottoms=(2, 2), tops=(1, 2), metric=True, lower_is_better=(0, 1), whole=whole.mean_of_columns)
def mae(ctx: Context, prediction: Value, label: Value) -> tuple[Value, ...]:
    """The mean absolute error, in the units of the label. A second top holds that of each column."""
    p, y = _pair(ctx, prediction, label)
    return whole.exact_mean(ctx, op.Abs(p - y))


@layer("RMSE", bottoms=(2, 2), tops=(1, 2), metric=True, lower_is_better=(0, 1), whole=whole.rmse)
def rmse(ctx: Context, prediction: Value, label: Value) -> tuple[Value, ...]:
    """The root of the mean squared error, in the units of the label. A second top holds that of each column; the first is their mean."""
    p, y = _pair(ctx, prediction, label)
    _, squares = whole.exact_mean(ctx, (p - y) * (p - y))
    roots = op.Sqrt(squares)
    return op.ReduceMean(roots, keepdims=0), roots


def _expected(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> domain.Domain | None:
    """The predictions that a deviance accepts: expected values above 0, except for the squared error."""
    why = "expected values: read the second top of the loss, not the scores"
    return domain.Domain(domain.ABOVE_0, inf, False, why=why, nan=True) if layer.param.deviance_param.power else None


def _observed(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> domain.Domain | None:
    """The labels that a deviance accepts."""
    power = layer.param.deviance_param.power
    return domain.Domain(domain.ABOVE_0 if power >= 2 else 0, inf, False, why=f"a deviance of power {power:g}") if power else None


@layer(
    "Deviance", bottoms=(2, 2), tops=(1, 2), metric=True, lower_is_better=(0, 1), whole=whole.mean_of_columns,
    reads=(domain.Reads(1, _observed), domain.Reads(0, _expected)),
)  # fmt: skip
def deviance(ctx: Context, prediction: Value, label: Value) -> tuple[Value, ...]:
    """The mean deviance of expected values, as scikit-learn's mean_tweedie_deviance: `power` 1 is Poisson, 2 gamma, 0 the squared error.

    A second top holds that of each column.
    """
    m, y = _pair(ctx, prediction, label)
    return whole.exact_mean(ctx, _deviance(float(np.round(ctx.param.deviance_param.power, 6)), m, y) * 2.0)


def _deviance(power: float, m: Value, y: Value) -> Value:
    """Half the deviance."""
    if power == 0:
        return (y - m) * (y - m) * 0.5
    log = op.Log(op.Where(op.Equal(y, 0.0), constant(1.0, np.float64), y) / m)
    if power == 1:
        return y * log - y + m
    if power == 2:
        return y / m - log - 1.0
    less, more = 1 - power, 2 - power

    def raised(x: Value, exponent: float) -> Value:
        return op.Pow(x, constant(exponent, np.float64))

    return raised(y, more) / (less * more) - y * raised(m, less) / less + raised(m, more) / more


@layer(
    "PinballLoss", stem="pinball_loss", bottoms=(2, 2), tops=(1, 2), metric=True, lower_is_better=(0, 1), whole=whole.mean_of_columns,
    messages=("quantile_param",),
)  # fmt: skip
def pinball_loss(ctx: Context, prediction: Value, label: Value) -> tuple[Value, ...]:
    """The mean pinball loss of quantiles q: q (y - p) above the prediction p, (1 - q) (p - y) below it.

    With several quantiles, there is a prediction for each: the first top is the mean, and a second top holds the loss of each.
    """
    p, y = cast(columns(prediction), np.float64), cast(quantile_targets(ctx, prediction, label), np.float64)
    q = constant(np.asarray(ctx.param.quantile_param.quantile or [0.5], np.float32).astype(np.float64).round(6))
    return whole.exact_mean(ctx, q * (y - p) + op.Max(p - y, 0.0))

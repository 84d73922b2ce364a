"""Losses of numbers other than the squared error: deviances of counts and amounts, quantiles, Huber.

Each loss is a function: (the layer's message, scores, targets) -> the loss of each number. Scores and targets broadcast. Deviances have a
log link: the score is the logarithm of the expected value. The loss is half the deviance, as EuclideanLoss is half the squared error.
"""

from collections.abc import Callable, Sequence
from math import inf

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op, stop
from netc.layers import domain, whole
from netc.layers.context import Context, dims
from netc.layers.loss import alike
from netc.layers.shape import merged, reshape
from netc.layers.weights import mean_of_rows, weights_like
from netc.net.model import Layer
from netc.registry import layer

Each = Callable[[pb.LayerParameter, Value, Value], Value]
COUNTS = domain.numbers(1, 0, inf)
AMOUNTS = domain.positive(1, "the gamma deviance has no value at 0; TweedieLoss has one")
EXPOSURE = domain.positive(3, "exposures")


def _ratio(scores: Value, targets: Value) -> tuple[Value, Value]:
    """The logarithm of expected value / target, and 1 where the target is 0, else 0. For a target of 0, the former is the score."""
    zero = op.Equal(targets, 0.0)
    return scores - op.Log(op.Where(zero, constant(1.0), targets)), cast(zero, np.float32)


def squared(param: pb.LayerParameter, scores: Value, targets: Value) -> Value:
    """Half the squared error."""
    error = scores - targets
    return error * error * 0.5


def poisson(param: pb.LayerParameter, scores: Value, targets: Value) -> Value:
    """y log(y / m) - y + m with m = exp(score): half the Poisson deviance."""
    d, zero = _ratio(scores, targets)
    return targets * (op.Exp(d) - 1.0 - d) + zero * op.Exp(d)


def gamma(param: pb.LayerParameter, scores: Value, targets: Value) -> Value:
    """log(m / y) + y / m - 1 with m = exp(score): half the gamma deviance."""
    d = scores - op.Log(targets)
    return d + op.Exp(-d) - 1.0


def tweedie(param: pb.LayerParameter, scores: Value, targets: Value) -> Value:
    """Half the Tweedie deviance for a power p between 1 and 2, with m = exp(score).

    y^(2-p) / ((1-p)(2-p)) - y m^(1-p) / (1-p) + m^(2-p) / (2-p)
    """
    p = param.tweedie_loss_param.power
    d, zero = _ratio(scores, targets)
    less, more = 1 - p, 2 - p
    scale = op.Pow(targets, constant(np.float32(more)))
    return scale * (1 / (less * more) - op.Exp(d * less) / less) + (scale + zero) * op.Exp(d * more) / more


def quantile(param: pb.LayerParameter, scores: Value, targets: Value) -> Value:
    """The pinball loss (Koenker and Bassett 1978): q (y - s) above the score, (1 - q) (s - y) below it."""
    q = constant(np.asarray(param.quantile_param.quantile or [0.5], np.float32))
    return q * (targets - scores) + op.Relu(scores - targets)


def huber(param: pb.LayerParameter, scores: Value, targets: Value) -> Value:
    """Half the squared error up to `delta`, beyond it delta (|error| - delta / 2) (Huber 1964)."""
    delta = param.huber_loss_param.delta
    error = scores - targets
    cut = op.Clip(error, -delta, delta)
    return cut * (error - cut * 0.5)


def columns(x: Value) -> Value:
    """x as (rows, columns)."""
    return x if x.rank == 2 else reshape(x, [x.shape[0], merged(x.shape[1:])])


def _targets(ctx: Context, scores: Value, labels: Value) -> Value:
    """The labels as float32 in the shape of the scores, (rows, columns). No gradient flows to them."""
    return columns(stop(cast(alike(ctx, scores, labels), np.float32)))


def _loss(ctx: Context, each: Each, scores: Value, targets: Value, weight: Value | None) -> Value:
    return mean_of_rows(ctx, op.ReduceSum(each(ctx.param, scores, targets), [1], keepdims=0), weight)


def _deviance(ctx: Context, each: Each, scores: Value, labels: Value, more: tuple[Value, ...]) -> tuple[Value, ...]:
    """The loss, and the expected values without a gradient. `more` are the weights and the exposures of the rows."""
    exposed = ctx.param.rate_param.exposure
    if exposed and not more:
        raise ctx.error("`exposure` is true, but there is no bottom with the exposures. Add it after the label.", "rate_param", "exposure")
    if len(more) > 1 and not exposed:
        raise ctx.error("A fourth bottom holds the exposures of the rows. Set `exposure: true`, or remove it.", "bottom", 3)
    targets, scores = _targets(ctx, scores, labels), columns(scores)
    if exposed:
        rate, exposure = scores, weights_like(ctx, more[-1], scores, 1 + len(more))
        scores = rate + op.Log(exposure)
    weight = more[0] if len(more) > exposed else None
    return _loss(ctx, each, scores, targets, weight), stop(op.Exp(scores))


def _weight_or_exposure(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> domain.Domain:
    """The third bottom of a deviance holds weights, or exposures if it is the last."""
    last = layer.param.rate_param.exposure and len(bottoms) == 3
    return (EXPOSURE if last else domain.WEIGHTS).domain(layer, bottoms, blobs) or domain.Domain(-inf, inf)


MORE = (domain.Reads(2, _weight_or_exposure), EXPOSURE)


@layer(
    "PoissonLoss", bottoms=(2, 4), tops=(0, 2), loss=True, whole=whole.mean, deployed="Exp", messages=("rate_param",),
    reads=(COUNTS, *MORE),
)  # fmt: skip
def poisson_loss(ctx: Context, scores: Value, labels: Value, *more: Value) -> tuple[Value, ...]:
    """Half the Poisson deviance of counts, y log(y / m) - y + m with m = exp(score), averaged over the rows.

    A third bottom holds weights of the rows. With `exposure`, the last bottom holds exposures, and m is the exposure times exp(score). A
    second top holds m, the expected counts. The deployed net gives exp(score).
    """
    return _deviance(ctx, poisson, scores, labels, more)


@layer(
    "GammaLoss", bottoms=(2, 4), tops=(0, 2), loss=True, whole=whole.mean, deployed="Exp", messages=("rate_param",),
    reads=(AMOUNTS, *MORE),
)  # fmt: skip
def gamma_loss(ctx: Context, scores: Value, labels: Value, *more: Value) -> tuple[Value, ...]:
    """Half the gamma deviance of positive amounts, log(m / y) + y / m - 1 with m = exp(score), averaged over the rows.

    The bottoms and tops are those of PoissonLoss.
    """
    return _deviance(ctx, gamma, scores, labels, more)


@layer(
    "TweedieLoss", bottoms=(2, 4), tops=(0, 2), loss=True, whole=whole.mean, deployed="Exp",
    messages=("tweedie_loss_param", "rate_param"), reads=(COUNTS, *MORE),
)  # fmt: skip
def tweedie_loss(ctx: Context, scores: Value, labels: Value, *more: Value) -> tuple[Value, ...]:
    """Half the Tweedie deviance of amounts with many zeros, averaged over the rows: m = exp(score), and the variance grows as m^power.

    The bottoms and tops are those of PoissonLoss.
    """
    return _deviance(ctx, tweedie, scores, labels, more)


@layer(
    "QuantileLoss", bottoms=(2, 3), tops=(0, 1), loss=True, whole=whole.mean, messages=("quantile_param",), reads=domain.WEIGHTS,
)  # fmt: skip
def quantile_loss(ctx: Context, scores: Value, labels: Value, weight: Value | None = None) -> Value:
    """The pinball loss of quantiles (Koenker and Bassett 1978), averaged over the rows: q (y - s) above the score, (1 - q) (s - y) below.

    With several quantiles, there is a score for each, and their losses are added. A third bottom holds weights of the rows.
    """
    return _loss(ctx, quantile, columns(scores), quantile_targets(ctx, scores, labels), weight)


def quantile_targets(ctx: Context, scores: Value, labels: Value) -> Value:
    """The labels as float32: (rows, 1) if there are several quantiles, else in the shape of the scores."""
    count = len(ctx.param.quantile_param.quantile)
    if count < 2:
        return _targets(ctx, scores, labels)
    a, b = ctx.layer.bottoms[:2]
    if merged(scores.shape[1:]) != count:
        raise ctx.shape_error(f"{a} is {dims(scores.shape)}. For {count} quantiles it must have {count} scores in each row.", "bottom")
    if labels.shape[:1] != scores.shape[:1] or merged(labels.shape[1:]) != 1:
        raise ctx.shape_error(f"{b} is {dims(labels.shape)}. For several quantiles it must hold one number a row.", "bottom", 1)
    return stop(cast(reshape(labels, [labels.shape[0], 1]), np.float32))


@layer(
    "HuberLoss", bottoms=(2, 3), tops=(0, 1), loss=True, whole=whole.mean, reads=domain.WEIGHTS,
)  # fmt: skip
def huber_loss(ctx: Context, scores: Value, labels: Value, weight: Value | None = None) -> Value:
    """Half the squared error up to `delta`, linear beyond it, summed over each row and averaged over the rows (Huber 1964).

    A third bottom holds weights of the rows.
    """
    return _loss(ctx, huber, columns(scores), _targets(ctx, scores, labels), weight)


@layer("SmoothL1Loss", bottoms=(2, 4), label=False, tops=(0, 1), loss=True, whole=whole.mean)
def smooth_l1_loss(ctx: Context, a: Value, b: Value, inside: Value | None = None, outside: Value | None = None) -> Value:
    """Half of (sigma d)^2 for a distance d = a - b below 1 / sigma^2, d - 1 / (2 sigma^2) beyond (Girshick 2015).

    Summed over each row and averaged over the rows. A third bottom multiplies the distances, a fourth one the losses, element by element.
    """
    square = ctx.param.smooth_l1_loss_param.sigma**2
    distance = cast(a, np.float32) - alike(ctx, a, cast(b, np.float32))
    if inside is not None:
        distance = distance * stop(alike(ctx, a, cast(inside, np.float32)))
    cut = op.Clip(distance, -1 / square, 1 / square)
    each = cut * (distance - cut * 0.5) * square
    if outside is not None:
        each = each * stop(alike(ctx, a, cast(outside, np.float32)))
    rows = op.ReduceSum(each, list(range(1, each.rank)), keepdims=0) if each.rank > 1 else each
    return mean_of_rows(ctx, rows, None)

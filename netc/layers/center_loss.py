"""The centre loss of face recognition."""

import numpy as np

from netc.graph.ir import Value, cast, op, stop
from netc.graph.training_ops import loss
from netc.layers import domain, whole
from netc.layers.context import Context, dims, sizes
from netc.layers.shape import axis_of, merged, reshape
from netc.registry import layer


@layer(
    "CenterLoss",
    bottoms=(2, 2),
    tops=(0, 1),
    loss=True,
    whole=whole.mean,
    reads=domain.Reads(
        1,
        lambda layer, bottoms, blobs: domain.Domain(
            0, int(layer.param.center_loss_param.num_output) - 1, why=f"num_output is {layer.param.center_loss_param.num_output}"
        ),
    ),
)
def center_loss(ctx: Context, x: Value, labels: Value) -> Value:
    """Half the mean of |x - c|^2, where c is the centre of the row's class (Wen et al. 2016).

    The centres are trained, but not by the gradient of the loss: a centre's gradient is the sum of c - x over the n rows of its class,
    divided by n + 1, whatever the loss_weight.
    """
    p = ctx.param.center_loss_param
    if not p.num_output:
        raise ctx.error("`num_output` is missing. Add the number of classes.", "center_loss_param")
    axis = axis_of(ctx, p.axis, x, "center_loss_param", "axis")
    flat = reshape(x, [merged(x.shape[:axis]), merged(x.shape[axis:])])
    if labels.shape[:1] != flat.shape[:1] or merged(labels.shape[1:]) != 1:
        a, b = ctx.layer.bottoms
        raise ctx.shape_error(f"{b} is {dims(labels.shape)}; for {a} {dims(x.shape)} it must hold one label a row.", "bottom", 1)
    (size,) = sizes(flat.shape[1:])
    centres = ctx.weight("center", (int(p.num_output), size), p.center_filler)
    index = cast(labels if labels.rank == 1 else reshape(labels, [labels.shape[0]]), np.int64)
    own = op.Gather(centres, index, axis=0)
    far = flat - stop(own)
    each = op.ReduceSum(far * far, [1], keepdims=0)
    value = loss.mean(each) * 0.5
    weight = ctx.layer.loss_weights[0] if ctx.layer.loss_weights else 1.0
    if ctx.training and weight and not ctx.is_frozen(centres):
        value = value + _pull(own, far, index) / np.float32(weight)
    return whole.mean_of(ctx, value, whole.size(each))


def _pull(own: Value, far: Value, index: Value) -> Value:
    """Zero, with the gradient of the centres that `center_loss` describes."""
    rows = op.ReduceSum(cast(op.Equal(op.Unsqueeze(index, [1]), op.Unsqueeze(index, [0])), np.float32), [1], keepdims=1)
    pull = op.ReduceSum(own * stop(-far / (rows + 1.0)), keepdims=0)
    return pull - stop(pull)

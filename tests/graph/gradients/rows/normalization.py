"""Normalization, in ONNX's ops and in training ops."""

from collections.abc import Callable
from typing import Any

from netc.graph.ir import TRAINING, Value, op
from netc.graph.training_ops import normalization
from tests.graph.gradients.arrays import Fixed, normal, positive


def batch_norm(x: Value, *affine: Any) -> Value:
    mean, _, inverse_std = normalization.batch_moments(x, epsilon=1e-5)
    return normalization.batch_norm(x, mean, inverse_std, *affine)


def layer_norm(output: int, weights: tuple[float, ...] = (1.0,), **attrs: Any) -> Callable[..., Value]:
    def f(*values: Value) -> Value:
        found = op.LayerNormalization(*values, outputs=3, **attrs)
        return found[output] if len(weights) == 1 else op.Sum(*(y * w for y, w in zip(found, weights, strict=True)))

    return f


ROWS: dict[str, Any] = {
    "BatchNormalization": [
        (lambda *v: op.BatchNormalization(*v, epsilon=0.01), normal(4, 3, 2, 2), normal(3), normal(3), normal(3), positive(3)),
        (op.BatchNormalization, normal(4, 3), normal(3), normal(3), normal(3), positive(3)),
    ],
    "GroupNormalization": [
        (lambda *v: op.GroupNormalization(*v, shape=v[0].shape, num_groups=2), normal(2, 4, 3, 2), normal(4), normal(4)),
        (lambda *v: op.GroupNormalization(*v, shape=v[0].shape, num_groups=1, epsilon=0.1), normal(2, 3, 5), normal(3), normal(3)),
        (lambda *v: op.GroupNormalization(*v, shape=v[0].shape, num_groups=3, epsilon=0.1), normal(2, 6), normal(6), normal(6)),
    ],
    "InstanceNormalization": [
        (op.InstanceNormalization, normal(2, 3, 4, 2), normal(3), normal(3)),
        (lambda *v: op.InstanceNormalization(*v, epsilon=0.1), normal(2, 3, 5), normal(3), normal(3)),
    ],
    "LRN": [(lambda x: op.LRN(x, size=3, alpha=0.5, beta=0.75, bias=2.0), normal(2, 5, 3, 3))],
    "LayerNormalization": [
        (op.LayerNormalization, normal(2, 3, 4), normal(4), normal(4)),
        (op.LayerNormalization, normal(2, 3, 4), normal(4)),
        (lambda *v: op.LayerNormalization(*v, axis=1, epsilon=0.01), normal(2, 3, 4), normal(3, 4), normal(3, 4)),
        (lambda *v: op.LayerNormalization(*v, axis=-2), normal(2, 3, 4), normal(4), normal(3, 4)),
        (Fixed(lambda *v: op.LayerNormalization(*v, axis=0), "over the first axis"), normal(3, 4), normal(3, 4)),
        *((layer_norm(k), normal(2, 3, 4), normal(4), normal(4)) for k in range(3)),
        (layer_norm(0, (1.0, 0.5, -2.0), axis=1), normal(2, 3, 4), normal(3, 4), normal(3, 4)),
    ],
    "LpNormalization": [
        (lambda x, p=p, a=a: op.LpNormalization(x, p=p, axis=a), positive(3, 4, 2)) for p in (1, 2) for a in (1, -1)
    ],
    "MeanVarianceNormalization": [
        (Fixed(lambda x: op.MeanVarianceNormalization(x, shape=x.shape), "over the batch"), normal(3, 2, 2, 2)),
        (lambda x: op.MeanVarianceNormalization(x, axes=[1, 2], shape=x.shape), normal(3, 4, 2)),
    ],
    f"{TRAINING}.BatchNorm": [
        (batch_norm, normal(4, 3, 2, 2)),
        (batch_norm, normal(4, 3, 2, 2), normal(3)),
        (batch_norm, normal(6, 3), normal(3), normal(3)),
    ],
}  # fmt: skip

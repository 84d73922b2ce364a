"""Resize in its modes."""

from typing import Any

import numpy as np

from netc.graph.ir import constant, op
from tests.graph.gradients.arrays import Fixed, batched, normal

COORDINATES = "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"
REGION = np.array([0, 0, 0.1, -0.2, 1, 1, 0.8, 1.1], np.float32)


def scaled(*scales: float, shape: tuple[int, ...] = (2, 3, 4, 5), region: Any = None, **attrs: Any) -> tuple[Any, ...]:
    known = constant(np.array(scales, np.float32))
    roi = None if region is None else constant(region)
    return batched(lambda x, **stated: op.Resize(x, roi, known, **attrs, **stated)), normal(*shape)


def sized(*sizes: int, shape: tuple[int, ...] = (2, 3, 4, 5), **attrs: Any) -> tuple[Any, ...]:
    f = batched(lambda x, **stated: op.Resize(x, None, None, constant(list(sizes)), **attrs, **stated))
    return f if "axes" in attrs else Fixed(f, "sizes of all axes"), normal(*shape)


ROWS: dict[str, Any] = {
    "Resize": [
        scaled(1, 1, 2, 3),
        scaled(1, 1, 2, 2, coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        scaled(1, 1, 0.5, 1.6, nearest_mode="ceil"),
        *(scaled(1, 1, 1.5, 2, mode=m, coordinate_transformation_mode=c) for m in ("linear", "cubic") for c in COORDINATES),
        scaled(1, 1, 0.6, 1.7, mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5),
        *(
            scaled(1, 1, 1.5, 2, region=REGION, mode=m, coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=9.0)
            for m in ("nearest", "linear")
        ),
        *(scaled(1, 1, 0.5, 1.6, mode=m, antialias=1, exclude_outside=e) for m in ("linear", "cubic") for e in (0, 1)),
        sized(2, 3, 7, 3, mode="linear"),
        sized(7, 1, axes=[2, -1], mode="linear"),
        sized(9, 9, axes=[2, 3], mode="linear", keep_aspect_ratio_policy="not_larger"),
        sized(9, 9, axes=[3, 2], mode="linear", keep_aspect_ratio_policy="not_smaller"),
        scaled(1, 1, 1.7, shape=(2, 1, 600), mode="linear"),
        scaled(1, 1, 2, shape=(2, 2, 5), mode="linear"),
        scaled(1, 1, 2, 1.5, 2, shape=(1, 2, 3, 2, 3), mode="linear"),
    ],
}  # fmt: skip

"""Select the weights of the first layer that reads images."""

from collections.abc import Mapping

import numpy as np

from netc.compiler.program import Program
from netc.report.test_rows import images_of


def first_filters(program: Program, states: Mapping[str, np.ndarray]) -> tuple[str, np.ndarray] | None:
    """The name and the weights, (count, channels, height, width), of the first layer on images. None if there is no such layer."""
    source = images_of(program.train_net)
    if source is None:
        return None
    channels, height, width = source[2]
    for layer in program.train_net.layers:
        weight = states.get(f"{layer.name}.weight")
        if weight is None or weight.ndim not in (2, 4):
            continue
        if weight.ndim == 4:
            return (layer.name, weight) if weight.shape[1] in (1, 3) and max(weight.shape[2:]) > 1 else None
        flat = weight.T if layer.type == "InnerProduct" and layer.param.inner_product_param.transpose else weight
        return (layer.name, flat.reshape(-1, channels, height, width)) if flat.shape[1] == channels * height * width else None
    return None

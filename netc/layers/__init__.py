"""The layers. A layer is one function from bottoms to tops: `@layer("ReLU", elementwise=True) def relu(ctx, x)`.

Its docstring is its documentation (`netc layers ReLU`); the decorator states its properties, which `netc.registry.LayerType` lists.
"""

from netc.layers import (  # noqa: F401
    activation,
    boltzmann,
    convolution,
    dense,
    elementwise,
    embed,
    inputs,
    loss,
    margin_loss,
    metric,
    normalization,
    pooling,
    python,
    recurrent,
    recursive,
    selection,
    shape,
)

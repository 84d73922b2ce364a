"""The layers. A layer is one function from bottoms to tops: `@layer("ReLU", elementwise=True) def relu(ctx, x)`.

The docstring of the function is the layer's documentation (`netc layers ReLU`). The decorator declares its properties;
`netc.registry.LayerType` lists them.
"""

from netc.layers import (  # noqa: F401
    activation,
    boltzmann,
    class_metric,
    cluster,
    convolution,
    dense,
    elementwise,
    embed,
    inputs,
    loss,
    margin_loss,
    members,
    metric,
    model,
    nearest,
    normalization,
    number_metric,
    pooling,
    python,
    recurrent,
    recursive,
    regression_loss,
    relative,
    selection,
    shape,
    table,
)

"""The layers. A layer is one function from bottoms to tops: `@layer("ReLU", elementwise=True) def relu(ctx, x)`.

The docstring of the function is the layer's documentation (`netc layers ReLU`). The decorator declares its properties;
`netc.registry.LayerType` lists them.
"""

from netc.layers import (  # noqa: F401
    activation,
    attention,
    boltzmann,
    class_metric,
    cluster,
    convolution,
    ctc,
    dense,
    detection,
    elementwise,
    embed,
    inputs,
    layer_norm,
    loss,
    margin_loss,
    matmul,
    members,
    metric,
    model,
    nearest,
    normalization,
    number_metric,
    pooling,
    positions,
    python,
    recurrent,
    recursive,
    regression_loss,
    relative,
    segmentation,
    selection,
    shape,
    squeeze_excite,
    table,
    transformer,
    upsample,
)

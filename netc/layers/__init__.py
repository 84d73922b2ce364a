"""The layers. A layer is one function from bottoms to tops: `@layer("ReLU") def relu(ctx, x)`.

Its docstring is its documentation (`netc layers ReLU`). Facts about the type stand in the decorator: `bottoms` and
`tops` (least, most; None: any number; default one), `loss` (its first top counts in the total), `metric`, `source`
(delivers batches), `deployed` (the type that replaces it in a deployed net), `in_place` (False forbids it).
"""

from netc.layers import activation, convolution, dense, elementwise, inputs, loss, normalization, pooling, recurrent, shape  # noqa: F401

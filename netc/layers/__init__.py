"""The layers. A layer is one function from bottoms to tops: `@layer("ReLU") def relu(ctx, x)`.

Its docstring is its documentation (`netc layers ReLU`). Facts about the type stand in the decorator: `bottoms` and
`tops` (least, most; None: any number; default one), `loss` (its first top counts in the total), `own_loss` (which top is a loss that
leads to this layer's parameters alone; it and those after it are there when they are named), `metric`, `whole` (what a loss or metric is
of a whole test set: `netc.layers.whole`), `reads` (which bottom may not hold every number: `netc.layers.domain`), `source`
(delivers batches), `sink` (a class, made of the layer's message and a folder; its `write` gets the bottoms of every batch
that is run), `deployed` (the type that replaces it in a deployed net), `passes` (there its first
bottom goes through it where others are missing), `in_place` (False forbids it).
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

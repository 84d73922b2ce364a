"""The gradient of each op, as ops. A rule is one function, rule(node, *dy).

`dy` are the gradients of the loss with respect to the outputs; a dy is None if nothing differentiable reads the output. The rule returns
the gradient with respect to each input, or None for no gradient. It may broadcast freely: autodiff sums gradients that are too large.
"""

from netc.graph.gradients import (  # noqa: F401  (each fills registry.gradient)
    activation,
    einsum,
    elementwise,
    flat,
    grid,
    host,
    indexing,
    linear,
    network,
    normalization,
    pooling,
    recurrent,
    recursive,
    reduction,
    resize,
    scatter,
    shape,
    signal,
    slicing,
    transformer,
    trigonometric,
)  # fmt: skip

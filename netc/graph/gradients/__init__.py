"""The gradient of each op, as ops. A rule is one function, rule(node, *dy).

It takes the gradient of the loss with respect to each output, and returns the gradient with respect to each input, or None for no gradient.
If nothing differentiable reads an output, its dy is None. A rule may broadcast freely; autodiff sums gradients that are too large.
"""

from netc.graph.gradients import elementwise, host, linear, network, recurrent, recursive, reduction  # noqa: F401  (each fills registry.gradient)

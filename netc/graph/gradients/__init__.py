"""The gradient of each op, in ops. A rule is one function, rule(node, *dy):

the gradient of the loss by each output in, by each input out (None: there is none). An output that
nothing differentiable reads has dy None. A rule may broadcast freely; autodiff sums what comes back too big.
"""

from netc.graph.gradients import elementwise, host, linear, network, recurrent, recursive, reduction  # noqa: F401  (each fills registry.gradient)

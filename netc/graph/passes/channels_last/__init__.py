"""Images with the channel innermost, (N, H, W, C), for the native kernels.

1. Conv, MaxPool and AveragePool and their gradients become the ops of `netc.graph.training_ops.channels_last`; those that these do not
   cover (many groups, dilations, other ranks) stay. 2. A Relu that alone reads a Conv goes into it; its gradient becomes ReluGrad.
3. Elementwise ops, Concat of channels, sums over an image and BatchNorm, with the Relu after it, follow their inputs.
Each value has at most two forms, one of them made from the other where it is first asked for: transposes stand at the borders only.
"""

from dataclasses import replace

from netc.graph.ir import Graph
from netc.graph.origin import origin
from netc.graph.passes.channels_last import normalization, pointwise, windows  # noqa: F401  (they fill the table of rules)
from netc.graph.passes.channels_last.layout import Layout


def channels_last(graph: Graph) -> Graph:
    """`graph` with its images turned."""
    layout = Layout(graph)
    for node in graph.nodes:
        with origin(node):
            layout.add(node)
    outputs = {n: layout.first(v) for n, v in graph.outputs.items()}
    return replace(graph, outputs=outputs, updates={s: layout.first(v) for s, v in graph.updates.items()})

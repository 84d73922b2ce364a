"""Images with the channel as the last axis, (N, H, W, C), for the native kernels.

1. Conv, MaxPool and AveragePool and their gradients become the ops of `netc.graph.training_ops.channels_last`. Cases that these ops
   do not cover (many groups, dilations, other ranks) stay.
2. If a Relu is the only reader of a Conv, it becomes part of it. Its gradient becomes ReluGrad.
3. Elementwise ops, Concat of channels, sums over an image and BatchNorm, with the Relu after it, follow their inputs.

Each value has at most two forms. The second is made from the first when it is first needed, so transposes occur only at the borders.
"""

from dataclasses import replace

from netc.graph.ir import Graph
from netc.graph.origin import origin
from netc.graph.passes.channels_last import normalization, pointwise, windows  # noqa: F401  (they fill the table of rules)
from netc.graph.passes.channels_last.layout import Layout


def channels_last(graph: Graph) -> Graph:
    """Return `graph` with its images in channels-last form."""
    layout = Layout(graph)
    for node in graph.nodes:
        with origin(node):
            layout.add(node)
    outputs = {n: layout.first(v) for n, v in graph.outputs.items()}
    return replace(graph, outputs=outputs, updates={s: layout.first(v) for s, v in graph.updates.items()})

"""What a graph costs, counted from its shapes: multiply-adds by layer and part, elements of its values."""

from collections import Counter
from math import prod

from netc.graph.ir import TRAINING, Graph, Node
from netc.graph.tensor_type import Shape


def multiply_adds(node: Node) -> int:
    """Multiply-adds of one run of a node; a symbolic batch counts as one. Ops that only touch each element count 0."""
    if node.op in ("Conv", "ConvInputGrad"):
        images, weights = (node.outputs[0], node.operands[1]) if node.op == "Conv" else (node.operands[0], node.operands[1])
        return size(images.shape) * size(weights.shape[1:])
    if node.op == "ConvTranspose":
        x, w = node.operands[:2]
        return size(x.shape) * size(w.shape[1:])
    if node.key == (TRAINING, "ConvFilterGrad"):
        dy = node.operands[1]
        return size(dy.shape) * size(node.types[0].shape[1:])
    if node.domain == TRAINING and node.op in ("RNN", "LSTM", "GRU"):  # gates (T, N, G) and y (T, N, H): h times (G, H) at each time
        return size(node.operands[0].shape) * size(node.types[0].shape[2:])
    if node.domain == TRAINING and node.op in ("RNNGrad", "LSTMGrad", "GRUGrad"):  # the same back, from dy (T, N, H)
        return size(node.types[0].shape) * size(node.operands[0].shape[2:])
    if node.op in ("Gemm", "MatMul"):
        a = node.operands[0]
        inner = a.shape[0] if node.attrs.get("transA") else a.shape[-1]
        return size(node.types[0].shape) * size((inner,))
    return 0


def size(shape: Shape) -> int:
    """Elements of a shape; a symbolic dimension counts as one."""
    return prod(d for d in shape if isinstance(d, int))


def by_layer(graph: Graph) -> Counter[str]:
    """Multiply-adds of the graph's nodes by the layer that they came from."""
    counts: Counter[str] = Counter()
    for node in graph.nodes:
        counts[node.origin.layer] += multiply_adds(node)
    return counts


def total(graph: Graph) -> int:
    """Multiply-adds of one run of the graph."""
    return sum(by_layer(graph).values())

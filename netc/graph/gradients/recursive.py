"""The gradient of recursive nets over trees."""

from netc.graph.gradients.common import Gradients
from netc.graph.ir import TRAINING, Node, Value, op
from netc.graph.training_ops.recursive import recursive_grad
from netc.registry import gradient


@gradient("Recursive", domain=TRAINING)
def recursive(node: Node, dy: Value, *unused: Value | None) -> Gradients:
    """One product for all nodes gives the gradients of each weight. The maps, which follow the first output, are only for this rule."""
    child, width, w = node.operands[1:4]
    nodes, *maps = node.outputs
    size, inner = int(nodes.shape[1]), child.shape[0]
    dleaf, dp = recursive_grad(dy, nodes, child, width, w, *maps)
    z = op.Reshape(op.Gather(nodes, child), [-1, 2 * size], shape=(inner, 2 * size))
    found = dleaf, None, None, op.Gemm(dp, z, transA=1), op.ReduceSum(dp, [0], keepdims=0)
    if not maps:
        return found
    outer = op.Reshape(op.Unsqueeze(dp, [2]) * op.Unsqueeze(z, [1]), [-1, size * 2 * size], shape=(inner, size * 2 * size))
    dv = op.Reshape(op.Gemm(z, outer, transA=1), [2 * size, size, 2 * size])
    return *found, op.Transpose(dv, perm=[1, 2, 0])

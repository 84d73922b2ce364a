"""The properties of ops: ONNX's in one table, those of training ops from their decorators."""

from netc import registry
from netc.graph import multiply_adds as cost
from netc.graph.ir import TRAINING, Node
from netc.registry import OpInfo

UNKNOWN = OpInfo()
ELEMENTWISE = (
    *("Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr"),
    *("BitwiseXor", "Cast", "Ceil", "Celu", "Clip", "Cos", "Cosh", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater"),
    *("GreaterOrEqual", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min"),
    *("Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign"),
    *("Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor"),
)
ONNX: dict[str, OpInfo] = {
    **dict.fromkeys(ELEMENTWISE, OpInfo(elementwise=True)),
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze", "Flatten"), OpInfo(view=True, moves=True)),
    **dict.fromkeys(("ArgMax", "Concat", "Hardmax", "LogSoftmax", "Softmax", "Split"), OpInfo(along_axis=True)),
    **dict.fromkeys(("BatchNormalization", "LRN"), OpInfo(pixelwise=True)),
    **dict.fromkeys(("AveragePool", "MaxPool"), OpInfo(window=True)),
    **dict.fromkeys(("Gather", "Transpose"), OpInfo(moves=True)),
    **dict.fromkeys(("Gemm", "MatMul"), OpInfo(moves=True, multiply_adds=cost.product)),
    "Conv": OpInfo(window=True, multiply_adds=cost.convolution),
    "ConvTranspose": OpInfo(multiply_adds=cost.transposed_convolution),
    "Einsum": OpInfo(moves=True, multiply_adds=cost.einsum),
    "Identity": OpInfo(elementwise=True, view=True),
}
STOP = OpInfo(elementwise=True, view=True)


def info(node: Node) -> OpInfo:
    """The properties of a node's op; an unknown op has none."""
    if node.domain == TRAINING:
        return registry.training_op.records.get(node.op, UNKNOWN)
    if node.key == ("netc", "Stop"):
        return STOP
    return UNKNOWN if node.domain else ONNX.get(node.op, UNKNOWN)

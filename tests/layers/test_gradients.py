"""The gradient of every layer, with respect to its inputs and its parameters, against finite differences."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import registry
from tests.layers.detection import ssd
from tests.layers.formulas import FORMULAS
from tests.layers.nets import check_gradient

RNG = np.random.default_rng(0)
SMALL = Path(__file__).with_name("small.onnx")  # `classifier(2, 4, 3)` of tests/onnx_files.py


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def away(*shape: int) -> np.ndarray:
    """Values at least 0.2 from 0, where many layers have a kink."""
    x = normal(*shape)
    moved: np.ndarray = x + 0.2 * np.sign(x)
    return moved


def spaced(*shape: int) -> np.ndarray:
    """Distinct values 0.2 apart, shuffled, so that small changes create no ties."""
    return RNG.permutation(int(np.prod(shape))).reshape(shape) * 0.2 - 1


CONT = [[1, 0], [1, 1], [0, 1], [1, 1]]
FILLED = "num_output: 3, weight_filler: {type: uniform, min: -1, max: 1}"
LABELS, MAPS, MARKS = [0, 2, 1, 2], RNG.integers(0, 3, (2, 1, 2, 2)), RNG.integers(0, 3, (4, 3))

AMOUNTS, WEIGHTS = [0.3, 2.5, 1.0, 7.0], [0.5, 2, 0, 1]

TREE = {"child": [[0, 1], [2, 3], [4, 5]], "width": [2, 1, 0]}
WHOLE = ("label", "weight", "exposure", "cont", "gain", "child", "width", "priors", "rois")  # inputs that the test does not change

# layer lines, then the inputs
ROWS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "AbsVal": [("AbsVal: {bottom: x}", {"x": away(3, 4)})],
    "Axpy": [
        ("Axpy: {bottom: [a, x, y]}", {"a": normal(2, 3), "x": normal(2, 3, 2, 4), "y": normal(2, 3, 2, 4)}),
        ("Axpy: {bottom: [a, x, y]}", {"a": normal(2, 3, 1, 1), "x": normal(2, 3, 4, 1), "y": normal(2, 3, 4, 1)}),
    ],
    "BN": [
        ("BN: {bottom: x, slope_filler: {value: 1}}", {"x": normal(4, 3, 2, 2)}),
        ("BN: {bottom: x, frozen: true}", {"x": normal(4, 3)}),
        ("BN: {bottom: x, scale_filler: {value: 1}}", {"x": normal(4, 3, 2, 2)}),
        ("BN: {bottom: x, top: [a, m, v], bn_mode: LEARN}\nSilence: {bottom: [m, v]}", {"x": normal(4, 3, 2, 2)}),
        ("BN: {bottom: x, bn_mode: INFERENCE}", {"x": normal(4, 3, 2, 2)}),
    ],
    "BNLL": [("BNLL: {bottom: x}", {"x": normal(3, 4)})],
    "BatchNorm": [
        ("BatchNorm: {bottom: x}", {"x": normal(4, 3, 2, 2)}),
        ("BatchNorm: {bottom: x, use_global_stats: true}", {"x": normal(4, 3)}),
        ("BatchNorm: {bottom: x, scale_bias: true}", {"x": normal(4, 3, 2, 2)}),
        ("BatchNorm: {bottom: x, scale_bias: true, use_global_stats: true}", {"x": normal(4, 3)}),
    ],
    "BatchReindex": [("BatchReindex: {bottom: [x, label]}", {"x": normal(4, 3), "label": [2, 0, 2, 3]})],
    "Bias": [
        ("Bias: {bottom: x, num_axes: 2}", {"x": normal(2, 3, 4)}),
        ("Bias: {bottom: [x, b], axis: 2}", {"x": normal(2, 3, 4), "b": normal(4)}),
    ],
    "Clip": [("Clip: {bottom: x, min: -0.3, max: 0.5}", {"x": spaced(3, 4) + 0.07})],
    "Concat": [("Concat: {bottom: [x, z]}", {"x": normal(2, 3, 2), "z": normal(2, 1, 2)})],
    "ContrastiveLoss": [
        (f"ContrastiveLoss: {{bottom: [x, y, label], margin: 3, legacy_version: {legacy}}}",
         {"x": normal(6, 4), "y": normal(6, 4), "label": [1, 0, 0, 1, 0, 0]})
        for legacy in ("false", "true")
    ],
    "Convolution": [
        ("Convolution: {bottom: x, num_output: 4, kernel_size: 3, pad: 1, stride: 2}", {"x": normal(2, 3, 5, 6)}),
        ("Convolution: {bottom: x, num_output: 4, kernel_size: 2, dilation: 2, group: 2}", {"x": normal(2, 2, 5, 5)}),
        ("Convolution: {bottom: [x, z], top: [a, b], num_output: 2, kernel_size: 3, axis: 2}", {n: normal(2, 2, 3, 5) for n in "xz"}),
    ],
    "ConvolutionDepthwise": [("ConvolutionDepthwise: {bottom: x, kernel_size: 3, pad: 1}", {"x": normal(2, 3, 4, 5)})],
    "Crop": [("Crop: {bottom: [x, label], offset: [1, 0]}", {"x": normal(2, 3, 4, 5), "label": np.ones((2, 1, 2, 5))})],
    "Deconvolution": [
        ("Deconvolution: {bottom: x, num_output: 2, kernel_size: 3, pad: 1, stride: 2}", {"x": normal(2, 3, 3, 4)}),
        ("Deconvolution: {bottom: x, num_output: 4, kernel_size: [2, 3], group: 2, dilation: 2}", {"x": normal(2, 2, 3, 4)}),
    ],
    "DepthwiseConvolution": [
        ("DepthwiseConvolution: {bottom: x, num_output: 6, kernel_size: 3, pad: 1, stride: 2, group: 3}", {"x": normal(2, 3, 5, 6)}),
    ],
    "Dropout": [(f"Dropout: {{bottom: x, dropout_ratio: 0.3, scale_train: {b}}}", {"x": normal(5, 6)}) for b in ("true", "false")],
    "ELU": [("ELU: {bottom: x, alpha: 0.7}", {"x": away(3, 4)})],
    "Eltwise": [
        ("Eltwise: {bottom: [x, y, z], top: s, coeff: [1, -2, 0.5]}", {n: normal(2, 3) for n in "xyz"}),
        ("Eltwise: {bottom: [x, y, z], top: s, operation: PROD}", {n: normal(2, 3) for n in "xyz"}),
        ("Eltwise: {bottom: [x, y, z], top: s, operation: MAX}", dict(zip("xyz", spaced(3, 2, 5), strict=True))),
    ],
    "Embed": [
        ("Embed: {bottom: label, num_output: 3, input_dim: 4}", {"label": [[0, 2], [3, 2]]}),
        ("Embed: {bottom: label, num_output: 3, input_dim: 4, bias_term: false}", {"label": [3, 3, 0]}),
    ],
    "EuclideanLoss": [("EuclideanLoss: {bottom: [x, y]}", {"x": normal(3, 4), "y": normal(3, 4)}),
        ("EuclideanLoss: {bottom: [x, y, weight]}", {"x": normal(4, 3), "y": normal(4, 3), "weight": WEIGHTS}),
    ],
    "Exp": [("Exp: {bottom: x, base: 2, scale: 0.5, shift: 1}", {"x": normal(3, 4)})],
    "Filter": [
        ("Filter: {bottom: [x, y, label], top: [a, b]}\nReduction: {name: r, bottom: a, operation: SUMSQ}\nReduction: {bottom: b, axis: 0}",
         {"x": normal(4, 3), "y": normal(4, 2, 2), "label": [1, 0, 0, 2]}),
    ],
    "Flatten": [("Flatten: {bottom: x}", {"x": normal(2, 3, 4)})],
    "GRU": [
        (f"GRU: {{bottom: x, {FILLED}}}", {"x": normal(4, 2, 3)}),
        (f"GRU: {{bottom: [x, cont, s], {FILLED}}}", {"x": normal(4, 2, 1, 3), "cont": CONT, "s": normal(2, 2, 2)}),
        (f"GRU: {{bottom: [x, h], top: [y, z], expose_hidden: true, {FILLED}}}", {"x": normal(3, 2, 3), "h": normal(1, 2, 3)}),
    ],
    "FocalLoss": [
        ("FocalLoss: {bottom: [x, label]}", {"x": normal(4, 3), "label": LABELS}),
        ("FocalLoss: {bottom: [x, label, weight], gamma: 0.7, alpha: [1, 2, 0.5], ignore_label: 2}",
         {"x": normal(4, 3), "label": LABELS, "weight": WEIGHTS}),
    ],
    "GammaLoss": [
        ("GammaLoss: {bottom: [x, label]}", {"x": normal(4, 1), "label": AMOUNTS}),
        ("GammaLoss: {bottom: [x, label, weight]}", {"x": normal(4), "label": AMOUNTS, "weight": WEIGHTS}),
    ],
    "HingeLoss": [
        (f"HingeLoss: {{bottom: [x, label], norm: {norm}}}", {"x": away(4, 3), "label": LABELS}) for norm in ("L1", "L2")
    ],
    "HuberLoss": [
        ("HuberLoss: {bottom: [x, label], delta: 0.5}", {"x": 2 * normal(6, 2), "label": normal(6, 2)}),
        ("HuberLoss: {bottom: [x, label, weight]}", {"x": 2 * normal(4, 1), "label": AMOUNTS, "weight": WEIGHTS}),
    ],
    "Im2col": [("Im2col: {bottom: x, kernel_size: [2, 3], stride: 2, pad: 1, dilation: 2}", {"x": normal(2, 3, 5, 6)})],
    "InfogainLoss": [
        (f"InfogainLoss: {{bottom: [x, label, gain], normalization: {mode}, ignore_label: 2}}\nSilence: {{bottom: gain}}",
         {"x": normal(2, 3, 2, 2), "label": MAPS, "gain": np.eye(3) + 0.1})
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ],
    "InnerProduct": [
        ("InnerProduct: {bottom: x, num_output: 4}", {"x": normal(2, 3, 2)}),
        ("InnerProduct: {bottom: x, num_output: 4, axis: 2, transpose: true}", {"x": normal(2, 3, 2)}),
    ],
    "Interp": [
        ("Interp: {bottom: x, zoom_factor: 3}", {"x": normal(2, 2, 3, 4)}),
        ("Interp: {bottom: x, shrink_factor: 2}", {"x": normal(2, 2, 6, 7)}),
        ("Interp: {bottom: x, height: 7, width: 5, pad_beg: -1, pad_end: -2}", {"x": normal(2, 2, 6, 7)}),
        ("Interp: {bottom: [x, label]}", {"x": normal(2, 2, 3, 4), "label": np.ones((2, 1, 5, 3))}),
    ],
    "LRN": [
        ("LRN: {bottom: x, local_size: 3, alpha: 0.5, k: 2}", {"x": normal(2, 5, 3, 3)}),
        ("LRN: {bottom: x, local_size: 3, alpha: 0.5, norm_region: WITHIN_CHANNEL}", {"x": normal(2, 2, 4, 5)}),
    ],
    "LSTM": [
        (f"LSTM: {{bottom: x, {FILLED}}}", {"x": normal(4, 2, 3)}),
        (f"LSTM: {{bottom: [x, cont, s], {FILLED}}}", {"x": normal(4, 2, 3), "cont": CONT, "s": normal(2, 2)}),
        (f"LSTM: {{bottom: [x, cont, h, c], top: [y, z, w], expose_hidden: true, {FILLED}}}",
         {"x": normal(4, 2, 3), "cont": CONT, "h": normal(1, 2, 3), "c": normal(1, 2, 3)}),
    ],
    "LSTMUnit": [
        ("LSTMUnit: {bottom: [c, gates, cont], top: [d, h]}",
         {"c": normal(1, 3, 2), "gates": normal(1, 3, 8), "cont": [[1, 0, 1]]}),
    ],
    "LastStep": [("LastStep: {bottom: [x, cont]}", {"x": normal(4, 2, 3), "cont": CONT}), ("LastStep: {bottom: x}", {"x": normal(4, 2)})],
    "MeanStep": [("MeanStep: {bottom: [x, cont]}", {"x": normal(4, 2, 3), "cont": CONT}), ("MeanStep: {bottom: x}", {"x": normal(4, 2)})],
    "Log": [("Log: {bottom: x, base: 10, scale: 2, shift: 9}", {"x": normal(3, 4)})],
    "MVN": [
        ("MVN: {bottom: x}", {"x": normal(2, 3, 4)}),
        ("MVN: {bottom: x, across_channels: true}", {"x": normal(2, 3, 4)}),
        ("MVN: {bottom: x, normalize_variance: false}", {"x": normal(2, 3, 4)}),
    ],
    "MemberHead": [("MemberHead: {bottom: x, num_output: 2}", {"x": normal(4, 3, 5)})],
    "MemberLoss": [
        (f"MemberLoss: {{bottom: [x, label{weight}], loss: {loss}}}", {"x": normal(4, 3, outputs), "label": label} | more)
        for loss, outputs, label in [
            ("SOFTMAX", 3, LABELS), ("SIGMOID", 2, MARKS[:, :2] % 2), ("SQUARED", 2, normal(4, 2)), ("POISSON", 1, [0, 3, 1, 2]),
            ("GAMMA", 1, AMOUNTS), ("TWEEDIE", 1, [0.5, 0, 0, 2.5]), ("QUANTILE", 1, AMOUNTS), ("HUBER", 1, AMOUNTS),
        ]
        for weight, more in (("", {}), (", weight", {"weight": WEIGHTS}))
    ],
    "MemberMean": [
        (f"MemberMean: {{bottom: x, loss: {loss}}}", {"x": normal(4, 3, 2)}) for loss in ("SOFTMAX", "SIGMOID", "SQUARED", "POISSON")
    ],
    "Members": [("Members: {bottom: x, k: 3}", {"x": normal(4, 5)})],
    "MultinomialLogisticLoss": [("MultinomialLogisticLoss: {bottom: [x, label]}", {"x": np.abs(normal(4, 3)) + 0.5, "label": LABELS})],
    "Normalize": [
        ("Normalize: {bottom: x}", {"x": away(2, 3, 2, 2)}),
        ("Normalize: {bottom: x, across_spatial: false, channel_shared: false, scale_filler: {value: 20}}", {"x": away(2, 3, 2, 2)}),
        ("Normalize: {bottom: x, channel_shared: false, eps: 0.1}", {"x": normal(3, 4)}),
    ],
    "PReLU": [
        ("PReLU: {bottom: x, top: y}", {"x": away(2, 3, 4)}),
        ("PReLU: {bottom: x, top: y, channel_shared: true}", {"x": away(2, 3)}),
    ],
    "Parameter": [("Parameter: {top: w, shape: {dim: [2, 3]}}\nEltwise: {bottom: [x, w], operation: PROD}", {"x": normal(2, 3)})],
    "PoissonLoss": [
        ("PoissonLoss: {bottom: [x, label]}", {"x": normal(4, 1), "label": [0, 3, 1, 2]}),
        ("PoissonLoss: {bottom: [x, label, weight]}", {"x": normal(4), "label": [0, 3, 1, 2], "weight": WEIGHTS}),
        ("PoissonLoss: {bottom: [x, label, exposure], exposure: true}", {"x": normal(4), "label": [0, 3, 1, 2], "exposure": AMOUNTS}),
        ("PoissonLoss: {bottom: [x, label, weight, exposure], exposure: true}",
         {"x": normal(4), "label": [0, 3, 1, 2], "weight": WEIGHTS, "exposure": AMOUNTS}),
    ],
    "Pooling": [
        ("Pooling: {bottom: x, kernel_size: 3, stride: 2}", {"x": spaced(2, 2, 6, 6)}),
        ("Pooling: {bottom: x, kernel_size: 2, stride: 2}", {"x": spaced(2, 3, 4, 6)}),
        ("Pooling: {bottom: x, kernel_size: 3, stride: 2, pad: 1, pool: AVE}", {"x": normal(2, 2, 5, 6)}),
        ("Pooling: {bottom: x, global_pooling: true, pool: AVE}", {"x": normal(2, 2, 3, 4)}),
        ("Pooling: {bottom: x, kernel_size: 3, stride: 2, pool: STOCHASTIC}", {"x": np.abs(normal(2, 2, 6, 5)) + 1}),
        ("Pooling: {bottom: x, kernel_size: 2, stride: 2, pool: AVE}", {"x": normal(2, 2, 5)}),
        ("Pooling: {bottom: x, kernel_shape: [2, 1, 3], strides: [1, 1, 2], pads: [1, 0, 1]}", {"x": spaced(2, 2, 3, 2, 5)}),
    ],
    "Power": [
        ("Power: {bottom: x, power: 0.5, scale: 2, shift: 9}", {"x": normal(3, 4)}),
        ("Power: {bottom: x, power: 3, scale: -1}", {"x": away(3, 4)}),
    ],
    "QuantileLoss": [
        ("QuantileLoss: {bottom: [x, label], quantile: 0.9}", {"x": spaced(4, 2), "label": spaced(4, 2) + 0.1}),
        ("QuantileLoss: {bottom: [x, label, weight], quantile: [0.1, 0.5, 0.9]}",
         {"x": spaced(4, 3), "label": spaced(4) + 0.1, "weight": WEIGHTS}),
    ],
    "RBM": [
        ("RBM: {bottom: x, num_output: 4}", {"x": normal(3, 2, 2)}),
        ("RBM: {bottom: x, num_output: 4, hidden: GAUSSIAN}", {"x": normal(3, 5)}),
    ],
    "RNN": [
        (f"RNN: {{bottom: x, {FILLED}}}", {"x": normal(3, 2, 2)}),
        (f"RNN: {{bottom: [x, cont, s, h], top: [y, z], expose_hidden: true, {FILLED}}}",
         {"x": 0.3 * normal(4, 2, 3), "cont": CONT, "s": 0.3 * normal(2, 2), "h": 0.3 * normal(1, 2, 3)}),
    ],
    "ReLU": [("ReLU: {bottom: x}", {"x": away(3, 4)}), ("ReLU: {bottom: x, negative_slope: 0.3}", {"x": away(3, 4)})],
    "RecursiveNet": [("RecursiveNet: {bottom: [x, child, width]}", {"x": 0.1 * normal(4, 2), **TREE})],
    "RecursiveTensor": [("RecursiveTensor: {bottom: [x, child, width]}", {"x": 0.1 * normal(4, 2), **TREE})],
    "Reduction": [
        (f"Reduction: {{bottom: x, operation: {operation}, axis: 1, coeff: 0.5}}", {"x": away(3, 2, 4)})
        for operation in ("SUM", "ASUM", "SUMSQ", "MEAN")
    ],
    "Reorg": [
        ("Reorg: {bottom: x, stride: 2}", {"x": normal(2, 4, 4, 6)}),
        ("Reorg: {bottom: x, stride: 2, reverse: true}", {"x": normal(2, 8, 3, 2)}),
    ],
    "Reshape": [("Reshape: {bottom: x, shape: {dim: [0, -1, 2]}}", {"x": normal(2, 3, 4)})],
    "Reverse": [("Reverse: {bottom: [x, cont]}", {"x": normal(4, 2, 3), "cont": CONT}), ("Reverse: {bottom: x}", {"x": normal(4, 2)})],
    "SPP": [(f"SPP: {{bottom: x, pyramid_height: 2, pool: {pool}}}", {"x": spaced(2, 2, 5, 6)}) for pool in ("MAX", "AVE")],
    "Scale": [
        ("Scale: {bottom: x, bias_term: true}", {"x": normal(2, 3, 4)}),
        ("Scale: {bottom: [x, s], axis: 0}", {"x": normal(2, 3, 4), "s": normal(2, 3)}),
    ],
    "Sigmoid": [("Sigmoid: {bottom: x}", {"x": normal(3, 4)})],
    "SigmoidCrossEntropyLoss": [
        (f"SigmoidCrossEntropyLoss: {{bottom: [x, label], normalization: {mode}, ignore_label: 2}}", {"x": normal(4, 3), "label": MARKS})
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ] + [("SigmoidCrossEntropyLoss: {bottom: [x, label, weight]}", {"x": normal(4, 3), "label": MARKS % 2, "weight": WEIGHTS})],
    "ShuffleChannel": [("ShuffleChannel: {bottom: x, group: 3}", {"x": normal(2, 6, 2, 3)})],
    "Slice": [("Slice: {bottom: x, top: [a, b, c], slice_point: [1, 4], axis: 1}", {"x": normal(2, 5)})],
    "Softmax": [("Softmax: {bottom: x}", {"x": normal(2, 5, 2)})],
    "LabelSpecificAdd": [("LabelSpecificAdd: {bottom: [x, label], bias: -0.35}", {"x": spaced(4, 3), "label": LABELS})],
    "SoftmaxWithLossOHEM": [
        (f"SoftmaxWithLossOHEM: {{bottom: [x, label], normalization: {mode}, pre_fixed_normalizer: 3, ignore_label: 2}}",
         {"x": normal(2, 3, 2, 2), "label": MAPS})
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE", "PRE_FIXED")
    ],
    "SoftmaxWithLoss": [
        (f"SoftmaxWithLoss: {{bottom: [x, label], normalization: {mode}, ignore_label: 2}}", {"x": normal(2, 3, 2, 2), "label": MAPS})
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ] + [
        ("SoftmaxWithLoss: {bottom: [x, label]}", {"x": normal(4, 3), "label": LABELS}),
        ("SoftmaxWithLoss: {bottom: [x, label, weight]}", {"x": normal(4, 3), "label": LABELS, "weight": WEIGHTS}),
        ("SoftmaxWithLoss: {bottom: [x, label], label_smoothing: 0.2, class_weight: [1, 3, 0.5], ignore_label: 0}",
         {"x": normal(2, 3, 2, 2), "label": MAPS}),
        ("SoftmaxWithLoss: {bottom: [x, label], weight_by_label_freqs: true, class_weighting: [1, 3, 0.5], ignore_label: 0}",
         {"x": normal(2, 3, 2, 2), "label": MAPS}),
    ],
    "Split": [("Split: {bottom: x, top: [a, b]}", {"x": normal(2, 3)})],
    "Swish": [("Swish: {bottom: x, beta: 1.5}", {"x": normal(3, 4)})],
    "TanH": [("TanH: {bottom: x}", {"x": normal(3, 4)})],
    "TweedieLoss": [
        ("TweedieLoss: {bottom: [x, label]}", {"x": normal(4, 1), "label": [0.5, 0, 0, 2.5]}),
        ("TweedieLoss: {bottom: [x, label, weight], power: 1.2}", {"x": normal(4), "label": [0.5, 0, 0, 2.5], "weight": WEIGHTS}),
    ],
    "Tile": [("Tile: {bottom: x, tiles: 3}", {"x": normal(2, 3, 2)}), ("Tile: {bottom: x, axis: -1, tiles: 2}", {"x": normal(2, 3)})],
}  # fmt: skip
ROWS |= {
    kind: [(f"{kind}: {{bottom: x, top: y{fields and ', ' + fields}}}", {"x": 3 * spaced(3, 4) + 0.07}) for fields, _ in rows]
    for kind, rows in FORMULAS.items() if kind not in ROWS and kind != "Threshold"
}  # fmt: skip
ROWS |= {
    "ClusterAssignment": [
        ("ClusterAssignment: {bottom: x, num_output: 3}", {"x": normal(4, 5)}),
        ("ClusterAssignment: {bottom: x, num_output: 2, freedom: 2.5}", {"x": normal(3, 2, 2)}),
    ],
    "Model": [
        (f"Model: {{bottom: x, file: {SMALL}}}", {"x": normal(2, 2, 4, 4)}),
        (f"Model: {{bottom: x, file: {SMALL}, output: [conv, flat], top: [a, b]}}", {"x": normal(2, 2, 4, 4)}),
        (f"Model: {{bottom: x, file: {SMALL}, input: flat}}", {"x": normal(2, 48)}),
    ],
}
PAST, WIDE = np.random.default_rng(0).normal(size=(4, 2, 6)), "weight_filler: {type: gaussian, std: 0.5}"
STEEP = {"Attention", "Transformer"}  # layers with products of several matrices
ROWS |= {
    "Attention": [
        (f"Attention: {{bottom: x, heads: 2, {WIDE}}}", {"x": PAST}),
        (f"Attention: {{bottom: x, top: [y, w], heads: 3, kv_heads: 1, causal: true, rotary: true, {WIDE}}}", {"x": PAST}),
        (f"Attention: {{bottom: [x, cont], heads: 2, causal: true, dropout: 0.3, {WIDE}}}", {"x": PAST, "cont": CONT}),
        (f"Attention: {{bottom: [x, z, cont], top: [y, w], heads: 2, bias_term: false, {WIDE}}}",
         {"x": PAST, "z": normal(4, 2, 3), "cont": CONT}),
    ],
    "GroupNorm": [
        ("GroupNorm: {bottom: x, group: 2}", {"x": normal(2, 4, 3, 2)}),
        ("GroupNorm: {bottom: x, group: 1, affine: false}", {"x": normal(2, 4)}),
    ],
    "InstanceNorm": [(f"InstanceNorm: {{bottom: x, affine: {affine}}}", {"x": normal(2, 3, 4)}) for affine in ("true", "false")],
    "LayerNorm": [
        ("LayerNorm: {bottom: x}", {"x": normal(3, 2, 5)}),
        ("LayerNorm: {bottom: x, axis: 1, bias_term: false}", {"x": normal(3, 2, 5)}),
        ("LayerNorm: {bottom: x, affine: false}", {"x": normal(3, 5)}),
    ],
    "MatMul": [
        ("MatMul: {bottom: [x, z], transpose_b: true}", {"x": normal(3, 2, 4), "z": normal(5, 4)}),
        ("MatMul: {bottom: [x, z], transpose_a: true}", {"x": normal(3, 1, 4, 2), "z": normal(2, 4, 5)}),
    ],
    "Permute": [("Permute: {bottom: x, order: [0, 2]}", {"x": normal(2, 3, 4)})],
    "Position": [
        ("Position: {bottom: x}", {"x": normal(4, 2, 3)}),
        ("Position: {bottom: x, max_steps: 6}", {"x": normal(4, 2, 3)}),
        ("Position: {bottom: x, kind: SINUSOIDAL}", {"x": normal(4, 2, 3)}),
    ],
    "RMSNorm": [
        ("RMSNorm: {bottom: x}", {"x": normal(3, 2, 5)}),
        ("RMSNorm: {bottom: x, axis: 1, affine: false}", {"x": normal(3, 2, 5)}),
    ],
    "Transformer": [
        (f"Transformer: {{bottom: x, heads: 2, causal: true, hidden: 5, {WIDE}}}", {"x": PAST}),
        (f"Transformer: {{bottom: [x, cont], heads: 2, norm_first: false, activation: SILU, norm: RMS, dropout: 0.2, {WIDE}}}",
         {"x": PAST, "cont": CONT}),
    ],
}  # fmt: skip
# Rows of later layers come last, so that the random numbers of the others stay.
ROWS |= {
    "CTCLoss": [
        ("CTCLoss: {bottom: [x, label]}", {"x": normal(6, 3, 4), "label": [[1, 2, 2], [3, -1, -1], [-1, -1, -1]]}),
        ("CTCLoss: {bottom: [x, label, cont], reduction: SUM, blank: -1}",
         {"x": normal(4, 2, 4), "label": [[1, 2], [0, -1]], "cont": CONT}),
        ("Permute: {bottom: x, top: s, order: [1, 0, 2]}\nCTCLoss: {bottom: [s, label]}",
         {"x": normal(3, 5, 4), "label": [[1, 2, 2], [3, -1, -1], [-1, -1, -1]]}),
        ("CTCLoss: {bottom: [x, label], reduction: BATCH_MEAN, zero_infinity: true}", {"x": normal(2, 2, 4), "label": [[1, 1], [3, 2]]}),
    ],
    "DiceLoss": [
        ("DiceLoss: {bottom: [x, label]}", {"x": normal(2, 3, 2, 2), "label": MAPS}),
        ("DiceLoss: {bottom: [x, label], smooth: 0, ignore_label: 2, class_weight: [1, 2, 0.5]}",
         {"x": normal(2, 3, 4), "label": MARKS[:2, [0, 1, 2, 1]]}),
    ],
    "GlobalPooling": [
        ("GlobalPooling: {bottom: x}", {"x": normal(2, 3, 4, 5)}),
        ("GlobalPooling: {bottom: x, pool: MAX, keepdims: true}", {"x": spaced(2, 3, 4, 2)}),
    ],
    "PixelShuffle": [
        ("PixelShuffle: {bottom: x, upscale_factor: 2}", {"x": normal(2, 8, 3, 2)}),
        ("PixelShuffle: {bottom: x, upscale_factor: 2, inverse: true}", {"x": normal(2, 2, 4, 6)}),
    ],
    "SeparableConvolution": [
        ("SeparableConvolution: {bottom: x, num_output: 4, kernel_size: 3, pad: 1, stride: 2, depth_multiplier: 2}",
         {"x": normal(2, 3, 5, 6)}),
        ("SeparableConvolution: {bottom: x, num_output: 2, kernel_size: 2, dilation: 2, bias_term: false}", {"x": normal(2, 2, 7)}),
    ],
    "SigmoidDiceLoss": [
        ("SigmoidDiceLoss: {bottom: [x, label]}", {"x": normal(2, 1, 2, 2), "label": MAPS % 2}),
        ("SigmoidDiceLoss: {bottom: [x, label], smooth: 0.1, ignore_label: 2}", {"x": normal(4, 3, 1), "label": MARKS}),
    ],
    "SqueezeExcite": [
        ("SqueezeExcite: {bottom: x, squeeze_channels: 2}", {"x": normal(2, 4, 3, 3)}),
        ("SqueezeExcite: {bottom: x, reduction: 2, activation: SWISH, gate: HARD_SIGMOID}", {"x": 0.3 * normal(2, 4, 3)}),
    ],
    "Upsample": [
        (f"Upsample: {{bottom: x, {fields}}}", {"x": normal(2, 3, 5, 4)})
        for fields in ("scale: 2", "scale: [2, 3], mode: BILINEAR", "size: [7, 9], mode: BILINEAR, align_corners: true", "size: [7, 3]")
    ] + [
        ("Upsample: {bottom: x, scale: 1.7, mode: BILINEAR}", {"x": normal(2, 3, 5)}),
        ("Upsample: {bottom: [x, label], mode: BILINEAR}", {"x": normal(2, 2, 2, 3, 2), "label": np.ones((2, 1, 3, 4, 3))}),
        ("Pooling: {bottom: x, top: [p, m], kernel_size: 2, stride: 2}\nUpsample: {bottom: [p, m], scale: 2, pad_out_h: true}",
         {"x": spaced(2, 2, 3, 4)}),
        ("Upsample: {bottom: [x, label], upsample_h: 5, upsample_w: 4}",
         {"x": normal(2, 2, 2, 3), "label": [[np.arange(6).reshape(2, 3) * 3 + c + k for c in range(2)] for k in range(2)]}),
    ],
}  # fmt: skip
ROIS = [[0, 0, 0, 16, 14], [1, 3, 5, 11, 17], [0, 7, 2, 12, 3], [1, 40, 40, 50, 50]]  # the last one is outside
ROWS |= {
    "PSROIPooling": [
        ("PSROIPooling: {bottom: [x, rois], output_dim: 3, group_size: 2, spatial_scale: 0.25}", {"x": normal(2, 12, 5, 6), "rois": ROIS}),
    ],
    "ROIPooling": [
        ("ROIPooling: {bottom: [x, rois], pooled_h: 2, pooled_w: 3, spatial_scale: 0.25}", {"x": spaced(2, 3, 5, 6), "rois": ROIS}),
    ],
    "SmoothL1LossOHEM": [
        ("SmoothL1LossOHEM: {bottom: [x, y]}", {"x": normal(3, 4), "y": normal(3, 4)}),
        ("SmoothL1LossOHEM: {bottom: [x, y, label], top: [l, own], normalization: PRE_FIXED, pre_fixed_normalizer: 5}\n"
         "Silence: {bottom: own}",
         {"x": normal(3, 4, 2, 1), "y": normal(3, 4, 2, 1), "label": normal(3, 4, 2, 1)}),
    ],
    "SmoothL1Loss": [
        ("SmoothL1Loss: {bottom: [x, y]}", {"x": normal(3, 4), "y": normal(3, 4)}),
        ("SmoothL1Loss: {bottom: [x, y, label], sigma: 3}", {"x": normal(3, 4), "y": normal(3, 4), "label": normal(3, 4)}),
        ("SmoothL1Loss: {bottom: [x, y, label, weight], sigma: 0.7}",
         {"x": normal(2, 4, 2, 2), "y": normal(2, 4, 2, 2), "label": normal(2, 4, 2, 2), "weight": normal(2, 4, 2, 2)}),
    ],
}  # fmt: skip
BOXES: list[dict[str, Any]] = [{}, {"conf_loss_type": "LOGISTIC", "code_type": "CENTER_SIZE"}, {"loc_loss_type": "L2"}]
ROWS["MultiBoxLoss"] = [
    (f"MultiBoxLoss: {{bottom: [loc, conf, priors, label], {ssd.Fields(3, mining_type='NONE', **fields).text}}}",
     ssd.problem(seed, priors=8, classes=3, most=3))
    for seed, fields in enumerate(BOXES)
]  # fmt: skip
ROWS["LSTM"] += [(f"LSTM: {{bottom: x, {FILLED}, proj_size: 2}}", {"x": 0.5 * np.random.default_rng(2).normal(size=(4, 2, 3))})]
NO_GRADIENT = {
    "AUC", "Accuracy", "AdjustedRandIndex", "AnnotatedData", "ArgMax", "AveragePrecision", "BoxAnnotatorOHEM", "BrierScore",
    "CTCDecode", "CalibrationError", "ContinuationIndicator",
    "CharacterErrorRate", "DECLoss", "Data", "DenseImageData", "ImageSegData", "DetectionOutput", "MeanIoU",
    "DetectionEvaluate", "Deviance", "DummyData", "F1", "HDF5Data", "HDF5Output", "ImageData", "Input", "KMeans", "LogLoss", "MAE",
    "MemoryData",
    "MultiLabelAccuracy", "Nearest", "PinballLoss", "Precision", "PriorBox",
    "Proposal", "Python", "R2", "RMSE", "Recall", "Silence", "Table",
    "Threshold", "TreeData", "WindowData",
}  # fmt: skip
# They need facts that only a source has: test_table.py, test_relative.py, test_normalization.py.
OF_A_SOURCE = {"Encode", "Relative", "Standardize"}
# The gradient of its parameters is not the derivative: test_center_loss.py.
OWN_RULE = {"CenterLoss"}


def test_every_layer_has_a_row() -> None:
    assert ROWS.keys() | NO_GRADIENT | OF_A_SOURCE | OWN_RULE == registry.layer.keys()


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize("kind", ROWS)
def test_gradient(kind: str, provider: str) -> None:
    """Check both sets of bodies. Those for CUDA run on the CPU too."""
    for layers, inputs in ROWS[kind]:
        check_gradient(layers, provider, WHOLE, small=kind in STEEP, step=2e-3 if kind in STEEP else 1e-2, **inputs)

"""What is wrong with a layer is said at its place, with what came and what was wanted."""

from typing import Any

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import net

INPUTS = {"x": np.ones((2, 3, 4, 4)), "v": np.ones((2, 3)), "l": np.ones(2), "w": np.ones(5)}
LINE = len(INPUTS) + 3  # the first line of the layer under test

# the layer, the text whose place is named (None: the layer itself), what is said
ROWS = [
    ("Convolution: {bottom: x, kernel_size: 3}", None, "num_output is missing: how many filters"),
    ("Convolution: {bottom: x, num_output: 2}", None, "kernel_size is missing"),
    ("Convolution: {bottom: x, num_output: 2, kernel_h: 3}", None, "one of kernel_h and kernel_w is missing"),
    ("Convolution: {bottom: x, num_output: 2, kernel_size: 9}", "kernel_size", "a kernel of 9 does not fit into 4 (x is 2x3x4x4"),
    ("Convolution: {bottom: x, num_output: 2, kernel_size: 3, dilation: 2}", "kernel_size", "a kernel of 5 does not fit into 4"),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: 3, group: 2}", "group", "group 2 must divide the 3 channels that come"),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: [3, 3, 3]}", "kernel_size", "3 kernel_size for 2 spatial axes; give one"),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: 3, stride: 0}", "stride", "stride must be at least 1"),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: 3, axis: 7}", "axis", "axis 7 of a blob of shape 2x3x4x4, which has 4 axes"),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: 3, weight_filler: xaver}", "weight_filler", "did you mean 'xavier'"),
    ("Convolution: {bottom: [x, v], top: [a, b], num_output: 4, kernel_size: 3}", "bottom", "v is 2x3, x is 2x3x4x4; all must be equal"),
    ("Convolution: {bottom: [x, x], top: a, num_output: 4, kernel_size: 3}", "top", "2 bottoms and 1 tops; each bottom has its top"),
    ("Deconvolution: {bottom: x, kernel_size: 3}", None, "num_output is missing"),
    ("Deconvolution: {bottom: x, num_output: 2, kernel_size: 1, pad: 3}", "pad", "a pad of 3 leaves nothing of 4"),
    ("Deconvolution: {bottom: x, num_output: 2, kernel_size: [3, 2], weight_filler: bilinear}", "weight_filler", "not 3x2x3x2"),
    ("Pooling: {bottom: x}", None, "kernel_size is missing"),
    ("Pooling: {bottom: x, kernel_h: 2}", None, "kernel_w is missing"),
    ("Pooling: {bottom: x, kernel_size: 9}", "kernel_size", "a kernel of 9 does not fit into 4"),
    ("Pooling: {bottom: x, kernel_size: 2, pad: 2}", "pad", "pad 2 must be smaller than the kernel 2"),
    ("Pooling: {bottom: v, kernel_size: 2}", "bottom", "blobs of 3 to 5 axes (N, C, spatial axes); v is 2x3"),
    ("Pooling: {bottom: x, kernel_size: 2, stride: 0}", "stride", "stride must be at least 1"),
    ("Pooling: {bottom: x, kernel_size: 2, pool: AVE, top: [a, b]}", "b]", "only MAX has a second top"),
    ("Pooling: {bottom: x, global_pooling: true, kernel_size: 2}", "global_pooling", "no kernel_size, no pad, stride 1"),
    ("InnerProduct: {bottom: x}", None, "num_output is missing: how many outputs"),
    ("InnerProduct: {bottom: x, num_output: 3, axis: 5}", "axis", "axis 5 of a blob of shape 2x3x4x4"),
    ("InnerProduct: {bottom: [x, v], num_output: 3}", "bottom", "InnerProduct takes 1 bottom, 2 given (x, v)"),
    ("InnerProduct: {bottom: x, num_output: 3, param: [{}, {}, {}]}", "{}]", "3 param for 2 blobs"),
    ("InnerProduct: {bottom: x, num_output: 3, loss_weight: [1, 2]}", "loss_weight", "2 loss_weight for 1 tops"),
    ("RBM: {bottom: v}", None, "num_output is missing: how many hidden units"),
    ("RBM: {bottom: v, num_output: 2, cd_steps: 0}", "cd_steps", "cd_steps must be at least 1"),
    ("RBM: {bottom: v, num_output: 2, visible: GAUSSIAN, binarize: true}", "binarize", "binarize is for BINARY visible units"),
    ("ReLU: {bottom: x, top: [a, b]}", "top", "ReLU takes 1 top, 2 given (a, b)"),
    ("ReLU: {bottom: x, propagate_down: [true, true]}", "propagate_down", "2 propagate_down for 1 bottoms"),
    ("PReLU: {bottom: l}", "bottom", "needs 2 axes or more; l is of shape 2"),
    ("Dropout: {bottom: x, dropout_ratio: 1}", "dropout_ratio", "dropout_ratio must be at least 0 and below 1, not 1"),
    ("Softmax: {bottom: x, axis: 4}", "axis", "axis 4 of a blob of shape 2x3x4x4"),
    ("BatchNorm: {bottom: l}", "bottom", "needs 2 axes or more; l is of shape 2"),
    ("BatchNorm: {bottom: x, param: [{lr_mult: 1}]}", "lr_mult", "moves its statistics itself; their lr_mult must be 0"),
    ("LRN: {bottom: x, local_size: 4}", "local_size", "local_size must be odd, not 4"),
    ("LRN: {bottom: v}", "bottom", "needs 3 axes or more; v is of shape 2x3"),
    ("LRN: {bottom: v, norm_region: WITHIN_CHANNEL}", "bottom", "WITHIN_CHANNEL needs 4 axes"),
    ("Scale: {bottom: [x, l], axis: 1}", "l]", "l of shape 2 does not fit x of shape 2x3x4x4 from axis 1 on"),
    ("Scale: {bottom: x, axis: 3, num_axes: 2}", "num_axes", "axes 3 to 5 of 2x3x4x4, which has 4"),
    ("Bias: {bottom: [x, l], axis: 2}", "l]", "l of shape 2 does not fit x of shape 2x3x4x4 from axis 2 on"),
    ("Eltwise: {bottom: x}", "bottom", "Eltwise takes 2 or more bottoms, 1 given (x)"),
    ("Eltwise: {bottom: [x, v]}", "bottom", "v is 2x3, x is 2x3x4x4; all must be equal"),
    ("Eltwise: {bottom: [x, x], coeff: 2}", "coeff", "1 coeff for 2 bottoms"),
    ("Eltwise: {bottom: [x, x], coeff: [2, 3], operation: PROD}", "coeff", "SUM only"),
    ("Concat: {bottom: [x, v]}", "bottom", "v is 2x3, x is 2x3x4x4: only axis 1 may differ"),
    ("Slice: {bottom: x, top: [a, b]}", None, "axis 1 of size 3 does not divide into 2 equal tops; give slice_point"),
    ("Slice: {bottom: x, top: [a, b, c], slice_point: [2, 1]}", "slice_point", "need 2 increasing ones for 3 tops"),
    ("Flatten: {bottom: x, axis: 2, end_axis: 1}", "end_axis", "end_axis 1 stands before axis 2"),
    ("Flatten: {bottom: x, top: x}", "top", "Flatten cannot run in place"),
    ("Reshape: {bottom: x, shape: {dim: [5, -1]}}", "shape", "the 96 elements of 2x3x4x4 do not divide by 5"),
    ("Reshape: {bottom: x, shape: {dim: [-1, -1]}}", "shape", "more than one dim of -1"),
    ("Reshape: {bottom: x, shape: {dim: [6, 2]}}", "shape", "2x3x4x4 does not fit into 6x2"),
    ("Reshape: {bottom: l, shape: {dim: [2, 0]}}", "0]", "dim 0 copies axis 1, which 2 has not"),
    ("Reshape: {bottom: x, shape: {dim: [0, -2]}}", "-2", "dim -2; a dim is a size, 0 (copy) or -1 (infer)"),
    ("Reshape: {bottom: l, axis: 3}", "axis", "axis 3 and num_axes -1 of a blob of shape 2"),
    ("Split: {bottom: x, top: [x, b]}", "x, b", "Split cannot run in place"),
    ("Silence: {bottom: x, top: y}", "top", "Silence takes 0 tops, 1 given (y)"),
    ("SoftmaxWithLoss: {bottom: v}", "bottom", "SoftmaxWithLoss takes 2 bottoms, 1 given (v)"),
    ("SoftmaxWithLoss: {bottom: [x, l]}", "l]", "l is 2; for x 2x3x4x4 with classes on axis 1 it must be 2x4x4"),
    ("SigmoidCrossEntropyLoss: {bottom: [x, v]}", "bottom", "x 2x3x4x4 and v 2x3 differ in size"),
    ("EuclideanLoss: {bottom: [x, v]}", "bottom", "x 2x3x4x4 and v 2x3 differ in size"),
    ("Accuracy: {bottom: [v, l], top_k: 4}", "top_k", "top_k 4 of 3 classes"),
    ("Accuracy: {bottom: [v, v]}", "v]", "v is 2x3; for v 2x3 with classes on axis 1 it must be 2"),
    ("Input: {top: [a, b, c], shape: [{dim: 1}, {dim: 2}]}", "shape", "2 shapes for 3 tops; give one, or one each"),
    ("Input: {top: a, shape: [{dim: [2, 0]}]}", "{dim", "shape 2x0; every dim is 1 or more"),
    ("Pooling: {bottom: x, pool: STOCHASTIC, kernel_size: 3, pad: 1}", "pool", "STOCHASTIC pooling takes no pad"),
    ("Pooling: {bottom: x, kernel_shape: [2, 2, 2]}", "kernel_shape", "one number for each of 2 spatial axes, in place of kernel_size"),
    ("SPP: {bottom: v, pyramid_height: 1}", "bottom", "pools blobs of 4 axes (N, C, H, W); v is 2x3"),
    ("SPP: {bottom: x}", None, "pyramid_height is missing: how many levels"),
    ("SPP: {bottom: x, pyramid_height: 4}", "pyramid_height", "an axis of 4 cannot be cut into 8 windows of 1"),
    ("Im2col: {bottom: x, kernel_size: 9}", "kernel_size", "a kernel of 9 does not fit into 4"),
    ("Clip: {bottom: x, min: 1, max: 0}", "min", "min 1 is above max 0"),
    ("AbsVal: {bottom: x, top: x}", "top", "AbsVal cannot run in place"),
    ("Exp: {bottom: x, base: 0}", "base", "base must be above 0, or -1 for e, not 0"),
    ("Log: {bottom: x, base: 1}", "base", "there is no logarithm to the base 1"),
    ("Power: {bottom: x, scale: 0, power: -1}", "power", "0 to the power of -1, for shift and scale are 0"),
    ("MVN: {bottom: v}", "bottom", "needs axes beyond the channel; v is of shape 2x3"),
    ("Tile: {bottom: x}", None, "tiles is missing: how many copies"),
    ("Tile: {bottom: x, tiles: 0}", "tiles", "tiles must be 1 or more, not 0"),
    ("Crop: {bottom: [x, v]}", "v]", "v is 2x3, x is 2x3x4x4"),
    ("Crop: {bottom: [x, x], offset: [1, 2, 3]}", "offset", "3 offset for 2 axes; give none, one, or one each"),
    ("Crop: {bottom: [x, x], offset: 1}", "offset", "an offset of 1 and a size of 4 do not fit into axis 2 of 2x3x4x4"),
    ("BatchReindex: {bottom: [x, v]}", "v]", "v holds row numbers and must have 1 axis; it is 2x3"),
    ("Filter: {bottom: [x, l], top: [a, b]}", "top", "1 bottoms before the selector and 2 tops; each has its top"),
    ("Filter: {bottom: [x, v]}", "v]", "the selector v must hold one number a row; it is 2x3"),
    ("Filter: {bottom: [x, w]}", "x, w", "x is 2x3x4x4, the selector w 5: rows differ"),
    ("Reduction: {bottom: x, axis: 4}", "axis", "axis 4 of a blob of shape 2x3x4x4"),
    ("ArgMax: {bottom: v, top_k: 4}", "top_k", "top_k 4 of 3 values"),
    ("HingeLoss: {bottom: [x, v]}", "v]", "v is 2x3; for x 2x3x4x4 it must hold one label a row"),
    ("ContrastiveLoss: {bottom: [v, v, v]}", "v]", "v is 2x3; it must hold one number for each pair of 2x3"),
    ("ContrastiveLoss: {bottom: [v, x, l]}", "bottom", "v 2x3 and x 2x3x4x4 differ in size"),
    ("InfogainLoss: {bottom: [v, l]}", None, "needs the matrix H: a third bottom, or the file `source`"),
    ("InfogainLoss: {bottom: [v, l, v]}", "bottom", "H is 2x3; for 3 classes it must be 3x3"),
    ("Parameter: {top: p, shape: {dim: [2, 0]}}", "shape", "needs a shape whose every dim is 1 or more; 2x0 came"),
    ("ReLU: {bottom: z}", "bottom", "reads 'z', which no layer before it writes"),
]  # fmt: skip


@pytest.mark.parametrize("layer, at, said", ROWS, ids=[row[0] for row in ROWS])
def test_error(layer: Any, at: Any, said: Any) -> None:
    with pytest.raises(SpecError) as caught:
        net(layer, inputs=INPUTS)
    (first, *_) = str(caught.value).splitlines()
    column = 5 if at is None else 5 + layer.index(at, layer.index("{"))
    assert first.startswith(f"<text>:{LINE}:{column}: layer ") and said in first


def test_shape_errors_tell_the_way_to_them() -> None:
    layers = "Pooling: {bottom: x, kernel_size: 2, stride: 2}\nReLU\nConvolution: {num_output: 2, kernel_size: 3}"
    with pytest.raises(SpecError, match=r"does not fit into 2.*\n    x 2x3x4x4 \(line 3\) -> pool1 2x3x2x2 \(line 7\) -> conv1 \(line 9\)"):
        net(layers, inputs=INPUTS)


def test_all_errors_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        net("InnerProduct: {bottom: x}\nPooling: {bottom: v, kernel_size: 2}\nReLU: {bottom: ip1}", inputs=INPUTS)
    assert len(caught.value.diagnostics) == 2  # the ReLU is not blamed for what it reads


@pytest.mark.parametrize("second, said", [
    ("num_output: 4, param: {name: w}", "shares 'w' of shape 3x3 with layer 'ip1', but needs 4x3"),
    ("num_output: 3, param: {name: w, lr_mult: 2}", "shares 'w' with layer 'ip1', which gives another lr_mult"),
])  # fmt: skip
def test_sharing(second: Any, said: Any) -> None:
    with pytest.raises(SpecError, match=said):
        net(
            f"InnerProduct: {{bottom: v, num_output: 3, param: {{name: w, lr_mult: 1}}}}\nInnerProduct: {{bottom: v, {second}}}",
            inputs=INPUTS,
        )

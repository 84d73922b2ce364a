"""Errors of layers: the place, the actual values and the expected ones."""

from collections.abc import Mapping

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import net

INPUTS = {"x": np.ones((2, 3, 4, 4)), "v": np.ones((2, 3)), "l": np.ones(2), "w": np.ones(5)}
LINE = len(INPUTS) + 3  # the first line of the layer under test

# the layer, the text at the error's place (None: the layer itself), the message
ROWS = [
    ("Convolution: {bottom: x, kernel_size: 3}", None, "`num_output` is missing. Add the number of filters, for example `num_output: 20`."),
    ("Convolution: {bottom: x, num_output: 2}", None, "`kernel_size` is missing."),
    ("Convolution: {bottom: x, num_output: 2, kernel_h: 3}", None, "Only one of `kernel_h` and `kernel_w` is set. Set both."),
    ("Convolution: {bottom: x, num_output: 2, kernel_size: 9}", "kernel_size", "A kernel of 9 does not fit into 4 (x is 2x3x4x4"),
    ("Convolution: {bottom: x, num_output: 2, kernel_size: 3, dilation: 2}", "kernel_size", "A kernel of 5 does not fit into 4 (x is"),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: 3, group: 2}", "group", "`group` is 2, which must divide the 3 input"),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: [3, 3, 3]}", "kernel_size", "There are 3 `kernel_size` for 2 spatial axes"),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: 3, stride: 0}", "stride", "`stride` must be at least 1."),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: 3, axis: 7}", "axis", "Axis 7 is out of range: a blob of shape 2x3x4x4"),
    ("Convolution: {bottom: x, num_output: 4, kernel_size: 3, weight_filler: xaver}", "weight_filler", "Did you mean 'xavier'"),
    ("Convolution: {bottom: [x, v], top: [a, b], num_output: 4, kernel_size: 3}", "bottom", "but v is 2x3 and x is 2x3x4x4."),
    ("Convolution: {bottom: [x, x], top: a, num_output: 4, kernel_size: 3}", "top", "It has 2 bottoms and 1 tops. Expected"),
    ("Deconvolution: {bottom: x, kernel_size: 3}", None, "`num_output` is missing. Add the number of filters, for example `num_output"),
    ("Deconvolution: {bottom: x, num_output: 2, kernel_size: 1, pad: 3}", "pad", "A pad of 3 leaves nothing of 4 (x is 2x3x4x4)."),
    ("Deconvolution: {bottom: x, num_output: 2, kernel_size: [3, 2], weight_filler: bilinear}", "weight_filler", "not 3x2x3x2"),
    ("Pooling: {bottom: x}", None, "`kernel_size` is missing."),
    ("Pooling: {bottom: x, kernel_h: 2}", None, "`kernel_w` is missing."),
    ("Pooling: {bottom: x, kernel_size: 9}", "kernel_size", "A kernel of 9 does not fit into 4 (padding included)."),
    ("Pooling: {bottom: x, kernel_size: 2, pad: 2}", "pad", "pad 2 must be smaller than the kernel 2"),
    ("Pooling: {bottom: v, kernel_size: 2}", "bottom", "Expected 3 to 5 axes (N, C, spatial axes). v is 2x3."),
    ("Pooling: {bottom: x, kernel_size: 2, stride: 0}", "stride", "`stride` must be at least 1."),
    ("Pooling: {bottom: x, kernel_size: 2, pool: AVE, top: [a, b]}", "b]", "Only MAX has a second top, the index of the maximum."),
    ("Pooling: {bottom: x, global_pooling: true, kernel_size: 2}", "global_pooling", "`global_pooling` pools the whole image. Remove"),
    ("GlobalPooling: {bottom: v}", "bottom", "Expected 3 to 5 axes (N, C, spatial axes). v is 2x3."),
    ("Upsample: {bottom: x}", None, "Expected one of `scale`, `size` and a second bottom with the new size"),
    ("Upsample: {bottom: x, scale: 2, size: 4}", "size", "Expected one of `scale`, `size` and a second bottom"),
    ("Upsample: {bottom: x, scale: [2, 2, 2]}", "scale", "There are 3 `scale` for 2 spatial axes. Add one for all, or one for each."),
    ("Upsample: {bottom: x, scale: 0}", "scale", "`scale` must be above 0."),
    ("Upsample: {bottom: x, scale: 0.1}", None, "Nothing is left of 2x3x4x4: the new size is 0x0."),
    ("Upsample: {bottom: x, scale: 2, align_corners: true}", "align_corners", "`align_corners` is for `mode: BILINEAR`."),
    ("Upsample: {bottom: [x, v]}", "v]", "v is 2x3, and x is 2x3x4x4. Expected as many axes."),
    ("Upsample: {bottom: v, scale: 2}", "bottom", "Expected 3 to 5 axes (N, C, spatial axes). v is 2x3."),
    ("PixelShuffle: {bottom: x}", None, "`upscale_factor` is missing. Add a whole number, for example `upscale_factor: 2`."),
    ("PixelShuffle: {bottom: x, upscale_factor: 2}", "upscale_factor", "The 3 channels of 2x3x4x4 do not divide by 2 x 2."),
    ("PixelShuffle: {bottom: x, upscale_factor: 3, inverse: true}", "upscale_factor", "`upscale_factor` 3 does not divide the height"),
    ("PixelShuffle: {bottom: v, upscale_factor: 2}", "bottom", "Expected 4 axes (N, C, H, W). v is 2x3."),
    ("SeparableConvolution: {bottom: x, kernel_size: 3}", None, "`num_output` is missing. Add the number of channels."),
    ("SeparableConvolution: {bottom: x, num_output: 2, kernel_size: 3, depth_multiplier: 0}", "depth_multiplier", "must be at least 1."),
    ("SeparableConvolution: {bottom: x, num_output: 2, kernel_size: 3, group: 3}", "group", "SeparableConvolution has no `group`"),
    ("SeparableConvolution: {bottom: x, num_output: 2, kernel_size: 9}", "kernel_size", "A kernel of 9 does not fit into 4 (x is"),
    ("SeparableConvolution: {bottom: v, num_output: 2, kernel_size: 1}", "bottom", "Expected N x C x spatial axes. v is 2x3."),
    ("SqueezeExcite: {bottom: x, reduction: 0}", "reduction", "`reduction` must be at least 1."),
    ("SqueezeExcite: {bottom: x, squeeze_channels: 0}", "squeeze_channels", "`squeeze_channels` must be at least 1."),
    ("SqueezeExcite: {bottom: v}", "bottom", "Expected N x C x spatial axes. v is 2x3."),
    ("InnerProduct: {bottom: x}", None, "`num_output` is missing. Add the number of outputs, for example `num_output: 10`."),
    ("InnerProduct: {bottom: x, num_output: 3, axis: 5}", "axis", "Axis 5 is out of range: a blob of shape 2x3x4x4 has 4 axes."),
    ("InnerProduct: {bottom: [x, v], num_output: 3}", "bottom", "InnerProduct takes 1 bottom, got 2 (x, v)"),
    ("InnerProduct: {bottom: x, num_output: 3, param: [{}, {}, {}]}", "{}]", "There are 3 `param` for 2 blobs."),
    ("InnerProduct: {bottom: x, num_output: 3, loss_weight: [1, 2]}", "loss_weight", "2 `loss_weight` for 1 tops"),
    ("RBM: {bottom: v}", None, "`num_output` is missing. Add the number of hidden units, for example `num_output: 100`."),
    ("RBM: {bottom: v, num_output: 2, cd_steps: 0}", "cd_steps", "`cd_steps` must be at least 1."),
    ("RBM: {bottom: v, num_output: 2, visible: GAUSSIAN, binarize: true}", "binarize", "`binarize` is for BINARY visible units."),
    ("ReLU: {bottom: x, top: [a, b]}", "top", "ReLU takes 1 top, got 2 (a, b)"),
    ("ReLU: {bottom: x, propagate_down: [true, true]}", "propagate_down", "2 `propagate_down` for 1 bottoms"),
    ("PReLU: {bottom: l}", "bottom", "Expected 2 axes or more. l is of shape 2."),
    ("Dropout: {bottom: x, dropout_ratio: 1}", "dropout_ratio", "`dropout_ratio` must be at least 0 and below 1, not 1."),
    ("Softmax: {bottom: x, axis: 4}", "axis", "Axis 4 is out of range: a blob of shape 2x3x4x4 has 4 axes."),
    ("BatchNorm: {bottom: l}", "bottom", "Expected 2 axes or more. l is of shape 2."),
    ("BatchNorm: {bottom: x, param: [{lr_mult: 1}]}", "lr_mult", "BatchNorm updates its statistics itself. Their `lr_mult` must be 0."),
    ("LRN: {bottom: x, local_size: 4}", "local_size", "`local_size` must be odd, not 4."),
    ("LRN: {bottom: v}", "bottom", "Expected 3 axes or more. v is of shape 2x3."),
    ("LRN: {bottom: v, norm_region: WITHIN_CHANNEL}", "bottom", "WITHIN_CHANNEL needs 4 axes"),
    ("Scale: {bottom: [x, l], axis: 1}", "l]", "l of shape 2 does not fit x of shape 2x3x4x4 from axis 1."),
    ("Scale: {bottom: x, axis: 3, num_axes: 2}", "num_axes", "Axes 3 to 5 of 2x3x4x4, which has 4."),
    ("Bias: {bottom: [x, l], axis: 2}", "l]", "l of shape 2 does not fit x of shape 2x3x4x4 from axis 2."),
    ("Eltwise: {bottom: x}", "bottom", "Eltwise takes 2 or more bottoms, got 1 (x)"),
    ("Eltwise: {bottom: [x, v]}", "bottom", "All bottoms must have the same shape, but v is 2x3 and x is 2x3x4x4."),
    ("Eltwise: {bottom: [x, x], coeff: 2}", "coeff", "There are 1 `coeff` for 2 bottoms of SUM. Only SUM has them, one for each bottom."),
    ("Eltwise: {bottom: [x, x], coeff: [2, 3], operation: PROD}", "coeff", "There are 2 `coeff` for 2 bottoms of PROD. Only SUM has"),
    ("Concat: {bottom: [x, v]}", "bottom", "v is 2x3, x is 2x3x4x4. Only axis 1 may differ."),
    ("Slice: {bottom: x, top: [a, b]}", None, "Axis 1 of size 3 does not divide into 2 equal tops. Add `slice_point`."),
    ("Slice: {bottom: x, top: [a, b, c], slice_point: [2, 1]}", "slice_point", "`slice_point` is [2, 1] for axis 1 of size 3. Expected"),
    ("Flatten: {bottom: x, axis: 2, end_axis: 1}", "end_axis", "`end_axis` 1 is before `axis` 2."),
    ("Flatten: {bottom: x, top: x}", "top", "Flatten cannot run in place"),
    ("Reshape: {bottom: x, shape: {dim: [5, -1]}}", "shape", "The 96 elements of 2x3x4x4 cannot be divided by 5, which has 5."),
    ("Reshape: {bottom: x, shape: {dim: [-1, -1]}}", "shape", "More than one `dim` is -1."),
    ("Reshape: {bottom: x, shape: {dim: [6, 2]}}", "shape", "2x3x4x4 does not fit into 6x2."),
    ("Reshape: {bottom: l, shape: {dim: [2, 0]}}", "0]", "The `dim` 0 copies axis 1, which 2 does not have."),
    ("Reshape: {bottom: x, shape: {dim: [0, -2]}}", "-2", "The `dim` -2 is invalid. Use a size, 0 (copy) or -1 (infer)."),
    ("Reshape: {bottom: l, axis: 3}", "axis", "`axis` 3 and `num_axes` -1 are out of range for a blob of shape 2."),
    ("Split: {bottom: x, top: [x, b]}", "x, b", "Split cannot run in place"),
    ("Silence: {bottom: x, top: y}", "top", "Silence takes 0 tops, got 1 (y)"),
    ("SoftmaxWithLoss: {bottom: v}", "bottom", "SoftmaxWithLoss takes 2 to 3 bottoms, got 1 (v)"),
    ("SoftmaxWithLoss: {bottom: [x, l]}", "l]", "l is 2. For x 2x3x4x4 with classes on axis 1 it must be 2x4x4."),
    ("SigmoidCrossEntropyLoss: {bottom: [x, v]}", "bottom", "x 2x3x4x4 and v 2x3 differ in size."),
    ("EuclideanLoss: {bottom: [x, v]}", "bottom", "x 2x3x4x4 and v 2x3 differ in size."),
    ("Accuracy: {bottom: [v, l], top_k: 4}", "top_k", "`top_k` is 4, but there are 3 classes."),
    ("Accuracy: {bottom: [v, v]}", "v]", "v is 2x3. For v 2x3 with classes on axis 1 it must be 2."),
    ("Input: {top: [a, b, c], shape: [{dim: 1}, {dim: 2}]}", "shape", "There are 2 `shape` for 3 tops. Add one for all, or one for each."),
    ("Input: {top: a, shape: [{dim: [2, 0]}]}", "{dim", "The shape is 2x0. Each `dim` must be 1 or more."),
    ("Pooling: {bottom: x, pool: STOCHASTIC, kernel_size: 3, pad: 1}", "pool", "STOCHASTIC pooling has no `pad`."),
    ("Pooling: {bottom: x, kernel_shape: [2, 2, 2]}", "kernel_shape", "one number for each of 2 spatial axes, in place of kernel_size"),
    ("SPP: {bottom: v, pyramid_height: 1}", "bottom", "Expected 4 axes (N, C, H, W). v is 2x3."),
    ("SPP: {bottom: x}", None, "`pyramid_height` is missing. Add the number of levels, for example `pyramid_height: 3`."),
    ("SPP: {bottom: x, pyramid_height: 4}", "pyramid_height", "An axis of 4 cannot be divided into 8 windows of 1. Use a smaller"),
    ("Im2col: {bottom: x, kernel_size: 9}", "kernel_size", "A kernel of 9 does not fit into 4 (x is 2x3x4x4, padding included)."),
    ("Clip: {bottom: x, min: 1, max: 0}", "min", "`min` is 1, above `max`, 0."),
    ("AbsVal: {bottom: x, top: x}", "top", "AbsVal cannot run in place"),
    ("Exp: {bottom: x, base: 0}", "base", "`base` must be above 0, or -1 for e, not 0."),
    ("Log: {bottom: x, base: 1}", "base", "There is no logarithm to the base 1."),
    ("Power: {bottom: x, scale: 0, power: -1}", "power", "The result is 0 to the power of -1, as `shift` and `scale` are 0."),
    ("MVN: {bottom: v}", "bottom", "Expected axes after the channel. v is of shape 2x3."),
    ("Tile: {bottom: x}", None, "`tiles` is missing. Add the number of copies, for example `tiles: 2`."),
    ("Tile: {bottom: x, tiles: 0}", "tiles", "`tiles` must be 1 or more, not 0."),
    ("Permute: {bottom: x}", None, "`order` is missing. Add the axes in their new order, for example `order: [0, 2, 3, 1]`."),
    ("Permute: {bottom: x, order: [1, 2, -3]}", "-3", "`order` names axis 1 twice."),
    ("Permute: {bottom: x, order: [1, 4]}", "4]", "Axis 4 is out of range: a blob of shape 2x3x4x4 has 4 axes."),
    ("Crop: {bottom: [x, v]}", "v]", "v is 2x3, x is 2x3x4x4"),
    ("Crop: {bottom: [x, x], offset: [1, 2, 3]}", "offset", "3 offset for 2 axes; give none, one, or one each."),
    ("Crop: {bottom: [x, x], offset: 1}", "offset", "An offset of 1 and a size of 4 do not fit into axis 2 of 2x3x4x4."),
    ("BatchReindex: {bottom: [x, v]}", "v]", "v has row numbers and must have 1 axis, but it is 2x3."),
    ("Filter: {bottom: [x, l], top: [a, b]}", "top", "There are 1 bottoms before the selector and 2 tops. Expected one top for each."),
    ("Filter: {bottom: [x, v]}", "v]", "The selector v must have one number per row, but it is 2x3."),
    ("Filter: {bottom: [x, w]}", "x, w", "x is 2x3x4x4, the selector w 5. They must have the same number of rows."),
    ("Reduction: {bottom: x, axis: 4}", "axis", "Axis 4 is out of range: a blob of shape 2x3x4x4 has 4 axes."),
    ("ArgMax: {bottom: v, top_k: 4}", "top_k", "`top_k` is 4, but there are 3 values."),
    ("HingeLoss: {bottom: [x, v]}", "v]", "v is 2x3; for x 2x3x4x4 it must hold one label a row."),
    ("ContrastiveLoss: {bottom: [v, v, v]}", "v]", "v is 2x3. Expected one number for each pair of 2x3."),
    ("ContrastiveLoss: {bottom: [v, x, l]}", "bottom", "v 2x3 and x 2x3x4x4 differ in size."),
    ("InfogainLoss: {bottom: [v, l]}", None, "The matrix H is missing. Add it as a third bottom, or as the file `source`."),
    ("InfogainLoss: {bottom: [v, l, v]}", "bottom", "H is 2x3; for 3 classes it must be 3x3"),
    ("Parameter: {top: p, shape: {dim: [2, 0]}}", "shape", "Each `dim` of the shape must be 1 or more, got 2x0."),
    ("ReLU: {bottom: z}", "bottom", "It reads 'z', which no layer above writes."),
]  # fmt: skip


@pytest.mark.parametrize("layer, at, said", ROWS, ids=[row[0] for row in ROWS])
def test_error(layer: str, at: str | None, said: str) -> None:
    check_error(layer, at, said, INPUTS)


def check_error(layer: str, at: str | None, said: str, inputs: Mapping[str, np.ndarray]) -> None:
    """Check the place and the sentence of the error of a net with this layer. `at` is the text at the place; None: the layer itself."""
    with pytest.raises(SpecError) as caught:
        net(layer, inputs=inputs)
    (first, *_) = str(caught.value).splitlines()
    column = 5 if at is None else 5 + layer.index(at, layer.index("{"))
    assert first.startswith(f"<text>:{len(inputs) + 3}:{column}: Layer ") and said in first


def test_shape_errors_tell_the_way_to_them() -> None:
    layers = "Pooling: {bottom: x, kernel_size: 2, stride: 2}\nReLU\nConvolution: {num_output: 2, kernel_size: 3}"
    with pytest.raises(SpecError, match=r"does not fit into 2.*\n    x 2x3x4x4 \(line 3\) -> pool1 2x3x2x2 \(line 7\) -> conv1 \(line 9\)"):
        net(layers, inputs=INPUTS)


def test_all_errors_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        net("InnerProduct: {bottom: x}\nPooling: {bottom: v, kernel_size: 2}\nReLU: {bottom: ip1}", inputs=INPUTS)
    assert len(caught.value.diagnostics) == 2  # no second error for the ReLU that reads the broken blob


@pytest.mark.parametrize("second, said", [
    ("num_output: 4, param: {name: w}", "shares 'w' of shape 3x3 with layer 'ip1', but needs 4x3"),
    ("num_output: 3, param: {name: w, lr_mult: 2}", "<text>:8:63: Layer 'ip2' .InnerProduct.: It shares 'w' with layer 'ip1', which h"),
])  # fmt: skip
def test_sharing(second: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        net(
            f"InnerProduct: {{bottom: v, num_output: 3, param: {{name: w, lr_mult: 1}}}}\nInnerProduct: {{bottom: v, {second}}}",
            inputs=INPUTS,
        )

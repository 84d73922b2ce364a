"""The effects of each layer type's record. Removing a property from a record fails a test."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.caffe import coord_map
from netc.caffe.net_spec import layers as L
from netc.commands.describe import describe_layer
from netc.compiler.lower import lower
from netc.compiler.step import step_graphs
from netc.errors import SpecError
from netc.graph.passes import channels_last, simplify
from netc.net.resolve import judged, resolve
from netc.registry import layer_type
from netc.spec import json_schema
from netc.spec.fields import NAMED
from netc.spec.solver_settings import SolverSettings
from netc.spec.yaml_reader import parse_yaml
from tests.layers.formulas import FORMULAS

registry.load()
WINDOW = {"kernel_size": 3, "stride": 2}

# Default name, bottoms and tops after a blob x; numbers of bottoms and tops; messages; the rest of the record. "?": required.
# Types of tests/layers/formulas.py need a row only if they differ from other activations.
ROWS: dict[str, Any] = {
    "AUC": "auc: x label > auc; an end; 2/1; auc_param; metric; whole auc; reads 1; label",
    "AbsVal": "abs1: x > abs1; 1/1; never in place; 1 x + 0; elementwise",
    "Accuracy": "accuracy: x label > accuracy; an end; 2/1 to 2; accuracy_param; metric; whole accuracy; reads 1; label",
    "AdjustedRandIndex": "ari: x label > ari; an end; 2/1; metric; whole adjusted_rand; label",
    "AnnotatedData": "data:  > data label; 0/1 to 2; annotated_data_param data_param distort_param expand_param noise_param "
    "resize_param transform_param; source",
    "ArgMax": "argmax1: x > argmax1; 1/1; argmax_param",
    "Attention": "attention1: x > attention1; 1 to 3/1 to 2; attention_param; never in place",
    "AveragePrecision": "average_precision: x label > average_precision; an end; 2/1 to 2; average_precision_param; metric; "
    "whole average_precision; reads 0; label",
    "Axpy": "axpy1: ? > axpy1; 3/1; 1 x + 0",
    "BN": "bn1: x > bn1; 1/1 to 3; bn_param; 1 x + 0",
    "BatchNorm": "bn1: x > bn1; 1/1; batch_norm_param; 1 x + 0",
    "BatchReindex": "reindex1: ? > reindex1; 2/1; never in place; reads 1",
    "Bias": "bias1: x > bias1; 1 to 2/1; bias_param; 1 x + 0",
    "BrierScore": "brier: x label > brier; an end; 2/1; metric; whole mean_of_columns; lower is better 0; reads 1 0; label",
    "CalibrationError": "calibration_error: x label > calibration_error; an end; 2/1; calibration_error_param; metric; "
    "whole calibration_error; lower is better 0; reads 1 0; label",
    "CTCDecode": "decoded1: x > decoded1; 1 to 2/1 to 2; ctc_param; never in place",
    "CTCLoss": "loss: x label > loss; an end; 2 to 4/0 to 2; ctc_param; loss; deployed as CTCDecode with bottom 2; "
    "whole mean; reads 1; label",
    "CenterLoss": "loss: x label > loss; an end; 2/0 to 1; center_loss_param; loss; whole mean; reads 1; label",
    "CharacterErrorRate": "cer: x label > cer; an end; 2/1; character_error_rate_param; metric; whole mean; lower is better 0; label",
    "ClusterAssignment": "clusters1: x > clusters1; 1/1 to 2; cluster_assignment_param; never in place; fits; own loss 1; whole mean",
    "Concat": "concat1: ? > concat1; 1 or more/1; concat_param",
    "ContrastiveLoss": "loss: ? > loss; an end; 3/0 to 1; contrastive_loss_param; loss; whole mean; reads 2",
    "Convolution": "conv1: x > conv1; 1 or more/1 or more; convolution_param; 1/2 x + -1/2; linear",
    "ConvolutionDepthwise": "conv1: x > conv1; 1/1; convolution_param; 1/2 x + -1/2; linear",
    "Crop": "crop1: ? > crop1; 2/1; crop_param; 1 x + -2",
    "DECLoss": "loss: x > loss; an end; 1/0 to 1; dec_loss_param; loss; whole mean",
    "Data": "data:  > data label; 0/1 or more; data_param distort_param expand_param noise_param resize_param transform_param; "
    "source",
    "Deconvolution": "deconv1: x > deconv1; 1 or more/1 or more; convolution_param; 2 x + 1; linear",
    "DenseImageData": "data:  > data label; 0/1 to 2; dense_image_data_param distort_param expand_param noise_param "
    "resize_param transform_param; source",
    "DepthwiseConvolution": "conv1: x > conv1; 1/1; convolution_param; 1/2 x + -1/2; linear",
    "DetectionEvaluate": "detection_eval: x label > detection_eval; an end; 2/1 to 2; detection_evaluate_param resize_param; metric; "
    "whole mean_average_precision; label",
    "Deviance": "deviance: x label > deviance; an end; 2/1 to 2; deviance_param; metric; whole mean_of_columns; lower is better 0 1; "
    "reads 1 0; label",
    "DiceLoss": "loss: x label > loss; an end; 2/0 to 2; dice_loss_param; loss; deployed as Softmax; whole mean; reads 1; label",
    "DetectionOutput": "boxes1: ? > boxes1; 3 to 4/1; detection_output_param nms_param save_output_param; never in place",
    "Dropout": "drop1: x > x; 1/1; dropout_param; 1 x + 0; elementwise; linear",
    "DummyData": "data:  > data label; 0/1 or more; dummy_data_param; source",
    "Eltwise": "eltwise1: ? > eltwise1; 2 or more/1; eltwise_param; 1 x + 0",
    "Embed": "embed1: x > embed1; 1/1; embed_param; never in place; reads 0",
    "EuclideanLoss": "loss: ? > loss; an end; 2 to 3/0 to 1; loss; whole mean; reads 2",
    "Encode": "encode1: x > encode1; 1/1; encode_param; never in place",
    "Exp": "exp1: x > exp1; 1/1; exp_param; 1 x + 0; elementwise",
    "F1": "f1: x label > f1; an end; 2/1 to 2; f1_param; metric; whole class_scores; reads 1 0; label",
    "Filter": "filter1: ? > filter1; 2 or more/1 or more; never in place; passes",
    "Flatten": "flatten1: x > flatten1; 1/1; flatten_param; never in place; linear",
    "FocalLoss": "loss: x label > loss; an end; 2 to 3/0 to 2; focal_loss_param loss_param softmax_param; loss; deployed as Softmax; "
    "whole mean; reads 1 2; label",
    "GRU": "gru1: x > gru1; 1 to 4/1 to 2; recurrent_param; never in place",
    "GammaLoss": "loss: x label > loss; an end; 2 to 4/0 to 2; rate_param; loss; deployed as Exp; whole mean; reads 1 2 3; label",
    "GlobalPooling": "pool1: x > pool1; 1/1; global_pooling_param",
    "GroupNorm": "norm1: x > norm1; 1/1; group_norm_param; 1 x + 0",
    "HDF5Data": "data:  > data label; 0/1 or more; hdf5_data_param; source",
    "HDF5Output": "output: ? > ; 2/0; hdf5_output_param; sink Hdf5Writer",
    "HingeLoss": "loss: x label > loss; an end; 2/0 to 1; hinge_loss_param; loss; whole mean; reads 1; label",
    "HuberLoss": "loss: x label > loss; an end; 2 to 3/0 to 1; huber_loss_param; loss; whole mean; reads 2; label",
    "Im2col": "im2col1: x > im2col1; 1/1; convolution_param; 1/2 x + -1/2",
    "ImageData": "data:  > data label; 0/1 to 2; distort_param expand_param image_data_param noise_param "
    "resize_param transform_param; source",
    "ImageSegData": "data:  > data label; 0/1 to 3; distort_param expand_param image_data_param noise_param "
    "resize_param transform_param; source",
    "InfogainLoss": "loss: x label > loss; an end; 2 to 3/0 to 2; infogain_loss_param loss_param; loss; deployed as Softmax; whole mean; "
    "reads 1; label",
    "InnerProduct": "ip1: x > ip1; 1/1; inner_product_param; linear",
    "ContinuationIndicator": "indicator:  > indicator; 0/1; continuation_indicator_param",
    "Input": "data:  > data; 0/1 or more; input_param",
    "InstanceNorm": "norm1: x > norm1; 1/1; instance_norm_param; 1 x + 0",
    "Interp": "interp1: x > interp1; 1 to 2/1; interp_param",
    "KMeans": "kmeans1: x > cluster distance inertia; 1/1 to 3; kmeans_param; never in place; fits; own loss 2; whole mean",
    "LRN": "norm1: x > norm1; 1/1; lrn_param; 1 x + 0",
    "LSTM": "lstm1: x > lstm1; 1 to 5/1 to 3; recurrent_param; never in place",
    "LSTMUnit": "lstmunit1: ? > lstmunit1; 3/2; never in place",
    "LastStep": "last1: x > last1; 1 to 2/1; never in place",
    "Log": "log1: x > log1; 1/1; log_param; 1 x + 0; elementwise",
    "LayerNorm": "norm1: x > norm1; 1/1; layer_norm_param",
    "LogLoss": "log_loss: x label > log_loss; an end; 2/1; metric; whole mean_of_columns; lower is better 0; reads 1 0; label",
    "MAE": "mae: x label > mae; an end; 2/1 to 2; metric; whole mean_of_columns; lower is better 0 1; label",
    "MVN": "mvn1: x > mvn1; 1/1; mvn_param; 1 x + 0",
    "MatMul": "matmul1: ? > matmul1; 2/1; matmul_param; never in place",
    "MeanIoU": "mean_iou: x label > mean_iou; an end; 2/1 to 2; mean_iou_param; metric; whole mean_iou; reads 1 0; label",
    "MeanStep": "mean1: x > mean1; 1 to 2/1; never in place",
    "MemberHead": "head: x > head; 1/1; member_head_param; never in place",
    "MemberLoss": "loss: x label > loss; an end; 2 to 3/0 to 2; huber_loss_param member_loss_param quantile_param tweedie_loss_param; "
    "loss; deployed as MemberMean; whole mean; reads 1 2; label",
    "MemberMean": "prediction1: x > prediction1; 1/1; huber_loss_param member_loss_param quantile_param tweedie_loss_param; "
    "never in place",
    "Members": "members1: x > members1; 1/1; members_param",
    "MemoryData": "data:  > data label; 0/1 to 2; distort_param expand_param memory_data_param noise_param "
    "resize_param transform_param; source",
    "Model": "model: x > model; 1 or more/1 or more; model_param; never in place",
    "MultiBoxLoss": "loss: ? > loss; an end; 4/0 to 1; loss_param multibox_loss_param nms_param; loss; whole mean; reads 3",
    "MultiLabelAccuracy": "label_accuracy: x label > label_accuracy; an end; 2/1 to 2; multi_label_accuracy_param; metric; "
    "whole multi_label_accuracy; reads 1 0; label",
    "MultinomialLogisticLoss": "loss: x label > loss; an end; 2/0 to 1; loss; whole mean; reads 1; label",
    "Nearest": "nearest1: x > nearest1; 1 to 2/1 to 3; nearest_param; never in place; fits; only training reads bottom 1; reads 1",
    "Normalize": "norm1: x > norm1; 1/1; norm_param; 1 x + 0",
    "PSROIPooling": "psroi_pool1: ? > psroi_pool1; 2/1; psroi_pooling_param; never in place; regions in bottom 1",
    "PReLU": "prelu1: x > x; 1/1; prelu_param; 1 x + 0; elementwise",
    "Parameter": "param:  > param; 0/1; parameter_param",
    "Permute": "permute1: x > permute1; 1/1; permute_param; never in place",
    "PinballLoss": "pinball_loss: x label > pinball_loss; an end; 2/1 to 2; quantile_param; metric; whole mean_of_columns; "
    "lower is better 0 1; label",
    "PixelShuffle": "pixelshuffle1: x > pixelshuffle1; 1/1; pixel_shuffle_param",
    "PoissonLoss": "loss: x label > loss; an end; 2 to 4/0 to 2; rate_param; loss; deployed as Exp; whole mean; reads 1 2 3; label",
    "Pooling": "pool1: x > pool1; 1/1 to 2; pooling_param; 1/2 x + -1/2",
    "Position": "position1: x > position1; 1/1; position_param; never in place",
    "PriorBox": "priors1: ? > priors1; 2/1; prior_box_param; never in place",
    "Power": "power1: x > power1; 1/1; power_param; 1 x + 0; elementwise",
    "Precision": "precision: x label > precision; an end; 2/1 to 2; f1_param; metric; whole class_scores; reads 1 0; label",
    "Proposal": "rois1: ? > rois1; 3/1 to 2; proposal_param; never in place",
    "Python": "python1: x > python1; 0 or more/0 or more; python_param",
    "QuantileLoss": "loss: x label > loss; an end; 2 to 3/0 to 1; quantile_param; loss; whole mean; reads 2; label",
    "R2": "r2: x label > r2; an end; 2/1 to 2; metric; whole r2; lower is better 1; label",
    "ROIPooling": "roi_pool1: ? > roi_pool1; 2/1; roi_pooling_param; never in place; regions in bottom 1",
    "SmoothL1LossOHEM": "loss: ? > loss; an end; 2 to 3/0 to 2; loss_param; loss; whole mean",
    "SoftmaxWithLossOHEM": "loss: x label > loss; an end; 2/0 to 3; loss_param softmax_param; loss; deployed as Softmax; whole mean; "
    "reads 1; label",
    "BoxAnnotatorOHEM": "ohem1: ? > ohem1; 4/2; box_annotator_ohem_param; never in place",
    "LabelSpecificAdd": "labelspecificadd1: ? > labelspecificadd1; 2/1; label_specific_add_param; reads 1",
    "SmoothL1Loss": "loss: ? > loss; an end; 2 to 4/0 to 1; smooth_l1_loss_param; loss; whole mean",
    "RBM": "rbm1: x > rbm1; 1/1 to 3; rbm_param; never in place; own loss 1",
    "RMSE": "rmse: x label > rmse; an end; 2/1 to 2; metric; whole rmse; lower is better 0 1; label",
    "RMSNorm": "norm1: x > norm1; 1/1; rms_norm_param",
    "RNN": "rnn1: x > rnn1; 1 to 4/1 to 2; recurrent_param; never in place",
    "ReLU6": "relu61: x > x; 1/1; relu6_param; 1 x + 0; elementwise",
    "Recall": "recall: x label > recall; an end; 2/1 to 2; f1_param; metric; whole class_scores; reads 1 0; label",
    "RecursiveNet": "recursive1: ? > recursive1; 3/1; recursive_param; never in place",
    "RecursiveTensor": "recursive1: ? > recursive1; 3/1; recursive_param; never in place",
    "Reduction": "reduce1: x > reduce1; 1/1; reduction_param",
    "Relative": "relative1: ? > relative1; 1 to 2/1; relative_param",
    "Reorg": "reorg1: x > reorg1; 1/1; reorg_param; never in place",
    "Reshape": "reshape1: x > reshape1; 1/1; reshape_param; never in place; linear",
    "Reverse": "reverse1: x > reverse1; 1 to 2/1; never in place",
    "SPP": "spp1: x > spp1; 1/1; spp_param",
    "Scale": "scale1: x > scale1; 1 to 2/1; scale_param; 1 x + 0",
    "SeparableConvolution": "conv1: x > conv1; 1/1; convolution_param separable_convolution_param; 1/2 x + -1/2",
    "ShuffleChannel": "shufflechannel1: x > shufflechannel1; 1/1; shuffle_channel_param; never in place",
    "SigmoidCrossEntropyLoss": "loss: x label > loss; an end; 2 to 3/0 to 2; loss_param; loss; deployed as Sigmoid; whole mean; "
    "reads 1 2; label",
    "SigmoidDiceLoss": "loss: x label > loss; an end; 2/0 to 2; dice_loss_param; loss; deployed as Sigmoid; whole mean; reads 1; label",
    "Silence": "silence: x > ; 1 or more/0",
    "Slice": "slice1: x > slice1; 1/1 or more; slice_param",
    "Softmax": "prob: x > prob; 1/1; softmax_param; 1 x + 0",
    "SoftmaxWithLoss": "loss: x label > loss; an end; 2 to 3/0 to 2; loss_param softmax_loss_param softmax_param; loss; "
    "deployed as Softmax; whole mean; reads 1 2; label",
    "Split": "split1: x > split1; 1/1 or more; never in place; 1 x + 0; linear",
    "SqueezeExcite": "se1: x > se1; 1/1; squeeze_excite_param; 1 x + 0",
    "Standardize": "standardize1: x > standardize1; 1/1; standardize_param",
    "Table": "data:  > data; 0/1 to 4; table_param; source",
    "Threshold": "threshold1: x > threshold1; 1/1; threshold_param; 1 x + 0; elementwise",
    "Tile": "tile1: x > tile1; 1/1; tile_param",
    "Transformer": "transformer1: x > transformer1; 1 to 2/1; attention_param transformer_param; never in place",
    "TweedieLoss": "loss: x label > loss; an end; 2 to 4/0 to 2; rate_param tweedie_loss_param; loss; deployed as Exp; whole mean; "
    "reads 1 2 3; label",
    "Upsample": "upsample1: x > upsample1; 1 to 2/1; upsample_param",
    "TreeData": "data:  > word child width label root_label; 0/3 to 5; data_param tree_data_param; source",
    "WindowData": "data:  > data label; 0/1 to 2; distort_param expand_param noise_param resize_param "
    "transform_param window_data_param; source",
}  # fmt: skip


def shorthand(type_: str) -> str:
    """Return the default name, bottoms and tops of a layer after one blob x, and whether the next layer reads its top by default."""
    document = parse_yaml(f"layers:\n  - Input: {{name: x, top: x}}\n  - {type_}\n  - Softmax", pb.NetParameter)
    _, layer, after = document.message.layer
    given = any("`bottom` is missing" in str(error) for error in document.errors)
    bottoms = "?" if given else " ".join(layer.bottom)
    return f"{layer.name}: {bottoms} > {' '.join(layer.top)}" + ("; an end" if layer.top and layer.top[0] != after.bottom[0] else "")


def may_be_in_place(type_: str) -> bool:
    text = f"layers:\n  - Input: {{name: x, top: x, shape: {{dim: 1}}}}\n  - {type_}: {{bottom: x, top: x}}"
    document = parse_yaml(text, pb.NetParameter)
    return not any("cannot run in place" in str(error) for error in judged(document)[1])


def moves(type_: str) -> str:
    """Return how a pixel of the bottom maps to the top."""
    own = WINDOW if layer_type(type_).places in ("window", "transposed") else {"offset": 2} if type_ == "Crop" else {}
    found = coord_map.coord_map(getattr(L, type_)(L.Input(), **own).fn)
    return "" if found is None else f"{found[1]} x + {found[2]}"


def described(type_: str) -> Iterator[str]:
    """Yield the properties of a layer type as users see them."""
    record = layer_type(type_)
    yield shorthand(type_)
    yield "/".join(line.partition(": ")[2] for line in describe_layer(type_).splitlines() if line.startswith(("bottoms: ", "tops: ")))
    yield " ".join(sorted(name for name in json_schema()["$defs"][f"layer {type_}"]["properties"] if name.endswith("_param")))
    yield "" if may_be_in_place(type_) else "never in place"
    yield moves(type_)
    yield from (name for name in ("elementwise", "linear", "loss", "metric", "source", "passes", "fits") if getattr(record, name))
    yield f"range {record.range}" if record.range else ""
    also = "".join(f" with bottom {k}" for k in record.deployed_reads)
    yield f"deployed as {record.deployed}{also}" if record.deployed else ""
    yield f"regions in bottom {record.regions}" if record.regions else ""
    yield f"own loss {record.own_loss}" if record.own_loss is not None else ""
    yield f"only training reads bottom {record.taught}" if record.taught else ""
    yield f"whole {record.whole.__name__}" if record.whole else ""
    yield f"sink {record.sink.__name__}" if record.sink else ""
    yield "lower is better" + "".join(f" {k}" for k in record.lower_is_better) if record.lower_is_better else ""
    yield "reads" + "".join(f" {reads.bottom}" for reads in record.readings) if record.reads else ""
    yield "label" if record.reads_label else ""


def activation(type_: str) -> str:
    """Return the row of an elementwise layer that works in place by default. It has a range if it saturates."""
    message = f"{NAMED[type_]}; " if type_ in NAMED else ""
    fields, formula = FORMULAS[type_][0]
    low, high, least, most = (float(formula(np.array(x))) for x in (-50.0, 50.0, -100.0, 100.0))
    saturates = not fields and abs(low - least) < 1e-9 and abs(high - most) < 1e-9
    return f"{type_.lower()}1: x > x; 1/1; {message}1 x + 0; elementwise" + (f"; range ({low:.1f}, {high:.1f})" if saturates else "")


def check(type_: str) -> None:
    expected = ROWS[type_] if type_ in ROWS else activation(type_)
    assert "; ".join(part for part in described(type_) if part) == expected


@pytest.mark.parametrize("type_", registry.layer)
def test_every_type_is_as_its_row_says(type_: str) -> None:
    check(type_)


def test_every_row_is_of_a_type() -> None:
    assert ROWS.keys() <= registry.layer.keys()


@pytest.mark.parametrize("type_", registry.layer)
def test_a_property_that_is_taken_out_is_missed(type_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = layer_type(type_)
    stated: dict[str, Any] = {f.name: f.default for f in fields(record) if f.name != "name" and getattr(record, f.name) != f.default}
    for name, default in stated.items():
        monkeypatch.setitem(registry.layer.records, type_, replace(record, **{name: default}))
        with pytest.raises((AssertionError, IndexError, AttributeError, SpecError)):
            check(type_)
            pytest.fail(f"nothing shows that {type_} states {name}")


def between_convolutions(layer: str) -> str:
    return f"""\
layers:
  - Input: {{name: x, top: [x, label], shape: [{{dim: [4, 3, 8, 8]}}, {{dim: [4]}}]}}
  - Convolution: {{bottom: x, top: a, num_output: 5, kernel_size: 3, pad: 1}}
  - {layer}
  - Convolution: {{num_output: 4, kernel_size: 3, pad: 1}}
  - InnerProduct: {{num_output: 3}}
  - SoftmaxWithLoss
"""


def transposes(layer: str) -> int:
    """Count the Transposes of a training step for the native kernels, with this layer between two convolutions."""
    step = step_graphs(
        lower(resolve(parse_yaml(between_convolutions(layer), pb.NetParameter))), SolverSettings.of(pb.SolverParameter(base_lr=0.1))
    )
    return sum(node.op == "Transpose" for node in simplify(channels_last(simplify(step.train))).nodes)


@pytest.mark.parametrize("type_", [name for name, record in registry.layer.records.items() if record.elementwise])
def test_elementwise_layers_keep_the_layout(type_: str) -> None:
    """There are three Transposes: of the first images, and before and after the fully connected layer. Dropout's noise adds a fourth."""
    rows = [fields for fields, _ in FORMULAS.get(type_, [("", None)])]
    assert {transposes(f"{type_}: {{{fields}}}") for fields in rows} == {4 if type_ == "Dropout" else 3}

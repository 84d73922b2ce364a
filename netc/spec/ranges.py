"""The valid ranges of layers' numeric fields: one row per field. Those of the solver are in `netc.compiler.solver`."""

from collections.abc import Iterable, Iterator
from math import isfinite, isnan
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from netc.errors import Diagnostic
from netc.spec.scalars import shortest

FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
NOT_NEGATIVE, POSITIVE, SHARE, WITHIN = "0 or more", "above 0", "from 0 to 1", "between 0 and 1"
DEVIANCE, COMPOUND = "0, or 1 or more", "between 1 and 2"  # powers of a Tweedie deviance
PART, HALF, DEGREES, TENFOLD = "above 0 and at most 1", "from 0 to 0.5", "from 0 to 180", "from 0 to 10"
TESTS = {
    NOT_NEGATIVE: lambda v: v >= 0, POSITIVE: lambda v: v > 0, SHARE: lambda v: 0 <= v <= 1, WITHIN: lambda v: 0 < v < 1,
    DEVIANCE: lambda v: v == 0 or v >= 1, COMPOUND: lambda v: 1 < v < 2,
    PART: lambda v: 0 < v <= 1, HALF: lambda v: 0 <= v <= 0.5, DEGREES: lambda v: 0 <= v <= 180,
    TENFOLD: lambda v: 0 <= v <= 10,
}  # fmt: skip
RANGES = {
    "BatchNormParameter.moving_average_fraction": SHARE,
    "BatchNormParameter.eps": NOT_NEGATIVE,
    "ColorJitterParameter.brightness": TENFOLD,
    "ColorJitterParameter.contrast": TENFOLD,
    "ColorJitterParameter.hue": HALF,
    "ColorJitterParameter.saturation": TENFOLD,
    "ContrastiveLossParameter.margin": NOT_NEGATIVE,
    "DevianceParameter.power": DEVIANCE,
    "DiceLossParameter.class_weight": NOT_NEGATIVE,
    "DiceLossParameter.smooth": NOT_NEGATIVE,
    "ErasingParameter.p": SHARE,
    "ErasingParameter.ratio": POSITIVE,
    "ErasingParameter.scale": PART,
    "F1Parameter.threshold": SHARE,
    "FillerParameter.std": NOT_NEGATIVE,
    "FocalLossParameter.alpha": NOT_NEGATIVE,
    "FocalLossParameter.gamma": NOT_NEGATIVE,
    "HuberLossParameter.delta": POSITIVE,
    "LRNParameter.alpha": NOT_NEGATIVE,
    "LRNParameter.k": NOT_NEGATIVE,
    "LearningRateRule.lr_mult": NOT_NEGATIVE,
    "MVNParameter.eps": NOT_NEGATIVE,
    "MeanIoUParameter.threshold": SHARE,
    "MultiBoxLossParameter.loc_weight": NOT_NEGATIVE,
    "MultiBoxLossParameter.neg_pos_ratio": NOT_NEGATIVE,
    "MultiBoxLossParameter.overlap_threshold": SHARE,
    "MultiLabelAccuracyParameter.threshold": SHARE,
    "NonMaximumSuppressionParameter.eta": PART,
    "NonMaximumSuppressionParameter.nms_threshold": NOT_NEGATIVE,
    "PSROIPoolingParameter.spatial_scale": POSITIVE,
    "PriorBoxParameter.aspect_ratio": POSITIVE,
    "PriorBoxParameter.max_size": POSITIVE,
    "PriorBoxParameter.min_size": POSITIVE,
    "PriorBoxParameter.step": POSITIVE,
    "PriorBoxParameter.step_h": POSITIVE,
    "PriorBoxParameter.step_w": POSITIVE,
    "PriorBoxParameter.variance": POSITIVE,
    "ProposalParameter.nms_thresh": SHARE,
    "ProposalParameter.ratio": POSITIVE,
    "ProposalParameter.scale": POSITIVE,
    "QuantileParameter.quantile": WITHIN,
    "RBMParameter.sparsity_weight": NOT_NEGATIVE,
    "ROIPoolingParameter.spatial_scale": POSITIVE,
    "ResizedCropParameter.ratio": POSITIVE,
    "ResizedCropParameter.scale": PART,
    "SmoothL1LossParameter.sigma": POSITIVE,
    "SoftmaxLossParameter.class_weight": NOT_NEGATIVE,
    "SoftmaxLossParameter.label_smoothing": SHARE,
    "TransformationParameter.cutmix_alpha": POSITIVE,
    "TransformationParameter.mixup_alpha": POSITIVE,
    "TransformationParameter.random_grayscale": SHARE,
    "TransformationParameter.rotation": DEGREES,
    "TransformationParameter.std_value": POSITIVE,
    "TweedieLossParameter.power": COMPOUND,
    "WindowDataParameter.bg_threshold": SHARE,
    "WindowDataParameter.fg_fraction": SHARE,
    "WindowDataParameter.fg_threshold": SHARE,
}
UNBOUNDED = ("ClipParameter", "ThresholdParameter")  # bounds, which may be infinite
STORED = ("BlobProto", "Struct")  # weights, and values for plug-ins


def range_errors(layers: Iterable[Any]) -> Iterator[Diagnostic]:
    """An error for each number in a net's layers that is out of range."""
    for layer in layers:
        for path, text in out_of_range(layer.param):
            yield Diagnostic(layer.at(*path), f"Layer {layer.name!r}: {text}")


def out_of_range(message: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The path of each out-of-range number in a message and its submessages, with an error text."""
    for field, value in message.ListFields():
        for k, one in enumerate(value) if field.is_repeated else ((None, value),):
            at = (*path, field.name) if k is None else (*path, field.name, k)
            if field.message_type is not None and field.message_type.name not in STORED:
                yield from out_of_range(one, at)
            elif field.cpp_type in FLOATS and (wrong := _wrong(field, float(shortest(one)))):
                yield at, wrong
    if message.DESCRIPTOR.name == "FillerParameter" and message.type == "uniform" and message.min > message.max:
        yield (*path, "min"), f"min is {message.min:g}, above max, {message.max:g}"


def _wrong(field: Any, value: float) -> str:
    """The error in the value of a field; "" if there is none."""
    message = field.containing_type.name
    wanted = RANGES.get(f"{message}.{field.name}", "")
    if isnan(value) or not (isfinite(value) or message in UNBOUNDED):
        return f"{field.name} is {value:g}; expected a number{f' {wanted}' if wanted else ''}"
    return f"{field.name} is {wanted}, not {value:g}" if wanted and not TESTS[wanted](value) else ""

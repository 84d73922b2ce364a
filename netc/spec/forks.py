"""What forks of Caffe add: their layer types and fields, and the field numbers at which binary files hold them.

This is the one place that knows forks. `FORKS` names them, `TYPES` says which have a layer type, `FIELDS` which have a field, and
`NUMBERS` translates fields of binary files whose number is another field's in netc's schema.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# By the word that the tables use: what people call the fork, and its repository.
FORKS = {
    "ssd": ("SSD", "weiliu89/caffe, branch ssd"),
    "frcnn": ("Faster R-CNN", "rbgirshick/caffe-fast-rcnn"),
    "rfcn": ("R-FCN", "daijifeng001/caffe-rfcn"),
    "pspnet": ("PSPNet", "hszhao/PSPNet"),
    "deeplab": ("DeepLab", "xmyqsh/deeplab-v2"),
    "segnet": ("SegNet", "alexgkendall/caffe-segnet"),
    "enet": ("ENet", "TimoSaemann/caffe-enet"),
    "intel": ("Intel Caffe", "intel/caffe"),
    "nvidia": ("NVCaffe", "NVIDIA/caffe"),
    "microsoft": ("Microsoft Caffe", "Microsoft/caffe"),
    "yolo": ("YOLO", "eric612/MobileNet-YOLO"),
    "yolov2": ("YOLOv2", "gklz1982/caffe-yolov2"),
    "depthwise": ("DepthwiseConvolution", "yonghenglh6/DepthwiseConvolution"),
    "shufflenet": ("ShuffleNet", "farmingyard/ShuffleNet"),
    "senet": ("SENet", "hujie-frank/SENet"),
    "face": ("CenterLoss", "ydwen/caffe-face"),
    "amsoftmax": ("AM-Softmax", "happynear/AMSoftmax"),
    "crnn": ("CRNN", "yalecyu/crnn.caffe"),
    "sphereface": ("SphereFace", "wy1iu/sphereface"),
    "lsoftmax": ("L-Softmax", "wy1iu/LargeMargin_Softmax_Loss"),
    "lstm": ("caffe-lstm", "junhyukoh/caffe-lstm"),
    "faces": ("caffe-windows", "happynear/caffe-windows"),
    "rtpose": ("OpenPose", "CMU-Perceptual-Computing-Lab/caffe_rtpose"),
    "hed": ("HED", "s9xie/hed"),
    "crfrnn": ("CRF-RNN", "torrvision/crfasrnn"),
    "flownet": ("FlowNet 2", "lmb-freiburg/flownet2"),
}


@dataclass(frozen=True)
class ForkType:
    """A layer type of forks. `param`: its own field of LayerParameter, "" if it has none."""

    forks: tuple[str, ...]
    param: str = ""


TYPES: dict[str, ForkType] = {
    "AdaptiveBiasChannel": ForkType(("deeplab", "pspnet"), "adaptive_bias_channel_param"),
    "AnnotatedData": ForkType(("ssd",), "annotated_data_param"),
    "Axpy": ForkType(("senet",)),
    "BN": ForkType(("pspnet", "segnet", "enet"), "bn_param"),
    "BatchReduction": ForkType(("pspnet",), "batch_reduction_param"),
    "BiasChannel": ForkType(("deeplab", "pspnet"), "bias_channel_param"),
    "BoxAnnotatorOHEM": ForkType(("rfcn", "intel"), "box_annotator_ohem_param"),
    "CenterLoss": ForkType(("face",), "center_loss_param"),
    "ChannelNorm": ForkType(("flownet",), "channel_norm_param"),
    "ContinuationIndicator": ForkType(("intel", "crnn"), "continuation_indicator_param"),
    "ConvolutionDepthwise": ForkType(("depthwise",), "convolution_param"),
    "Correlation": ForkType(("flownet",), "correlation_param"),
    "CtcLoss": ForkType(("crnn", "intel"), "ctc_loss_param"),
    "DenseCRF": ForkType(("deeplab", "pspnet"), "dense_crf_param"),
    "DenseImageData": ForkType(("segnet", "enet"), "dense_image_data_param"),
    "DepthwiseConvolution": ForkType(("depthwise", "yolo"), "convolution_param"),
    "DetectNetTransformation": ForkType(("nvidia",), "detectnet_groundtruth_param"),
    "DetectionEvaluate": ForkType(("ssd",), "detection_evaluate_param"),
    "DetectionOutput": ForkType(("ssd",), "detection_output_param"),
    "DomainTransform": ForkType(("deeplab", "pspnet"), "domain_transform_param"),
    "Downsample": ForkType(("flownet",), "downsample_param"),
    "FlowWarp": ForkType(("flownet",), "flow_warp_param"),
    "ImResize": ForkType(("rtpose",), "imresize_param"),
    "ImageLabelmapData": ForkType(("hed",), "image_data_param"),
    "ImageSegData": ForkType(("deeplab", "pspnet"), "image_data_param"),
    "Interp": ForkType(("deeplab", "pspnet"), "interp_param"),
    "L1Loss": ForkType(("flownet",), "l1_loss_param"),
    "LabelSpecificAdd": ForkType(("amsoftmax",), "label_specific_add_param"),
    "LargeMarginInnerProduct": ForkType(("lsoftmax",), "largemargin_inner_product_param"),
    "Lstm": ForkType(("lstm", "crnn"), "lstm_param"),
    "MarginInnerProduct": ForkType(("sphereface",), "margin_inner_product_param"),
    "MatRead": ForkType(("deeplab", "pspnet"), "mat_read_param"),
    "MatWrite": ForkType(("deeplab", "pspnet"), "mat_write_param"),
    "Mean": ForkType(("flownet",), "mean_param"),
    "MultiBoxLoss": ForkType(("ssd",), "multibox_loss_param"),
    "MultiStageMeanfield": ForkType(("crfrnn",), "multi_stage_meanfield_param"),
    "Nms": ForkType(("rtpose",), "nms_param"),
    "Normalize": ForkType(("ssd",), "norm_param"),
    "PSROIPooling": ForkType(("rfcn", "intel"), "psroi_pooling_param"),
    "Permute": ForkType(("ssd",), "permute_param"),
    "PriorBox": ForkType(("ssd",), "prior_box_param"),
    "Proposal": ForkType(("frcnn", "intel"), "proposal_param"),
    "ROIPooling": ForkType(("frcnn", "intel"), "roi_pooling_param"),
    "ReLU6": ForkType(("yolo",), "relu6_param"),
    "RegionLoss": ForkType(("yolo", "yolov2"), "region_loss_param"),
    "Reorg": ForkType(("yolov2", "intel"), "reorg_param"),
    "Resample": ForkType(("flownet",), "resample_param"),
    "SegAccuracy": ForkType(("deeplab", "pspnet"), "seg_accuracy_param"),
    "SegmentationEvaluate": ForkType(("yolo",), "segmentation_evaluate_param"),
    "SequenceAccuracy": ForkType(("crnn",), "sequence_accuracy_param"),
    "ShuffleChannel": ForkType(("shufflenet",), "shuffle_channel_param"),
    "SmoothL1Loss": ForkType(("frcnn", "intel"), "smooth_l1_loss_param"),
    "SmoothL1LossOHEM": ForkType(("rfcn", "intel"), "loss_param"),
    "SoftmaxWithLossOHEM": ForkType(("rfcn", "intel"), "loss_param"),
    "SpatialDropout": ForkType(("intel",), "spatial_dropout_param"),
    "TripletLoss": ForkType(("faces",), "triplet_loss_param"),
    "UniqueLabel": ForkType(("deeplab", "pspnet"), "unique_label_param"),
    "Upsample": ForkType(("segnet", "enet", "yolo"), "upsample_param"),
    "VideoData": ForkType(("ssd", "intel", "nvidia"), "video_data_param"),
    "WarpCTC": ForkType(("crnn",), "warpctc_param"),
    "YoloDetectionOutput": ForkType(("yolo",), "yolo_detection_output_param"),
    "YoloSeg": ForkType(("yolo",), "yolo_seg_param"),
    "Yolov3": ForkType(("yolo",), "yolov3_param"),
    "Yolov3DetectionOutput": ForkType(("yolo",), "yolov3_detection_output_param"),
}

# By message: its fields that come from forks and mean something.
FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "BatchNormParameter": dict.fromkeys(("scale_filler", "bias_filler", "scale_bias"), ("nvidia",)),
    "BlobProto": dict.fromkeys(("raw_data_type", "raw_data", "raw_diff_type", "raw_diff"), ("nvidia",)),
    "ConvolutionParameter": dict.fromkeys(("hole", "hole_h", "hole_w"), ("deeplab",)),
    "DenseImageDataParameter": {"label_divide_factor": ("enet",)},
    "DropoutParameter": {"sample_weights_test": ("segnet", "enet"), "scale_train": ("frcnn", "rfcn", "segnet", "enet")},
    "ImageDataParameter": dict.fromkeys(("ignore_label", "label_type"), ("deeplab", "pspnet")),
    "LossParameter": {
        "weight_by_label_freqs": ("segnet", "enet"),
        "class_weighting": ("segnet", "enet"),
        "pre_fixed_normalizer": ("rfcn", "intel"),
    },
    "PoolingParameter": {"ceil_mode": ("intel", "face", "senet")},
    "SolverParameter": dict.fromkeys(("eval_type", "ap_version", "show_per_class_result"), ("ssd",)),
    "TransformationParameter": dict.fromkeys(
        ("resize_param", "noise_param", "emit_constraint", "crop_h", "crop_w", "distort_param", "expand_param"), ("ssd",)
    ),
    "UpsampleParameter": dict.fromkeys(("scale_h", "scale_w", "pad_out_h", "pad_out_w", "upsample_h", "upsample_w"), ("segnet", "enet")),
}  # fmt: skip

# By message: fields of forks that choose devices, number formats or memory, and never what a layer computes.
WITHOUT_EFFECT: dict[str, dict[str, tuple[str, ...]]] = {
    "BatchNormParameter": {"engine": ("intel", "nvidia")},
    "ConcatParameter": {"engine": ("intel",)},
    "ConvolutionParameter": {
        "conv_algos_override": ("nvidia",), "cudnn_convolution_algo_seeker": ("nvidia",), "cudnn_math_override": ("nvidia",),
    },
    "DataParameter": {"cache": ("nvidia",), "parser_threads": ("nvidia",), "threads": ("nvidia",)},
    "EltwiseParameter": {"engine": ("intel",)},
    "InnerProductParameter": {"engine": ("intel",)},
    "LayerParameter": {
        "quantization_param": ("intel",),
        "backward_math": ("nvidia",), "backward_type": ("nvidia",), "cudnn_math_override": ("nvidia",), "debug": ("nvidia",),
        "engine": ("intel",), "forward_math": ("nvidia",), "forward_type": ("nvidia",), "mn_activation_param": ("intel",),
        "multinode": ("intel",),
    },
    "NetParameter": {
        "compile_net_state": ("intel",),
        "default_backward_math": ("nvidia",), "default_backward_type": ("nvidia",), "default_conv_algos_override": ("nvidia",),
        "default_cudnn_math_override": ("nvidia",), "default_forward_math": ("nvidia",), "default_forward_type": ("nvidia",),
        "eltwise_mem_sharing": ("nvidia",), "engine": ("intel",), "global_grad_scale": ("nvidia",),
        "global_grad_scale_adaptive": ("nvidia",), "global_grad_scale_param": ("nvidia",), "mem_param": ("pspnet",),
        "reduce_buckets": ("nvidia",),
    },
    "ReLUParameter": {"fuse": ("intel",)},
    "SolverParameter": {"solver_data_type": ("nvidia",), "store_blobs_in_old_format": ("nvidia",)},
    "TransformationParameter": {"use_gpu_transform": ("nvidia",)},
}  # fmt: skip
# Values of `engine` in forks. None changes what a layer computes.
ENGINES = {"MKL2017": ("intel",), "MKLDNN": ("intel",), "MKL": ("intel",)}
# Layer types under the names of their implementations.
SAME_TYPES = {
    f"CuDNN{name}": name
    for name in ("BatchNorm", "Convolution", "Deconvolution", "Dropout", "LRN", "Pooling", "ReLU", "Sigmoid", "Softmax", "TanH")
}


@dataclass(frozen=True)
class Move:
    """Where a field of a fork's binary file goes: the field of LayerParameter, and other numbers for fields within it."""

    to: str
    within: Mapping[int, int] = field(default_factory=dict)


# By layer type, and number of the field of LayerParameter in a fork.
NUMBERS: dict[tuple[str, int], Move] = {
    ("BN", 45): Move("bn_param", {1: 1000, 2: 1001, 3: 1002}),  # SegNet, ENet
    ("BN", 152): Move("bn_param"),  # PSPNet
    ("CenterLoss", 147): Move("center_loss_param"),
    ("DenseImageData", 46): Move("dense_image_data_param"),  # ENet
    ("DenseImageData", 138): Move("dense_image_data_param"),  # SegNet
    ("Interp", 143): Move("interp_param"),  # DeepLab, PSPNet
    ("Interp", 163): Move("interp_param"),  # PSPNet's first version
    ("PSROIPooling", 149): Move("psroi_pooling_param"),  # copies of R-FCN's layers in newer Caffe
    ("PSROIPooling", 153): Move("psroi_pooling_param"),  # Intel Caffe
    ("Proposal", 201): Move("proposal_param"),
    ("ROIPooling", 147): Move("roi_pooling_param"),  # copies of R-FCN's layers in newer Caffe
    ("ROIPooling", 150): Move("roi_pooling_param"),  # PSPNet's first version
    ("ROIPooling", 154): Move("roi_pooling_param"),  # Intel Caffe
    ("Reorg", 149): Move("reorg_param"),  # YOLO
    ("Reorg", 159): Move("reorg_param"),  # Intel Caffe
    ("ShuffleChannel", 166): Move("shuffle_channel_param"),
    ("SmoothL1Loss", 148): Move("smooth_l1_loss_param"),  # Intel Caffe
    ("Upsample", 137): Move("upsample_param", {1: 1000}),  # SegNet
    ("Upsample", 147): Move("upsample_param", {1: 1000}),  # ENet
    ("Upsample", 150): Move("upsample_param", {1: 1000}),  # YOLO
}


def named(forks: tuple[str, ...]) -> str:
    """The forks with their repositories, as a part of a sentence."""
    texts = [f"{name} ({repository})" for name, repository in (FORKS[fork] for fork in forks)]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def of_type(type_: str) -> str:
    """A sentence on the forks that have a layer type which netc lacks, and on how to add it; "" if no known fork has it."""
    if type_ not in TYPES:
        return ""
    return f" It is a layer type of {named(TYPES[type_].forks)}. A plug-in can add it: {how_to_add(type_)}."


def how_to_add(type_: str) -> str:
    """What adds a layer type: the decorator in a Python file, and the option that loads the file."""
    return f'write a function under `@layer("{type_}")` in a Python file and load it with `--plugin FILE` (`netc help plugins`)'


def of_field(message: str, name: str) -> tuple[str, ...]:
    """The forks that have the field `name` of a message."""
    found = FIELDS.get(message, {}).get(name, ()) or WITHOUT_EFFECT.get(message, {}).get(name, ())
    if message == "LayerParameter" and not found:
        return tuple(dict.fromkeys(fork for row in TYPES.values() if row.param == name for fork in row.forks))
    return found


def no_effect(message: str, name: str) -> str:
    """A sentence on a field of a fork that never changes what a net computes; "" for other fields."""
    forks = WITHOUT_EFFECT.get(message, {}).get(name, ())
    return f"`{name}` of {named(forks)} has no effect on netc." if forks else ""


def rows() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(layer type or field, field of LayerParameter, forks) of all rows, for the list of `netc layers --forks`."""
    yield from ((type_, row.param, row.forks) for type_, row in sorted(TYPES.items()))
    for table in (FIELDS, WITHOUT_EFFECT):
        yield from ((f"{message}.{name}", "", forks) for message, fields in sorted(table.items()) for name, forks in fields.items())

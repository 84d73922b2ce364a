"""Names of layer types and fields in other frameworks, so that errors can suggest Caffe's name."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from netc.errors import Suggestion, near

PLAIN = 0.8  # similarity from which a similar name is assumed to be meant

# A type, and what else to write for the same result.
TYPES = {
    "Add": ("Eltwise", ""), "AveragePooling2D": ("Pooling", "{pool: AVE}"), "AvgPool": ("Pooling", "{pool: AVE}"),
    "AvgPool2d": ("Pooling", "{pool: AVE}"), "BCEWithLogitsLoss": ("SigmoidCrossEntropyLoss", ""), "BatchNorm1d": ("BatchNorm", ""),
    "BatchNorm2d": ("BatchNorm", ""), "BatchNormalization": ("BatchNorm", ""), "Concatenate": ("Concat", ""),
    "Conv": ("Convolution", ""), "Conv1d": ("Convolution", ""), "Conv2D": ("Convolution", ""), "Conv2DTranspose": ("Deconvolution", ""),
    "Conv2d": ("Convolution", ""), "ConvTranspose": ("Deconvolution", ""), "ConvTranspose2d": ("Deconvolution", ""),
    "CrossEntropy": ("SoftmaxWithLoss", ""), "CrossEntropyLoss": ("SoftmaxWithLoss", ""), "Dense": ("InnerProduct", ""),
    "Embedding": ("Embed", ""), "FC": ("InnerProduct", ""), "FullyConnected": ("InnerProduct", ""), "Gemm": ("InnerProduct", ""),
    "AdaptiveAvgPool2d": ("GlobalPooling", ""), "GlobalAveragePool": ("GlobalPooling", ""), "GlobalAveragePooling2D": ("GlobalPooling", ""),
    "CTC": ("CTCLoss", ""), "Dice": ("DiceLoss", ""), "IoU": ("MeanIoU", ""),
    "JaccardIndex": ("MeanIoU", ""), "WER": ("CharacterErrorRate", ""), "GlobalMaxPooling2D": ("GlobalPooling", "{pool: MAX}"),
    "PixelUnshuffle": ("PixelShuffle", "{inverse: true}"),
    "Resize": ("Upsample", ""), "SeparableConv2D": ("SeparableConvolution", ""), "SqueezeExcitation": ("SqueezeExcite", ""),
    "UpSampling2D": ("Upsample", ""), "LeakyReLU": ("ReLU", "{negative_slope: 0.01}"),
    "Linear": ("InnerProduct", ""), "LocalResponseNorm": ("LRN", ""), "MSE": ("EuclideanLoss", ""), "MSELoss": ("EuclideanLoss", ""),
    "MaxPool": ("Pooling", "{pool: MAX}"), "MaxPool2d": ("Pooling", "{pool: MAX}"), "MaxPooling": ("Pooling", "{pool: MAX}"),
    "MaxPooling2D": ("Pooling", "{pool: MAX}"), "Mul": ("Eltwise", "{operation: PROD}"),
    "GroupNormalization": ("GroupNorm", ""), "InstanceNorm1d": ("InstanceNorm", ""), "InstanceNorm2d": ("InstanceNorm", ""),
    "LayerNormalization": ("LayerNorm", ""), "MultiHeadAttention": ("Attention", ""), "MultiheadAttention": ("Attention", ""),
    "PositionalEncoding": ("Position", "{kind: SINUSOIDAL}"), "RMSNormalization": ("RMSNorm", ""), "Transpose": ("Permute", ""),
    "TransformerEncoderLayer": ("Transformer", "{norm_first: false, activation: RELU}"),
    "Huber": ("HuberLoss", ""), "PoissonNLLLoss": ("PoissonLoss", ""), "SmoothL1Loss": ("HuberLoss", ""), "L1Loss": ("QuantileLoss", ""),
}  # fmt: skip

FIELDS = {
    "bias": "bias_term", "bias_initializer": "bias_filler", "beta1": "momentum", "beta2": "momentum2", "clipnorm": "clip_gradients",
    "clipvalue": "clip_value", "dataset": "source", "ema_decay": "ema", "eta_min": "min_lr", "grad_clip": "clip_gradients",
    "dilation_rate": "dilation", "epochs": "max_epoch", "eps": "delta", "epsilon": "delta", "file": "source", "filters": "num_output",
    "groups": "group", "init": "weight_filler", "initializer": "weight_filler", "inputs": "bottom", "iterations": "max_iter",
    "kernel": "kernel_size", "kernel_initializer": "weight_filler", "learning_rate": "base_lr", "lr": "base_lr", "max_lr": "base_lr",
    "max_steps": "max_iter", "num_epochs": "max_epoch", "num_filters": "num_output", "optimizer": "type", "out_channels": "num_output",
    "out_features": "num_output", "outputs": "top", "padding": "pad", "path": "source", "T_0": "restart_iter", "T_mult": "restart_mult",
    "scheduler": "lr_policy", "seed": "random_seed", "units": "num_output",
    "dim_feedforward": "hidden", "is_causal": "causal", "nhead": "heads", "num_heads": "heads",
    "brightness": "color_jitter", "contrast": "color_jitter", "cutmix": "cutmix_alpha", "fill_mode": "pad_mode",
    "grayscale": "random_grayscale", "horizontal_flip": "mirror", "hue": "color_jitter", "mixup": "mixup_alpha", "num_workers": "workers",
    "padding_mode": "pad_mode", "random_crop": "crop_size", "random_horizontal_flip": "mirror", "random_rotation": "rotation",
    "random_vertical_flip": "vertical_flip", "saturation": "color_jitter",
}  # fmt: skip


def suggest_type(name: str, known: Iterable[str]) -> Suggestion:
    """Suggest a layer type for an unknown one."""
    synonym, fields = TYPES.get(name, ("", ""))
    if synonym:
        return Suggestion(synonym=synonym, meant=synonym, detail=f", with {fields}" if fields else "")
    return _similar(name, known)


def suggest_field(name: str, known: Iterable[str]) -> Suggestion:
    """Suggest a field for an unknown one."""
    known = list(known)
    synonym = FIELDS.get(name)
    return Suggestion(synonym=synonym, meant=synonym) if synonym in known else _similar(name, known)


def _similar(name: str, known: Iterable[str]) -> Suggestion:
    """The known names that are similar to `name`. `meant` is set if exactly one is similar enough to be assumed."""
    found = near(name, known)
    return replace(found, meant=_only(name, found.near))


def _only(name: str, names: Sequence[str]) -> str:
    """The only name, if it is similar enough to be assumed; else ""."""
    alike = len(names) == 1 and SequenceMatcher(None, name.lower(), names[0].lower()).ratio() >= PLAIN
    return names[0] if alike else ""

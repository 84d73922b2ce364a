"""Names of layer types and fields in other frameworks, so that errors can suggest Caffe's name."""

from collections.abc import Collection, Iterable
from difflib import SequenceMatcher

from netc.errors import close, near

PLAIN = 0.8  # the share of letters from which a near name is taken for what is meant

# A type, and what else to write for the same.
TYPES = {
    "Add": ("Eltwise", ""), "AveragePooling2D": ("Pooling", "{pool: AVE}"), "AvgPool": ("Pooling", "{pool: AVE}"),
    "AvgPool2d": ("Pooling", "{pool: AVE}"), "BCEWithLogitsLoss": ("SigmoidCrossEntropyLoss", ""), "BatchNorm1d": ("BatchNorm", ""),
    "BatchNorm2d": ("BatchNorm", ""), "BatchNormalization": ("BatchNorm", ""), "Concatenate": ("Concat", ""),
    "Conv": ("Convolution", ""), "Conv1d": ("Convolution", ""), "Conv2D": ("Convolution", ""), "Conv2DTranspose": ("Deconvolution", ""),
    "Conv2d": ("Convolution", ""), "ConvTranspose": ("Deconvolution", ""), "ConvTranspose2d": ("Deconvolution", ""),
    "CrossEntropy": ("SoftmaxWithLoss", ""), "CrossEntropyLoss": ("SoftmaxWithLoss", ""), "Dense": ("InnerProduct", ""),
    "Embedding": ("Embed", ""), "FC": ("InnerProduct", ""), "FullyConnected": ("InnerProduct", ""), "Gemm": ("InnerProduct", ""),
    "GlobalAveragePooling2D": ("Pooling", "{pool: AVE, global_pooling: true}"), "LeakyReLU": ("ReLU", "{negative_slope: 0.01}"),
    "Linear": ("InnerProduct", ""), "LocalResponseNorm": ("LRN", ""), "MSE": ("EuclideanLoss", ""), "MSELoss": ("EuclideanLoss", ""),
    "MaxPool": ("Pooling", "{pool: MAX}"), "MaxPool2d": ("Pooling", "{pool: MAX}"), "MaxPooling": ("Pooling", "{pool: MAX}"),
    "MaxPooling2D": ("Pooling", "{pool: MAX}"), "Mul": ("Eltwise", "{operation: PROD}"), "SiLU": ("Swish", ""),
}  # fmt: skip

FIELDS = {
    "bias": "bias_term", "bias_initializer": "bias_filler", "beta1": "momentum", "beta2": "momentum2", "dataset": "source",
    "dilation_rate": "dilation", "epochs": "max_epoch", "eps": "delta", "epsilon": "delta", "file": "source", "filters": "num_output",
    "groups": "group", "init": "weight_filler", "initializer": "weight_filler", "inputs": "bottom", "iterations": "max_iter",
    "kernel": "kernel_size", "kernel_initializer": "weight_filler", "learning_rate": "base_lr", "lr": "base_lr", "max_steps": "max_iter",
    "num_epochs": "max_epoch", "num_filters": "num_output", "optimizer": "type", "out_channels": "num_output",
    "out_features": "num_output", "outputs": "top", "padding": "pad", "path": "source", "scheduler": "lr_policy", "seed": "random_seed",
    "units": "num_output",
}  # fmt: skip


def type_hint(name: str, known: Collection[str]) -> tuple[str, str]:
    """The end of a sentence about an unknown layer type, and the type that must be meant; "" where that is not plain."""
    meant, fields = TYPES.get(name, ("", ""))
    if meant:
        return f"here that is {meant!r}{f', with {fields}' if fields else ''}", meant
    return near(name, known), _only(name, close(name, known))


def field_hint(name: str, known: Iterable[str]) -> tuple[str, str]:
    """The end of a sentence about an unknown field, and the field that must be meant; "" where that is not plain."""
    known = list(known)
    if FIELDS.get(name) in known:
        return f"here it is called {FIELDS[name]!r}", FIELDS[name]
    return near(name, known), _only(name, close(name, known))


def _only(name: str, names: list[str]) -> str:
    """The one of the near names, if it is so near that nothing else can be meant."""
    alike = len(names) == 1 and SequenceMatcher(None, name.lower(), names[0].lower()).ratio() >= PLAIN
    return names[0] if alike else ""

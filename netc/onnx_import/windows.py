"""Convolution and pooling: automatic padding becomes pads in numbers."""

from collections.abc import Sequence
from typing import Any

from netc.errors import ShapeError
from netc.onnx_import.table import Call, Result, becomes


@becomes("Conv", "MaxPool", "AveragePool", "LpPool")
def window(call: Call) -> Result:
    """The op with its pads."""
    if "auto_pad" not in call.attrs:
        return None
    kernel, strides, dilations = _window(call)
    if call.attrs["auto_pad"] in ("NOTSET", "VALID"):
        return _with(call, kernel)
    totals = [
        max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n) for n, k, s, d in zip(_sizes(call), kernel, strides, dilations, strict=True)
    ]
    return _with(call, kernel, pads=_shared(call, totals, "SAME_UPPER"))


@becomes("ConvTranspose")
def conv_transpose(call: Call) -> Result:
    """The op with its pads, also if the file states the size of the output instead."""
    mode, wanted = call.attrs.get("auto_pad", "NOTSET"), call.attrs.get("output_shape")
    if wanted is None and mode in ("NOTSET", "VALID"):
        return None if "auto_pad" not in call.attrs else _with(call, _window(call)[0])
    kernel, strides, dilations = _window(call)
    extra = call.attrs.get("output_padding", [0] * len(kernel))
    sizes = _sizes(call)
    ends = list(wanted)[-len(kernel) :] if wanted is not None else [n * s for n, s in zip(sizes, strides, strict=True)]
    whole = [s * (n - 1) + e + (k - 1) * d + 1 for n, k, s, d, e in zip(sizes, kernel, strides, dilations, extra, strict=True)]
    totals = [w - end for w, end in zip(whole, ends, strict=True)]
    extra = [e + max(0, -t) for e, t in zip(extra, totals, strict=True)]
    pads = _shared(call, [max(0, t) for t in totals], "SAME_UPPER")
    return _with(call, kernel, pads=pads, output_padding=extra)


def _window(call: Call) -> tuple[list[int], list[int], list[int]]:
    rank = call.x.rank - 2
    kernel = call.attrs.get("kernel_shape")
    kernel = [int(d) for d in call.need(1).shape[2:]] if kernel is None else list(kernel)
    return kernel, list(call.attrs.get("strides", [1] * rank)), list(call.attrs.get("dilations", [1] * rank))


def _sizes(call: Call) -> list[int]:
    sizes = call.x.shape[2:]
    if any(isinstance(d, str) for d in sizes):
        raise ShapeError("Its padding depends on a size that is known only in a run.")
    return [int(d) for d in sizes]


def _shared(call: Call, totals: Sequence[int], more_at_end: str) -> list[int]:
    """The padding before and after each axis. An odd one has more at its end in the mode `more_at_end`, else at its start."""
    smaller, larger = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return smaller + larger if call.attrs.get("auto_pad") == more_at_end else larger + smaller


def _with(call: Call, kernel: list[int], **changes: Any) -> Result:
    attrs = {k: v for k, v in call.attrs.items() if k not in ("auto_pad", "output_shape")}
    return call.same({**attrs, "kernel_shape": kernel, **changes})

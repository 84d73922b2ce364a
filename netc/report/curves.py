"""A PNG with the curves of a run: training loss and test scores. Needs matplotlib (the extra `plot`)."""

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from netc.training.evaluate import singles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves_png(lines: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Draw the lines of a log as a PNG. Returns None if matplotlib is not installed or there is nothing to draw."""
    steps = [line for line in lines if line["event"] == "train"]
    kind = "validation" if any(line["event"] == "validation" for line in lines) else "test"
    tests = [line for line in lines if line["event"] == kind]
    if find_spec("matplotlib") is None or not steps:
        return None
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = sorted({name for line in tests for name in singles(line)} - {"event", "iteration"})
    metrics = [name for name in names if "loss" not in name]
    figure = Figure(figsize=(8 if metrics else 4, 4), layout="constrained")
    axes = figure.subplots(1, 2 if metrics else 1, squeeze=False)[0]
    axes[0].plot([s["iteration"] for s in steps], [s["loss"] for s in steps], label="training loss", linewidth=1)
    for name in names:
        axes[-1 if name in metrics else 0].plot(
            [t["iteration"] for t in tests], [t[name] for t in tests], marker=".", label=f"{kind} {name}"
        )
    for each in axes:
        each.set_xlabel("iteration")
        each.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        each.grid(alpha=0.3)
        each.legend()
    if all(np.min(line.get_ydata()) > 0 for line in axes[0].lines):
        axes[0].set_yscale("log")
    return _small_png(figure)


def _small_png(figure: "Figure") -> bytes:
    """A PNG with at most 256 colours, which halves its size."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn)
    Image.open(drawn, formats=("PNG",)).convert("RGB").quantize(256).save(small, "PNG", optimize=True)
    return small.getvalue()
